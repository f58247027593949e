// SPDX-License-Identifier: Apache-2.0
//
// Time as this library counts it: nanoseconds of CLOCK_MONOTONIC; INT64_MAX is never.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace sysmem::client {

inline int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline int64_t DeadlineAfter(int64_t nanoseconds) {
  int64_t deadline = 0;
  return __builtin_add_overflow(NowNs(), nanoseconds, &deadline) ? INT64_MAX : deadline;
}

// How long until `deadline_ns`, for poll(): rounded up, -1 for never, 0 when it has passed.
inline int PollTimeout(int64_t deadline_ns) {
  if (deadline_ns == INT64_MAX) return -1;
  const int64_t left = deadline_ns - NowNs();
  if (left <= 0) return 0;
  const int64_t milliseconds = (left - 1) / 1'000'000 + 1;
  return milliseconds > INT32_MAX ? INT32_MAX : static_cast<int>(milliseconds);
}

// The same point in time for std::condition_variable::wait_until. REQUIRES: not never.
inline std::chrono::steady_clock::time_point TimePoint(int64_t deadline_ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline_ns));
}

}  // namespace sysmem::client
