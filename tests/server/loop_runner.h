// SPDX-License-Identifier: Apache-2.0
//
// An event loop on the test's own thread: runs until something has happened, and fails the test
// when it does not. Nothing sleeps; what the test waits for ends the wait.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "server/event_loop.h"

namespace sysmem::server {

class LoopRunner {
 public:
  LoopRunner() : loop_(std::move(EventLoop::Create()).value()) {}

  EventLoop& loop() { return *loop_; }

  // Runs the loop until `done`, asked after each thing that happened, says so.
  void RunUntil(const std::function<bool()>& done) {
    bool patience_ended = false;
    const EventLoop::TimerId patience =
        loop_->RunAt(EventLoop::NowNs() + kPatienceNs, [&] { patience_ended = true; });
    while (!done() && !patience_ended) RunOnce();
    loop_->CancelTimer(patience);
    EXPECT_FALSE(patience_ended) << "what the test waits for did not happen";
  }

  // Lets the loop look at what is there by now, at least once.
  void RunRounds(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      loop_->Post([this] { loop_->Stop(); });
      loop_->Run();
    }
  }

 private:
  static constexpr int64_t kPatienceNs = 20'000'000'000;

  // Waits a millisecond at most for events; what runs on other threads gives no sign to the loop.
  void RunOnce() {
    const EventLoop::TimerId timer =
        loop_->RunAt(EventLoop::NowNs() + 1'000'000, [this] { loop_->Stop(); });
    loop_->Run();
    loop_->CancelTimer(timer);
  }

  const std::unique_ptr<EventLoop> loop_;
};

}  // namespace sysmem::server
