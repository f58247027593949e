// SPDX-License-Identifier: Apache-2.0
//
// Allocation among alternatives: which children of groups get the buffers, what becomes of the
// others, and what is said when no choice works (server-behaviour.md 3.4 to 3.7).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/attach_harness.h"
#include "tests/core/group_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Level = effect::Log::Level;

constexpr uint64_t kPage = 4096;

// Node 1 with these pages, and group 2 with children 3, 4, ... that want those.
void Choose(Harness& h, uint64_t pages, const std::vector<uint64_t>& alternatives) {
  h.Say(event::CreateRoot{.node = 1});
  MakeGroup(h, 1, 2);
  for (size_t i = 0; i < alternatives.size(); ++i) MakeChild(h, 2, 3 + i);
  h.BindAndConstrain(1, Picky(pages * kPage));
  for (size_t i = 0; i < alternatives.size(); ++i) {
    h.BindAndConstrain(3 + i, Picky(alternatives[i] * kPage));
  }
}

TEST(GroupAllocation, WaitsForAllChildrenPresent_ATT_4_row_15) {
  Harness h;
  Choose(h, 1, {1});
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u);
  Complete(h, 2);
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u);
}

TEST(GroupAllocation, WaitsForChildrenThatWillNotBeChosen_ATT_4_row_14) {
  Harness h;
  MakeTwoAlternatives(h);
  Complete(h, 2);
  h.BindAndConstrain(1, Picky(kPage));
  h.BindAndConstrain(3, Picky(kPage));
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u) << "token 4 is neither bound nor released";
  h.ReleaseAndClose(4);
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u);
}

TEST(GroupAllocation, GoesOnToTheNextChildWithoutAReplyForTheOthers_DEL_2_row_10) {
  Harness h;
  Choose(h, 1, {2, 1});
  const CallId waits[] = {h.Say(event::Wait{.node = 1}), h.Say(event::Wait{.node = 3}),
                          h.Say(event::Wait{.node = 4})};
  Complete(h, 2);
  EXPECT_EQ(h.Look(2).chosen, 0u);
  EXPECT_TRUE(h.Pending(waits[1])) << "nothing is decided before there are buffers";
  h.FinishAllocation();
  EXPECT_TRUE(h.GrantOf(waits[0]));
  EXPECT_TRUE(h.GrantOf(waits[2]));
  EXPECT_EQ(h.OutcomeOf(waits[1]), Outcome::kClosed) << "not CONSTRAINTS_INTERSECTION_EMPTY";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3));
  EXPECT_THAT(h.Last<effect::NodeClosed>()->why, HasSubstr("chose another child"));
  EXPECT_TRUE(h.Look(2).allocated && h.Look(4).allocated);
  EXPECT_EQ(h.Look(2).chosen, 4u);
  EXPECT_THAT(h.Logged(Level::kError), IsEmpty()) << "GRP-9: dropped on success";
}

TEST(GroupAllocation, TellsWhoIsServedBeforeItClosesTheOthers_DEL_1_DEL_2) {
  Harness h;
  Choose(h, 1, {1, 1});
  const CallId wait = h.Say(event::Wait{.node = 3});
  Complete(h, 2);
  const size_t before = h.all().size();
  h.FinishAllocation();
  bool served = false;
  for (size_t i = before; i < h.all().size(); ++i) {
    const auto* answer = std::get_if<effect::Answer>(&h.all()[i]);
    served |= answer != nullptr && answer->call == wait;
    EXPECT_TRUE(served || !std::holds_alternative<effect::NodeClosed>(h.all()[i]));
  }
  EXPECT_TRUE(served);
}

TEST(GroupAllocation, IsContentWithTheFirstChoiceThatWorks_GRP_8) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  MakeAlternatives(h, 1, 2, {3, 4});
  h.BindAndConstrain(1, std::nullopt);
  h.BindAndConstrain(3, Camping(7));
  h.BindAndConstrain(4, Camping(1));
  Complete(h, 2);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.buffer_count, 7u);
}

TEST(GroupAllocation, TakesWhatIsBelowAnUnchosenChildAlong_DEL_2) {
  Harness h;
  MakeTwoAlternatives(h);
  h.Say(event::Duplicate{.node = 4, .child = 5, .rights_mask = kSameRights});
  MakeAlternatives(h, 5, 6, {7, 8});
  for (NodeId id : Ids{1, 3, 4, 5, 7, 8}) h.BindAndConstrain(id, Picky(kPage));
  Attach(h, 8, 9);
  h.BindAndConstrain(9, Picky(kPage));
  const CallId attached = h.Say(event::Wait{.node = 9});
  Complete(h, 6);
  Complete(h, 2);
  h.FinishAllocation();
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(9, 8, 7, 6, 5, 4));
  EXPECT_EQ(h.OutcomeOf(attached), Outcome::kClosed);
  EXPECT_EQ(NodesOf(h), (Ids{1, 2, 3}));
}

