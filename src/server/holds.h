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
#include <ctime>

#include "server/event_loop.h"

namespace sysmem::server {

class Holds {
 public:
  static constexpr int64_t kLongNs = 1'000'000;  // what is promised

  class Measure {
   public:
    explicit Measure(Holds& holds) : holds_(holds) {}
    ~Measure() { holds_.Add(EventLoop::NowNs() - began_ns_, WorkNs() - work_began_ns_); }
    Measure(const Measure&) = delete;
    Measure& operator=(const Measure&) = delete;

   private:
    Holds& holds_;
    const int64_t work_began_ns_ = WorkNs();
    const int64_t began_ns_ = EventLoop::NowNs();
  };

  uint64_t count() const { return count_; }
  // Of these, how many lasted longer than kLongNs.
  uint64_t long_ones() const { return long_ones_; }
  uint64_t longest_ns() const { return longest_ns_; }
  // The most processor time that one has taken. What `longest_ns` is longer, the thread was kept
  // waiting for a processor.
  uint64_t most_work_ns() const { return most_work_ns_; }

 private:
  // The calling thread's processor time.
  static int64_t WorkNs() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  void Add(int64_t ns, int64_t work_ns) {
    ++count_;
    if (ns > kLongNs) ++long_ones_;
    Raise(longest_ns_, static_cast<uint64_t>(ns));
    Raise(most_work_ns_, static_cast<uint64_t>(work_ns));
  }
  static void Raise(std::atomic<uint64_t>& highest, uint64_t value) {
    uint64_t known = highest;
    while (value > known && !highest.compare_exchange_weak(known, value)) {
    }
  }

  std::atomic<uint64_t> count_ = 0;
  std::atomic<uint64_t> long_ones_ = 0;
  std::atomic<uint64_t> longest_ns_ = 0;
  std::atomic<uint64_t> most_work_ns_ = 0;
};

}  // namespace sysmem::server
