// SPDX-License-Identifier: Apache-2.0
//
// What the memory of a buffer is known by.
//
// The same through each of its descriptors, in every process, and never again another buffer's:
// inode numbers of memfds come round after 2^32 of them, but no clock stands still that long. Where
// the kernel does not tell when a file was made (dma-bufs, Linux before 5.18) `born_ns` is 0, and
// the identity holds only as long as somebody keeps the memory.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::heaps {

struct BufferIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  int64_t born_ns = 0;                                      // wall clock; 0 = unknown
  auto operator<=>(const BufferIdentity&) const = default;  // NOLINT(modernize-use-nullptr)
};

// REQUIRES: a memfd or a dma-buf, whose kernel objects answer by themselves (descriptor_kind.h).
absl::StatusOr<BufferIdentity> IdentityOf(base::BorrowedFd fd);

}  // namespace sysmem::heaps
