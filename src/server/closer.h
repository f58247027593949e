// SPDX-License-Identifier: Apache-2.0
//
// Closes descriptors that came from clients, on a thread of its own.
//
// close() runs whatever the file behind a foreign descriptor wants: a lingering TCP socket was seen
// to block for 4.2 s, a file of a FUSE mount blocks as long as its server pleases. So nobody who
// holds a lock, serves a call or runs the event loop closes such a descriptor; they hand it here.
//
// A close that blocks holds up those behind it for a tenth of a second; then another thread takes
// over, up to kMaxThreads. The caller bounds how many it has waiting (`closed` counts them down),
// so a client can only fill its own share.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/unique_fd.h"
#include "server/worker.h"

namespace sysmem::server {

class Closer {
 public:
  static constexpr uint32_t kMaxThreads = 8;

  Closer();

  // Closes `fd` soon; then calls `closed`, if given, on the closer's thread. After Stop it is
  // closed on the spot.
  void Close(base::UniqueFd fd, std::function<void()> closed = nullptr);
  void Close(std::vector<base::UniqueFd> fds);

  // Closes a connected socket soon, after taking out what its peer has sent and nobody has read:
  // descriptors in there would be closed with the socket, and a socket closed with unread data
  // resets, so that the peer may miss what was sent to it last. They never enter our own table.
  void CloseConnection(base::UniqueFd socket);

  // Waits until all is closed, at most until `deadline_ns` (CLOCK_MONOTONIC). True when it is.
  bool Stop(int64_t deadline_ns);

 private:
  Worker worker_;
};

}  // namespace sysmem::server
