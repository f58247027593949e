// SPDX-License-Identifier: Apache-2.0
//
// How long inspection keeps collections busy: measured, since it is promised.
//
//   { const Holds::Measure measure(engine.inspection_holds); ...a slice... }
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "server/event_loop.h"

namespace sysmem::server {

class Holds {
 public:
  class Measure {
   public:
    explicit Measure(Holds& holds) : holds_(holds) {}
    ~Measure() { holds_.Add(EventLoop::NowNs() - began_ns_); }
    Measure(const Measure&) = delete;
    Measure& operator=(const Measure&) = delete;

   private:
    Holds& holds_;
    const int64_t began_ns_ = EventLoop::NowNs();
  };

  uint64_t count() const { return count_; }
  uint64_t longest_ns() const { return longest_ns_; }

 private:
  void Add(int64_t ns) {
    ++count_;
    const auto length = static_cast<uint64_t>(ns);
    uint64_t longest = longest_ns_;
    while (length > longest && !longest_ns_.compare_exchange_weak(longest, length)) {
    }
  }

  std::atomic<uint64_t> count_ = 0;
  std::atomic<uint64_t> longest_ns_ = 0;
};

}  // namespace sysmem::server
