// SPDX-License-Identifier: Apache-2.0
//
// Late logical allocation: what an attached sub-tree gets, server-behaviour.md 3.6 and 3.7. In most
// tests node 1 is the root collection, 2 another participant and 3 the attached one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/attach_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// ---- Late logical allocation

TEST(LateAllocation, GivesTheExistingBuffers_LATE_3_DEL_4) {
  Harness h;
  ShareBuffers(h);
  const std::optional<Grant> before = h.GrantOf(h.Say(event::Wait{.node = 1}));
  Attach(h, 2, 3);
  h.BindAndConstrain(3, Camping(2));
  const CallId wait = h.Say(event::Wait{.node = 3});
  ASSERT_TRUE(h.GrantOf(wait));
  EXPECT_EQ(h.GrantOf(wait), before);
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 3}))) << "and again (DEL-6)";
}

TEST(LateAllocation, GivesSettingsOnlyToThoseWithoutUsage_RES_3) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.BindAndConstrain(3, std::nullopt);
  const std::optional<Grant> grant = h.GrantOf(h.Say(event::Wait{.node = 3}));
  ASSERT_TRUE(grant);
  EXPECT_FALSE(grant->with_buffers);
  EXPECT_EQ(grant->plan.buffer_count, 4u);
}

TEST(LateAllocation, AddsUpTheCountsOfAll_LATE_4_row_31) {
  Harness h;
  ShareBuffers(h);  // 4 buffers, 2 in use
  Attach(h, 1, 3);
  h.BindAndConstrain(3, Camping(1));
  Attach(h, 1, 4);
  h.BindAndConstrain(4, Camping(1));
  EXPECT_TRUE(h.Look(4).allocated) << "the last free one";
  Attach(h, 1, 5);
  h.Say(event::Bind{.node = 5});
  const CallId refused = h.Constrain(5, Camping(1));
  EXPECT_TRUE(h.Succeeded(refused)) << "bad wishes are no bad message";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(5));
  EXPECT_TRUE(h.Look(4).allocated);
  const std::vector<std::string> lines = h.Logged(effect::Log::Level::kError, "rule 4.8");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("5 buffers are needed"));
  EXPECT_THAT(lines[0], HasSubstr("node 5"));
}

TEST(LateAllocation, CountsOrphansThatSaidTheirWishes_LATE_1_LATE_4) {
  Harness h;
  h.MakeTokens(2);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(2));
  h.ReleaseAndClose(2);
  h.BindAndConstrain(3, Camping(0));
  h.FinishAllocation();
  EXPECT_EQ(h.Look().plan->buffer_count, 3u);
  Attach(h, 1, 4);
  h.BindAndConstrain(4, Camping(1));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4));
}

TEST(LateAllocation, TellsWhoWaitsBeforeItCloses_DEL_5_row_17) {
  Harness h;
  ShareBuffers(h);
  const Snapshot before = h.Look();
  Attach(h, 1, 3);
  h.Say(event::Duplicate{.node = 3, .child = 4, .rights_mask = kSameRights});
  h.BindAndConstrain(3, Picky(8192));
  const CallId wait = h.Say(event::Wait{.node = 3});
  h.BindAndConstrain(4, Camping(1));
  EXPECT_EQ(h.ErrorOf(wait), Error::kConstraintsIntersectionEmpty);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4, 3));
  size_t answered = 0;
  size_t closed = 0;
  for (size_t i = 0; i < h.all().size(); ++i) {
    const auto* answer = std::get_if<effect::Answer>(&h.all()[i]);
    if (answer != nullptr && answer->call == wait) answered = i;
    if (std::holds_alternative<effect::NodeClosed>(h.all()[i]) && closed == 0) closed = i;
  }
  EXPECT_LT(answered, closed);
  Snapshot after = h.Look();
  after.version = before.version;
  EXPECT_EQ(after, before) << "the others are not touched (GONE-4)";
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u);
  EXPECT_EQ(h.OutcomeOf(h.Say(event::Wait{.node = 3})), Outcome::kClosed);
}

TEST(LateAllocation, NamesWhoWantsWhat) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.Say(event::Duplicate{.node = 3, .child = 4, .rights_mask = kSameRights});
  h.BindAndConstrain(3, Picky(8192));
  const CallId wait = h.Say(event::Wait{.node = 3});
  h.BindAndConstrain(4, std::nullopt);
  const std::optional<Failure> failure = h.FailureOf(wait);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->rule, "M14");
  std::vector<NodeId> named;
  for (const ParticipantValue& one : failure->participants) named.push_back(one.node);
  EXPECT_THAT(named, ElementsAre(3, 0)) << "0: the buffers that exist";
  EXPECT_EQ(failure->participants.back().name, "the existing buffers");
}

