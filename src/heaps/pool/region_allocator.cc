// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/region_allocator.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <queue>

namespace sysmem::heaps {
namespace {

constexpr size_t kLargestCounted = 10;

// REQUIRES: alignment is a power of two; the result fits.
uint64_t RoundUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

// Above this alignment there is only address 0 in the space, so more classes would be all alike.
size_t CountClasses(uint64_t end, uint64_t granule, uint64_t max_alignment) {
  const uint64_t largest = std::min(max_alignment, std::max(granule, std::bit_ceil(end)));
  return static_cast<size_t>(std::countr_zero(largest) - std::countr_zero(granule)) + 1;
}

}  // namespace

RegionAllocator::RegionAllocator(Region space, uint64_t granule, uint64_t max_alignment)
    : granule_(granule),
      classes_(CountClasses(space.end, granule, max_alignment)),
      nodes_(1),
      fit_(classes_) {
  assert(std::has_single_bit(granule) && std::has_single_bit(max_alignment));
  assert(!space.empty() && space.begin % granule == 0 && space.end % granule == 0);
  Insert(space);
}

std::optional<Region> RegionAllocator::Allocate(uint64_t bytes, uint64_t alignment) {
  assert(bytes != 0 && bytes % granule_ == 0);
  const size_t wanted = ClassOf(alignment);
  if (Fit(root_, wanted) < bytes) return std::nullopt;
  Index node = root_;
  while (true) {
    if (Fit(nodes_[node].left, wanted) >= bytes) {
      node = nodes_[node].left;
    } else if (UsableBytes(nodes_[node].region, wanted) >= bytes) {
      break;
    } else {
      node = nodes_[node].right;
    }
  }
  const Region from = nodes_[node].region;
  const Region taken{.begin = from.end - UsableBytes(from, wanted),
                     .end = from.end - UsableBytes(from, wanted) + bytes};
  const Region before{.begin = from.begin, .end = taken.begin};
  const Region behind{.begin = taken.end, .end = from.end};
  if (!before.empty()) {
    Change(from.begin, before);
    if (!behind.empty()) Insert(behind);
  } else if (!behind.empty()) {
    Change(from.begin, behind);
  } else {
    Erase(from.begin);
  }
  return taken;
}

void RegionAllocator::Free(Region region) {
  const auto [below, above] = NeighboursOf(region.begin);
  assert(!region.empty());
  assert(!below || below->end <= region.begin);
  assert(!above || above->begin >= region.end);
  const bool joins_below = below && below->end == region.begin;
  const bool joins_above = above && above->begin == region.end;
  if (joins_above) region.end = above->end;
  if (joins_below) {
    if (joins_above) Erase(above->begin);
    Change(below->begin, {.begin = below->begin, .end = region.end});
  } else if (joins_above) {
    Change(above->begin, region);
  } else {
    Insert(region);
  }
}

std::optional<Region> RegionAllocator::FirstFreeIn(Region window) const {
  const auto [below, above] = NeighboursOf(window.begin);
  for (const std::optional<Region>& region : {below, above}) {
    if (region && region->Overlaps(window)) return Intersection(*region, window);
  }
  return std::nullopt;
}

FreeSpace RegionAllocator::Measure() const {
  FreeSpace space{
      .total_bytes = free_bytes_, .largest_bytes = largest_free_bytes(), .regions = free_regions_};
  // Sub-trees by their largest region, and regions by themselves; the largest is looked at first.
  struct Item {
    uint64_t bytes;
    Index node;
    bool alone;
    bool operator<(const Item& other) const { return bytes < other.bytes; }
  };
  std::priority_queue<Item> items;
  const auto add_subtree = [&](Index node) {
    if (node != kNone) items.push({.bytes = Fit(node, 0), .node = node, .alone = false});
  };
  add_subtree(root_);
  for (size_t counted = 0; counted < kLargestCounted && !items.empty();) {
    const Item item = items.top();
    items.pop();
    if (item.alone) {
      space.ten_largest_bytes += item.bytes;
      ++counted;
      continue;
    }
    const Node& node = nodes_[item.node];
    items.push({.bytes = node.region.size(), .node = item.node, .alone = true});
    add_subtree(node.left);
    add_subtree(node.right);
  }
  return space;
}

// Bytes behind the first address of that alignment.
uint64_t RegionAllocator::UsableBytes(const Region& region, size_t alignment_class) const {
  const uint64_t start = RoundUp(region.begin, granule_ << alignment_class);
  return start < region.end ? region.end - start : 0;
}

size_t RegionAllocator::ClassOf(uint64_t alignment) const {
  assert(std::has_single_bit(alignment) && alignment >= granule_);
  const int steps = std::countr_zero(alignment) - std::countr_zero(granule_);
  return std::min(static_cast<size_t>(steps), classes_ - 1);
}

// The last free region that begins at or below the address, and the first that begins above it.
RegionAllocator::Neighbours RegionAllocator::NeighboursOf(uint64_t address) const {
  Neighbours neighbours;
  for (Index node = root_; node != kNone;) {
    const Region& region = nodes_[node].region;
    if (region.begin <= address) {
      neighbours.below = region;
      node = nodes_[node].right;
    } else {
      neighbours.above = region;
      node = nodes_[node].left;
    }
  }
  return neighbours;
}

RegionAllocator::Index RegionAllocator::NewNode(Region region) {
  Index node = 0;
  if (!unused_nodes_.empty()) {
    node = unused_nodes_.back();
    unused_nodes_.pop_back();
  } else {
    node = static_cast<Index>(nodes_.size());
    nodes_.emplace_back();
    fit_.resize(fit_.size() + classes_);
  }
  // Marsaglia's xorshift.
  chance_ ^= chance_ << 13;
  chance_ ^= chance_ >> 17;
  chance_ ^= chance_ << 5;
  nodes_[node] = {.region = region, .priority = chance_};
  Summarise(node);
  return node;
}

void RegionAllocator::Insert(Region region) {
  const Index node = NewNode(region);
  Index low = kNone;
  Index high = kNone;
  Split(root_, region.begin, low, high);
  root_ = Join(Join(low, node), high);
  free_bytes_ += region.size();
  ++free_regions_;
}

void RegionAllocator::Erase(uint64_t begin) { root_ = EraseBelow(root_, begin); }

void RegionAllocator::Change(uint64_t begin, Region to) { ChangeBelow(root_, begin, to); }

void RegionAllocator::Summarise(Index node) {
  const Node& self = nodes_[node];
  for (size_t i = 0; i < classes_; ++i) {
    fit_[node * classes_ + i] =
        std::max({UsableBytes(self.region, i), Fit(self.left, i), Fit(self.right, i)});
  }
}

// Every region of `low` lies below every one of `high`.
RegionAllocator::Index RegionAllocator::Join(Index low, Index high) {
  if (low == kNone) return high;
  if (high == kNone) return low;
  if (nodes_[low].priority >= nodes_[high].priority) {
    nodes_[low].right = Join(nodes_[low].right, high);
    Summarise(low);
    return low;
  }
  nodes_[high].left = Join(low, nodes_[high].left);
  Summarise(high);
  return high;
}

void RegionAllocator::Split(Index node, uint64_t address, Index& low, Index& high) {
  if (node == kNone) {
    low = high = kNone;
    return;
  }
  if (nodes_[node].region.begin < address) {
    Index rest = kNone;
    Split(nodes_[node].right, address, rest, high);
    nodes_[node].right = rest;
    low = node;
  } else {
    Index rest = kNone;
    Split(nodes_[node].left, address, low, rest);
    nodes_[node].left = rest;
    high = node;
  }
  Summarise(node);
}

RegionAllocator::Index RegionAllocator::EraseBelow(Index node, uint64_t begin) {
  assert(node != kNone);
  Node& self = nodes_[node];
  if (self.region.begin == begin) {
    free_bytes_ -= self.region.size();
    --free_regions_;
    unused_nodes_.push_back(node);
    return Join(self.left, self.right);
  }
  Index& child = begin < self.region.begin ? self.left : self.right;
  child = EraseBelow(child, begin);
  Summarise(node);
  return node;
}

void RegionAllocator::ChangeBelow(Index node, uint64_t begin, Region to) {
  assert(node != kNone);
  Node& self = nodes_[node];
  if (self.region.begin == begin) {
    free_bytes_ += to.size() - self.region.size();
    self.region = to;
  } else {
    ChangeBelow(begin < self.region.begin ? self.left : self.right, begin, to);
  }
  Summarise(node);
}

}  // namespace sysmem::heaps
