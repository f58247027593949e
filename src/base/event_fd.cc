// SPDX-License-Identifier: Apache-2.0
#include "base/event_fd.h"

#include <sys/eventfd.h>

#include <cerrno>

#include "base/errno_status.h"

namespace sysmem::base {

absl::StatusOr<EventFd> EventFd::Create() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return ErrnoStatus(errno, "make an eventfd");
  return EventFd(std::move(fd));
}

void EventFd::Signal() const {
  // Fails only with EAGAIN, when 2^64 - 2 signals wait already: readable it is then, too.
  while (::eventfd_write(fd_.get(), 1) != 0 && errno == EINTR) {
  }
}

bool EventFd::Drain() const {
  eventfd_t signals = 0;
  while (::eventfd_read(fd_.get(), &signals) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

}  // namespace sysmem::base