TEST(LateAllocation, FailsNestedAttachedOnesWithIt_DEL_5_row_18_DEL_H1) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.Say(event::Bind{.node = 3});
  Attach(h, 3, 4);  // stays a token
  Attach(h, 3, 5);
  h.BindAndConstrain(5, Camping(1));
  const CallId nested = h.Say(event::Wait{.node = 5});
  h.Constrain(3, Picky(8192));
  EXPECT_EQ(h.ErrorOf(nested), Error::kConstraintsIntersectionEmpty);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(5, 4, 3));
  EXPECT_FALSE(h.Finished());
}

TEST(LateAllocation, JudgesOneSubtreeAfterTheOther_LATE_6_ATT_6) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  Attach(h, 1, 3);
  Attach(h, 1, 4);
  h.BindAndConstrain(4, Camping(1));
  h.BindAndConstrain(3, Camping(2));
  h.BindAndConstrain(2, Camping(1));
  h.Constrain(1, WithRoom(1, 3));
  h.FinishAllocation();
  EXPECT_TRUE(h.Look(2).allocated) << "the oldest first, whoever was ready first";
  EXPECT_TRUE(h.Look(4).allocated) << "a failed one does not stop the next";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3));
}

TEST(LateAllocation, FitsAgainWhenAnotherHasFailed_GONE_4_row_32) {
  Harness h;
  ShareBuffers(h, 3);
  Attach(h, 1, 3);
  h.BindAndConstrain(3, Camping(1));
  Attach(h, 1, 4);
  h.BindAndConstrain(4, Camping(1));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4)) << "no room";
  h.Say(event::Close{.node = 3, .why = "handle closed"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4, 3));
  Attach(h, 1, 5);
  h.BindAndConstrain(5, Camping(1));
  EXPECT_TRUE(h.Look(5).allocated);
}

TEST(LateAllocation, IsTriggeredByARelease_3_1) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.Say(event::Duplicate{.node = 3, .child = 4, .rights_mask = kSameRights});
  h.BindAndConstrain(3, Camping(1));
  h.ReleaseAndClose(4);
  EXPECT_TRUE(h.Look(3).allocated);
  EXPECT_THAT(NodesOf(h), ElementsAre(1, 2, 3)) << "the spent orphan is gone";
}

TEST(LateAllocation, HandsItsChildrenToNewcomersToo) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.BindAndConstrain(3, Camping(0));
  Attach(h, 3, 4);
  h.BindAndConstrain(4, Camping(1));
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 4})));
}

// ---- Failure domains

TEST(AttachedDomain, FallsAloneWhenItsClientLeaves_FAIL_1) {
  for (const bool allocated_before : {false, true}) {
    Harness h;
    h.MakeTokens(0);
    h.Say(event::Bind{.node = 1});
    Attach(h, 1, 2);
    h.BindAndConstrain(2, Camping(0));
    if (allocated_before) {
      h.Constrain(1, Camping(1));
      h.FinishAllocation();
      EXPECT_TRUE(h.Look(2).allocated);
    }
    h.Say(event::Close{.node = 2, .why = "session ended"});
    EXPECT_THAT(h.ClosedNodes(), ElementsAre(2));
    EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1})));
  }
}

TEST(AttachedDomain, FallsWithWhoeverBreaksARuleInIt_FAIL_5_FAIL_3) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.Say(event::Duplicate{.node = 3, .child = 4, .rights_mask = kSameRights});
  h.Say(event::Bind{.node = 3});
  Attach(h, 3, 5);
  const CallId wait = h.Say(event::Wait{.node = 4});  // not for a token
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kRefused);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(5, 4, 3));
  EXPECT_TRUE(h.IsConnected(1) && h.IsConnected(2));
}

TEST(AttachedDomain, DoesNotSurviveTheOneAboveIt_GONE_2) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 2, 3);
  h.BindAndConstrain(3, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 3});
  EXPECT_TRUE(h.GrantOf(wait));
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2, 1));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
  EXPECT_TRUE(h.Finished());
}

TEST(AttachedDomain, StaysWhenTheOneAboveItIsReleased_GONE_1) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 2, 3);
  h.ReleaseAndClose(2);
  h.BindAndConstrain(3, Camping(1));
  EXPECT_TRUE(h.Look(3).allocated);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
}

