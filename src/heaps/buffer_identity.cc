// SPDX-License-Identifier: Apache-2.0
#include "heaps/buffer_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "base/errno_status.h"

namespace sysmem::heaps {

absl::StatusOr<BufferIdentity> IdentityOf(base::BorrowedFd fd) {
  struct statx status {};
  if (::statx(fd.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0) {
    return base::ErrnoStatus(errno, "look at the memory of a buffer");
  }
  BufferIdentity identity{.device = ::makedev(status.stx_dev_major, status.stx_dev_minor),
                          .inode = status.stx_ino};
  if ((status.stx_mask & STATX_BTIME) != 0) {
    identity.born_ns = status.stx_btime.tv_sec * 1'000'000'000 + status.stx_btime.tv_nsec;
  }
  return identity;
}

}  // namespace sysmem::heaps