TEST(GroupAllocation, LeavesWhatIsAttachedToTheChosenChild_ATT_8) {
  Harness h;
  Choose(h, 1, {1, 1});
  Attach(h, 3, 9);
  Attach(h, 4, 10);
  Complete(h, 2);
  h.FinishAllocation();
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(10, 4));
  h.BindAndConstrain(9, AtMost(kPage));
  EXPECT_TRUE(h.Look(9).allocated);
}

// ---- No choice works

TEST(GroupAllocation, FailsByTheFirstChoiceIfNoneWorks_DEL_3) {
  Harness h;
  Choose(h, 1, {2, 3, 4});
  std::vector<CallId> waits;
  for (NodeId id : Ids{1, 3, 4, 5}) waits.push_back(h.Say(event::Wait{.node = id}));
  Complete(h, 2);
  for (CallId wait : waits) {
    ASSERT_EQ(h.ErrorOf(wait), Error::kConstraintsIntersectionEmpty) << "unchosen ones, too";
  }
  const Failure failure = *h.FailureOf(waits[0]);
  EXPECT_THAT(failure.message, HasSubstr("none of the 3 combinations"));
  ASSERT_THAT(failure.participants, SizeIs(2));
  EXPECT_EQ(failure.participants[1].node, 3u) << "the preferred child";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(5, 4, 3, 2, 1));
  const auto lines = h.Logged(Level::kError, "combination");
  ASSERT_THAT(lines, SizeIs(4)) << "one for each, one for all (GRP-9)";
  EXPECT_THAT(lines[1], HasSubstr("node 2 takes child 1 of 3"));
}

TEST(GroupAllocation, SpeaksPlainlyWhereThereWasNoChoice_GRP_5) {
  Harness h;
  Choose(h, 1, {2});
  Complete(h, 2);
  EXPECT_THAT(h.Logged(Level::kError), SizeIs(1));
  EXPECT_THAT(h.Logged(Level::kError, "combination"), IsEmpty());
}

TEST(GroupAllocation, TellsOfChoicesThatDidNotWorkIfVerbose_GRP_9) {
  Harness h;
  Choose(h, 1, {2, 1});
  h.Say(event::SetVerboseLogging{.node = 1});
  Complete(h, 2);
  EXPECT_THAT(h.Logged(Level::kInfo, "node 2 takes child 0 of 2, does not work"), SizeIs(1));
}

// `groups` groups of two below root 1, no choice of which works.
Error ErrorOfBinaryGroups(size_t groups, std::string* message) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  NodeId last = 1;
  for (size_t i = 0; i < groups; ++i) {
    const NodeId group = last + 1;
    MakeAlternatives(h, 1, group, {group + 1, group + 2});
    for (NodeId child : Ids{group + 1, group + 2}) h.BindAndConstrain(child, Picky(kPage));
    last += 3;
  }
  h.BindAndConstrain(1, Picky(2 * kPage));
  const CallId wait = h.Say(event::Wait{.node = 1});
  for (size_t i = 0; i < groups; ++i) Complete(h, 2 + 3 * i);
  EXPECT_TRUE(h.Finished());
  *message = h.FailureOf(wait)->message;
  return h.ErrorOf(wait).value_or(Error::kUnspecified);
}

TEST(GroupAllocation, GivesUpAfter64Choices_GRP_6_row_12) {
  std::string message;
  EXPECT_EQ(ErrorOfBinaryGroups(7, &message), Error::kTooManyGroupChildCombinations);
  EXPECT_THAT(message, HasSubstr("the first 64 combinations"));
}

TEST(GroupAllocation, TriesAllOfExactly64Choices_GRP_6_row_13) {
  std::string message;
  EXPECT_EQ(ErrorOfBinaryGroups(6, &message), Error::kConstraintsIntersectionEmpty);
  EXPECT_THAT(message, HasSubstr("none of the 64 combinations"));
}

TEST(GroupAllocation, TakesTheVeryLastChoiceThatMayBeTried_GRP_6) {
  for (uint32_t limit : {3u, 2u}) {
    auto settings = SystemRamOnly();
    settings->limits.group_combinations = limit;
    Harness h(settings);
    Choose(h, 1, {2, 2, 1});
    const CallId wait = h.Say(event::Wait{.node = 1});
    Complete(h, 2);
    EXPECT_EQ(h.Count<effect::Allocate>(), limit == 3 ? 1u : 0u);
    EXPECT_EQ(h.ErrorOf(wait) == Error::kTooManyGroupChildCombinations, limit == 2);
  }
}

TEST(GroupAllocation, DoesNotTryOtherChildrenWhenMemoryIsShort_GRP_7_row_19) {
  Harness h;
  Choose(h, 1, {1, 1});
  const CallId waits[] = {h.Say(event::Wait{.node = 3}), h.Say(event::Wait{.node = 4})};
  Complete(h, 2);
  h.RefuseAllocation();
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u);
  for (CallId wait : waits) EXPECT_EQ(h.ErrorOf(wait), Error::kNoMemory);
  EXPECT_TRUE(h.Finished());
}

