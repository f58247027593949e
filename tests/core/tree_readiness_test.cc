// SPDX-License-Identifier: Apache-2.0
//
// Asks when a tree has something to allocate, on trees built by hand.
#include <gtest/gtest.h>

#include "core/attempt.h"

namespace sysmem::core {
namespace {

using Ids = std::vector<NodeId>;

// 1 - (2 - (4, 5), 3)
class Readiness : public testing::Test {
 protected:
  Readiness() {
    tree_.AddRoot(1);
    tree_.AddChild(1, 2, kSameRights);
    tree_.AddChild(1, 3, kSameRights);
    tree_.AddChild(2, 4, kSameRights);
    tree_.AddChild(2, 5, kSameRights);
  }
  void Attach(NodeId id) { tree_.Get(id).failure_mode = FailureMode::kDoNotPropagate; }
  void Allocate(const Ids& ids) {
    for (NodeId id : ids) tree_.Get(id).allocated = true;
  }
  void SetConstraints(NodeId id, std::optional<Constraints> constraints) {
    Node& node = tree_.Get(id);
    node.kind = NodeKind::kCollection;
    node.constraints_set = true;
    node.constraints = std::move(constraints);
  }

  NodeTree tree_;
};

TEST_F(Readiness, IsNeverReachedByAToken) { EXPECT_FALSE(IsReady(Node{})); }

TEST_F(Readiness, OfACollectionComesWithConstraintsEvenEmptyOnes) {
  Node node{.kind = NodeKind::kCollection};
  EXPECT_FALSE(IsReady(node));
  node.released = true;
  EXPECT_FALSE(IsReady(node)) << "released but not closed is still awaited";
  node.constraints_set = true;
  EXPECT_TRUE(IsReady(node));
}

TEST_F(Readiness, OfAGroupComesWithAllChildrenPresent) {
  Node node{.kind = NodeKind::kGroup};
  EXPECT_FALSE(IsReady(node));
  node.all_children_present = true;
  EXPECT_TRUE(IsReady(node));
}

TEST_F(Readiness, IsAlwaysThereForAnOrphan) {
  for (NodeKind kind : {NodeKind::kToken, NodeKind::kCollection, NodeKind::kGroup}) {
    EXPECT_TRUE(IsReady(Node{.kind = kind, .connected = false}));
  }
}

TEST_F(Readiness, NeedsEveryNode_ATT_4) {
  for (NodeId id : Ids{1, 2, 3, 4}) SetConstraints(id, std::nullopt);
  EXPECT_FALSE(AllReady(tree_, PrunedSubtree(tree_, 1)));
  tree_.Get(5).connected = false;
  EXPECT_TRUE(AllReady(tree_, PrunedSubtree(tree_, 1)));
}

TEST_F(Readiness, IsAskedOfTheRootAloneBeforeTheInitialAllocation_ATT_2) {
  Attach(2);
  EXPECT_EQ(EligibleSubtrees(tree_), Ids{1});
}

TEST_F(Readiness, IsAskedOfAttachedNodesOfAllocatedParentsAfterwards_ATT_2) {
  Attach(3);
  Attach(4);
  Allocate({1, 2, 5});
  EXPECT_EQ(EligibleSubtrees(tree_), (Ids{3, 4}));
  Allocate({3});
  EXPECT_EQ(EligibleSubtrees(tree_), Ids{4});
}

TEST_F(Readiness, IsNotAskedBelowANodeThatIsNotAllocated_ATT_2) {
  Attach(2);
  Attach(4);
  Allocate({1, 3});
  EXPECT_EQ(EligibleSubtrees(tree_), Ids{2});
}

TEST_F(Readiness, IsAskedOfNobodyOnceEverythingIsAllocated_ATT_2) {
  Allocate({1, 2, 3, 4, 5});
  EXPECT_TRUE(EligibleSubtrees(tree_).empty());
  EXPECT_TRUE(EligibleSubtrees(NodeTree()).empty());
}

TEST_F(Readiness, LeavesAttachedSubtreesOutAndDispensableNodesIn_ATT_3) {
  tree_.Get(2).failure_mode = FailureMode::kPropagateBeforeAllocation;
  Attach(4);
  EXPECT_EQ(PrunedSubtree(tree_, 1), (Ids{1, 2, 3, 5}));
  EXPECT_EQ(PrunedSubtree(tree_, 4), Ids{4}) << "its own top is in";
}

TEST_F(Readiness, TakesConstraintsBreadthFirstFromLiveAndOrphanedCollections_PART_1) {
  SetConstraints(4, Constraints{.min_buffer_count = 4});
  SetConstraints(1, Constraints{.min_buffer_count = 1});
  SetConstraints(3, std::nullopt);
  tree_.Get(4).connected = false;
  tree_.Get(4).debug.name = "four";
  const std::vector<Participant> found = ParticipantsAmong(tree_, tree_.BreadthFirst(1));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].node, 1u);
  EXPECT_EQ(found[0].constraints->min_buffer_count, 1u);
  EXPECT_EQ(found[1].node, 3u);
  EXPECT_EQ(*found[1].constraints, Constraints{}) << "unset is the same as an empty table (2.7)";
  EXPECT_EQ(found[2].node, 4u);
  EXPECT_EQ(found[2].name, "four");
}

}  // namespace
}  // namespace sysmem::core
