// SPDX-License-Identifier: Apache-2.0
//
// From errno to absl::Status, with what was being done.
//
//   if (::listen(fd.get(), backlog) != 0) {
//     return ErrnoStatus(errno, absl::StrCat("listen on ", path));
//   }
//
// gives "listen on /run/x: Address already in use [EADDRINUSE]" with the code that fits the errno
// (absl/status/status.h lists them: EACCES -> PermissionDenied, EMFILE -> ResourceExhausted, ...).
// Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sysmem::base {

// "Address already in use [EADDRINUSE]"; "error 4711" for a number the C library does not know.
std::string ErrnoText(int error);

// REQUIRES: error != 0.
absl::Status ErrnoStatus(int error, std::string_view what_was_being_done);

}  // namespace sysmem::base
