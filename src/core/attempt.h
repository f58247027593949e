// SPDX-License-Identifier: Apache-2.0
//
// When there is something to allocate, and for whom (server-behaviour.md 3.2 to 3.7).
//
//   for (NodeId top : EligibleSubtrees(tree)) {
//     std::vector<NodeId> pruned = PrunedSubtree(tree, top);
//     if (!AllReady(tree, pruned)) continue;
//     Result<Agreement> agreed = FindAgreement(tree, pruned, settings);
//     // or, once there are buffers: WhyNoLateAgreement(tree, pruned, plan_of_the_buffers,
//     settings)
//     ...
//   }
//
// Pure questions to a tree; nothing is changed and nobody is told here. What participants agree on
// is negotiate.h. Thread-safe on a tree that does not change meanwhile.
#pragma once

#include <vector>

#include "core/failure.h"
#include "core/negotiate.h"
#include "core/node_tree.h"
#include "core/plan.h"
#include "core/settings.h"

namespace sysmem::core {

// ATT-2: tops of the sub-trees whose turn it is, breadth-first: nodes that are not allocated while
// their parent is, and the root if it is not. Empty for an empty tree.
std::vector<NodeId> EligibleSubtrees(const NodeTree& tree);

// ATT-3: the nodes that are allocated together with `top`, breadth-first: everything below it that
// can be reached without entering an attached sub-tree.
// REQUIRES: the node exists.
std::vector<NodeId> PrunedSubtree(const NodeTree& tree, NodeId top);

// 1.4: whether allocation need not wait for this node (any more).
bool IsReady(const Node& node);
// ATT-4. REQUIRES: the nodes exist.
bool AllReady(const NodeTree& tree, const std::vector<NodeId>& nodes);

// PART-1: those of `nodes` that bring constraints, in the same order. Orphans that had set theirs
// still do. The constraints point into the tree.
// REQUIRES: the nodes exist.
std::vector<Participant> ParticipantsAmong(const NodeTree& tree, const std::vector<NodeId>& nodes);

// What a sub-tree came to: a plan, and the nodes it holds for.
struct Agreement {
  Plan plan;
  std::vector<NodeId> visible;  // breadth-first (GRP-3)
};

// ATT-5: tries one combination of group children after the other until one can be satisfied. A
// sub-tree without groups is a single combination in which every node is visible (GRP-5).
// REQUIRES: `pruned` comes from PrunedSubtree and is AllReady.
Result<Agreement> FindAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                                const Settings& settings);

// LATE-1 a: the nodes that take part already, breadth-first. Orphans among them still do.
// REQUIRES: the root is allocated.
std::vector<NodeId> AllocatedNodes(const NodeTree& tree);

// 3.7: as FindAgreement for a sub-tree that comes when the buffers of `existing` are there. It must
// make do with these: the plan agreed on is `existing`, or there is none.
// REQUIRES: as FindAgreement; the root is allocated.
std::optional<Failure> WhyNoLateAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                                          const Plan& existing, const Settings& settings);

}  // namespace sysmem::core
