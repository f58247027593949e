// SPDX-License-Identifier: Apache-2.0
//
// A new open file description of a file that is already open.
//
// dup() and SCM_RIGHTS share one open file description: its access mode, offset, OFD locks and its
// end are everybody's. Opening /proc/self/fd/N makes another one, with its own access mode, as far
// as the file's permission bits allow this process.
//
// Thread-safe. Needs /proc.
#pragma once

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::base {

// `access_mode`: O_RDONLY, O_WRONLY or O_RDWR. The new descriptor is close-on-exec.
// Errors: PermissionDenied when the file's mode forbids it; InvalidArgument or NotFound for a
// descriptor that cannot be reopened (a socket, a dma-buf) or is not open; FailedPrecondition, with
// advice, when /proc is not mounted.
absl::StatusOr<UniqueFd> Reopen(BorrowedFd fd, int access_mode);

}  // namespace sysmem::base
