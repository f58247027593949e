// SPDX-License-Identifier: Apache-2.0
//
// From the last readiness to the last grant: server-behaviour.md 3.1, 3.2, 3.6 and 5.3, conformance
// COL, and the time between Allocate and AllocationFinished.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(CollectionAllocation, WaitsForEveryToken_ATT_4) {
  Harness h;
  h.MakeTokens(2);
  h.BindAndConstrain(1, Camping(2));
  h.BindAndConstrain(2, Camping(1));
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u);
  EXPECT_EQ(h.Look().state, CollectionState::kWaiting);
  h.BindAndConstrain(3, std::nullopt);
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.buffer_count, 3u);
  EXPECT_EQ(h.Last<effect::Allocate>()->buffer_collection_id, Harness::kId);
  EXPECT_EQ(h.Look().state, CollectionState::kAllocating);
}

TEST(CollectionAllocation, IsNotTriggeredByBinding_CONV_7) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.Say(event::Bind{.node = 2});
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u);
}

TEST(CollectionAllocation, AnswersEveryWaitInOrderAndBreadthFirst_DEL_1_2_7) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(2, Camping(1));
  const CallId child = h.Say(event::Wait{.node = 2});
  h.BindAndConstrain(1, Camping(1));
  const CallId first = h.Say(event::Wait{.node = 1});
  const CallId second = h.Say(event::Wait{.node = 1});
  EXPECT_TRUE(h.Pending(first));
  EXPECT_EQ(h.Look(1).pending_waits, 2u);
  const size_t before = h.all().size();
  h.FinishAllocation();
  std::vector<CallId> answered;
  for (size_t i = before; i < h.all().size(); ++i) {
    if (const auto* answer = std::get_if<effect::Answer>(&h.all()[i])) {
      answered.push_back(answer->call);
    }
  }
  EXPECT_THAT(answered, ElementsAre(first, second, child));
  EXPECT_EQ(h.GrantOf(first), h.GrantOf(child)) << "identical settings for all (RES-7)";
  EXPECT_EQ(h.GrantOf(first)->buffer_collection_id, Harness::kId);
  EXPECT_EQ(h.Look().state, CollectionState::kAllocated);
  EXPECT_TRUE(h.Look(1).allocated);
  EXPECT_EQ(h.Look(1).pending_waits, 0u);
}

TEST(CollectionAllocation, AnswersLaterWaitsAndChecksAtOnce_DEL_6) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  h.FinishAllocation();
  EXPECT_TRUE(h.Succeeded(h.Say(event::Check{.node = 1})));
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 1})));
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 1})));
}

TEST(CollectionAllocation, IsPendingForChecksUntilDecided_row_23) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 1});
  EXPECT_EQ(h.ErrorOf(h.Say(event::Check{.node = 1})), Error::kPending) << "before SetConstraints";
  h.Constrain(1, Camping(1));
  EXPECT_EQ(h.ErrorOf(h.Say(event::Check{.node = 1})), Error::kPending);
  h.BindAndConstrain(2, std::nullopt);
  EXPECT_EQ(h.ErrorOf(h.Say(event::Check{.node = 1})), Error::kPending) << "being allocated";
  h.FinishAllocation();
  EXPECT_TRUE(h.Succeeded(h.Say(event::Check{.node = 1})));
}

TEST(CollectionAllocation, GivesThreeParticipantsOneSetOfBuffers_COL_4) {
  Harness h;
  h.MakeTokens(2);
  h.BindAndConstrain(1, Camping(3));
  for (int i = 0; i < 512; ++i) ASSERT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1})));
  h.Say(event::Bind{.node = 2});
  h.BindAndConstrain(3, Constraints{});
  EXPECT_EQ(h.ErrorOf(h.Say(event::Check{.node = 1})), Error::kPending);
  EXPECT_EQ(h.ErrorOf(h.Say(event::Check{.node = 2})), Error::kPending);
  h.Constrain(2, Camping(3));
  h.FinishAllocation();
  const std::optional<Grant> one = h.GrantOf(h.Say(event::Wait{.node = 1}));
  const std::optional<Grant> three = h.GrantOf(h.Say(event::Wait{.node = 3}));
  ASSERT_TRUE(one && three);
  EXPECT_EQ(one->plan.buffer_count, 6u);
  EXPECT_EQ(one->plan, three->plan);
  EXPECT_TRUE(one->with_buffers);
  EXPECT_FALSE(three->with_buffers) << "no usage, no descriptors (RES-3)";
  h.ReleaseAndClose(3);
  EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1})));
}

