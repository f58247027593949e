// SPDX-License-Identifier: Apache-2.0
//
// Memory that another process made, as far as the daemon can make it its own.
//
//   absl::StatusOr<FreshMemfd> taken = TakeForeignMemfd(fd, 4096);
//
// Thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/memfd_maker.h"

namespace sysmem::heaps {

// A description of our own of the memfd `fd`, after seeing to it that the file stays as it is: of
// exactly `size_bytes`, sealed against resizing and further sealing, mode 0600. It may be hollow,
// and its maker may hold on to it. Errors: InvalidArgument if it is of another size, or sealed
// against writing; PermissionDenied if its owner is neither root's nor our own uid.
absl::StatusOr<FreshMemfd> TakeForeignMemfd(base::BorrowedFd fd, uint64_t size_bytes);

}  // namespace sysmem::heaps
