// SPDX-License-Identifier: Apache-2.0
//
// Covers all live buffers of a pool with the few ranges that the hardware can protect, without a
// moment's gap, and leaves as much of the pool unprotected as so few ranges can (PROT-1).
//
//   ProtectedRanges ranges(hardware);
//   if (absl::Status added = ranges.Add(buffer); !added.ok()) ...   // the pages were not there
//   ...
//   ranges.Delete(buffer);
//   while (ranges.Improve()) ...      // now and then, when it is quiet (PROT-4)
//
// The goal: of the gaps between live buffers, the largest are left unprotected, one fewer than
// there may be ranges. Adding is quick and careless; Delete does at once what costs no memory, and
// Improve the rest step by step.
//
// Between calls (PROT-6) the ranges are multiples of the granularity, do not touch, each holds a
// part of a live buffer, and together they hold all of them. During a call they may overlap, but
// there are never more than the hardware has.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "heaps/pool/region.h"

namespace sysmem::heaps {

// What the ranges act upon. Only TakePages may fail: a process that cannot say what is protected
// has to end, so the others do that themselves (PROT-5).
class ProtectionHardware {
 public:
  virtual ~ProtectionHardware() = default;

  // These never change.
  virtual Region space() const = 0;          // where buffers can be; multiples of the granularity
  virtual bool is_dynamic() const = 0;       // else the whole space is protected with the first
  virtual uint64_t granularity() const = 0;  // of both ends of a range
  virtual size_t most_ranges() const = 0;    // at least 3, or 2 with can_modify
  virtual bool can_modify() const = 0;       // a range's end can be moved in place

  virtual void AddRange(Region range) = 0;
  virtual void DeleteRange(Region range) = 0;
  // One end moves. REQUIRES: can_modify().
  virtual void ModifyRange(Region from, Region to) = 0;
  // The piece lies in exactly one range, and holds nothing of any other live buffer.
  virtual void Zero(Region piece) = 0;

  // The pages are about to be protected: they have to be there. Errors: there is no memory.
  virtual absl::Status TakePages(Region pages) = 0;
  // They are no longer protected.
  virtual void GiveBackPages(Region pages) = 0;
};

class ProtectedRanges {
 public:
  // The hardware outlives this.
  explicit ProtectedRanges(ProtectionHardware& hardware);

  // Protects a buffer and zeroes it. REQUIRES: it lies in the space and overlaps no live one.
  // Errors: those of TakePages; nothing has changed then (PROT-3).
  absl::Status Add(Region buffer);

  // REQUIRES: added and not deleted since.
  void Delete(Region buffer);

  // One step towards the goal, if one is left and its pages are to be had: deletes a range,
  // shortens one, or leaves the largest gap unprotected. Whether anything changed.
  bool Improve();

  // In the order of their addresses.
  std::vector<Region> ranges() const;
  uint64_t protected_bytes() const;

 private:
  using Ranges = std::map<uint64_t, uint64_t>;  // begin -> end; they do not touch
  struct AddPlan {
    std::vector<Region> covers;  // to be covered, each by one range, in this order
    std::vector<Region> newly;   // pages that are not protected yet
  };

  Region AlignOutwards(Region region) const;
  std::vector<Region> LiveRuns() const;
  std::vector<Region> RunsIn(Region range) const;
  AddPlan PlanAdd(Region units) const;
  absl::Status TakeAll(const std::vector<Region>& pieces);
  void Cover(Region wanted);
  void ZeroBuffer(Region buffer, const std::vector<Region>& newly);

  // Each returns whether there was one.
  bool DeleteOne();
  bool ShortenOne();
  bool SplitOne();
  bool MergeAndSplit();

  void Shorten(Region range, Region to);
  void Split(Region range, Region gap);
  std::optional<Region> LargestInnerGap() const;

  ProtectionHardware& hardware_;
  const size_t limit_;  // ranges between operations (PROT-2)
  Ranges live_;         // buffers as they were added
  Ranges ranges_;
};

}  // namespace sysmem::heaps
