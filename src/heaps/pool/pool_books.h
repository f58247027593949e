// SPDX-License-Identifier: Apache-2.0
//
// Who has which part of a pool, who had it, and what happened so far (server behaviour 7.2, 7.6).
// Pure: no clock, no descriptor.
//
//       Take             Settle              Remove               GiveBack
//   free ----> on its way ------> a live buffer ------> on its way -------> free
//                  `------------------- Abandon ------------------------------^
//
// A region on its way belongs to the caller alone, who does without a lock what takes long: makes
// memory for it, looks at its pages, writes the pattern. So whatever is free is as unused pages are
// to be, at every moment.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "heaps/pool/deleted_regions.h"
#include "heaps/pool/pool_figures.h"
#include "heaps/pool/region.h"
#include "heaps/pool/region_allocator.h"

namespace sysmem::heaps {

struct PoolLayout {
  std::string name;
  uint64_t heap_id = 0;
  uint64_t size_bytes = 0;
  uint64_t page_bytes = 4096;
  uint64_t promised_alignment = 4096;  // no more than this can be asked (POOL-1)
  uint64_t guard_bytes = 0;            // of each guard; 0: there are none
  bool internal_guards = false;

  // GUARD-3. What can be allocated lies between.
  Region LowGuard() const { return {.begin = 0, .end = guard_bytes}; }
  Region HighGuard() const { return {.begin = size_bytes - guard_bytes, .end = size_bytes}; }
};

struct PoolRegion {
  Region whole;   // what is taken of the pool
  Region buffer;  // where the buffer lies in it
  bool operator==(const PoolRegion&) const = default;
};

struct LiveBuffer {
  PoolRegion region;
  std::string name;  // for reports; "Unknown" if nobody named it
  uint64_t id = 0;   // the inode number of its memory
};

class PoolBooks {
 public:
  // REQUIRES: size and guards are whole pages, and the guards leave at least a page.
  PoolBooks(PoolLayout layout, bool ready);

  const PoolLayout& layout() const { return layout_; }
  bool ready() const { return ready_; }
  void set_ready(bool ready) { ready_ = ready; }

  // A region for a buffer of so many bytes, a multiple of the page size (POOL-3 to POOL-6). An
  // alignment of up to a page, 0 included, counts as none asked (POOL-H2).
  // Errors: FailedPrecondition; Unimplemented; ResourceExhausted with the figures, counted.
  absl::StatusOr<PoolRegion> Take(uint64_t bytes, uint64_t alignment, int64_t now_ns);
  void Settle(const PoolRegion& region, std::string name, uint64_t id);
  // There was no memory for it (POOL-7).
  void Abandon(const PoolRegion& region, int64_t now_ns);
  LiveBuffer Remove(const PoolRegion& region);
  // `keep_history`: as long as somebody looks for damage.
  void GiveBack(const LiveBuffer& buffer, int64_t now_ns, bool keep_history);

  void CountGuards(uint64_t passed, uint64_t failed, int64_t now_ns);
  void CountUnusedPages(uint64_t pages) { figures_.unused_page_checks += pages; }

  std::optional<Region> FirstFreeIn(Region window) const { return allocator_.FirstFreeIn(window); }
  // The live buffer whose region begins first at or behind `offset`.
  std::optional<LiveBuffer> NextLive(uint64_t offset) const;
  const DeletedRegions& deleted() const { return deleted_; }

  // Without what can be loaned, which depends on how the memory is used.
  PoolFigures figures() const;
  // The figures and who has what, in lines, for whoever wonders why nothing fits (POOL-6).
  std::string Describe() const;

 private:
  absl::Status CheckAlignment(uint64_t alignment) const;
  absl::Status NothingFits(uint64_t bytes, uint64_t wanted, uint64_t alignment, int64_t now_ns);

  const PoolLayout layout_;
  bool ready_;
  RegionAllocator allocator_;
  std::map<uint64_t, LiveBuffer> live_;  // by the beginning of their regions
  DeletedRegions deleted_;
  PoolFigures figures_;  // those that are counted
};

}  // namespace sysmem::heaps
