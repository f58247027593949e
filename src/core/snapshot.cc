// SPDX-License-Identifier: Apache-2.0
#include "core/snapshot.h"

#include <unordered_set>

#include "core/collection_state.h"

namespace sysmem::core {

const char* NodeKindName(NodeKind kind) {
  switch (kind) {
    case NodeKind::kToken:
      return "token";
    case NodeKind::kCollection:
      return "collection";
    case NodeKind::kGroup:
      return "group";
  }
  return "?";
}

const char* CollectionStateName(CollectionState state) {
  switch (state) {
    case CollectionState::kWaiting:
      return "waiting";
    case CollectionState::kAllocating:
      return "allocating";
    case CollectionState::kAllocated:
      return "allocated";
    case CollectionState::kFailed:
      return "failed";
  }
  return "?";
}

CollectionState Collection::State::StateNow() const {
  if (failure_) return CollectionState::kFailed;
  if (result_) return CollectionState::kAllocated;
  return under_way_ ? CollectionState::kAllocating : CollectionState::kWaiting;
}

NodeSnapshot Collection::State::TakeNodeSnapshot(const Node& node) const {
  return {.id = node.id,
          .parent = node.parent,
          .kind = node.kind,
          .connected = node.connected,
          .released = node.released,
          .ready = IsReady(node),
          .allocated = node.allocated,
          .failure_mode = node.failure_mode,
          .weak = node.weak,
          .weak_ok = node.weak_ok,
          .debug = node.debug,
          .rights_mask = node.rights_mask,
          .constraints_set = node.constraints_set,
          .constraints = node.constraints,
          .pending_waits = static_cast<uint32_t>(node.waits.size())};
}

Snapshot Collection::State::TakeSnapshot() const {
  Snapshot snapshot;
  snapshot.id = id_;
  snapshot.name = name_ ? name_->text : "";
  snapshot.state = StateNow();
  if (!tree_.empty()) {
    const std::vector<NodeId> first = PrunedSubtree(tree_, tree_.root());
    const std::unordered_set<NodeId> come_first(first.begin(), first.end());
    for (NodeId id : tree_.BreadthFirst(tree_.root())) {
      snapshot.nodes.push_back(TakeNodeSnapshot(tree_.Get(id)));
      snapshot.nodes.back().comes_later = come_first.count(id) == 0;
    }
  }
  snapshot.plan = result_;
  if (under_way_) snapshot.plan = under_way_->agreement.plan;
  snapshot.failure = failure_;
  snapshot.verbose = verbose_;
  return snapshot;
}

}  // namespace sysmem::core
