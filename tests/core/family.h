// SPDX-License-Identifier: Apache-2.0
//
// Who descends from whom in a random life, by events and answers alone. Nodes that are closed stay
// known.
#pragma once

#include <map>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/event.h"

namespace sysmem::core::test {

struct Family {
  std::map<NodeId, NodeId> parents;  // of every node that ever was; 0 of the root
  std::map<NodeId, NodeId> first_children;
  std::set<NodeId> groups;      // and perhaps such as never came to be
  std::set<NodeId> attached;    // by AttachToken
  std::set<NodeId> expendable;  // by SetDispensable

  // What will be if the call succeeds.
  template <typename E>
  void Note(const E& e) {
    if constexpr (std::is_same_v<E, event::CreateRoot>) births_[e.call] = {{0, e.node}};
    if constexpr (std::is_same_v<E, event::Duplicate> || std::is_same_v<E, event::AttachToken> ||
                  std::is_same_v<E, event::CreateTokenGroup> ||
                  std::is_same_v<E, event::CreateChild>) {
      births_[e.call] = {{e.node, e.child}};
    }
    if constexpr (std::is_same_v<E, event::DuplicateSync> ||
                  std::is_same_v<E, event::CreateChildrenSync>) {
      for (NodeId child : e.children) births_[e.call].emplace_back(e.node, child);
    }
    if constexpr (std::is_same_v<E, event::CreateTokenGroup>) groups.insert(e.child);
    if constexpr (std::is_same_v<E, event::AttachToken>) attached_by_[e.call] = e.child;
    if constexpr (std::is_same_v<E, event::SetDispensable>) expendable_by_[e.call] = e.node;
  }
  void Granted(CallId call) {
    for (const auto& [parent, child] : births_[call]) {
      parents[child] = parent;
      first_children.emplace(parent, child);
    }
    if (const auto by = attached_by_.find(call); by != attached_by_.end()) {
      attached.insert(by->second);
    }
    if (const auto by = expendable_by_.find(call); by != expendable_by_.end()) {
      expendable.insert(by->second);
    }
  }

  // From a node to the root, both included.
  std::vector<NodeId> WayUp(NodeId node) const {
    std::vector<NodeId> way;
    for (NodeId id = node; id != 0; id = parents.at(id)) way.push_back(id);
    return way;
  }
  // ATT-3: up to the next attached node, or the root.
  NodeId AttachedTop(NodeId node) const {
    while (!attached.count(node) && parents.at(node) != 0) node = parents.at(node);
    return node;
  }

 private:
  std::map<CallId, std::vector<std::pair<NodeId, NodeId>>> births_;  // {parent, child}
  std::map<CallId, NodeId> attached_by_;
  std::map<CallId, NodeId> expendable_by_;
};

}  // namespace sysmem::core::test
