// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/exit_code.h"

#include <cerrno>
#include <iostream>

namespace sysmem::ctl {

ExitCode ExitCodeOf(const Failure& failure) {
  switch (failure.status) {
    case Status::kUnreachable:
      return failure.system_errno == EACCES ? kDenied : kUnreachable;
    case Status::kDisconnected:
      return failure.system_errno == EDQUOT ? kDenied : kUnreachable;
    case Status::kTimeout:
      return kUnreachable;
    case Status::kInvalidArgument:
      return kUsage;
    default:
      break;
  }
  switch (failure.error) {
    case Error::kNotFound:
      return kNotFound;
    case Error::kConstraintsIntersectionEmpty:
    case Error::kTooManyGroupChildCombinations:
      return kUnsatisfiable;
    case Error::kHandleAccessDenied:
    case Error::kNoMemory:
      return kDenied;
    default:
      return kFailed;
  }
}

ExitCode Complain(const Failure& failure) {
  std::cerr << "sysmemctl: " << failure.ToString() << "\n";
  return ExitCodeOf(failure);
}

}  // namespace sysmem::ctl
