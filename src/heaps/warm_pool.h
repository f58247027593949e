// SPDX-License-Identifier: Apache-2.0
//
// Fresh memfds of the sizes that were wanted lately, made ahead of time.
//
// Making a memfd takes half a dozen system calls and the clearing of its pages, a millisecond for a
// frame of video; a program that starts a pipeline waits for that once per buffer. So sizes that
// were asked for are made again, by a thread of the pool's own, and kept until the next one asks:
//
//   WarmPool pool(options, spare, {.make = [&](uint64_t size) { return maker.Make(name, size); },
//                                  .available = [&] { return gate.ReadAvailable(); }});
//   if (auto ready = pool.Take(size_bytes)) ...   // else make one yourself
//
// What it keeps. Of each size as many as were taken during this window of time (ten seconds) or the
// one before, whichever is more. Where that exceeds the budgets, the buffers are dealt out one by
// one, each size in turn and the smaller ones first: so a few small buffers always find room, and
// large ones share what is left. What nobody wants for two windows is given back; a pool that keeps
// nothing has no timer either.
//
// When memory is short it gives everything back and rests, that is, makes nothing:
//   - OnPressure: somebody stalls for want of memory. Until nobody has for `pressure_rest`.
//   - GiveBack: an allocation was refused. For a window.
//   - the maker itself is refused. For a window.
// And before it makes more it asks how much memory is available, so that its budget shrinks with it
// also where the kernel does not tell of pressure.
//
// A memfd that has left is never taken in again: whoever had it may still have its pages.
//
// Locking. The pool's thread stands back where others want its processor, so it may be stopped
// anywhere for a while, for a whole time slice if it holds the lock just then. It holds the lock
// for a microsecond at a time, never while it makes or frees memory. Who comes then:
//   - Take tries for about as long and then does without: a buffer made at once costs less than a
//     time slice. That the size was wanted goes unnoticed, which the next Take makes good.
//   - GiveBack and OnPressure wait: they come when memory is short, which must not pass unheard.
// `make` and `available` run without the lock, and should take none that others wait for.
//
// Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/heap.h"
#include "heaps/memfd_maker.h"
#include "heaps/spare_descriptors.h"

namespace sysmem::heaps {

// A hand-out opened, and marked, before somebody asked for it.
struct OpenedAhead {
  HandedOut hand_out;
  Access access = Access::kReadWrite;
  SpareDescriptors::Lease lease;
};

struct WarmPoolOptions {
  // Of all that is kept; 0: the pool is off. Four sets of five 1080p frames in NV12 (3.1 MB each),
  // or one of 2160p.
  uint64_t bytes = 64 << 20;
  // And no more than this part of the memory that is available: 4 MiB in a control group of 256
  // MiB. It is a third of what allocations leave alone (kDefaultReservePercent), so what the pool
  // takes unseen by their gate does no harm.
  uint64_t available_divisor = 64;
  // As many at most, of all sizes together: three sets of five. Each takes two descriptors.
  uint32_t buffers = 16;
  // Remembered at a time, above 0; the one not wanted for longest is forgotten first.
  uint32_t sizes = 8;
  std::chrono::milliseconds window{10'000};
  // Large buffers (256 KiB) are made when nobody has wanted any for the first time: who got one
  // will take the next, and then wants the processor to go on with them, which clearing takes for
  // a millisecond each. And when the second time has passed since somebody first did.
  std::chrono::milliseconds quiet{10};
  std::chrono::milliseconds longest_quiet{100};
  // Five windows of the kernel's: it repeats itself in each while the pressure lasts.
  std::chrono::milliseconds pressure_rest{10'000};
};

class WarmPool {
 public:
  struct Sources {
    // Makes one.
    std::function<absl::StatusOr<FreshMemfd>(uint64_t size_bytes)> make;
    // How many bytes could be had now.
    std::function<absl::StatusOr<uint64_t>()> available;
  };

  struct Ready {
    FreshMemfd memfd;
    std::optional<OpenedAhead> hand_out;  // the first one, read-write; if the budget had room
  };

  // `sources` are used on the pool's thread, which starts with the first Take.
  WarmPool(WarmPoolOptions options, std::shared_ptr<SpareDescriptors> spare, Sources sources);
  ~WarmPool();
  WarmPool(const WarmPool&) = delete;
  WarmPool& operator=(const WarmPool&) = delete;

  // One of this size if there is one; remembers that it was wanted. Never waits: while the pool is
  // busy it is as if it were empty.
  std::optional<Ready> Take(uint64_t size_bytes);

  // An allocation was refused: frees all that is kept, before it returns; what is just being made
  // follows. False if nothing was kept.
  bool GiveBack();

  // Somebody stalls for want of memory: the pool's thread frees all that is kept. True if the pool
  // did not rest for that reason already.
  bool OnPressure();

  // Waits until the pool holds as much as it wants to. False if the deadline passed before.
  bool WaitUntilFull(std::chrono::steady_clock::time_point deadline);

  KeptReady kept() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Item {
    Ready ready;
    SpareDescriptors::Lease lease;  // for the kept descriptor, which is the pool's own until then
  };
  struct Size {
    std::vector<Item> items;
    uint64_t taken = 0;         // in this window
    uint64_t taken_before = 0;  // in the window before
    uint64_t last_taken = 0;    // a running number
    uint64_t target = 0;        // what it was dealt
    uint64_t Wanted() const { return taken > taken_before ? taken : taken_before; }
  };
  struct Rest {
    std::string_view why;
    Clock::time_point until;
  };

  // All of these: REQUIRES mutex_ held.
  bool Start();  // the thread
  void ExpectMoreSoon();
  void ForgetOldest();
  void Doom(std::vector<Item>& items);
  void Deal();
  bool WantsMore() const;
  std::optional<uint64_t> FindLacking() const;
  void DoomSurplus();
  void DoomAll();
  void StartRest(std::string_view why, Clock::duration duration);
  void TurnWindow(Clock::time_point now);
  uint64_t KeptBytes() const;

  // On the pool's thread. REQUIRES: lock held; return with it held, but let go of it meanwhile.
  void Run();
  void Tend(std::unique_lock<std::mutex>& lock);
  void AskBudget(std::unique_lock<std::mutex>& lock);
  void Add(uint64_t size_bytes, std::unique_lock<std::mutex>& lock);
  void Free(std::unique_lock<std::mutex>& lock);
  void Wait(std::unique_lock<std::mutex>& lock);

  absl::StatusOr<Item> MakeOne(uint64_t size_bytes, SpareDescriptors::Lease lease) const;

  const WarmPoolOptions options_;
  const std::shared_ptr<SpareDescriptors> spare_;
  const Sources sources_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable full_;
  std::map<uint64_t, Size> sizes_;  // by size in bytes
  std::vector<Item> doomed_;        // to be freed by the thread
  uint64_t last_taken_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  uint64_t given_back_ = 0;
  uint64_t budget_bytes_ = 0;      // at present; nothing before it was asked for
  Clock::time_point budget_ends_;  // when it is to be asked for again
  Clock::time_point window_ends_;
  Clock::time_point quiet_ends_;                  // no large ones are made before
  std::optional<Clock::time_point> first_large_;  // wanted since one was made
  std::optional<Rest> rest_;
  bool settled_ = true;  // the thread has nothing to do
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sysmem::heaps
