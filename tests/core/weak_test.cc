// SPDX-License-Identifier: Apache-2.0
//
// Weak nodes: who becomes weak, who may wait for weak buffers, and when strong nodes are missing
// (server-behaviour.md 2.3, 2.4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/every_message.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CallId Vouch(Harness& h, NodeId node, std::optional<bool> for_children = std::nullopt) {
  return h.Say(event::SetWeakOk{.node = node, .for_child_nodes_also = for_children});
}
void Duplicate(Harness& h, NodeId node, NodeId child) {
  h.Say(event::Duplicate{.node = node, .child = child, .rights_mask = kSameRights});
}

TEST(Weak, IsTheNodeItselfWhichKnowsIt_WEAK_1) {
  Harness h;
  h.MakeTokens(1);
  EXPECT_TRUE(h.Succeeded(Weaken(h, 2)));
  EXPECT_TRUE(h.Succeeded(Weaken(h, 2))) << "repeating it is harmless";
  EXPECT_TRUE(h.Look(2).weak && h.Look(2).weak_ok);
  EXPECT_FALSE(h.Look(1).weak);
}

TEST(Weak, AreChildrenMadeAfterwardsOnly_WEAK_1_row_27) {
  Harness h;
  h.MakeTokens(1);
  Duplicate(h, 2, 3);
  Weaken(h, 2);
  Duplicate(h, 2, 4);
  MakeAlternatives(h, 4, 5, {6});
  EXPECT_FALSE(h.Look(3).weak);
  for (NodeId id : Ids{4, 5, 6}) {
    EXPECT_TRUE(h.Look(id).weak) << "node " << id;
    EXPECT_FALSE(h.Look(id).weak_ok) << "ok is not inherited by itself (TREE-5), node " << id;
  }
}

TEST(Weak, OkIsPassedOnOnlyIfSaidForChildrenToo_WEAK_2_TREE_5) {
  Harness h;
  h.MakeTokens(1);
  Duplicate(h, 2, 3);
  EXPECT_TRUE(h.Succeeded(Vouch(h, 2, true))) << "also on a strong node";
  EXPECT_TRUE(h.Succeeded(Vouch(h, 2, false))) << "which takes nothing back";
  EXPECT_TRUE(h.Succeeded(Vouch(h, 2)));
  Duplicate(h, 2, 4);
  Duplicate(h, 4, 5);
  EXPECT_FALSE(h.Look(3).weak_ok) << "it was there before";
  EXPECT_TRUE(h.Look(4).weak_ok && h.Look(5).weak_ok) << "and all below";
  EXPECT_TRUE(h.Look(2).weak_ok_for_children && h.Look(5).weak_ok_for_children);
  EXPECT_FALSE(h.Look(4).weak);
}

TEST(Weak, OkMayBeSaidWhenReady_2_4_row_25) {
  Harness h;
  MakeOneOfEach(h);
  Complete(h, kGroup);
  h.Constrain(kCollection, Camping(1));
  EXPECT_TRUE(h.Succeeded(Vouch(h, kCollection)));
  EXPECT_TRUE(h.Succeeded(Vouch(h, kGroup)));
}

class EveryWeakRule : public testing::TestWithParam<BrokenRule> {};

TEST_P(EveryWeakRule, IsNamedToTheOffenderBeforeTheDomainFails_FAIL_5) { CheckRefusal(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    OfTheTables, EveryWeakRule,
    testing::Values(BrokenRule{"SetWeakAfterSetConstraints_row_26", kCollection,
                               [](Harness& h, NodeId node) {
                                 h.Constrain(node, std::nullopt);
                                 return Weaken(h, node);
                               },
                               "2.4"},
                    BrokenRule{"SetWeakAfterAllChildrenPresent", kGroup,
                               [](Harness& h, NodeId node) {
                                 Complete(h, node);
                                 return Weaken(h, node);
                               },
                               "2.4"},
                    BrokenRule{"SetWeakOkAfterWait_row_25", kCollection,
                               [](Harness& h, NodeId node) {
                                 h.Constrain(node, Camping(1));
                                 h.Do(event::Wait{.call = 1000, .node = node});
                                 return Vouch(h, node);
                               },
                               "2.4"},
                    BrokenRule{"SetWeakOkAfterAWaitThatWasTakenBack", kCollection,
                               [](Harness& h, NodeId node) {
                                 h.Constrain(node, Camping(1));
                                 h.Do(event::Wait{.call = 1000, .node = node});
                                 h.Do(event::CancelWait{.node = node, .wait = 1000});
                                 return Vouch(h, node);
                               },
                               "2.4"},
                    BrokenRule{"AttachTokenToAWeakCollection_WEAK_6", kCollection,
                               [](Harness& h, NodeId node) {
                                 Weaken(h, node);
                                 return h.Say(event::AttachToken{
                                     .node = node, .child = 9, .rights_mask = kSameRights});
                               },
                               "WEAK-6"}),
    [](const auto& row) { return std::string(row.param.name); });

// ---- Strong nodes are missing

TEST(Weak, CollectionCannotBegin_WEAK_3) {
  Harness h;
  h.MakeTokens(0);
  EXPECT_TRUE(h.Succeeded(Weaken(h, 1))) << "the answer comes before the end";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(1));
  EXPECT_EQ(h.Look().failure->rule, "WEAK-3");
}

