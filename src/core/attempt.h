// SPDX-License-Identifier: Apache-2.0
//
// When there is something to allocate, and for whom (server-behaviour.md 3.2 to 3.7).
//
//   for (NodeId top : EligibleSubtrees(tree)) {
//     std::vector<NodeId> pruned = PrunedSubtree(tree, top);
//     if (!AllReady(tree, pruned)) continue;
//     GroupSearch search = FindAgreement(tree, pruned, settings);
//     // or, once there are buffers: FindLateAgreement(tree, pruned, plan_of_the_buffers, settings)
//     ...
//   }
//
// Pure questions to a tree; nothing is changed and nobody is told here. What participants agree on
// is negotiate.h. Thread-safe on a tree that does not change meanwhile.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
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

// PART-2: who stands for the buffers that some of `nodes` want to match, in the same order.
// REQUIRES: the nodes exist.
std::vector<Participant> BuffersToMatch(const NodeTree& tree, const std::vector<NodeId>& nodes);

// What a sub-tree came to: a plan, and the nodes it holds for.
struct Agreement {
  Plan plan;
  std::vector<NodeId> visible;  // breadth-first (GRP-3)
};

// One choice of group children that does not work.
struct RefusedChoice {
  std::string choice;  // GroupChoice::Describe
  Failure why;
  Refusal refusal;  // what `why` was made of
};

// What the tries of a sub-tree came to.
struct GroupSearch {
  Result<Agreement> result;
  // In the order of the tries, for the log (GRP-9).
  std::vector<RefusedChoice> refused;
  // Set: somebody requires secure memory that is not to be had, whatever the others want (INIT-3);
  // the result says so. kNotYet: nothing is decided.
  std::optional<NoSecureMemory> no_secure_memory = std::nullopt;
};

// ATT-5: tries one choice of group children (group_choice.h) after the other until one works
// (GRP-8). A sub-tree without groups is a single choice in which every node is visible (GRP-5).
//
// A choice whose participants ask for what cannot be met together leads to the next one. Nothing
// else can come of planning but that somebody requires secure memory that is not there, which ends
// the search (INIT-3): what a heap refuses comes after it, and ends the attempt without another try
// (GRP-7). If no choice works the failure is that of the first one, the one
// that everybody prefers, with CONSTRAINTS_INTERSECTION_EMPTY; if group_combinations of them do not
// work and there are more, TOO_MANY_GROUP_CHILD_COMBINATIONS instead (GRP-6).
// REQUIRES: `pruned` comes from PrunedSubtree and is AllReady.
GroupSearch FindAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                          const Settings& settings);

// Who takes part in one try, for how long this object is there.
class TryParticipants {
 public:
  // `existing` is the plan of the buffers for those who come late, or nullptr.
  TryParticipants(const NodeTree& tree, const std::vector<NodeId>& visible, const Plan* existing);
  // A try without a tree.
  explicit TryParticipants(std::vector<Participant> all) : all_(std::move(all)) {}
  TryParticipants(const TryParticipants&) = delete;
  TryParticipants& operator=(const TryParticipants&) = delete;

  // Those that have their buffers already, then the others, then the buffers (LATE-1), then buffers
  // to match (PART-2).
  const std::vector<Participant>& all() const { return all_; }
  // Whether the one at this position in all() has no buffers yet, or stands for some: those that
  // there are, or those that such a one wants to match.
  bool IsNew(size_t position) const {
    return position >= first_newcomer_ &&
           (position < first_old_match_ || position >= first_new_match_);
  }

 private:
  void Append(std::vector<Participant> more);

  std::vector<Participant> all_;
  size_t first_newcomer_ = 0;
  size_t first_old_match_ = 0;  // buffers to match of those who have theirs
  size_t first_new_match_ = 0;
  Constraints buffers_;
};

// LATE-1 a: the nodes that take part already, breadth-first. Orphans among them still do.
// REQUIRES: the root is allocated.
std::vector<NodeId> AllocatedNodes(const NodeTree& tree);

// 3.7: as FindAgreement for a sub-tree that comes when the buffers of `existing` are there. It must
// make do with these: the plan agreed on is `existing`, or there is none.
// REQUIRES: as FindAgreement; the root is allocated.
GroupSearch FindLateAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                              const Plan& existing, const Settings& settings);

}  // namespace sysmem::core
