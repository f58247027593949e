// SPDX-License-Identifier: Apache-2.0
//
// Runs from the moment it is made.
#pragma once

#include <chrono>
#include <cstdint>

namespace sysmem::bench {

class Stopwatch {
 public:
  int64_t ns() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() -
                                                                start_)
        .count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace sysmem::bench
