// SPDX-License-Identifier: Apache-2.0
//
// Dispensable participants: needed until they are allocated, expendable afterwards (FAIL-2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/attach_harness.h"
#include "tests/core/group_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

CallId MakeDispensable(Harness& h, NodeId node) {
  return h.Say(event::SetDispensable{.node = node});
}

// Root 1 and dispensable child 2, both bound, 2 camping buffers each.
void ShareWithADispensableOne(Harness& h, bool constrained = true) {
  h.MakeTokens(1);
  MakeDispensable(h, 2);
  h.BindAndConstrain(1, Camping(2));
  h.Say(event::Bind{.node = 2});
  if (constrained) h.Constrain(2, Camping(2));
  if (constrained) h.FinishAllocation();
}

TEST(Dispensable, IsWhatATokenAndItsCollectionBecome_FAIL_2) {
  Harness h;
  h.MakeTokens(1);
  EXPECT_TRUE(h.Succeeded(MakeDispensable(h, 2)));
  EXPECT_TRUE(h.Succeeded(MakeDispensable(h, 2))) << "repeating it is harmless";
  h.Say(event::Bind{.node = 2});
  EXPECT_EQ(h.Look(2).failure_mode, FailureMode::kPropagateBeforeAllocation);
  EXPECT_EQ(h.Look(1).failure_mode, FailureMode::kPropagate);
}

TEST(Dispensable, ChildrenAreNot_TREE_5) {
  Harness h;
  h.MakeTokens(1);
  MakeDispensable(h, 2);
  h.Say(event::Duplicate{.node = 2, .child = 3, .rights_mask = kSameRights});
  EXPECT_EQ(h.Look(3).failure_mode, FailureMode::kPropagate);
}

TEST(Dispensable, MayBeSaidAfterRelease_FAIL_2) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Release{.node = 2});
  EXPECT_TRUE(h.Succeeded(MakeDispensable(h, 2)));
  EXPECT_EQ(h.Look(2).failure_mode, FailureMode::kPropagateBeforeAllocation);
}

TEST(Dispensable, ChangesNothingOnAnAttachedToken_FAIL_2) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  EXPECT_TRUE(h.Succeeded(MakeDispensable(h, 3)));
  EXPECT_EQ(h.Look(3).failure_mode, FailureMode::kDoNotPropagate);
  h.Say(event::Close{.node = 3, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3));
}

TEST(DispensableConformance, SetDispensableBeforeAllocation_FAIL_11_row_4) {
  Harness h;
  ShareWithADispensableOne(h, false);
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
  EXPECT_TRUE(h.Finished());
}

TEST(DispensableConformance, SetDispensableAfterAllocation_FAIL_11_row_3) {
  Harness h;
  ShareWithADispensableOne(h);
  const auto grant = h.GrantOf(h.Say(event::Wait{.node = 1}));
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->plan.buffer_count, 4u);
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u);
  EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1})));
}

TEST(Dispensable, LeavesItsCountsToOthersWhenItFails_GONE_4_row_3) {
  Harness h;
  ShareWithADispensableOne(h);
  h.Say(event::Close{.node = 2, .why = "session ended"});
  Attach(h, 1, 3);
  h.BindAndConstrain(3, Camping(2));
  EXPECT_TRUE(h.Look(3).allocated);
}

TEST(Dispensable, TakesItsChildrenAlongButNotItsParent_FAIL_3) {
  Harness h;
  h.MakeTokens(1);
  MakeDispensable(h, 2);
  h.Say(event::Duplicate{.node = 2, .child = 3, .rights_mask = kSameRights});
  for (NodeId id : Ids{1, 2, 3}) h.BindAndConstrain(id, Camping(1));
  h.FinishAllocation();
  h.Say(event::Close{.node = 3, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2));
  EXPECT_TRUE(h.IsConnected(1));
}

TEST(Dispensable, TakesEverythingDownIfReleasedWithoutClientsBeforeAllocation_ZERO_2_row_5) {
  for (bool bound : {false, true}) {
    Harness h;
    h.MakeTokens(1);
    MakeDispensable(h, 2);
    if (bound) h.BindAndConstrain(2, Camping(1));
    h.ReleaseAndClose(2);
    EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
    EXPECT_EQ(h.Look().failure->rule, "ZERO-2");
  }
}

TEST(Dispensable, StaysIfReleasedWhileAClientIsBelowIt_ZERO_1) {
  Harness h;
  h.MakeTokens(1);
  MakeDispensable(h, 2);
  h.Say(event::Duplicate{.node = 2, .child = 3, .rights_mask = kSameRights});
  h.ReleaseAndClose(2);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
}

TEST(Dispensable, GoesAloneIfReleasedWithoutClientsAfterAllocation_ZERO_2) {
  Harness h;
  ShareWithADispensableOne(h);
  h.ReleaseAndClose(2);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2));
  EXPECT_TRUE(h.IsConnected(1));
}

TEST(Dispensable, ChildOfAGroupIsNeededUntilAllocationAndThenNot_FAIL_1) {
  for (bool allocated : {false, true}) {
    Harness h;
    MakeTwoAlternatives(h);
    MakeDispensable(h, 3);
    for (NodeId id : Ids{1, 3, 4}) h.BindAndConstrain(id, Camping(1));
    if (allocated) {
      Complete(h, 2);
      h.FinishAllocation();
    }
    h.Say(event::Close{.node = 3, .why = "session ended"});
    EXPECT_EQ(h.Finished(), !allocated);
  }
}

}  // namespace
}  // namespace sysmem::core::test