TEST(GroupAllocation, TriesTheNextChildWhenBuffersWouldBeTooLarge_row_20) {
  Harness h;
  MakeTwoAlternatives(h);
  h.BindAndConstrain(1, std::nullopt);
  h.BindAndConstrain(3, Picky(300ull << 20));
  h.BindAndConstrain(4, Picky(kPage));
  Complete(h, 2);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings.buffer.size_bytes, kPage);
}

// ---- While the buffers are made

TEST(GroupAllocation, FallsWithAnUnchosenChildThatLeavesBeforeItIsDone_FAIL_1) {
  Harness h;
  Choose(h, 1, {1, 1});
  Complete(h, 2);
  h.Say(event::Close{.node = 4, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4, 3, 2, 1));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
}

TEST(GroupAllocation, StillDropsTheUnchosenIfTheirGroupWasReleasedMeanwhile_DEL_2) {
  Harness h;
  Choose(h, 1, {1, 1});
  Complete(h, 2);
  h.ReleaseAndClose(2);
  h.FinishAllocation();
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4));
  EXPECT_TRUE(h.Look(2).allocated && h.Look(3).allocated);
}

TEST(GroupAllocation, EndsTheCollectionIfOnlyUnchosenClientsAreLeft_ZERO_2) {
  Harness h;
  Choose(h, 1, {1, 1});
  const CallId wait = h.Say(event::Wait{.node = 4});
  Complete(h, 2);
  for (NodeId id : Ids{1, 2, 3}) h.ReleaseAndClose(id);
  EXPECT_FALSE(h.Finished());
  h.FinishAllocation();
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
  EXPECT_TRUE(h.Finished());
  EXPECT_EQ(h.Look().state, CollectionState::kAllocated);
}

// ---- Late

// Nodes 1 and 2 share 4 buffers of which they need 2. Attached to 1: token 3 with group 4, whose
// children 5 and 6 need that many.
CallId AttachAlternatives(Harness& h, uint32_t first, uint32_t second) {
  ShareBuffers(h);
  Attach(h, 1, 3);
  MakeAlternatives(h, 3, 4, {5, 6});
  h.BindAndConstrain(3, Camping(1));
  h.BindAndConstrain(5, Camping(first));
  h.BindAndConstrain(6, Camping(second));
  const CallId wait = h.Say(event::Wait{.node = 3});
  Complete(h, 4);
  return wait;
}

TEST(LateGroupAllocation, ChoosesTheFirstChildForWhomThereIsRoom_LATE_1_DEL_4) {
  Harness h;
  const CallId wait = AttachAlternatives(h, 2, 1);
  EXPECT_TRUE(h.GrantOf(wait));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(5));
  EXPECT_EQ(NodesOf(h), (Ids{1, 2, 3, 4, 6}));
  EXPECT_TRUE(h.Look(6).allocated);
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u) << "LATE-3";
}

TEST(LateGroupAllocation, LeavesTheSecondChildIfTheFirstFits_GRP_8) {
  Harness h;
  EXPECT_TRUE(h.GrantOf(AttachAlternatives(h, 1, 0)));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(6));
}

TEST(LateGroupAllocation, FailsAloneIfNoChoiceFits_DEL_5) {
  Harness h;
  const CallId wait = AttachAlternatives(h, 2, 3);
  EXPECT_EQ(h.ErrorOf(wait), Error::kConstraintsIntersectionEmpty);
  EXPECT_THAT(h.FailureOf(wait)->message, HasSubstr("none of the 2 combinations"));
  EXPECT_EQ(NodesOf(h), (Ids{1, 2}));
}

TEST(LateGroupAllocation, KnowsTheLimitToo_GRP_6) {
  auto settings = SystemRamOnly();
  settings->limits.group_combinations = 1;
  Harness h(settings);
  EXPECT_EQ(h.ErrorOf(AttachAlternatives(h, 2, 1)), Error::kTooManyGroupChildCombinations);
  EXPECT_EQ(NodesOf(h), (Ids{1, 2}));
}

TEST(LateGroupAllocation, DoesNotCountThoseWhoWereNotChosenBefore_LATE_4) {
  Harness h;
  AttachAlternatives(h, 1, 1);  // node 6 goes, no buffer is free
  Attach(h, 1, 7);
  h.BindAndConstrain(7, Camping(0));
  EXPECT_TRUE(h.Look(7).allocated);
  Attach(h, 1, 8);
  h.BindAndConstrain(8, Camping(1));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(6, 8));
}

TEST(LateGroupAllocation, FailsItsOwnDomainOnlyIfTheGroupLeaves_GONE_4) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  MakeAlternatives(h, 3, 4, {5, 6});
  h.Say(event::Close{.node = 4, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(6, 5, 4, 3));
  EXPECT_EQ(NodesOf(h), (Ids{1, 2}));
}

}  // namespace
}  // namespace sysmem::core::test
