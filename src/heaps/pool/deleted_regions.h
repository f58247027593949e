// SPDX-License-Identifier: Apache-2.0
//
// Who had which part of a pool before: the last regions that were given back, so that a report of
// damage can name whoever may have written there after he let go. Pure.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "heaps/pool/region.h"

namespace sysmem::heaps {

inline constexpr size_t kDeletedRegionsKept = 512;

struct DeletedRegion {
  Region region;
  int64_t deleted_ns = 0;
  std::string name;
};

class DeletedRegions {
 public:
  // Forgets the oldest when there are kDeletedRegionsKept.
  void Add(DeletedRegion deleted);

  // Those that overlap the region or touch it, the most recently deleted first, at most `limit`.
  // Looks at each entry once, whether anything is found or not (POOL-H1).
  std::vector<DeletedRegion> NewestAround(Region region, size_t limit) const;

  // What was deleted after `time_ns`, by address, overlapping and touching ones as one.
  std::vector<Region> DeletedAfter(int64_t time_ns) const;

  size_t size() const { return newest_first_.size(); }

 private:
  std::deque<DeletedRegion> newest_first_;
};

}  // namespace sysmem::heaps
