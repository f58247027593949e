// SPDX-License-Identifier: Apache-2.0
#include "base/unique_fd.h"

#include <cerrno>

namespace sysmem::base {

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd < 0 ? kNone : fd);
  if (old == kNone || old == fd_) return;
  // Not tried again after EINTR: Linux has freed the number by then, and another thread may
  // already have been given it.
  const int saved_errno = errno;
  ::close(old);
  errno = saved_errno;
}

}  // namespace sysmem::base
