// SPDX-License-Identifier: Apache-2.0
//
// The two threads a connection may start. Both block all signals; neither runs program code.
//
// RepliesThread ("sysmem-replies") takes in replies that no thread of the program is sure to fetch:
// those of asynchronous waits, and of calls without result once the program lives in an event loop.
// It reads the handle channel while it waits for them, as the program may not. It gives abandoned
// calls their end, and keeps the deadlines of asynchronous waits. It sleeps on a condition variable
// when there is nothing of the kind.
//
// EventsThread ("sysmem-events") reads the handle channel as soon as there is something to read,
// for programs that wait on an eventfd instead of calling dispatch.
//
// Thread-safe. Both must be stopped before they are destroyed.
#pragma once

#include <grpcpp/completion_queue.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"

namespace sysmem::client {

class Connection;

// How often whoever waits for an answer reads the handle channel. What is not read there for five
// seconds while the answer waits behind it ends the session.
inline constexpr int64_t kTakeInNs = 1'000'000'000;

class RepliesThread {
 public:
  explicit RepliesThread(Connection& connection) : connection_(connection) {}

  // Whether the caller runs on such a thread, which must not wait for replies.
  static bool IsThisThread();

  // The queue this thread polls. Expect() goes before each call that is started on it.
  grpc::CompletionQueue* queue() { return &queue_; }
  void Expect();
  // Polls another queue as well, now and then, until `done`: for calls whose callers gave up.
  void Adopt(std::shared_ptr<grpc::CompletionQueue> queue, std::function<bool()> done);
  // Runs `expired` on this thread once the deadline (CLOCK_MONOTONIC) has passed.
  void AddTimer(int64_t deadline_ns, std::function<void()> expired);
  // Ends the thread; timers no longer run. Idempotent.
  void Stop();
  // After Stop, when no call can be answered any more: empties all queues.
  void Drain();

 private:
  struct Adopted {
    std::shared_ptr<grpc::CompletionQueue> queue;
    std::function<bool()> done;
  };

  void WakeLocked();
  void Run();
  void RunExpired(std::unique_lock<std::mutex>& lock);
  void PollOnce(std::unique_lock<std::mutex>& lock);
  void PollAdopted(std::unique_lock<std::mutex>& lock);
  int64_t WakeTimeLocked() const;

  Connection& connection_;
  grpc::CompletionQueue queue_;
  std::mutex mutex_;
  std::condition_variable work_;
  size_t expected_ = 0;
  bool polling_ = false;  // inside queue_: only an alarm makes it look up
  bool stopping_ = false;
  std::vector<Adopted> adopted_;
  std::multimap<int64_t, std::function<void()>> timers_;
  std::thread thread_;
};

class EventsThread {
 public:
  explicit EventsThread(Connection& connection) : connection_(connection) {}

  absl::Status Start();  // idempotent
  void Stop();           // idempotent

 private:
  void Run();

  Connection& connection_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::optional<base::EventFd> stop_;
  std::thread thread_;
};

// Empties a queue whose calls can all come out, and shuts it down: it may then be destroyed.
void DrainQueue(Connection& connection, grpc::CompletionQueue& queue);

}  // namespace sysmem::client
