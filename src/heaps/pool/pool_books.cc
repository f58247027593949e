// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/pool_books.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace sysmem::heaps {
namespace {

// In a description of a pool; the others are counted.
constexpr size_t kMostBuffersNamed = 64;

constexpr uint64_t kNoSize = std::numeric_limits<uint64_t>::max();

}  // namespace

PoolBooks::PoolBooks(PoolLayout layout, bool ready)
    : layout_(std::move(layout)),
      ready_(ready),
      allocator_({.begin = layout_.LowGuard().end, .end = layout_.HighGuard().begin},
                 layout_.page_bytes, layout_.promised_alignment) {
  figures_.size = layout_.size_bytes;
  figures_.id = layout_.heap_id;
  figures_.free_at_high_water_mark = layout_.size_bytes;
  figures_.max_free_at_high_water = layout_.size_bytes;
}

absl::StatusOr<PoolRegion> PoolBooks::Take(uint64_t bytes, uint64_t alignment, int64_t now_ns) {
  if (!ready_) {
    return absl::FailedPreconditionError(
        absl::StrCat("pool ", base::Quote(layout_.name), " is not ready"));
  }
  if (absl::Status fits = CheckAlignment(alignment); !fits.ok()) return fits;
  // Guards take their room although only internal ones are used (POOL-4).
  const uint64_t guards = 2 * layout_.guard_bytes;
  const uint64_t wanted = bytes <= kNoSize - guards ? bytes + guards : kNoSize;
  const uint64_t aligned_to = std::max(alignment, layout_.page_bytes);
  std::optional<Region> whole;
  if (wanted <= layout_.size_bytes) whole = allocator_.Allocate(wanted, aligned_to);
  if (!whole) return NothingFits(bytes, wanted, alignment, now_ns);
  const uint64_t begin = whole->begin + (layout_.internal_guards ? layout_.guard_bytes : 0);
  return PoolRegion{.whole = *whole, .buffer = {.begin = begin, .end = begin + bytes}};
}

absl::Status PoolBooks::CheckAlignment(uint64_t alignment) const {
  if (alignment <= layout_.page_bytes) return absl::OkStatus();
  const uint64_t most = layout_.internal_guards ? layout_.page_bytes : layout_.promised_alignment;
  if (alignment <= most) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("physical_alignment ", alignment, ", expected at most ", most,
                   ", which is what pool ", base::Quote(layout_.name),
                   layout_.internal_guards ? " with internal guards" : "", " can promise"));
}

absl::Status PoolBooks::NothingFits(uint64_t bytes, uint64_t wanted, uint64_t alignment,
                                    int64_t now_ns) {
  const FreeSpace space = allocator_.Measure();
  ++figures_.allocations_failed;
  figures_.last_allocation_failed_timestamp_ns = now_ns;
  const bool fragmented = space.total_bytes >= wanted;
  if (fragmented) ++figures_.allocations_failed_fragmentation;
  std::string text = absl::StrCat("no region of ", wanted, " bytes in pool ",
                                  base::Quote(layout_.name), " for a buffer of ", bytes, " bytes");
  if (alignment > layout_.page_bytes) absl::StrAppend(&text, " aligned to ", alignment);
  absl::StrAppend(&text, ": ", space.total_bytes, " of ", layout_.size_bytes, " bytes are unused",
                  fragmented ? ", but in pieces" : "", "; ", space.regions,
                  " free regions, the largest of ", space.largest_bytes,
                  " bytes, the ten largest together of ", space.ten_largest_bytes);
  return absl::ResourceExhaustedError(text);
}

void PoolBooks::Settle(const PoolRegion& region, std::string name, uint64_t id) {
  if (name.empty()) name = "Unknown";
  live_[region.whole.begin] = {.region = region, .name = std::move(name), .id = id};
  figures_.used_size += region.whole.size();
  if (figures_.used_size <= figures_.high_water_mark) return;  // MET-1
  figures_.high_water_mark = figures_.used_size;
  figures_.free_at_high_water_mark = layout_.size_bytes - figures_.used_size;
  figures_.max_free_at_high_water = allocator_.largest_free_bytes();
}

void PoolBooks::Abandon(const PoolRegion& region, int64_t now_ns) {
  allocator_.Free(region.whole);
  ++figures_.commits_failed;
  figures_.last_commit_failed_timstamp_ns = now_ns;
}

LiveBuffer PoolBooks::Remove(const PoolRegion& region) {
  const auto found = live_.find(region.whole.begin);
  assert(found != live_.end() && found->second.region == region);
  LiveBuffer removed = std::move(found->second);
  live_.erase(found);
  return removed;
}

void PoolBooks::GiveBack(const LiveBuffer& buffer, int64_t now_ns, bool keep_history) {
  allocator_.Free(buffer.region.whole);
  figures_.used_size -= buffer.region.whole.size();
  if (!keep_history) return;
  deleted_.Add({.region = buffer.region.whole, .deleted_ns = now_ns, .name = buffer.name});
}

void PoolBooks::CountGuards(uint64_t passed, uint64_t failed, int64_t now_ns) {
  figures_.passed_guard_region_checks += passed;
  figures_.failed_guard_region_checks += failed;
  if (failed != 0) figures_.last_failed_guard_region_check_timestamp_ns = now_ns;
}

std::optional<LiveBuffer> PoolBooks::NextLive(uint64_t offset) const {
  const auto found = live_.lower_bound(offset);
  if (found == live_.end()) return std::nullopt;
  return found->second;
}

PoolFigures PoolBooks::figures() const {
  PoolFigures figures = figures_;
  const FreeSpace space = allocator_.Measure();
  figures.is_ready = ready_;
  figures.free_regions = space.regions;
  figures.largest_free_region = space.largest_bytes;
  figures.large_contiguous_region_sum = space.ten_largest_bytes;
  return figures;
}

std::string PoolBooks::Describe() const {
  const FreeSpace space = allocator_.Measure();
  std::string text = absl::StrCat(
      "pool ", base::Quote(layout_.name), " of ", layout_.size_bytes, " bytes: ", space.total_bytes,
      " unused in ", space.regions, " regions, the largest of ", space.largest_bytes,
      ", the ten largest together of ", space.ten_largest_bytes, "; ", live_.size(), " buffers");
  size_t named = 0;
  for (const auto& [begin, buffer] : live_) {
    if (named++ == kMostBuffersNamed) {
      absl::StrAppend(&text, "\n  and ", live_.size() - kMostBuffersNamed, " more");
      break;
    }
    absl::StrAppend(&text, "\n  id ", buffer.id, " ", base::Quote(buffer.name), " of ",
                    buffer.region.whole.size(), " bytes at offset ", begin);
  }
  return text;
}

}  // namespace sysmem::heaps
