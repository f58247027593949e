// SPDX-License-Identifier: Apache-2.0
#include "core/group_choice.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace sysmem::core {
namespace {

constexpr size_t kGroupsInText = 8;

}  // namespace

GroupChoice::GroupChoice(const NodeTree& tree, std::vector<NodeId> pruned)
    : pruned_(std::move(pruned)) {
  if (std::none_of(pruned_.begin(), pruned_.end(),
                   [&tree](NodeId id) { return tree.Get(id).kind == NodeKind::kGroup; })) {
    return;
  }
  std::unordered_map<NodeId, size_t> position;
  for (size_t i = 0; i < pruned_.size(); ++i) position[pruned_[i]] = i;
  places_.resize(pruned_.size());
  std::vector<size_t> to_visit{0};
  while (!to_visit.empty()) {
    const size_t here = to_visit.back();
    to_visit.pop_back();
    const Node& node = tree.Get(pruned_[here]);
    const bool decides = node.kind == NodeKind::kGroup;
    if (decides) groups_.push_back({.place = here, .children = node.children.size()});
    // The oldest child goes on top.
    for (size_t rank = node.children.size(); rank-- > 0;) {
      const auto child = position.find(node.children[rank]);
      if (child == position.end()) continue;  // attached, so not part of this
      places_[child->second] = {.parent = here,
                                .alternative = decides,
                                .group = decides ? groups_.size() - 1 : 0,
                                .rank = rank};
      to_visit.push_back(child->second);
    }
  }
}

std::vector<bool> GroupChoice::InSight() const {
  std::vector<bool> in_sight(pruned_.size(), true);
  for (size_t i = 1; i < places_.size(); ++i) {  // parents come first
    const Place& place = places_[i];
    in_sight[i] =
        in_sight[place.parent] && (!place.alternative || groups_[place.group].chosen == place.rank);
  }
  return in_sight;
}

std::vector<NodeId> GroupChoice::Visible() const {
  if (groups_.empty()) return pruned_;
  const std::vector<bool> in_sight = InSight();
  std::vector<NodeId> visible;
  for (size_t i = 0; i < pruned_.size(); ++i) {
    if (in_sight[i]) visible.push_back(pruned_[i]);
  }
  return visible;
}

bool GroupChoice::Next() {
  // Setting a digit back hides nothing that this loop has yet to come to: what a group decides
  // about stands behind it.
  const std::vector<bool> in_sight = InSight();
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) {
    if (!in_sight[group->place]) continue;
    if (++group->chosen < group->children) return true;
    group->chosen = 0;
  }
  return false;
}

std::vector<GroupChoice::Pick> GroupChoice::Picks(size_t most, size_t& untold) const {
  const std::vector<bool> in_sight = InSight();
  std::vector<Pick> picks;
  untold = 0;
  for (const Group& group : groups_) {
    if (!in_sight[group.place]) continue;
    if (picks.size() == most) {
      ++untold;
    } else {
      picks.push_back({pruned_[group.place], group.chosen, group.children});
    }
  }
  return picks;
}

std::string GroupChoice::Describe() const {
  size_t untold = 0;
  std::string text;
  for (const Pick& pick : Picks(kGroupsInText, untold)) {
    if (!text.empty()) text += ", ";
    text += "node " + std::to_string(pick.group) + " takes child " + std::to_string(pick.child) +
            " of " + std::to_string(pick.children);
  }
  return untold > 0 ? text + ", ..." : text;
}

}  // namespace sysmem::core
