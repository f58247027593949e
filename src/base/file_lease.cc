// SPDX-License-Identifier: Apache-2.0
#include "base/file_lease.h"

namespace sysmem::base {

bool IsOnlyDescription(BorrowedFd fd) {
  if (::fcntl(fd.get(), F_SETLEASE, F_WRLCK) != 0) return false;
  // Cannot fail: the lease is there, or was broken, which leaves it to be given back as well.
  ::fcntl(fd.get(), F_SETLEASE, F_UNLCK);
  return true;
}

}  // namespace sysmem::base
