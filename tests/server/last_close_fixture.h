// SPDX-License-Identifier: Apache-2.0
//
// Real buffers, the real kernel's announcements, the loop on the test's own thread: what is to
// happen is waited for; that nothing happens is seen after the loop has looked at all there is. An
// hour stands for "never in this test".
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "heaps/memfd_heap.h"
#include "server/last_close.h"
#include "tests/server/loop_runner.h"

namespace sysmem::server {

inline constexpr uint64_t kPage = 4096;
inline constexpr int64_t kHourNs = 3'600'000'000'000;

class LastCloseTest : public ::testing::Test {
 protected:
  LastCloseTest() { ::signal(SIGIO, SIG_IGN); }

  LastClose& Make(LastCloseOptions options = {}) {
    last_close_ = std::move(LastClose::Create(runner_.loop(), std::move(options))).value();
    return *last_close_;
  }
  // Rounds of which only the first probe is asked in this test.
  LastClose& MakeWithoutRetries() { return Make({.retry_delays_ns = {kHourNs}}); }

  std::shared_ptr<const heaps::Buffer> Allocate() {
    return *heap_.Allocate({.size_bytes = kPage, .name = "test:0"});
  }
  static base::UniqueFd HandOut(const heaps::Buffer& buffer) {
    return std::move(buffer.HandOut(heaps::Access::kReadWrite).value().fd);
  }
  // A description of it comes and goes.
  static void Touch(const heaps::Buffer& buffer) { HandOut(buffer); }

  // All that is announced by now has been handled.
  void Settle() { runner_.RunRounds(20); }

  LoopRunner runner_;
  heaps::ReservationGate gate_;
  heaps::MemfdHeap heap_{gate_};
  std::unique_ptr<LastClose> last_close_;
};

}  // namespace sysmem::server
