// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/protected_ranges.h"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace sysmem::heaps {
namespace {

using Ranges = std::map<uint64_t, uint64_t>;

Region ToRegion(const Ranges::value_type& range) {
  return {.begin = range.first, .end = range.second};
}

// Ranges kept free for the moment in which one takes the place of another.
size_t LogicalLimit(const ProtectionHardware& hardware) {
  if (!hardware.is_dynamic()) return 1;
  return hardware.most_ranges() - (hardware.can_modify() ? 1 : 2);
}

// The ranges that overlap `region` or touch it.
std::vector<Region> TouchedBy(const Ranges& ranges, Region region) {
  std::vector<Region> touched;
  auto it = ranges.upper_bound(region.begin);
  if (it != ranges.begin() && std::prev(it)->second >= region.begin) --it;
  for (; it != ranges.end() && it->first <= region.end; ++it) touched.push_back(ToRegion(*it));
  return touched;
}

Region Union(Region region, const std::vector<Region>& touched) {
  if (touched.empty()) return region;
  return {.begin = std::min(region.begin, touched.front().begin),
          .end = std::max(region.end, touched.back().end)};
}

// What of `region` is in no range.
std::vector<Region> Uncovered(const Ranges& ranges, Region region) {
  std::vector<Region> pieces;
  for (const Region& range : TouchedBy(ranges, region)) {
    if (range.begin > region.begin) {
      pieces.push_back({.begin = region.begin, .end = std::min(range.begin, region.end)});
    }
    region.begin = std::max(region.begin, range.end);
  }
  if (!region.empty()) pieces.push_back(region);
  std::erase_if(pieces, [](const Region& piece) { return piece.empty(); });
  return pieces;
}

void CoverIn(Ranges& ranges, Region wanted) {
  const std::vector<Region> touched = TouchedBy(ranges, wanted);
  const Region all = Union(wanted, touched);
  for (const Region& old : touched) ranges.erase(old.begin);
  ranges[all.begin] = all.end;
}

// The neighbours with the smallest gap between them, as one. REQUIRES: two ranges.
Region ClosestNeighbours(const Ranges& ranges) {
  Region closest;
  uint64_t smallest = UINT64_MAX;
  for (auto left = ranges.begin(), right = std::next(left); right != ranges.end();
       ++left, ++right) {
    const uint64_t gap = right->first - left->second;
    if (gap >= smallest) continue;
    smallest = gap;
    closest = {.begin = left->first, .end = right->second};
  }
  return closest;
}

}  // namespace

ProtectedRanges::ProtectedRanges(ProtectionHardware& hardware)
    : hardware_(hardware), limit_(LogicalLimit(hardware)) {
  assert(hardware.most_ranges() >= (hardware.can_modify() ? 2U : 3U) || !hardware.is_dynamic());
}

absl::Status ProtectedRanges::Add(Region buffer) {
  assert(!buffer.empty() && hardware_.space().Contains(buffer));
  const Region units = hardware_.is_dynamic() ? AlignOutwards(buffer) : hardware_.space();
  const AddPlan plan = PlanAdd(units);
  if (absl::Status taken = TakeAll(plan.newly); !taken.ok()) return taken;
  for (const Region& wanted : plan.covers) Cover(wanted);
  ZeroBuffer(buffer, plan.newly);
  live_[buffer.begin] = buffer.end;
  return absl::OkStatus();
}

void ProtectedRanges::Delete(Region buffer) {
  const auto found = live_.find(buffer.begin);
  assert(found != live_.end() && found->second == buffer.end);
  live_.erase(found);
  if (!hardware_.is_dynamic()) return;
  while (DeleteOne() || ShortenOne() || (ranges_.size() < limit_ && SplitOne())) {
  }
}

bool ProtectedRanges::Improve() {
  if (!hardware_.is_dynamic()) return false;
  if (DeleteOne() || ShortenOne()) return true;
  return ranges_.size() < limit_ ? SplitOne() : MergeAndSplit();
}

std::vector<Region> ProtectedRanges::ranges() const {
  std::vector<Region> all;
  for (const auto& range : ranges_) all.push_back(ToRegion(range));
  return all;
}

uint64_t ProtectedRanges::protected_bytes() const {
  uint64_t bytes = 0;
  for (const auto& range : ranges_) bytes += ToRegion(range).size();
  return bytes;
}

Region ProtectedRanges::AlignOutwards(Region region) const {
  const uint64_t granularity = hardware_.granularity();
  return {.begin = region.begin / granularity * granularity,
          .end = (region.end + granularity - 1) / granularity * granularity};
}

// What has to be covered, joined where it overlaps or touches.
std::vector<Region> ProtectedRanges::LiveRuns() const {
  return RunsIn({.begin = 0, .end = UINT64_MAX});
}

std::vector<Region> ProtectedRanges::RunsIn(Region range) const {
  std::vector<Region> runs;
  // No live buffer lies partly in a range: those that begin in it are all.
  for (auto it = live_.lower_bound(range.begin); it != live_.end() && it->first < range.end; ++it) {
    const Region units = AlignOutwards(ToRegion(*it));
    if (!runs.empty() && units.begin <= runs.back().end) {
      runs.back().end = std::max(runs.back().end, units.end);
    } else {
      runs.push_back(units);
    }
  }
  return runs;
}

