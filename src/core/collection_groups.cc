// SPDX-License-Identifier: Apache-2.0
//
// Groups: the tables of server-behaviour.md 2.4 to 2.6 as far as they are about them, and what
// becomes of the children that were not chosen (3.6). How they are chosen is group_choice.h.
#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "core/collection_state.h"
#include "core/describe.h"

namespace sysmem::core {
namespace {

// An error that harms nobody (MSG-H1).
Failure BadNodeRef(Error error, std::string message) {
  Failure failure;
  failure.error = error;
  failure.rule = "2.4";
  failure.field = "node_ref";
  failure.message = "node_ref " + std::move(message);
  return failure;
}

}  // namespace

void Collection::State::On(const event::CreateTokenGroup& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kToken, "2.4", "", kForTokens},
              {AnyUnusable({e.child}), "2.5", "group_handle", kMissing},
              {node->released, "2.5", "", kWasReleased}})) {
    return;
  }
  if (!HasRoomFor(1, *node, e.call)) return;
  Answer(e.call, Nothing{});
  AddChild(*node, e.child, NodeKind::kGroup, kSameRights);
}

void Collection::State::On(const event::CreateChild& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kGroup, "2.4", "", kForGroups},
              {AnyUnusable({e.child}), "2.6", "token_handle", kMissing},
              {node->released, "2.6", "", kWasReleased},
              {node->all_children_present, "2.6", "", kIsComplete},
              {e.rights_mask == 0u, "2.6", "rights_attenuation_mask", "must not be 0"}})) {
    return;
  }
  if (!HasRoomFor(1, *node, e.call)) return;
  Answer(e.call, Nothing{});
  AddChild(*node, e.child, NodeKind::kToken, e.rights_mask.value_or(kSameRights));
}

void Collection::State::On(const event::CreateChildrenSync& e) {
  MakeTokens({NodeKind::kGroup, kForGroups, "2.6"}, e.node, e.call, e.children, e.rights_masks);
}

void Collection::State::On(const event::AllChildrenPresent& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kGroup, "2.4", "", kForGroups},
              {node->released, "2.6", "", kWasReleased},
              {node->all_children_present, "2.6", "", "had all children present before"},
              {node->children.empty(), "2.6", "", "has no child to choose"}})) {
    return;
  }
  Answer(e.call, Nothing{});
  node->all_children_present = true;
  LogStep([&] { return Describe(*node) + " has all its children"; });
  Attempt();
}

void Collection::State::On(const event::GetNodeRef& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call, {{node->released, "2.4", "", kWasReleased}})) return;
  Answer(e.call, Reference{node->id});
  node->referenced = true;
}

void Collection::State::On(const event::IsAlternateFor& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{!e.other && !e.unreadable, "2.4", "node_ref", kMissing},
              {node->released, "2.4", "", kWasReleased}})) {
    return;
  }
  if (e.unreadable) {
    return Answer(e.call,
                  BadNodeRef(Error::kProtocolDeviation, "cannot be a reference to any node"));
  }
  if (tree_.Find(*e.other) == nullptr) {
    return Answer(e.call, BadNodeRef(Error::kNotFound, "is no node of this collection"));
  }
  Answer(e.call, tree_.NearestAbove(e.node, *e.other).kind == NodeKind::kGroup);
}

// What is below an unchosen child goes with it, attached sub-trees included. From the back, as
// everything that fails together.
void Collection::State::DropUnchosen(const std::vector<NodeId>& visible) {
  const std::unordered_set<NodeId> chosen(visible.begin(), visible.end());
  for (auto id = visible.rbegin(); id != visible.rend(); ++id) {
    const Node* group = tree_.Find(*id);
    if (group == nullptr || group->kind != NodeKind::kGroup) continue;
    const std::vector<NodeId> children = group->children;
    for (auto child = children.rbegin(); child != children.rend(); ++child) {
      if (chosen.count(*child)) continue;
      Failure unchosen = Closed(Describe(*group) + " chose another child");
      unchosen.rule = "DEL-2";
      FailSubtree(*child, unchosen, Level::kInfo);
    }
  }
}

}  // namespace sysmem::core
