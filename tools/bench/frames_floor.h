// SPDX-License-Identifier: Apache-2.0
//
// The floor of allocating a set of frames: what two processes without any RPC need for it.
//
// A server process answers one byte with one message of five descriptors, each of a sealed memfd of
// zeroes and an open file description of its own, as sysmemd promises them. Cold, it makes them
// when it is asked; warm, it has the memfds and only opens them anew.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "tools/demo/sentence.h"

namespace sysmem::bench {

inline constexpr uint32_t kFrames = 5;
inline constexpr uint64_t kFrameBytes = 760 * 4096;  // 1920 x 1080 in NV12, in whole pages

class FramesFloor {
 public:
  // Forks: before the process has threads.
  static Result<std::unique_ptr<FramesFloor>> Start();
  ~FramesFloor();
  FramesFloor(const FramesFloor&) = delete;
  FramesFloor& operator=(const FramesFloor&) = delete;

  // Nanoseconds from asking until the descriptors are here, `count` times.
  Result<std::vector<int64_t>> MeasureCold(unsigned count);
  Result<std::vector<int64_t>> MeasureWarm(unsigned count);
  // Nothing but a byte there and one back: the floor of any round trip.
  Result<std::vector<int64_t>> MeasureEmpty(unsigned count);

 private:
  FramesFloor(UniqueFd socket, pid_t server) : socket_(std::move(socket)), server_(server) {}
  Result<std::vector<int64_t>> Measure(bool warm, unsigned count);

  UniqueFd socket_;
  pid_t server_;
};

}  // namespace sysmem::bench
