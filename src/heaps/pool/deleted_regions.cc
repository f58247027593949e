// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/deleted_regions.h"

#include <algorithm>
#include <utility>

namespace sysmem::heaps {

void DeletedRegions::Add(DeletedRegion deleted) {
  if (newest_first_.size() == kDeletedRegionsKept) newest_first_.pop_back();
  newest_first_.push_front(std::move(deleted));
}

std::vector<DeletedRegion> DeletedRegions::NewestAround(Region region, size_t limit) const {
  std::vector<DeletedRegion> found;
  for (const DeletedRegion& one : newest_first_) {
    if (found.size() == limit) break;
    if (one.region.begin <= region.end && region.begin <= one.region.end) found.push_back(one);
  }
  return found;
}

std::vector<Region> DeletedRegions::DeletedAfter(int64_t time_ns) const {
  std::vector<Region> regions;
  for (const DeletedRegion& one : newest_first_) {
    if (one.deleted_ns > time_ns) regions.push_back(one.region);
  }
  std::sort(regions.begin(), regions.end(),
            [](const Region& a, const Region& b) { return a.begin < b.begin; });
  std::vector<Region> joined;
  for (const Region& region : regions) {
    if (!joined.empty() && region.begin <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, region.end);
    } else {
      joined.push_back(region);
    }
  }
  return joined;
}

}  // namespace sysmem::heaps
