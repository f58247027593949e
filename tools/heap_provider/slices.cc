// SPDX-License-Identifier: Apache-2.0
#include "tools/heap_provider/slices.h"

#include <algorithm>

namespace sysmem::heap_provider {

std::optional<Slice> Slices::Take(uint64_t size) {
  uint64_t gap = 0;  // where the gap before the next taken slice begins
  for (const auto& [offset, taken] : taken_) {
    if (offset - gap >= size) break;
    gap = offset + taken;
  }
  if (pool_bytes_ - gap < size) return std::nullopt;
  taken_.emplace(gap, size);
  taken_bytes_ += size;
  return Slice{gap, size};
}

void Slices::GiveBack(const Slice& slice) {
  taken_bytes_ -= slice.size;
  taken_.erase(slice.offset);
}

uint64_t Slices::LargestGap() const {
  uint64_t largest = 0;
  uint64_t gap = 0;
  for (const auto& [offset, taken] : taken_) {
    largest = std::max(largest, offset - gap);
    gap = offset + taken;
  }
  return std::max(largest, pool_bytes_ - gap);
}

}  // namespace sysmem::heap_provider
