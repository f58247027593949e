// SPDX-License-Identifier: Apache-2.0
//
// Descriptors that a client sent, until a call names them.
//
// They travel on the handle channel before the call that names them, so nobody waits for them:
// whoever meets a number he does not know drains the channel up to it, without blocking. What
// arrives is judged by its kind at once (Unix socket, pipe, memfd, dma-buf; nothing else) and
// closed by the closer thread, because closing somebody else's descriptor can block.
//
// Not thread-safe: only the session's turn touches it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/descriptor_kind.h"
#include "base/unique_fd.h"
#include "server/closer.h"
#include "server/request.h"
#include "server/session_end.h"

namespace sysmem::server {

// A client's descriptor, claimed by a call. The closer closes it, when its owner lets go.
class ForeignFd {
 public:
  ForeignFd(base::UniqueFd fd, base::DescriptorKind kind, Closer& closer)
      : fd_(std::move(fd)), kind_(kind), closer_(&closer) {}
  ForeignFd(ForeignFd&&) = default;
  ForeignFd& operator=(ForeignFd&&) = delete;
  ~ForeignFd() {
    if (fd_) closer_->Close(std::move(fd_));
  }

  // Closes it on the spot, so that whatever it holds has ended when this returns. REQUIRES: a
  // buffer that the daemon has open itself: its close neither waits for anybody nor frees anything.
  void CloseHere() { fd_.reset(); }

  const base::UniqueFd& fd() const { return fd_; }
  base::DescriptorKind kind() const { return kind_; }

 private:
  base::UniqueFd fd_;
  base::DescriptorKind kind_;
  Closer* closer_;
};

class IncomingDescriptors {
 public:
  IncomingDescriptors(std::shared_ptr<base::UniqueFd> channel, Closer& closer, size_t max_waiting);

  // The descriptor with this number. Nothing if it was never sent or was claimed before. `end` is
  // set when what came on the channel is a reason to end the session.
  std::optional<ForeignFd> Claim(DescriptorNumber number, std::optional<SessionEnd>& end);

 private:
  std::optional<SessionEnd> DrainUpTo(DescriptorNumber number);

  const std::shared_ptr<base::UniqueFd> channel_;
  Closer& closer_;
  const size_t max_waiting_;
  DescriptorNumber last_ = 0;
  std::map<DescriptorNumber, ForeignFd> waiting_;
};

}  // namespace sysmem::server
