// SPDX-License-Identifier: Apache-2.0
//
// Fresh memfds of the sizes that were wanted lately, made ahead of time.
//
// Making a memfd takes half a dozen system calls and the clearing of its pages; a program that
// starts a pipeline waits for that once per buffer. So sizes that were asked for are made again, by
// a thread of the pool's own, and kept until the next one asks:
//
//   WarmPool pool(options, spare, [&](uint64_t size) { return maker.Make(name, size); });
//   if (auto ready = pool.Take(size_bytes)) ...   // else make one yourself
//
// Of each size the pool keeps as many as were taken during the last window of time (ten seconds),
// within its budgets, which all sizes share evenly. What nobody wants for two windows is given
// back; so is everything at once when memory is short (the maker refuses, or GiveBack is called).
// A memfd that has left is never taken in again: whoever had it may still have its pages.
//
// The pool's thread stands back where others want its processor, so it may be stopped anywhere for
// a while: `make` should take no lock that others wait for.
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
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
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
  uint64_t bytes = 8 << 20;  // of all that is kept; 0: the pool is off
  uint32_t buffers = 16;     // as many at most, of all sizes together
  // Larger ones are not kept: clearing them takes so long that the rest does not matter.
  uint64_t largest_bytes = 256 << 10;
  uint32_t sizes = 8;  // remembered at a time; the one not wanted for longest is forgotten first
  std::chrono::milliseconds window{10'000};
};

class WarmPool {
 public:
  using Make = std::function<absl::StatusOr<FreshMemfd>(uint64_t size_bytes)>;

  struct Ready {
    FreshMemfd memfd;
    std::optional<OpenedAhead> hand_out;  // the first one, read-write; if the budget had room
  };

  struct Counts {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t kept = 0;  // buffers now
    uint64_t kept_bytes = 0;
  };

  // `make` runs on the pool's thread, which starts with the first Take.
  WarmPool(WarmPoolOptions options, std::shared_ptr<SpareDescriptors> spare, Make make);
  ~WarmPool();
  WarmPool(const WarmPool&) = delete;
  WarmPool& operator=(const WarmPool&) = delete;

  // One of this size if there is one; remembers in any case that it was wanted. Never waits: while
  // the pool is busy it is as if it were empty.
  std::optional<Ready> Take(uint64_t size_bytes);

  // Memory is short: frees all that is kept. More will be made when a window has passed. False if
  // there was nothing to free, or the pool is busy. Never waits.
  bool GiveBack();

  // Waits until the pool holds as much as it wants to. False if the deadline passed before.
  bool WaitUntilFull(std::chrono::steady_clock::time_point deadline);

  Counts counts() const;

 private:
  struct Item {
    Ready ready;
    SpareDescriptors::Lease lease;  // for the kept descriptor, which is the pool's own until then
  };
  struct Size {
    std::vector<Item> items;
    uint64_t taken = 0;         // in this window
    uint64_t taken_before = 0;  // in the window before
    uint64_t last_taken = 0;    // a running number
  };
  using Sizes = std::map<uint64_t, Size>;
  using Clock = std::chrono::steady_clock;

  // All of these: REQUIRES mutex_ held.
  void Note(Size& size);
  Sizes::node_type ForgetOldest();
  uint64_t Target(uint64_t size_bytes, const Size& size) const;
  std::optional<uint64_t> FindLacking() const;
  std::vector<Item> TakeSurplus();
  void TurnWindow();
  std::vector<Item> TakeAll();

  void Run();
  void Add(uint64_t size_bytes, std::unique_lock<std::mutex>& lock);
  absl::StatusOr<Item> MakeOne(uint64_t size_bytes, SpareDescriptors::Lease lease) const;

  const WarmPoolOptions options_;
  const std::shared_ptr<SpareDescriptors> spare_;
  const Make make_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable full_;
  Sizes sizes_;
  uint64_t last_taken_ = 0;
  Counts counts_;         // hits and misses only
  bool resting_ = false;  // until the next window: nothing more could be had
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sysmem::heaps
