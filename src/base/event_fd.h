// SPDX-License-Identifier: Apache-2.0
//
// An eventfd: wakes a poll loop from any thread. Signals add up until somebody drains them, so a
// wake-up cannot be lost, and signalling never blocks.
//
// Thread-safe.
#pragma once

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::base {

class EventFd {
 public:
  // Close-on-exec, non-blocking, not signalled.
  static absl::StatusOr<EventFd> Create();

  // Makes fd() readable.
  void Signal() const;
  // Makes fd() unreadable; true when it was readable.
  bool Drain() const;

  BorrowedFd fd() const { return fd_; }

 private:
  explicit EventFd(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace sysmem::base
