// SPDX-License-Identifier: Apache-2.0
//
// A snapshot of a collection taken in slices, so that whoever wants the collection meanwhile waits
// for one slice and not for the whole.
//
//   SnapshotWalk walk({.first_node = 1000, .most_nodes = 1000});
//   do {
//     collection.TakeSlice(walk);  // others may have the collection between two of these
//   } while (!walk.done());
//   Snapshot snapshot = std::move(walk).Take();
//
// When the collection changed between two slices the walk begins anew, kRestarts times at most. If
// that was not enough it goes on with what there is, and Snapshot::changed_meanwhile says so: each
// node then is as it was at some moment since Snapshot::version, stands after its parent, and
// appears once; some that came or went meanwhile may be missing or still be there.
//
// A value; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "core/plan_story.h"
#include "core/snapshot.h"

namespace sysmem::core {

class SnapshotWalk {
 public:
  // Looked at in one slice: some tens of microseconds.
  static constexpr size_t kNodesPerSlice = 128;
  static constexpr int kRestarts = 3;

  struct Wanted {
    // Of the breadth-first order; the others are counted only.
    size_t first_node = 0;
    size_t most_nodes = std::numeric_limits<size_t>::max();
    bool story = false;
    size_t nodes_per_slice = kNodesPerSlice;  // at least 1
  };

  explicit SnapshotWalk(Wanted wanted) : wanted_(wanted) {}

  bool done() const { return phase_ == Phase::kDone; }
  // How often it has begun anew.
  int restarts() const { return restarts_; }
  // What there is so far.
  const Snapshot& snapshot() const { return snapshot_; }

  // REQUIRES: done()
  Snapshot Take() && { return std::move(snapshot_); }
  // Empty unless it was wanted. REQUIRES: done()
  const PlanStory& story() const { return story_; }

 private:
  friend class Collection;

  enum class Phase : uint8_t { kBegin, kNodes, kStory, kDone };
  struct Step {
    NodeId node = 0;
    bool comes_later = false;  // the node above does
  };

  bool Wants(size_t place) const {
    return place >= wanted_.first_node && place - wanted_.first_node < wanted_.most_nodes;
  }
  void BeginAnew() {
    const Wanted wanted = wanted_;
    const int restarts = restarts_ + 1;
    *this = SnapshotWalk(wanted);
    restarts_ = restarts;
  }

  Wanted wanted_;
  int restarts_ = 0;
  Phase phase_ = Phase::kBegin;
  std::vector<Step> path_;  // breadth-first; grows as nodes with children are looked at
  size_t next_ = 0;         // of the path, of the nodes at failure, or of the speakers
  std::vector<NodeId> speakers_;
  Snapshot snapshot_;
  PlanStory story_;
};

}  // namespace sysmem::core
