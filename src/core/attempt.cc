// SPDX-License-Identifier: Apache-2.0
#include "core/attempt.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/existing_buffers.h"

namespace sysmem::core {
namespace {

// Stands in for the table of a collection that sent SetConstraints without one (2.7).
const Constraints& EmptyConstraints() {
  static const Constraints empty;
  return empty;
}

}  // namespace

std::vector<NodeId> EligibleSubtrees(const NodeTree& tree) {
  if (tree.empty()) return {};
  std::vector<NodeId> tops = tree.BreadthFirst(
      tree.root(), [&tree](const Node& node) { return tree.Get(node.parent).allocated; });
  std::erase_if(tops, [&tree](NodeId id) { return tree.Get(id).allocated; });
  return tops;
}

std::vector<NodeId> PrunedSubtree(const NodeTree& tree, NodeId top) {
  return tree.BreadthFirst(
      top, [](const Node& node) { return node.failure_mode != FailureMode::kDoNotPropagate; });
}

bool IsReady(const Node& node) {
  if (!node.connected) return true;
  switch (node.kind) {
    case NodeKind::kToken:
      return false;
    case NodeKind::kCollection:
      return node.constraints_set;
    case NodeKind::kGroup:
      return node.all_children_present;
  }
  return false;
}

bool AllReady(const NodeTree& tree, const std::vector<NodeId>& nodes) {
  return std::all_of(nodes.begin(), nodes.end(),
                     [&tree](NodeId id) { return IsReady(tree.Get(id)); });
}

std::vector<Participant> ParticipantsAmong(const NodeTree& tree, const std::vector<NodeId>& nodes) {
  std::vector<Participant> participants;
  for (NodeId id : nodes) {
    const Node& node = tree.Get(id);
    if (!node.constraints_set) continue;
    participants.push_back(
        {id, node.debug.name, node.constraints ? &*node.constraints : &EmptyConstraints()});
  }
  return participants;
}

Result<Agreement> FindAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                                const Settings& settings) {
  Result<Plan> plan = Negotiate(ParticipantsAmong(tree, pruned), settings);
  if (!plan.ok()) return std::move(plan).failure();
  return Agreement{std::move(plan).value(), pruned};
}

std::vector<NodeId> AllocatedNodes(const NodeTree& tree) {
  return tree.BreadthFirst(tree.root(), [](const Node& node) { return node.allocated; });
}

std::optional<Failure> WhyNoLateAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                                          const Plan& existing, const Settings& settings) {
  std::vector<Participant> participants = ParticipantsAmong(tree, AllocatedNodes(tree));
  std::vector<Participant> newcomers = ParticipantsAmong(tree, pruned);
  participants.insert(participants.end(), std::make_move_iterator(newcomers.begin()),
                      std::make_move_iterator(newcomers.end()));
  return WhyNotServed(std::move(participants), existing, settings);
}

}  // namespace sysmem::core
