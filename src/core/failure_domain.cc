// SPDX-License-Identifier: Apache-2.0
#include "core/failure_domain.h"

#include <cstddef>
#include <unordered_map>

namespace sysmem::core {
namespace {

bool ClimbsToParent(const Node& node) {
  switch (node.failure_mode) {
    case FailureMode::kPropagate:
      return true;
    case FailureMode::kPropagateBeforeAllocation:
      return !node.allocated;
    case FailureMode::kDoNotPropagate:
      return false;
  }
  return true;
}

bool IsTopOfADomain(const NodeTree& tree, const Node& node) {
  return node.id == tree.root() || node.failure_mode != FailureMode::kPropagate;
}

}  // namespace

NodeId FailureDomainOf(const NodeTree& tree, NodeId failing) {
  NodeId top = failing;
  while (top != tree.root() && ClimbsToParent(tree.Get(top))) top = tree.Get(top).parent;
  return top;
}

std::vector<NodeId> ChildrenFirst(const NodeTree& tree, NodeId top) {
  std::vector<NodeId> order = tree.BreadthFirst(top);
  return {order.rbegin(), order.rend()};
}

std::optional<NodeId> DomainWithoutClients(const NodeTree& tree) {
  if (tree.empty()) return std::nullopt;
  // Children come before their parents, so a node's sum is complete when its turn comes.
  std::unordered_map<NodeId, size_t> clients;
  for (NodeId id : ChildrenFirst(tree, tree.root())) {
    const Node& node = tree.Get(id);
    const size_t here = clients[id] + (node.connected ? 1 : 0);
    if (here == 0 && IsTopOfADomain(tree, node)) return id;
    clients[node.parent] += here;
  }
  return std::nullopt;
}

const char* FailureModeName(FailureMode mode) {
  switch (mode) {
    case FailureMode::kPropagate:
      return "PROPAGATE";
    case FailureMode::kPropagateBeforeAllocation:
      return "PROPAGATE_BEFORE_ALLOCATION";
    case FailureMode::kDoNotPropagate:
      return "DO_NOT_PROPAGATE";
  }
  return "?";
}

}  // namespace sysmem::core
