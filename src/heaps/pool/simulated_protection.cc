// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/simulated_protection.h"

#include <algorithm>

namespace sysmem::heaps {

void SimulatedProtection::AddRange(Region range) {
  const std::lock_guard lock(mutex_);
  ranges_.push_back(range);
}

void SimulatedProtection::DeleteRange(Region range) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find(ranges_.begin(), ranges_.end(), range);
  if (found != ranges_.end()) ranges_.erase(found);
}

void SimulatedProtection::ModifyRange(Region from, Region to) {
  const std::lock_guard lock(mutex_);
  std::replace(ranges_.begin(), ranges_.end(), from, to);
}

bool SimulatedProtection::IsProtected(Region region) const {
  const std::lock_guard lock(mutex_);
  // From range to range, as far as they reach.
  while (!region.empty()) {
    const auto reaching = std::find_if(ranges_.begin(), ranges_.end(), [&](const Region& range) {
      return range.begin <= region.begin && range.end > region.begin;
    });
    if (reaching == ranges_.end()) return false;
    region.begin = reaching->end;
  }
  return true;
}

}  // namespace sysmem::heaps
