// SPDX-License-Identifier: Apache-2.0
//
// One thread, one epoll set: what the daemon waits for outside of gRPC.
//
// Watches listening sockets, handle channels (for hang-up; for writability while an outbox stalls),
// exported ends (for hang-up) and deadlines. Callbacks run on the loop's thread with no lock of the
// loop held, so they may add and remove watches.
//
// Thread-safe. Removing a watch from another thread does not wait for a callback under way: a
// callback must therefore keep what it uses alive by itself (capture a weak_ptr).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"

namespace sysmem::server {

class EventLoop {
 public:
  using WatchId = uint64_t;
  using TimerId = uint64_t;
  // `events` as epoll reports them.
  using WatchCallback = std::function<void(uint32_t events)>;

  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();
  ~EventLoop();

  // Watches `fd`, which the caller keeps open until RemoveWatch. `events` as for epoll_ctl; 0 means
  // hang-up and error only. Fails when epoll refuses (max_user_watches, EMFILE).
  absl::StatusOr<WatchId> AddWatch(int fd, uint32_t events, WatchCallback callback);
  // Watches `fd` for hang-up, once: `callback` removes the watch. Also CatchUp calls it, on its
  // caller's thread, but never two such callbacks run at the same time: they are short, and do not
  // call CatchUp. Turns of collections that they bring about are put off till they are done
  // (deferred_turns.h).
  absl::StatusOr<WatchId> AddHangUpWatch(int fd, std::function<void()> callback);
  void ChangeWatch(WatchId id, uint32_t events);
  void RemoveWatch(WatchId id);

  // Handles the hang-ups of AddHangUpWatch that are there by now, whether the loop runs or not:
  // what was closed before this call is gone after it. From any thread. One system call if nothing
  // hung up, none if nothing is watched.
  void CatchUp();

  // Runs `callback` once at or after `deadline_ns` (CLOCK_MONOTONIC).
  TimerId RunAt(int64_t deadline_ns, std::function<void()> callback);
  void CancelTimer(TimerId id);
  // Set and not yet run or cancelled: while there are none, nothing but an event wakes the loop.
  size_t pending_timers() const;

  // Runs `callback` soon.
  void Post(std::function<void()> callback);

  // Serves until Stop. Called on one thread only.
  void Run();
  // Makes Run return soon. From any thread; async-signal-unsafe.
  void Stop();

  static int64_t NowNs();  // CLOCK_MONOTONIC

 private:
  class Impl;
  explicit EventLoop(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace sysmem::server