TEST(AttachedDomain, KeepsTheCollectionWhenAllOthersAreReleased_ZERO_1) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 2, 3);
  h.ReleaseAndClose(1);
  h.ReleaseAndClose(2);
  h.BindAndConstrain(3, Camping(1));
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 3})));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u) << "an attached node is a strong one (CNT-3)";
  h.ReleaseAndClose(3);
  EXPECT_TRUE(h.Finished());
  EXPECT_FALSE(h.Look().failure) << "the normal end";
}

TEST(AttachedDomain, GoesWhenItsLastClientIsReleased_ZERO_2) {
  for (const bool allocated_before : {false, true}) {
    Harness h;
    h.MakeTokens(0);
    h.Say(event::Bind{.node = 1});
    Attach(h, 1, 2);
    h.Say(event::Duplicate{.node = 2, .child = 3, .rights_mask = kSameRights});
    if (allocated_before) {
      h.Constrain(1, Camping(1));
      h.FinishAllocation();
    }
    h.ReleaseAndClose(2);
    EXPECT_THAT(h.ClosedNodes(), IsEmpty()) << "node 3 is still there";
    h.ReleaseAndClose(3);
    EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2));
    EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1})));
  }
}

TEST(AttachedDomain, GivesItsRoomBackWhenItIsReleased_ZERO_2) {
  Harness h;
  ShareBuffers(h, 3);
  for (NodeId node = 10; node < 14; ++node) {
    Attach(h, 1, node);
    h.BindAndConstrain(node, Camping(1));
    EXPECT_TRUE(h.Look(node).allocated);
    h.ReleaseAndClose(node);
  }
  EXPECT_THAT(NodesOf(h), ElementsAre(1, 2));
}

TEST(AttachedDomain, IsLeftAloneUntilTheNextAttempt_ZERO_3) {
  Harness h;
  ShareBuffers(h, 3);
  Attach(h, 1, 3);
  h.BindAndConstrain(3, Camping(1));
  Attach(h, 3, 4);
  h.ReleaseAndClose(3);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty()) << "node 4 is a client below it";
  h.Say(event::Close{.node = 4, .why = "session ended"});
  EXPECT_THAT(NodesOf(h), ElementsAre(1, 2, 3)) << "a failure is no attempt";
  Attach(h, 1, 5);
  h.BindAndConstrain(5, Camping(1));
  EXPECT_THAT(NodesOf(h), ElementsAre(1, 2, 5)) << "the attempt clears it away first";
  EXPECT_TRUE(h.Look(5).allocated) << "and its room is free";
}

TEST(AttachedDomain, LeavesNoTreeOfOrphansBehind) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.ReleaseAndClose(1);
  h.ReleaseAndClose(2);
  h.Say(event::Close{.node = 3, .why = "session ended"});
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2, 1));
  EXPECT_TRUE(h.Finished());
}

TEST(AttachedDomain, EndsACollectionThatWaitsForNobodyElse_WEAK_3) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 3);
  h.ReleaseAndClose(1);
  h.Say(event::Release{.node = 2});
  h.Say(event::Close{.node = 3, .why = "session ended"});
  EXPECT_FALSE(h.Finished()) << "token 2 is released, but not closed";
  h.Say(event::Close{.node = 2, .why = "handle closed"});
  EXPECT_TRUE(h.Finished());
}

TEST(AttachedDomain, MayComeAndGoWhileBuffersAreMade) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.Constrain(1, WithRoom(1, 2));
  Attach(h, 1, 3);
  h.BindAndConstrain(3, Camping(1));
  EXPECT_FALSE(h.Look(3).allocated);
  h.Say(event::Close{.node = 2, .why = "handle closed"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2));
  h.FinishAllocation();
  EXPECT_TRUE(h.Look(1).allocated);
  EXPECT_TRUE(h.Look(3).allocated);
}

TEST(AttachedDomain, RefusesWhatTheBuffersAreTooBigFor_LATE_5) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.BindAndConstrain(3, AtMost(4096));
  EXPECT_TRUE(h.Look(3).allocated);
  Attach(h, 1, 4);
  h.BindAndConstrain(4, AtMost(4095));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4));
}

TEST(AttachedDomain, IsLoggedAsASubtree_6_4) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.BindAndConstrain(3, Picky(8192));
  EXPECT_EQ(h.Logged(effect::Log::Level::kInfo, "a sub-tree fails").size(), 1u);
  EXPECT_EQ(h.Logged(effect::Log::Level::kError, "no allocation").size(), 1u);
}

}  // namespace
}  // namespace sysmem::core::test