TEST(Weak, NodesAmongStrongOnesAreAllocatedLikeAll_WEAK_3) {
  Harness h;
  h.HoldBuffers();
  h.MakeTokens(1);
  Weaken(h, 2);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(1));
  h.FinishAllocation();
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 1})));
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 2})));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u);
  h.ReleaseAndClose(1);
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u) << "the last strong node is gone";
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
}

TEST(Weak, AllocationThatTheLastStrongNodeBroughtAboutStillHappens_WEAK_3) {
  Harness h;
  h.MakeTokens(1);
  Weaken(h, 2);
  h.BindAndConstrain(2, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 2});
  h.ReleaseAndClose(1);
  h.FinishAllocation();
  EXPECT_TRUE(h.GrantOf(wait));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u) << "and the buffers go right after";
}

TEST(Weak, GroupIsStrongUnlessItSaysOtherwise_WEAK_5) {
  for (bool weak : {false, true}) {
    Harness h;
    h.HoldBuffers();
    h.MakeTokens(1);
    MakeAlternatives(h, 1, 3, {4});
    if (weak) Weaken(h, 3);
    Weaken(h, 4);
    Weaken(h, 2);
    Complete(h, 3);
    for (NodeId id : Ids{1, 2, 4}) h.BindAndConstrain(id, Camping(1));
    h.FinishAllocation();
    h.Say(event::Wait{.node = 1});
    h.ReleaseAndClose(1);
    EXPECT_EQ(h.Count<effect::DropBuffers>(), weak ? 1u : 0u);
    if (!weak) h.ReleaseAndClose(3);
    EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
    EXPECT_FALSE(h.Finished());
  }
}

// ---- Conformance

// p is node 1, s node 2 (strong), w node 3 (weak because p was when it was made).
void MakeAWeakHeir(Harness& h) {
  h.MakeTokens(1);
  Weaken(h, 1);
  Duplicate(h, 1, 3);
  h.BindAndConstrain(1, Picky(4096));
  h.BindAndConstrain(3, Picky(4096));
}

TEST(WeakConformance, SetWeakOkNeverSentFails_WEAK_1) {
  Harness h;
  MakeAWeakHeir(h);
  const CallId wait = h.Say(event::Wait{.node = 3});
  EXPECT_EQ(h.RefusedBy(wait), "2.7");
  EXPECT_THAT(h.FailureOf(wait)->message, HasSubstr("SetWeakOk"));
}

TEST(WeakConformance, SetWeakOkSentSucceeds_WEAK_2) {
  Harness h;
  MakeAWeakHeir(h);
  h.BindAndConstrain(2, Picky(4096));
  h.FinishAllocation();
  EXPECT_TRUE(h.Succeeded(Vouch(h, 3)));
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 3})));
}

TEST(WeakConformance, ZeroStrongNodesBeforeReadyForAllocationFails_WEAK_5) {
  Harness h;
  h.MakeTokens(1);
  Weaken(h, 2);
  h.Say(event::Bind{.node = 2});
  EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 2})));
  h.ReleaseAndClose(1);
  EXPECT_EQ(h.OutcomeOf(h.Say(event::Sync{.node = 2})), Outcome::kClosed);
}

TEST(WeakConformance, SetWeakOkForChildNodesAlso_WEAK_8) {
  Harness h;
  h.MakeTokens(1);
  Weaken(h, 2);
  Vouch(h, 2, true);
  Duplicate(h, 2, 3);
  for (NodeId id : Ids{1, 2, 3}) h.BindAndConstrain(id, Camping(1));
  h.FinishAllocation();
  for (NodeId id : Ids{1, 2, 3}) EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = id})));
  EXPECT_TRUE(h.Look(3).weak && h.Look(3).weak_ok);
}

}  // namespace
}  // namespace sysmem::core::test
