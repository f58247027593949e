// SPDX-License-Identifier: Apache-2.0
//
// Which child each group chooses, try after try (server-behaviour.md 3.4).
//
//   GroupChoice choice(tree, PrunedSubtree(tree, top));
//   do {
//     if (Works(choice.Visible())) break;
//   } while (choice.Next());
//
// A choice names one child for every group. The nodes below the others are out of sight for as long
// as it stands. It starts with the first child of every group and goes on like a counter: groups
// are its digits, in the order in which a walk meets them that goes down before it goes on to the
// next brother (GRP-1), and the last one turns fastest. So the children of a group are tried in the
// order in which they were made, and what the groups met first prefer weighs most.
//
// A group that is out of sight turns no digit: below a child that is not chosen nothing multiplies.
//
// A pure walk over a tree that must neither change nor go away meanwhile; one caller at a time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/node_tree.h"

namespace sysmem::core {

class GroupChoice {
 public:
  // The first choice (GRP-2).
  // REQUIRES: `pruned` comes from PrunedSubtree.
  GroupChoice(const NodeTree& tree, std::vector<NodeId> pruned);

  // GRP-3: the nodes that take part, in the order of `pruned`; all of them if there are no groups.
  std::vector<NodeId> Visible() const;

  // GRP-4: goes on to the next choice. False if there is none; the first one stands again then.
  bool Next();

  // What one group in sight chooses.
  struct Pick {
    NodeId group = 0;
    size_t child = 0;  // which of its children, from 0
    size_t children = 0;
  };
  // The most important ones, at most `most`; `untold` is how many more there are.
  std::vector<Pick> Picks(size_t most, size_t& untold) const;

  // `node 4 takes child 1 of 3, node 9 takes child 0 of 2` for people: groups in sight, the most
  // important ones if there are many. Empty without groups.
  std::string Describe() const;

 private:
  // Position of a node of pruned_: what decides whether it is in sight.
  struct Place {
    size_t parent = 0;  // position
    bool alternative = false;
    size_t group = 0;  // of `alternative` ones: which group they belong to
    size_t rank = 0;   //   and as which of its children
  };
  struct Group {
    size_t place = 0;
    size_t children = 0;
    size_t chosen = 0;
  };

  // For each position.
  std::vector<bool> InSight() const;

  std::vector<NodeId> pruned_;
  std::vector<Place> places_;  // empty if there are no groups
  std::vector<Group> groups_;  // most important first
};

}  // namespace sysmem::core
