// SPDX-License-Identifier: Apache-2.0
//
// A collection as a person sees it: plain values for the inspector and for tests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/constraints.h"
#include "core/event.h"
#include "core/failure.h"
#include "core/failure_mode.h"
#include "core/node_kind.h"
#include "core/plan.h"
#include "core/shared_value.h"

namespace sysmem::core {

struct NodeSnapshot {
  NodeId id = 0;
  NodeId parent = 0;  // 0 for the root
  NodeKind kind = NodeKind::kToken;
  bool connected = true;  // false = orphan (released and closed)
  bool released = false;
  bool ready = false;      // 1.4
  bool allocated = false;  // logically allocated
  FailureMode failure_mode = FailureMode::kPropagate;
  // It or a node above it is attached: allocated after the others, who do not wait for it.
  bool comes_later = false;
  bool weak = false;     // keeps no buffer alive; so do orphans (CONV-6)
  bool weak_ok = false;  // its client knows what that means (WEAK-2)
  bool weak_ok_for_children = false;
  uint32_t trackings = 0;           // AttachNodeTracking
  uint32_t lifetime_trackings = 0;  // AttachLifetimeTracking, while nothing is decided
  NodeId chosen = 0;  // of a group that is allocated: the child it took, if that is still there
  DebugInfo debug;
  uint32_t rights_mask = UINT32_MAX;
  bool constraints_set = false;
  SharedValue<Constraints> constraints;  // as sent
  bool must_match = false;               // gave buffers to match
  uint32_t pending_waits = 0;
  bool operator==(const NodeSnapshot&) const = default;
};

// kOutlived: no node is left, but buffers are, with those who hold them (GONE-5).
enum class CollectionState : uint8_t { kWaiting, kAllocating, kAllocated, kFailed, kOutlived };
const char* CollectionStateName(CollectionState state);

// Where a buffer is on its way to its end (5.4).
enum class BufferState : uint8_t { kStrong, kWeakOnly, kGone };

struct BufferSnapshot {
  BufferState state = BufferState::kStrong;
  uint32_t strong = 0;  // hand-outs that live
  uint32_t weak = 0;
  bool operator==(const BufferSnapshot&) const = default;
};

struct Snapshot {
  uint64_t id = 0;  // buffer_collection_id
  std::string name;
  CollectionState state = CollectionState::kWaiting;
  // Rises with each change of the collection, but not with hand-outs of its buffers. If it was
  // taken in slices (snapshot_walk.h): as it was at the beginning.
  uint64_t version = 0;
  bool changed_meanwhile = false;   // and what is below is of several moments
  std::vector<NodeSnapshot> nodes;  // breadth-first from the root; the part that was wanted
  uint64_t nodes_in_all = 0;
  uint64_t connected_in_all = 0;
  // Of a collection that failed before it had buffers: its nodes as they stood then.
  std::vector<NodeSnapshot> nodes_at_failure;
  std::optional<Plan> plan;             // once decided
  std::vector<BufferSnapshot> buffers;  // once they are made, by index
  uint32_t lifetime_trackings = 0;      // not closed yet, those of undecided nodes included
  std::optional<Failure> failure;       // why it failed
  bool verbose = false;
  bool operator==(const Snapshot&) const = default;
};

// The same in short.
struct Glance {
  std::string name;
  CollectionState state = CollectionState::kWaiting;
  uint64_t nodes = 0;
  // As planned; 0 while nothing is decided.
  uint32_t buffer_count = 0;
  uint64_t buffer_bytes = 0;  // of the memory object
  bool contiguous = false;
  bool secure = false;
  std::vector<BufferState> buffers;  // once they are made, by index
};

}  // namespace sysmem::core
