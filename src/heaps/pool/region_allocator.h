// SPDX-License-Identifier: Apache-2.0
//
// Which parts of an address space are taken: first fit with alignment (POOL-1). Pure book-keeping.
//
//   RegionAllocator allocator({.begin = 0, .end = 4 << 20}, 4096, 1 << 20);
//   std::optional<Region> region = allocator.Allocate(8192, 65536);
//   ...
//   allocator.Free(*region);
//
// The free regions are the nodes of a balanced tree in the order of their addresses. Each node
// knows, for each alignment, the most bytes that one region below it has behind an address of that
// alignment. So the lowest region that fits is found by going down once, whatever the alignment and
// however many regions are too small: O(log n) for n free regions, and so is giving back. The
// balance is that of a treap, whose chance comes from a fixed seed: the same calls give the same
// tree.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "heaps/pool/region.h"

namespace sysmem::heaps {

struct FreeSpace {
  uint64_t total_bytes = 0;
  uint64_t largest_bytes = 0;
  uint64_t ten_largest_bytes = 0;  // the sum of the ten largest regions
  uint64_t regions = 0;
  bool operator==(const FreeSpace&) const = default;
};

class RegionAllocator {
 public:
  // REQUIRES: granule and max_alignment are powers of two, granule <= max_alignment; both ends of
  // `space` are multiples of the granule, begin < end <= 2^62.
  RegionAllocator(Region space, uint64_t granule, uint64_t max_alignment);

  // The region at the lowest address that is free and a multiple of the alignment; nothing if there
  // is none. REQUIRES: bytes is a positive multiple of the granule; alignment is a power of two
  // from the granule to max_alignment.
  std::optional<Region> Allocate(uint64_t bytes, uint64_t alignment);

  // REQUIRES: Allocate gave this region, and it was not given back since.
  void Free(Region region);

  // The first free region that overlaps `window`, cut to it.
  std::optional<Region> FirstFreeIn(Region window) const;

  // O(log n).
  FreeSpace Measure() const;
  uint64_t free_bytes() const { return free_bytes_; }
  uint64_t largest_free_bytes() const { return Fit(root_, 0); }

 private:
  using Index = uint32_t;  // of a node; 0: none
  static constexpr Index kNone = 0;

  struct Node {
    Region region;
    Index left = kNone;
    Index right = kNone;
    uint32_t priority = 0;  // not smaller than those of its children
  };
  struct Neighbours {
    std::optional<Region> below;
    std::optional<Region> above;
  };

  uint64_t Fit(Index node, size_t alignment_class) const {
    return fit_[node * classes_ + alignment_class];
  }
  uint64_t UsableBytes(const Region& region, size_t alignment_class) const;
  size_t ClassOf(uint64_t alignment) const;
  Neighbours NeighboursOf(uint64_t address) const;

  Index NewNode(Region region);
  void Insert(Region region);
  void Erase(uint64_t begin);
  void Change(uint64_t begin, Region to);  // keeps its place in the order

  void Summarise(Index node);
  Index Join(Index low, Index high);
  void Split(Index node, uint64_t address, Index& low, Index& high);
  Index EraseBelow(Index node, uint64_t begin);
  void ChangeBelow(Index node, uint64_t begin, Region to);

  const uint64_t granule_;
  const size_t classes_;  // of alignment: granule, 2 * granule, ...
  std::vector<Node> nodes_;
  std::vector<uint64_t> fit_;  // [node][class]: most usable bytes in one region of the subtree
  std::vector<Index> unused_nodes_;
  Index root_ = kNone;
  uint64_t free_bytes_ = 0;
  uint64_t free_regions_ = 0;
  uint32_t chance_ = 0x9E3779B9;
};

}  // namespace sysmem::heaps