TEST(CollectionAllocation, NeedsNoTokenAtAll_COL_2) {
  Constraints wish = Camping(3);
  wish.usage->display = 1;  // LAYER
  wish.memory = MemoryConstraints{.min_size_bytes = 65536,
                                  .max_size_bytes = 131072,
                                  .physically_contiguous_required = false,
                                  .secure_required = false,
                                  .cpu_domain_supported = true,
                                  .ram_domain_supported = true,
                                  .inaccessible_domain_supported = false};
  Harness h;
  h.Say(event::CreateRoot{.node = 1, .bound = true});
  h.Constrain(1, wish);
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.FinishAllocation();
  ASSERT_TRUE(h.GrantOf(wait));
  const Plan plan = h.GrantOf(wait)->plan;
  EXPECT_EQ(plan.buffer_count, 3u);
  EXPECT_EQ(plan.settings.buffer.size_bytes, 65536u);
  EXPECT_EQ(plan.settings.buffer.raw_vmo_size, 65536u);
  EXPECT_EQ(plan.settings.buffer.coherency_domain, CoherencyDomain::kRam);
  EXPECT_FALSE(plan.settings.image_format);
}

TEST(CollectionAllocation, GivesSettingsWithoutDescriptorsToUsageNone_row_22_RES_3) {
  Harness h;
  h.MakeTokens(2);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Constraints{.usage = BufferUsage{.none = kNoneUsage}});
  h.BindAndConstrain(3, std::nullopt);
  h.FinishAllocation();
  EXPECT_FALSE(h.GrantOf(h.Say(event::Wait{.node = 2}))->with_buffers);
  EXPECT_FALSE(h.GrantOf(h.Say(event::Wait{.node = 3}))->with_buffers);
}

TEST(CollectionAllocation, LetsOnlyThoseWriteWhoseUsageAndRightsSaySo_RES_1_TREE_6) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
  h.Say(event::Duplicate{.node = 1, .child = 3, .rights_mask = UINT32_MAX & ~kRightWrite});
  h.Say(event::Duplicate{.node = 3, .child = 4, .rights_mask = UINT32_MAX});
  Constraints reader = Camping(1);
  reader.usage = BufferUsage{.cpu = kCpuUsageReadOften};
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, reader);
  h.BindAndConstrain(3, Camping(1));
  h.BindAndConstrain(4, Camping(1));
  h.FinishAllocation();
  EXPECT_TRUE(h.GrantOf(h.Say(event::Wait{.node = 1}))->writable);
  EXPECT_FALSE(h.GrantOf(h.Say(event::Wait{.node = 2}))->writable) << "usage only reads";
  EXPECT_FALSE(h.GrantOf(h.Say(event::Wait{.node = 3}))->writable) << "mask without WRITE";
  EXPECT_FALSE(h.GrantOf(h.Say(event::Wait{.node = 4}))->writable) << "its parent may not write";
}

TEST(CollectionAllocation, CountsTheConstraintsOfAReleasedCollection_row_8_PART_1) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(2));
  h.ReleaseAndClose(1);
  h.BindAndConstrain(2, Camping(1));
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.buffer_count, 3u);
}

TEST(CollectionAllocation, GoesOnWithoutAReleasedCollectionThatSetNothing_row_9) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 1});
  h.BindAndConstrain(2, Camping(1));
  h.Say(event::Release{.node = 1});
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u) << "only the close makes an orphan";
  h.Say(event::Close{.node = 1});
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.buffer_count, 1u);
}

TEST(CollectionAllocation, GoesOnWithoutAReleasedToken_row_2_CONV_7) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.ReleaseAndClose(2);
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_FALSE(h.IsConnected(2));
}

TEST(CollectionAllocation, CarriesTheNameOfTheMoment_NAME_1_BUF_2) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::SetName{.node = 1, .priority = 2000000, .name = "abcdefghijkl"});
  h.Say(event::SetName{.node = 1, .priority = 0, .name = "low_pri"});
  h.BindAndConstrain(1, Camping(1));
  EXPECT_EQ(h.Last<effect::Allocate>()->name, "abcdefghijkl");
}

TEST(CollectionAllocation, FailsWithTheErrorFirstAndTheClosureAfter_COL_7_DEL_3) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Picky(4096));
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.Say(event::Bind{.node = 2});
  const size_t before = h.all().size();
  const CallId last = h.Constrain(2, Picky(8192));
  EXPECT_TRUE(h.Succeeded(last)) << "values are judged by the allocation, not by the message";
  EXPECT_EQ(h.ErrorOf(wait), Error::kConstraintsIntersectionEmpty);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
  EXPECT_TRUE(h.Finished());
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u);
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u) << "there were none";
  bool closed = false;
  for (size_t i = before; i < h.all().size(); ++i) {
    closed |= std::holds_alternative<effect::NodeClosed>(h.all()[i]);
    EXPECT_FALSE(closed && std::holds_alternative<effect::Answer>(h.all()[i]));
  }
  EXPECT_EQ(h.OutcomeOf(h.Say(event::Wait{.node = 1})), Outcome::kClosed) << "a late one";
  EXPECT_EQ(h.Look().failure->error, Error::kConstraintsIntersectionEmpty);
  EXPECT_FALSE(h.Logged(effect::Log::Level::kError, "no allocation").empty());
  EXPECT_FALSE(h.Logged(effect::Log::Level::kWarn, "the collection fails").empty());
}

