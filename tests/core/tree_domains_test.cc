// SPDX-License-Identifier: Apache-2.0
//
// Asks who falls with whom, on trees built by hand with all three failure modes.
#include <gtest/gtest.h>

#include "core/failure_domain.h"

namespace sysmem::core {
namespace {

using Ids = std::vector<NodeId>;
using enum FailureMode;

// 1 - (2 - (4 - 6, 5), 3)
class FailureDomains : public testing::Test {
 protected:
  FailureDomains() {
    tree_.AddRoot(1);
    tree_.AddChild(1, 2, kSameRights);
    tree_.AddChild(1, 3, kSameRights);
    tree_.AddChild(2, 4, kSameRights);
    tree_.AddChild(2, 5, kSameRights);
    tree_.AddChild(4, 6, kSameRights);
  }
  void Disconnect(const Ids& ids) {
    for (NodeId id : ids) tree_.Get(id).connected = false;
  }
  void SetMode(NodeId id, FailureMode mode) { tree_.Get(id).failure_mode = mode; }

  NodeTree tree_;
};

TEST_F(FailureDomains, ReachTheRootByDefault_FAIL_1) {
  for (NodeId id = 1; id <= 6; ++id) EXPECT_EQ(FailureDomainOf(tree_, id), 1u);
}

TEST_F(FailureDomains, StopAtAnAttachedNode_FAIL_1) {
  SetMode(2, kDoNotPropagate);
  EXPECT_EQ(FailureDomainOf(tree_, 6), 2u);
  EXPECT_EQ(FailureDomainOf(tree_, 2), 2u);
  EXPECT_EQ(FailureDomainOf(tree_, 3), 1u);
}

TEST_F(FailureDomains, StopAtADispensableNodeOnlyOnceItIsAllocated_FAIL_1) {
  SetMode(4, kPropagateBeforeAllocation);
  EXPECT_EQ(FailureDomainOf(tree_, 6), 1u);
  tree_.Get(4).allocated = true;
  EXPECT_EQ(FailureDomainOf(tree_, 6), 4u);
  EXPECT_EQ(FailureDomainOf(tree_, 5), 1u);
}

TEST_F(FailureDomains, StopAtTheInnermostBorder_FAIL_1) {
  SetMode(2, kDoNotPropagate);
  SetMode(4, kPropagateBeforeAllocation);
  EXPECT_EQ(FailureDomainOf(tree_, 6), 2u) << "not allocated: climbs on to the attached ancestor";
  tree_.Get(4).allocated = true;
  EXPECT_EQ(FailureDomainOf(tree_, 6), 4u);
}

TEST_F(FailureDomains, IgnoreTheModeOfTheRoot_FAIL_1) {
  SetMode(1, kPropagateBeforeAllocation);
  EXPECT_EQ(FailureDomainOf(tree_, 6), 1u);
}

TEST_F(FailureDomains, CloseChildrenBeforeParents_GONE_2) {
  EXPECT_EQ(ChildrenFirst(tree_, 1), (Ids{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(ChildrenFirst(tree_, 2), (Ids{6, 5, 4, 2}));
}

TEST_F(FailureDomains, TakeNestedDomainsAlong_FAIL_3) {
  SetMode(6, kDoNotPropagate);
  SetMode(4, kDoNotPropagate);
  EXPECT_EQ(ChildrenFirst(tree_, FailureDomainOf(tree_, 5)), (Ids{6, 5, 4, 3, 2, 1}));
}

TEST_F(FailureDomains, WithAClientAreLeftAlone_ZERO_1) {
  EXPECT_EQ(DomainWithoutClients(tree_), std::nullopt);
  Disconnect({1, 2, 3, 4, 5});
  EXPECT_EQ(DomainWithoutClients(tree_), std::nullopt) << "one client deep down is enough";
}

TEST_F(FailureDomains, WithoutAnyClientAreFoundAtTheRoot_ZERO_1) {
  Disconnect({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(DomainWithoutClients(tree_), 1u);
}

TEST_F(FailureDomains, AreFoundSmallestFirst_ZERO_1) {
  Disconnect({2, 4, 5, 6});
  EXPECT_EQ(DomainWithoutClients(tree_), std::nullopt) << "no border, no domain of its own";
  SetMode(2, kDoNotPropagate);
  EXPECT_EQ(DomainWithoutClients(tree_), 2u);
  SetMode(6, kPropagateBeforeAllocation);
  EXPECT_EQ(DomainWithoutClients(tree_), 6u);
  SetMode(5, kDoNotPropagate);
  EXPECT_EQ(DomainWithoutClients(tree_), 6u) << "5 is older";
  tree_.RemoveSubtree(6);
  EXPECT_EQ(DomainWithoutClients(tree_), 5u);
}

TEST_F(FailureDomains, CountClientsOfNestedDomainsAsTheirOwn_ZERO_1) {
  SetMode(2, kDoNotPropagate);
  SetMode(6, kDoNotPropagate);
  Disconnect({2, 4, 5});
  EXPECT_EQ(DomainWithoutClients(tree_), std::nullopt);
}

TEST_F(FailureDomains, AreNotFoundInAnEmptyTree) {
  tree_.RemoveSubtree(1);
  EXPECT_EQ(DomainWithoutClients(tree_), std::nullopt);
}

// Row 5 of section 9: the domain without clients is a dispensable node, and what fails is the root.
TEST_F(FailureDomains, OfADispensableNodeWithoutClientsClimbBeforeAllocation_ZERO_2) {
  SetMode(3, kPropagateBeforeAllocation);
  Disconnect({3});
  ASSERT_EQ(DomainWithoutClients(tree_), 3u);
  EXPECT_EQ(FailureDomainOf(tree_, 3), 1u);
  tree_.Get(3).allocated = true;
  EXPECT_EQ(FailureDomainOf(tree_, 3), 3u);
}

}  // namespace
}  // namespace sysmem::core
