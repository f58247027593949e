// SPDX-License-Identifier: Apache-2.0
//
// How sysmemctl ends, for scripts. Documented in sysmemctl(1); numbers never change.
#pragma once

#include <sysmem/sysmem.hpp>

namespace sysmem::ctl {

enum ExitCode : int {
  kOk = 0,
  kFailed = 1,         // the operation failed
  kUsage = 2,          // the command line cannot be understood
  kUnreachable = 3,    // no daemon listens, or it went away
  kNotFound = 4,       // nothing by that id, or nothing this user may see
  kUnsatisfiable = 5,  // the constraints cannot be met together
  kDenied = 6,         // permission or a quota
};

ExitCode ExitCodeOf(const Failure& failure);

// Says on standard error what went wrong; with which code sysmemctl ends by that.
ExitCode Complain(const Failure& failure);

}  // namespace sysmem::ctl
