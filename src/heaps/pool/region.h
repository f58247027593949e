// SPDX-License-Identifier: Apache-2.0
//
// A piece of a pool's address space, from `begin` up to and without `end`, in bytes. What `begin`
// counts from (the pool's first byte, or physical address 0) says whoever names one.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sysmem::heaps {

struct Region {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
  bool empty() const { return begin >= end; }
  bool Contains(const Region& other) const { return begin <= other.begin && other.end <= end; }
  bool Overlaps(const Region& other) const { return begin < other.end && other.begin < end; }
  bool operator==(const Region&) const = default;
};

// What both have; empty() if nothing.
inline Region Intersection(const Region& a, const Region& b) {
  return {.begin = std::max(a.begin, b.begin), .end = std::min(a.end, b.end)};
}

}  // namespace sysmem::heaps