TEST(CollectionAllocation, OfABufferAboveTheLimitFailsLikeAnyConflict_row_20) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  h.Constrain(1, Picky(300ull << 20));
  EXPECT_EQ(h.Look().failure->error, Error::kConstraintsIntersectionEmpty);
}

TEST(CollectionAllocation, NeedsAUsage_row_21) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(
      1, Constraints{.usage = BufferUsage{.none = kNoneUsage}, .min_buffer_count_for_camping = 1});
  EXPECT_EQ(h.Look().failure->error, Error::kConstraintsIntersectionEmpty);
}

TEST(CollectionAllocation, RefusedByTheHeapEndsEveryWaitWithNoMemory_row_19_ATT_7) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(1));
  const CallId one = h.Say(event::Wait{.node = 1});
  const CallId two = h.Say(event::Wait{.node = 2});
  h.RefuseAllocation();
  EXPECT_EQ(h.ErrorOf(one), Error::kNoMemory);
  EXPECT_EQ(h.ErrorOf(two), Error::kNoMemory);
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u) << "there is no second attempt";
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u) << "nothing of the attempt is left";
  EXPECT_TRUE(h.Finished());
}

TEST(CollectionAllocation, UnderWayIsDroppedWithTheRootAndItsLateAnswerIgnored) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
  EXPECT_TRUE(std::holds_alternative<effect::Finished>(h.all().back()));
  const size_t before = h.all().size();
  h.FinishAllocation();
  EXPECT_EQ(h.all().size(), before);
  EXPECT_EQ(h.Look().state, CollectionState::kFailed);
}

TEST(CollectionAllocation, UnderWayGoesOnWhenAParticipantLeavesCleanly) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, Camping(1));
  const CallId left = h.Say(event::Wait{.node = 2});
  h.ReleaseAndClose(2);
  EXPECT_EQ(h.OutcomeOf(left), Outcome::kClosed);
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u) << "no second attempt beside the first";
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.FinishAllocation();
  EXPECT_EQ(h.GrantOf(wait)->plan.buffer_count, 2u) << "the orphan's constraints count";
}

TEST(CollectionAllocation, UnderWayEndsWhenTheLastParticipantLeaves) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  h.ReleaseAndClose(1);
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
  EXPECT_TRUE(h.Finished());
  h.FinishAllocation();
  EXPECT_TRUE(std::holds_alternative<effect::Finished>(h.all().back()));
}

TEST(CollectionAllocation, UnderWayIsNotEndedByAnAnswerToAnotherAttempt) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  h.Do(event::AllocationFinished{.attempt = 0});
  h.Do(event::AllocationFinished{.attempt = 2});
  EXPECT_EQ(h.Look().state, CollectionState::kAllocating);
  h.FinishAllocation();
  h.RefuseAllocation();
  EXPECT_EQ(h.Look().state, CollectionState::kAllocated) << "decided once (ATT-7)";
}

TEST(CollectionAllocation, GrantsWaitsOfACollectionThatIsReleasedButNotClosed) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.Say(event::Release{.node = 1});
  h.FinishAllocation();
  EXPECT_TRUE(h.GrantOf(wait));
}

TEST(CollectionAllocation, LeavesACancelledWaitCancelled) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  const CallId kept = h.Say(event::Wait{.node = 1});
  const CallId taken_back = h.Say(event::Wait{.node = 1});
  EXPECT_THAT(h.Do(event::CancelWait{.node = 1, .wait = 999}), IsEmpty());
  EXPECT_THAT(h.Do(event::CancelWait{.node = 9, .wait = taken_back}), IsEmpty());
  h.Do(event::CancelWait{.node = 1, .wait = taken_back});
  EXPECT_EQ(h.OutcomeOf(taken_back), Outcome::kCancelled);
  h.FinishAllocation();
  EXPECT_TRUE(h.GrantOf(kept));
  EXPECT_THAT(h.Do(event::CancelWait{.node = 1, .wait = kept}), IsEmpty()) << "answered already";
}

}  // namespace
}  // namespace sysmem::core::test
