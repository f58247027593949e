// SPDX-License-Identifier: Apache-2.0
//
// The address space of a pool, for several threads: its books behind a lock, its clock, and whom it
// tells what is wrong. What needs long is done outside, between two entries in the books
// (pool_books.h).
//
// Thread-safe. Nothing is told and no clock read with the lock held.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/heap_properties.h"
#include "heaps/heap.h"
#include "heaps/pool/pool_books.h"
#include "heaps/pool/pool_options.h"

namespace sysmem::heaps {

enum class Severity {
  kWarning,
  kError,
  kFatal,  // whoever is told ends the process (GuardOptions::fatal)
};
using Complain = std::function<void(Severity severity, const std::string& text)>;

// How long nothing more is told of buffers that do not fit.
inline constexpr int64_t kNoFitQuietNs = 10'000'000'000;

// No file is that large, and everything that is computed from it fits.
inline constexpr uint64_t kMaxPoolBytes = uint64_t{1} << 52;

struct PoolOptions {
  std::string name = "SysmemContiguousPool";
  core::Heap heap = {.type = core::kHeapSystemRam, .id = 0};
  uint64_t size_bytes = 0;  // whole pages, not 0, at most kMaxPoolBytes

  // Where it lies in simulated physical memory, and the alignment that buffers can be promised, a
  // power of two of at least a page. A pool of which only the size is chosen lies at a multiple of
  // what it promises. One at a fixed place promises the natural alignment of its base (POOL-1).
  uint64_t physical_base = uint64_t{1} << 40;
  uint64_t promised_alignment = 1 << 20;
  bool fixed_place = false;

  GuardOptions guards;
  bool ready = true;  // POOL-3

  // Takes what may wait for whoever drives the hardware, to be done by a thread that may. Empty:
  // nothing waits. Called as the following two.
  std::function<void(std::function<void()> job)> run_aside;

  // Both are called from any thread that uses the pool or one of its buffers, as long as there are
  // any. The clock is that of Heap::Maintain, CLOCK_MONOTONIC if empty. Nobody is told if the other
  // one is empty.
  std::function<int64_t()> clock;
  Complain complain;
};

// Errors: InvalidArgument that names field, value and rule.
absl::Status CheckPoolOptions(const PoolOptions& options);

// What such a pool promises. REQUIRES: CheckPoolOptions(options).
uint64_t PromisedAlignment(const PoolOptions& options);

// Whether a pool could serve it. Errors: as CheckSize (allocate_request.h); InvalidArgument for a
// physical alignment that is no power of two.
absl::Status CheckForPool(const AllocateRequest& request);

class PoolSpace {
 public:
  // REQUIRES: CheckPoolOptions(options).
  explicit PoolSpace(PoolOptions options);

  const PoolOptions& options() const { return options_; }
  const PoolLayout& layout() const { return books_.layout(); }  // never changes
  // "simulated pool of 67108864 bytes".
  std::string Describe() const;
  int64_t Now() const { return options_.clock(); }
  void Tell(Severity severity, const std::string& text) const;

  // As PoolBooks::Take; when nothing fits says in full who has what (POOL-6), but not again within
  // kNoFitQuietNs: whoever has tried once may try without end.
  absl::StatusOr<PoolRegion> Take(uint64_t bytes, uint64_t alignment);

  // Gives back what was taken for a buffer that could not be made (POOL-7).
  void Abandon(const PoolRegion& region);

  // The books for one entry, which must be quick.
  template <typename Entry>
  auto WithBooks(Entry entry) {
    const std::lock_guard lock(mutex_);
    return entry(books_);
  }

  // REQUIRES: the pool's base and alignment were checked. Of a buffer that has this region.
  uint64_t PhysicalAddress(const PoolRegion& region) const {
    return options_.physical_base + region.buffer.begin;
  }

 private:
  const PoolOptions options_;
  std::mutex mutex_;
  // Guarded by mutex_:
  PoolBooks books_;                                               // except its layout
  int64_t quiet_until_ns_ = std::numeric_limits<int64_t>::min();  // about what does not fit
  uint64_t untold_ = 0;                                           // refusals since
};

}  // namespace sysmem::heaps
