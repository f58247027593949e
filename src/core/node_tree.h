// SPDX-License-Identifier: Apache-2.0
//
// The node tree of one collection: who was made from whom.
//
//   NodeTree tree;
//   tree.AddRoot(1).debug.name = "camera";
//   tree.AddChild(1, 2, kSameRights);                      // TREE-4, TREE-5, TREE-6
//   for (NodeId id : tree.BreadthFirst(tree.root())) ...   // a copy: the tree may change meanwhile
//
// A node is one permanent position in the tree. It may change its kind (a token that is bound
// becomes a collection) and lose its client (an orphan), but keeps its id, its place, its
// constraints and its children. There is one struct for all of that: a kind says what the node is
// or was, `connected` says whether a client still holds it.
//
// Nodes name each other by id. References that Find, Get, AddRoot and AddChild return stay good
// until that very node is removed.
//
// The tree keeps order and inheritance; it decides nothing. Who fails with whom is
// failure_domain.h, who is ready is attempt.h. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/constraints.h"
#include "core/constraints_weight.h"
#include "core/event.h"
#include "core/failure.h"
#include "core/failure_mode.h"
#include "core/shared_value.h"
#include "core/snapshot.h"

namespace sysmem::core {

// AttachLifetimeTracking: to be closed when no more than so many buffers are left (LIFE-2).
struct LifetimeTracking {
  TrackingId id = 0;
  uint32_t buffers_remaining = 0;
};

struct Node {
  NodeId id = 0;
  NodeId parent = 0;             // 0 for the root
  std::vector<NodeId> children;  // oldest first; the order counts (TREE-4)

  // What the node is or, if it is an orphan, was.
  NodeKind kind = NodeKind::kToken;
  bool connected = true;  // a client holds it; false = orphan
  bool released = false;  // Release was received
  bool allocated = false;
  bool founder = false;  // took part in the initial allocation
  FailureMode failure_mode = FailureMode::kPropagate;
  uint32_t rights_mask = UINT32_MAX;  // all masks from the root to here, combined
  DebugInfo debug;

  // A weak node keeps no buffer alive. Orphans are weak (CONV-6).
  bool weak = false;
  bool weak_ok = false;
  bool weak_ok_for_children = false;

  // What outsiders hold on to, also when the node is an orphan.
  uint32_t trackings = 0;   // AttachNodeTracking
  bool referenced = false;  // GetNodeRef

  // Collections.
  bool constraints_set = false;
  SharedValue<Constraints> constraints;   // as sent; unset is the same as an empty table
  SharedValue<Constraints> must_match;    // what the buffers to match are (EXIST), any number
  std::vector<std::string> denied_heaps;  // types that whoever set the constraints may not use
  ConstraintsWeight weight;               // of these
  bool has_waited = false;                // a wait was accepted, pending or not
  std::vector<CallId> waits;              // not answered yet, oldest first
  std::vector<LifetimeTracking> lifetime_trackings;  // until its allocation is decided (LIFE-1)

  // Groups.
  bool all_children_present = false;
};

// What there is in a sub-tree (CNT-1). Orphans are nodes and nothing else (CNT-2).
struct NodeCounts {
  size_t nodes = 0;
  size_t connected = 0;  // tokens + collections + groups
  size_t tokens = 0;
  size_t collections = 0;
  size_t groups = 0;
  bool operator==(const NodeCounts&) const = default;
};

class NodeTree {
 public:
  bool empty() const { return nodes_.empty(); }
  size_t size() const { return nodes_.size(); }
  // 0 when the tree is empty.
  NodeId root() const { return root_; }

  // nullptr if there is no such node (any more).
  Node* Find(NodeId id);
  const Node* Find(NodeId id) const;
  // REQUIRES: the node exists.
  Node& Get(NodeId id);
  const Node& Get(NodeId id) const;

  // REQUIRES: the tree is empty; id != 0.
  Node& AddRoot(NodeId id);
  // The youngest child of `parent`, a token that inherits name, rights and weakness (TREE-5). Its
  // rights are the parent's AND `rights_mask`, or just the parent's for kSameRights (TREE-6).
  // REQUIRES: parent exists; id != 0 and not in the tree.
  Node& AddChild(NodeId parent, NodeId id, uint32_t rights_mask);
  // Removes `top` and everything below it.
  // REQUIRES: the node exists.
  void RemoveSubtree(NodeId top);

  // `from` and everything below it, level by level; brothers oldest first.
  // REQUIRES: the node exists.
  std::vector<NodeId> BreadthFirst(NodeId from) const;
  // The same without the nodes for which `enter(const Node&)` is false and what is below those.
  // `from` itself is always in.
  template <typename Enter>
  std::vector<NodeId> BreadthFirst(NodeId from, Enter enter) const;

  // Calls visit(const Node&) for each node, in no order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [id, node] : nodes_) visit(node);
  }

  // The nearest node above both; one of the two if it stands above the other, or is the other.
  // REQUIRES: the nodes exist.
  const Node& NearestAbove(NodeId a, NodeId b) const;

  // CNT-1, CNT-2. REQUIRES: the node exists.
  NodeCounts Count(NodeId from) const;
  // CNT-3: nodes of the whole tree that are not weak.
  size_t CountStrong() const;

 private:
  std::unordered_map<NodeId, Node> nodes_;  // never walked: order comes from `children` alone
  NodeId root_ = 0;
};

template <typename Enter>
std::vector<NodeId> NodeTree::BreadthFirst(NodeId from, Enter enter) const {
  std::vector<NodeId> order{from};
  for (size_t next = 0; next < order.size(); ++next) {
    for (NodeId child : Get(order[next]).children) {
      if (enter(Get(child))) order.push_back(child);
    }
  }
  return order;
}

}  // namespace sysmem::core
