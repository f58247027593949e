// SPDX-License-Identifier: Apache-2.0
#include "core/node_tree.h"

#include <algorithm>
#include <cassert>
#include <unordered_set>

namespace sysmem::core {

Node* NodeTree::Find(NodeId id) {
  auto it = nodes_.find(id);
  return it == nodes_.end() ? nullptr : &it->second;
}

const Node* NodeTree::Find(NodeId id) const {
  auto it = nodes_.find(id);
  return it == nodes_.end() ? nullptr : &it->second;
}

Node& NodeTree::Get(NodeId id) {
  Node* node = Find(id);
  assert(node != nullptr);
  return *node;
}

const Node& NodeTree::Get(NodeId id) const {
  const Node* node = Find(id);
  assert(node != nullptr);
  return *node;
}

Node& NodeTree::AddRoot(NodeId id) {
  assert(empty() && id != 0);
  root_ = id;
  Node& node = nodes_[id];
  node.id = id;
  return node;
}

Node& NodeTree::AddChild(NodeId parent_id, NodeId id, uint32_t rights_mask) {
  assert(id != 0 && !Find(id));
  Node& child = nodes_[id];  // may rehash; references to nodes survive that
  Node& parent = Get(parent_id);
  parent.children.push_back(id);
  child.id = id;
  child.parent = parent_id;
  child.debug = parent.debug;
  child.rights_mask =
      rights_mask == kSameRights ? parent.rights_mask : parent.rights_mask & rights_mask;
  child.weak = parent.weak;
  child.weak_ok_for_children = parent.weak_ok_for_children;
  child.weak_ok = parent.weak_ok_for_children;
  return child;
}

void NodeTree::RemoveSubtree(NodeId top) {
  if (top == root_) {
    nodes_.clear();
    root_ = 0;
    return;
  }
  std::erase(Get(Get(top).parent).children, top);
  for (NodeId id : BreadthFirst(top)) nodes_.erase(id);
}

std::vector<NodeId> NodeTree::BreadthFirst(NodeId from) const {
  return BreadthFirst(from, [](const Node&) { return true; });
}

const Node& NodeTree::NearestAbove(NodeId a, NodeId b) const {
  std::unordered_set<NodeId> above_a;
  for (NodeId id = a; id != 0; id = Get(id).parent) above_a.insert(id);
  while (!above_a.count(b)) b = Get(b).parent;  // ends at the root at the latest
  return Get(b);
}

NodeCounts NodeTree::Count(NodeId from) const {
  NodeCounts counts;
  for (NodeId id : BreadthFirst(from)) {
    const Node& node = Get(id);
    ++counts.nodes;
    if (!node.connected) continue;
    ++counts.connected;
    switch (node.kind) {
      case NodeKind::kToken:
        ++counts.tokens;
        break;
      case NodeKind::kCollection:
        ++counts.collections;
        break;
      case NodeKind::kGroup:
        ++counts.groups;
        break;
    }
  }
  return counts;
}

size_t NodeTree::CountStrong() const {
  return static_cast<size_t>(std::count_if(nodes_.begin(), nodes_.end(),
                                           [](const auto& entry) { return !entry.second.weak; }));
}

}  // namespace sysmem::core