// PROT-3, on a copy.
ProtectedRanges::AddPlan ProtectedRanges::PlanAdd(Region units) const {
  AddPlan plan;
  Ranges ranges = ranges_;
  const auto cover = [&](Region wanted) {
    for (const Region& piece : Uncovered(ranges, wanted)) plan.newly.push_back(piece);
    CoverIn(ranges, wanted);
    plan.covers.push_back(wanted);
  };
  for (const Region& piece : Uncovered(ranges_, units)) {
    const auto above = ranges.upper_bound(piece.begin);
    const bool one_begins_before = above != ranges.begin();
    cover({.begin = one_begins_before ? std::prev(above)->first : piece.begin, .end = piece.end});
    if (ranges.size() > limit_) cover(ClosestNeighbours(ranges));
  }
  return plan;
}

absl::Status ProtectedRanges::TakeAll(const std::vector<Region>& pieces) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    absl::Status taken = hardware_.TakePages(pieces[i]);
    if (taken.ok()) continue;
    for (size_t j = 0; j < i; ++j) hardware_.GiveBackPages(pieces[j]);
    return taken;
  }
  return absl::OkStatus();
}

// Makes one range of `wanted` and of all that it overlaps or touches. Its pages have been taken.
void ProtectedRanges::Cover(Region wanted) {
  std::vector<Region> touched = TouchedBy(ranges_, wanted);
  const Region all = Union(wanted, touched);
  if (touched.size() == 1 && touched.front() == all) return;
  CoverIn(ranges_, wanted);
  if (!hardware_.can_modify() || touched.empty()) {
    hardware_.AddRange(all);
  } else {
    const bool keeps_end = touched.front().begin != all.begin && touched.back().end == all.end;
    const auto grown = keeps_end ? std::prev(touched.end()) : touched.begin();
    Region now = *grown;
    touched.erase(grown);
    for (const Region& next : {Region{.begin = all.begin, .end = now.end}, all}) {
      if (next != now) hardware_.ModifyRange(now, next);
      now = next;
    }
  }
  for (const Region& old : touched) hardware_.DeleteRange(old);
}

// What was not protected before, and what was, for it may hold an earlier buffer.
void ProtectedRanges::ZeroBuffer(Region buffer, const std::vector<Region>& newly) {
  Ranges zeroed;
  for (const Region& piece : newly) {
    hardware_.Zero(piece);
    CoverIn(zeroed, piece);
  }
  for (const Region& piece : Uncovered(zeroed, buffer)) hardware_.Zero(piece);
}

bool ProtectedRanges::DeleteOne() {
  for (const auto& [begin, end] : ranges_) {
    const Region range{.begin = begin, .end = end};
    if (!RunsIn(range).empty()) continue;
    ranges_.erase(range.begin);
    hardware_.DeleteRange(range);
    hardware_.GiveBackPages(range);
    return true;
  }
  return false;
}

bool ProtectedRanges::ShortenOne() {
  for (const auto& entry : ranges_) {
    const Region range = ToRegion(entry);
    const std::vector<Region> runs = RunsIn(range);
    if (runs.empty()) continue;
    const Region needed{.begin = runs.front().begin, .end = runs.back().end};
    if (needed == range) continue;
    Shorten(range, needed);
    return true;
  }
  return false;
}

bool ProtectedRanges::SplitOne() {
  const std::optional<Region> gap = LargestInnerGap();
  if (!gap) return false;
  Split(ToRegion(*std::prev(ranges_.upper_bound(gap->begin))), *gap);
  return true;
}

// One gap changes places with a larger one.
bool ProtectedRanges::MergeAndSplit() {
  const std::optional<Region> largest = LargestInnerGap();
  if (!largest || ranges_.size() < 2) return false;
  const Region merged = ClosestNeighbours(ranges_);
  const std::vector<Region> newly = Uncovered(ranges_, merged);
  if (newly.front().size() >= largest->size()) return false;
  if (!TakeAll(newly).ok()) return false;
  Cover(merged);
  return SplitOne();
}

void ProtectedRanges::Shorten(Region range, Region to) {
  ranges_.erase(range.begin);
  ranges_[to.begin] = to.end;
  if (hardware_.can_modify()) {
    Region now = range;
    for (const Region& next : {Region{.begin = to.begin, .end = now.end}, to}) {
      if (next != now) hardware_.ModifyRange(now, next);
      now = next;
    }
  } else {
    hardware_.AddRange(to);
    hardware_.DeleteRange(range);
  }
  const Region below{.begin = range.begin, .end = to.begin};
  const Region above{.begin = to.end, .end = range.end};
  for (const Region& left : {below, above}) {
    if (!left.empty()) hardware_.GiveBackPages(left);
  }
}

// The upper part gets a range of its own before the old one lets go of it.
void ProtectedRanges::Split(Region range, Region gap) {
  const Region low{.begin = range.begin, .end = gap.begin};
  const Region high{.begin = gap.end, .end = range.end};
  ranges_[low.begin] = low.end;
  ranges_[high.begin] = high.end;
  hardware_.AddRange(high);
  if (hardware_.can_modify()) {
    hardware_.ModifyRange(range, low);
  } else {
    hardware_.AddRange(low);
    hardware_.DeleteRange(range);
  }
  hardware_.GiveBackPages(gap);
}

// Between live buffers in one range: it could be left unprotected.
std::optional<Region> ProtectedRanges::LargestInnerGap() const {
  std::optional<Region> largest;
  const std::vector<Region> runs = LiveRuns();
  for (size_t i = 1; i < runs.size(); ++i) {
    const Region gap{.begin = runs[i - 1].end, .end = runs[i].begin};
    if (!Uncovered(ranges_, gap).empty()) continue;
    if (!largest || gap.size() > largest->size()) largest = gap;
  }
  return largest;
}

}  // namespace sysmem::heaps
