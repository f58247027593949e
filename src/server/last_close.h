// SPDX-License-Identifier: Apache-2.0
//
// From the kernel's announcement that a description of a buffer was closed to the question who
// still holds the buffer.
//
//   auto last_close = LastClose::Create(loop);
//   std::unique_ptr<BufferWatch> watch = (*last_close)->Watch(buffer, [weak = weak_from_this()] {
//     const auto self = weak.lock();
//     return self && self->SomebodySeemsToHold();   // asks the buffer (heaps/heap.h)
//   });
//
// The kernel announces a close *before* it drops the lock and the count by which the close can be
// seen: a probe made at once comes too early once in a thousand times, and no second event follows.
// So each announcement begins a round: the probe is asked at once and, while it says that somebody
// still seems to hold the buffer, again after 100 us, 1, 10, 100 ms, 1 and 10 s; then not before
// the next announcement, which begins the round anew. Between rounds nothing runs at all: no timer,
// no wake-up. When the kernel's queue overflows (16,384 closes that nobody has read), every watched
// buffer gets a round, some hundreds of them per turn of the loop.
//
// A buffer that cannot be watched (the heap reports no end; fs.inotify.max_user_watches is reached)
// is probed every second instead, while somebody waits for its end (BufferWatch::SetAwaited); and
// is watched as soon as that is possible.
//
// Ends may come late where the kernel itself holds on: files registered with io_uring, a core dump
// in progress, descriptors in a circle of sockets that nobody can reach any more.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "heaps/heap.h"
#include "server/event_loop.h"

namespace sysmem::server {

class BufferWatch;

struct LastCloseOptions {
  // Between one probe of a round and the next; so many probes, and one, are a round.
  std::vector<int64_t> retry_delays_ns = {100'000,     1'000'000,     10'000'000,
                                          100'000'000, 1'000'000'000, 10'000'000'000};
  // Between probes of a buffer that is not watched, while its end is awaited.
  int64_t poll_interval_ns = 1'000'000'000;
  // For tests: asked at the first probe of a round; true makes that probe come too early: it is not
  // asked, and taken to have said that somebody holds the buffer.
  std::function<bool()> first_probe_is_early;
};

class LastClose {
 public:
  // True: somebody seems to hold the buffer. Called on the loop's thread, by CatchUp on its
  // caller's, so several may run at a time. It may add and end watches; it ought to be short,
  // because CatchUp waits for the probes of what the loop has read. Turns of collections that it
  // brings about are put off till nobody waits (deferred_turns.h).
  using Probe = std::function<bool()>;

  struct Counts {
    uint64_t watches = 0;    // now, of both kinds
    uint64_t unwatched = 0;  // of these, the ones that are probed every second instead
    uint64_t events = 0;     // announcements read (the kernel makes one of equal ones in a row)
    uint64_t overflows = 0;  // of the kernel's queue
    uint64_t probes = 0;
    uint64_t late_ends = 0;  // seen by a later probe of a round, not by its first
  };

  // Makes the inotify instance. `loop` outlives this and all watches.
  // Errors: as inotify_init1 (ResourceExhausted: fs.inotify.max_user_instances).
  static absl::StatusOr<std::unique_ptr<LastClose>> Create(EventLoop& loop,
                                                           LastCloseOptions options = {});
  ~LastClose();
  LastClose(const LastClose&) = delete;
  LastClose& operator=(const LastClose&) = delete;

  // Watches from now on; a buffer may be watched more than once. The watch keeps the buffer, and
  // may outlive this (then it is never probed again).
  std::unique_ptr<BufferWatch> Watch(std::shared_ptr<const heaps::Buffer> buffer, Probe probe);

  // Begins the rounds of what is announced by now, on the caller's thread: the probes of what was
  // closed before this call have been asked after it, and those that came too early are asked
  // again. One system call if nothing was closed, none if nothing is watched. Not to be called from
  // a probe.
  void CatchUp();

  Counts counts() const;

 private:
  friend class BufferWatch;
  class Impl;
  struct Entry;
  explicit LastClose(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
};

// Of one buffer. Its end ends the watch: no later event is looked at, but a probe that was due may
// still be asked once, on another thread.
class BufferWatch {
 public:
  ~BufferWatch();
  BufferWatch(const BufferWatch&) = delete;
  BufferWatch& operator=(const BufferWatch&) = delete;

  // Begins a round on the loop's thread as if a close had been announced: the daemon itself has let
  // go of something.
  void ProbeSoon();
  // Said by the probe itself: it has not seen everything yet. It is asked again at the loop's next
  // turn, as the same probe of its round, so that others who wait for the thread come in between.
  void LookOn();
  // Whether somebody waits for the end of this buffer. Makes a difference only while the buffer is
  // not watched. False at first.
  void SetAwaited(bool awaited);
  // OK while the buffer is watched; else why it could not be (as heaps::Buffer::WatchCloses).
  absl::Status status() const;

 private:
  friend class LastClose;
  BufferWatch(std::shared_ptr<LastClose::Impl> impl, std::shared_ptr<LastClose::Entry> entry);
  const std::shared_ptr<LastClose::Impl> impl_;
  const std::shared_ptr<LastClose::Entry> entry_;
};

}  // namespace sysmem::server
