// SPDX-License-Identifier: Apache-2.0
#include "core/snapshot.h"

#include <unordered_set>

#include "core/collection_state.h"
#include "core/existing_buffers.h"
#include "core/explain.h"

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
    case CollectionState::kOutlived:
      return "outlived";
  }
  return "?";
}

CollectionState Collection::State::StateNow() const {
  if (result_ && tree_.empty() && lives_.remaining() > 0) return CollectionState::kOutlived;
  if (failure_) return CollectionState::kFailed;
  if (result_) return CollectionState::kAllocated;
  return under_way_ ? CollectionState::kAllocating : CollectionState::kWaiting;
}

// The others went when it was chosen (DEL-2).
NodeId Collection::State::ChosenChild(const Node& node) const {
  const bool has_chosen = node.kind == NodeKind::kGroup && node.allocated && !node.children.empty();
  return has_chosen ? node.children.front() : 0;
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
          .weak_ok_for_children = node.weak_ok_for_children,
          .trackings = node.trackings,
          .lifetime_trackings = static_cast<uint32_t>(node.lifetime_trackings.size()),
          .chosen = ChosenChild(node),
          .debug = node.debug,
          .rights_mask = node.rights_mask,
          .constraints_set = node.constraints_set,
          .constraints = node.constraints,
          .must_match = node.must_match.has_value(),
          .pending_waits = static_cast<uint32_t>(node.waits.size())};
}

std::vector<NodeSnapshot> Collection::State::TakeNodeSnapshots() const {
  if (tree_.empty()) return {};
  std::vector<NodeSnapshot> nodes;
  const std::vector<NodeId> first = PrunedSubtree(tree_, tree_.root());
  const std::unordered_set<NodeId> come_first(first.begin(), first.end());
  for (NodeId id : tree_.BreadthFirst(tree_.root())) {
    nodes.push_back(TakeNodeSnapshot(tree_.Get(id)));
    nodes.back().comes_later = come_first.count(id) == 0;
  }
  return nodes;
}

Snapshot Collection::State::TakeSnapshot() const {
  Snapshot snapshot;
  snapshot.id = id_;
  snapshot.name = name_ ? name_->text : "";
  snapshot.state = StateNow();
  snapshot.nodes = TakeNodeSnapshots();
  snapshot.nodes_at_failure = nodes_at_failure_;
  snapshot.plan = result_;
  if (under_way_) snapshot.plan = under_way_->agreement.plan;
  snapshot.buffers = lives_.TakeSnapshot();
  snapshot.lifetime_trackings = static_cast<uint32_t>(lifetime_trackings_.size());
  for (const NodeSnapshot& node : snapshot.nodes) {
    snapshot.lifetime_trackings += node.lifetime_trackings;
  }
  snapshot.failure = failure_;
  snapshot.verbose = verbose_;
  return snapshot;
}

Report Collection::State::Explain() const {
  if (failure_ && !result_) return failure_->report ? *failure_->report : Report{};
  const std::vector<NodeId>* visible = result_ ? &founders_ : nullptr;
  if (under_way_) visible = &under_way_->agreement.visible;
  if (visible == nullptr) return {};
  std::vector<Participant> participants;
  std::vector<Participant> to_match;
  const auto add = [&](NodeId id, const auto& one, const std::string& name) {
    participants.push_back(
        {.node = id, .name = name, .constraints = one.constraints ? &*one.constraints : nullptr});
    if (one.must_match) to_match.push_back(AsParticipantToMatch(*one.must_match, id, name));
  };
  for (NodeId id : *visible) {
    const Node* node = tree_.Find(id);
    const auto gone = departed_.find(id);
    if (node != nullptr && node->constraints_set) {
      add(id, *node, node->debug.name);
    } else if (gone != departed_.end()) {
      add(id, gone->second, gone->second.name);
    }
  }
  participants.insert(participants.end(), to_match.begin(), to_match.end());
  Report report =
      ExplainPlan(participants, result_ ? *result_ : under_way_->agreement.plan, *settings_);
  report.refused = under_way_ ? under_way_->refused : refused_;
  return report;
}

}  // namespace sysmem::core
