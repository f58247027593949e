// SPDX-License-Identifier: Apache-2.0
//
// Heaps that come and go while collections live (EXT-3 to EXT-5, BUF-3).
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Heap kNewcomer{.type = "linux.sysmem.heap.HEAP_TYPE.NEWCOMER"};

event::HeapsChanged With(bool newcomer, std::vector<Heap> lost = {}) {
  event::HeapsChanged event{.heaps = SystemRamOnly()->heaps, .lost = std::move(lost)};
  if (newcomer) event.heaps.push_back({.heap = kNewcomer, .cpu_domain = true});
  return event;
}

Constraints FromNewcomer() {
  Constraints constraints = Picky(4096);
  constraints.memory->permitted_heaps = {HeapWish{.type = kNewcomer.type}};
  return constraints;
}

// A collection of one node with buffers from the newcomer.
void Allocate(Harness& h) {
  h.MakeTokens(0);
  h.Do(With(true));
  h.BindAndConstrain(1, FromNewcomer());
}

TEST(HeapsChanged, AreSeenByTheNextAttemptAndBringNoneAbout_EXT_5) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, FromNewcomer());
  EXPECT_THAT(h.Do(With(true)), IsEmpty());
  h.BindAndConstrain(2, FromNewcomer());
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings.buffer.heap, kNewcomer);
}

TEST(HeapsChanged, LeaveAnAttemptWithoutAHeapThatHasGone) {
  Harness h;
  h.MakeTokens(0);
  h.Do(With(true));
  h.Do(With(false, {kNewcomer}));
  h.BindAndConstrain(1, FromNewcomer());
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u);
  EXPECT_TRUE(h.Look().failure);
}

TEST(HeapsChanged, LeaveBuffersToBeJoinedLateWhoseHeapGivesNoMore) {
  Harness h;
  Allocate(h);
  h.FinishAllocation();
  h.Do(With(false));
  EXPECT_FALSE(h.Look().failure);
  h.Say(event::AttachToken{.node = 1, .child = 2, .rights_mask = kSameRights});
  h.BindAndConstrain(2, Camping(0));
  EXPECT_TRUE(h.Succeeded(h.Say(event::Wait{.node = 2})));
}

TEST(HeapsChanged, LeaveAnAllocationThatIsUnderWay) {
  Harness h;
  Allocate(h);
  h.Do(With(false));
  h.FinishAllocation();
  EXPECT_TRUE(h.Succeeded(h.Say(event::Wait{.node = 1})));
}

TEST(HeapsChanged, FailWhoeverHasBuffersOfALostOneFromTheRoot_BUF_3_EXT_4_row_50) {
  Harness h;
  Allocate(h);
  h.FinishAllocation();
  h.Do(With(false, {kNewcomer}));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(1));
  EXPECT_THAT(h.Last<effect::NodeClosed>()->why, HasSubstr("NEWCOMER 0 is gone"));
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
}

TEST(HeapsChanged, FailWhoeverWaitsForBuffersOfALostOne) {
  Harness h;
  Allocate(h);
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.Do(With(false, {kNewcomer}));
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
}

TEST(HeapsChanged, FailAlsoWhenAnotherProviderTakesThePlace_EXT_3) {
  Harness h;
  Allocate(h);
  h.FinishAllocation();
  h.Do(With(true, {kNewcomer}));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(1));
}

TEST(HeapsChanged, AreNothingToCollectionsOnOtherHeaps) {
  Harness h;
  h.MakeTokens(0);
  h.Do(With(true));
  h.BindAndConstrain(1, Picky(4096));
  h.FinishAllocation();
  EXPECT_THAT(h.Do(With(false, {kNewcomer})), IsEmpty());
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
}

TEST(HeapsChanged, AreNothingToACollectionThatHasEnded) {
  Harness h;
  Allocate(h);
  h.FinishAllocation();
  h.Do(event::FailRoot{.why = Failure{.message = "the end"}});
  EXPECT_THAT(h.Do(With(false, {kNewcomer})), IsEmpty());
}

}  // namespace
}  // namespace sysmem::core::test
