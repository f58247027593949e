// SPDX-License-Identifier: Apache-2.0
//
// Threads for work that may take long or block: large allocations, dear negotiations, closing
// foreign descriptors.
//
//   Worker worker({.name = "sysmemd-alloc"});
//   worker.Run([self = shared_from_this()] { self->Allocate(); });
//   ...
//   worker.Stop(EventLoop::NowNs() + 2'000'000'000);
//
// Jobs of one owner start in the order in which they were given; owners who have jobs waiting take
// turns. A job keeps alive by itself whatever it uses:
// one that is still stuck when the patience of Stop ends goes on without its worker.
//
// All signals are blocked in the threads. Thread-safe, but for Stop and the destructor, which one
// thread calls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace sysmem::server {

struct WorkerOptions {
  std::string name;          // of the threads, as ps and a debugger show it; 15 bytes at most
  uint32_t threads = 2;      // running from the start
  uint32_t max_threads = 2;  // as many after stalls
  // When a job is given while every thread is busy, and one of them has been with the same job for
  // this long, a thread is added: a job that never returns then stops nobody else.
  int64_t stall_ns = 100'000'000;
  // Of one owner, so many run at a time.
  uint32_t jobs_per_owner = UINT32_MAX;
  // Added to the threads' nice value: work that others should not notice.
  int nice = 0;
};

class Worker {
 public:
  using Job = std::function<void()>;
  using Owner = uint64_t;  // whoever has a claim to his share, for example a uid

  // REQUIRES: options.threads >= 1. A system without a thread to give leaves fewer: see threads().
  explicit Worker(WorkerOptions options);
  // As Stop with a patience of five seconds.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Threads running now. Zero right after construction: the daemon cannot work.
  uint32_t threads() const;

  // Runs `job` on a thread of the worker, soon. False, without running it, after Stop.
  bool Run(Job job) { return Run(0, std::move(job)); }
  bool Run(Owner owner, Job job);

  // Waits until every job given so far is done. False when `deadline_ns` (CLOCK_MONOTONIC) passed
  // before.
  bool Drain(int64_t deadline_ns);

  // Takes no more jobs, finishes those given, ends the threads. When that is not done by
  // `deadline_ns`, jobs not begun will not be, those under way are left to themselves, and the
  // answer is false.
  bool Stop(int64_t deadline_ns);

 private:
  struct State;
  static void AddThread(const std::shared_ptr<State>& state);
  static void Serve(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;  // shared with the threads, which may outlive us
};

}  // namespace sysmem::server
