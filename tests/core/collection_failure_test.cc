// SPDX-License-Identifier: Apache-2.0
//
// How collections end: GONE-*, ZERO-*, WEAK-3, FAIL-*, SHUT-1 on the core, and the rows of
// server-behaviour.md 9 about it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/attach_harness.h"
#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Level = effect::Log::Level;

TEST(CollectionEnd, ComesToAnOutstandingWaitAsClosure_COL_5) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 1});
  EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1}))) << "while the wait is pending";
  h.Say(event::Bind{.node = 2});
  h.Say(event::Close{.node = 2, .why = "handle closed"});
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
  EXPECT_EQ(h.Count<effect::Finished>(), 1u);
}

TEST(CollectionEnd, ClosesChildrenBeforeParentsAndFinishesLast_GONE_2) {
  Harness h;
  h.MakeTokens(2);
  h.Say(event::Duplicate{.node = 2, .child = 4, .rights_mask = kSameRights});
  h.Say(event::Close{.node = 3, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4, 3, 2, 1));
  EXPECT_TRUE(std::holds_alternative<effect::Finished>(h.all().back()));
  EXPECT_THAT(h.Look().nodes, IsEmpty());
}

TEST(CollectionEnd, IsSilentWhenACollectionLeavesWithoutRelease_FAIL_6) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  h.Say(event::Close{.node = 1, .why = "session ended"});
  EXPECT_TRUE(h.Finished());
  EXPECT_THAT(h.Logged(Level::kInfo), IsEmpty());
  EXPECT_THAT(h.Logged(Level::kWarn), IsEmpty());
  EXPECT_THAT(h.Logged(Level::kError), IsEmpty());
}

TEST(CollectionEnd, DropsTheBuffersWhenTheRootFails_GONE_3) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(1));
  h.FinishAllocation();
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
  EXPECT_EQ(h.Look().state, CollectionState::kFailed);
}

TEST(CollectionEnd, IsNormalWhenEverybodyReleasedAfterAllocation_row_6_ZERO_2) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(1));
  h.FinishAllocation();
  h.ReleaseAndClose(1);
  EXPECT_FALSE(h.Finished());
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u);
  h.ReleaseAndClose(2);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1)) << "the orphans";
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
  EXPECT_TRUE(h.Finished());
  EXPECT_EQ(h.Logged(Level::kInfo, "the last client is gone").size(), 1u);
  EXPECT_THAT(h.Logged(Level::kError), IsEmpty());
  EXPECT_EQ(h.Look().state, CollectionState::kAllocated);
  EXPECT_FALSE(h.Look().failure);
  EXPECT_THAT(h.Do(event::FailRoot{.why = Failure{.message = "too late"}}), IsEmpty());
  EXPECT_FALSE(h.Look().failure);
}

TEST(CollectionEnd, IsAFailureWhenEverybodyReleasedBeforeAllocation_row_7_ZERO_2_WEAK_3) {
  Harness h;
  h.MakeTokens(1);
  h.ReleaseAndClose(1);
  EXPECT_FALSE(h.Finished());
  h.ReleaseAndClose(2);
  EXPECT_TRUE(h.Finished());
  EXPECT_EQ(h.Look().state, CollectionState::kFailed);
  EXPECT_EQ(h.Look().failure->rule, "ZERO-2");
  EXPECT_FALSE(h.Logged(Level::kError, "the last client is gone").empty());
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u);
}

TEST(CollectionEnd, ComesFromOutsideWithAHeapOrTheDaemon_BUF_3_SHUT_1) {
  Failure gone;
  gone.message = "the heap is gone";
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(1));
  h.FinishAllocation();
  h.Do(event::FailRoot{.why = gone});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
  EXPECT_EQ(h.Last<effect::NodeClosed>()->why, "the heap is gone");
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
  EXPECT_EQ(h.Logged(Level::kWarn, "the heap is gone").size(), 1u);
  EXPECT_THAT(h.Do(event::FailRoot{.why = gone}), IsEmpty()) << "it ends once";
}

TEST(CollectionEnd, FromOutsideClosesWaitsThatWereNotDecided_FAIL_4) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.Do(event::FailRoot{.why = Failure{.error = Error::kNoMemory, .message = "shutting down"}});
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
}

TEST(CollectionEnd, MayComeBeforeTheBeginning) {
  Harness h;
  const Effects effects = h.Do(event::FailRoot{.why = Failure{.message = "shutting down"}});
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<effect::Finished>(effects[0]));
  EXPECT_EQ(h.OutcomeOf(h.Say(event::CreateRoot{.node = 1})), Outcome::kClosed);
  EXPECT_EQ(h.Count<effect::Finished>(), 1u);
}

TEST(CollectionEnd, HasAReasonShortEnoughToTravel) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Close{.node = 1, .why = std::string(100000, 'x')});
  EXPECT_LE(h.Last<effect::NodeClosed>()->why.size(), 1000u);
}

TEST(CollectionEnd, NamesTheClientThatLeft) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 2, .allocator_debug = DebugInfo{"presenter", 4}});
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_THAT(h.Last<effect::NodeClosed>()->why,
              HasSubstr("collection \"presenter\" (id 4, node 2) was closed without Release"));
}

// The one whose constraints decide usually waits right behind them.
TEST(CollectionEnd, IsExplainedToCallsThatComeBehindTheDecision) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Picky(4096));
  const CallId before = h.Say(event::Wait{.node = 1});
  h.BindAndConstrain(2, Picky(8192));
  const CallId behind = h.Say(event::Wait{.node = 2});
  ASSERT_EQ(h.ErrorOf(before), Error::kConstraintsIntersectionEmpty);
  ASSERT_EQ(h.OutcomeOf(behind), Outcome::kClosed) << "FAIL-4";
  const Failure told = *h.FailureOf(behind);
  EXPECT_EQ(told.error, Error::kConstraintsIntersectionEmpty) << "whatever came first";
  EXPECT_EQ(told.message, "node 2 is closed: " + h.FailureOf(before)->message);
  EXPECT_EQ(told.rule, h.FailureOf(before)->rule);
  EXPECT_EQ(told.field, h.FailureOf(before)->field);
  EXPECT_EQ(told.participants, h.FailureOf(before)->participants);
  EXPECT_EQ(told.report, h.FailureOf(before)->report);
  EXPECT_EQ(told.participants.size(), 2u);
  // Who was never there learns nothing of it.
  const Failure stranger = *h.FailureOf(h.Say(event::Wait{.node = 9}));
  EXPECT_EQ(stranger, Closed("node 9 is closed"));
}

TEST(CollectionEnd, OfAnAttachedSubtreeIsExplainedToItsLateWait) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 5);
  h.BindAndConstrain(5, AtMost(1));
  const CallId wait = h.Say(event::Wait{.node = 5});
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
  EXPECT_NE(h.FailureOf(wait)->report, nullptr);
  EXPECT_TRUE(h.IsConnected(1));
}

}  // namespace
}  // namespace sysmem::core::test
