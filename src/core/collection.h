// SPDX-License-Identifier: Apache-2.0
//
// One logical buffer collection: an event goes in, a list of effects comes out.
//
//   core::Collection c(id, settings, now);
//   for (core::Effect& e : c.Handle(core::event::CreateRoot{...})) ...
//
// It ties together the node tree (node_tree.h), failure domains (failure_domain.h), the decision
// when to allocate (attempt.h) and the negotiation (negotiate.h); each of those answers its own
// question and can be tested alone. This class only routes.
//
// Pure and deterministic: no clock, descriptor, thread, log or random number. The same events give
// the same effects. Not thread-safe: one caller at a time (the engine's mailbox sees to that).
// A node id that does not exist (any more) is not an error of the caller: calls on it are answered
// with Outcome kClosed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/effect.h"
#include "core/event.h"
#include "core/report.h"
#include "core/settings.h"
#include "core/snapshot.h"
#include "core/snapshot_walk.h"

namespace sysmem::core {

class Collection {
 public:
  // `id` is the buffer_collection_id (TREE-2). `now_ns` starts the slow-allocation timer (SLOW-1).
  // Settings are shared, immutable, and outlive the collection through the pointer.
  Collection(uint64_t id, std::shared_ptr<const Settings> settings, int64_t now_ns);
  ~Collection();
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;

  // Carries out one event. The order of the effects is part of the contract (effect.h).
  Effects Handle(const Event& event);

  // No less than the image formats that Handle will look at for this event (attempt_cost.h); 0 for
  // events that start no attempt. For engines that keep others waiting while they handle one.
  uint64_t CostOf(const Event& event) const;

  // True if this node exists, as token, collection, group or orphan, and its client end is open.
  bool IsConnected(NodeId node) const;

  // Its kind, if it is connected.
  std::optional<NodeKind> KindOf(NodeId node) const;
  // What clients call it (DBG-3); empty if there is no such node.
  DebugInfo DebugOf(NodeId node) const;

  // Release was received, and it is still connected.
  bool IsReleased(NodeId node) const;

  // Everything a person may want to see, copied.
  Snapshot TakeSnapshot() const;
  // The same bit by bit. `changes` is a number that rises with each change that is to count besides
  // those of the collection: their sum is Snapshot::version.
  void TakeSlice(SnapshotWalk& walk, uint64_t changes = 0) const;
  // At a price that does not depend on how many nodes there are.
  Glance TakeGlance() const;
  // SetName's that counts; empty if nobody named it.
  std::string name() const;
  // Rises with each change.
  uint64_t version() const;
  // Why the plan is as it is, or why there is none; empty while nothing is decided. Takes as long
  // as negotiating once more. Participants that are gone since then still count.
  Report Explain() const;
  // It failed, and there never were buffers.
  bool HasFailedEarly() const;

  uint64_t id() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace sysmem::core
