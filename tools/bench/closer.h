// SPDX-License-Identifier: Apache-2.0
//
// How long after the last holder of something has closed it another process hears of it: of a pipe,
// which is the floor, and of a buffer, with the daemon between.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <sysmem/sysmem.hpp>
#include <utility>

#include "tools/demo/frame_link.h"

namespace sysmem::bench {

// A process that closes what it is sent, and notes when.
class Closer {
 public:
  // Before the library has started threads.
  static Result<std::unique_ptr<Closer>> Start();

  // Sends it there, closes it here, and waits until `end` hangs up. How long after the close that
  // was, in nanoseconds.
  Result<int64_t> TimeToEnd(UniqueFd held, int end);

 private:
  Closer(UniqueFd socket, std::atomic<int64_t>& closed_at_ns)
      : link_(std::move(socket), "the closing process"), closed_at_ns_(closed_at_ns) {}

  static void Close(demo::FrameLink link, std::atomic<int64_t>& closed_at_ns);

  demo::FrameLink link_;
  std::atomic<int64_t>& closed_at_ns_;
};

// The write end of a pipe is closed, the read end hangs up.
Result<int64_t> TimePipe(Closer& closer);
// A buffer is closed by its last holder, the end of its lifetime tracking hangs up.
Result<int64_t> TimeBuffer(Client& client, Closer& closer);

}  // namespace sysmem::bench
