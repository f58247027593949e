// SPDX-License-Identifier: Apache-2.0
//
// AttachToken and what becomes of the sub-tree below it: server-behaviour.md 2.1, 2.2, 2.7, 3.2,
// 3.6 and 3.7. In most tests node 1 is the root collection, 2 another participant and 3 the
// attached one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Camping buffers, and `headroom` more by min_buffer_count.
Constraints WithRoom(uint32_t camping, uint32_t count) {
  Constraints c = Camping(camping);
  c.min_buffer_count = count;
  return c;
}

Constraints AtMost(uint64_t bytes) {
  Constraints c = Camping(0);
  c.memory->min_size_bytes.reset();
  c.memory->max_size_bytes = bytes;
  return c;
}

CallId Attach(Harness& h, NodeId node, NodeId child, uint32_t mask = kSameRights) {
  return h.Say(event::AttachToken{.node = node, .child = child, .rights_mask = mask});
}

// Nodes 1 and 2 share `count` buffers, of which they need two.
void ShareBuffers(Harness& h, uint32_t count = 4) {
  h.MakeTokens(1);
  h.BindAndConstrain(1, WithRoom(1, count));
  h.BindAndConstrain(2, Camping(1));
  h.FinishAllocation();
}

Ids NodesOf(const Harness& h) {
  Ids ids;
  for (const NodeSnapshot& node : h.Look().nodes) ids.push_back(node.id);
  return ids;
}

// ---- The message (2.7)

TEST(AttachToken, MakesATokenWhoseFailureStaysBelow_TREE_3) {
  Harness h;
  ShareBuffers(h);
  EXPECT_TRUE(h.Succeeded(Attach(h, 2, 3)));
  const NodeSnapshot child = h.Look(3);
  EXPECT_EQ(child.parent, 2u);
  EXPECT_EQ(child.kind, NodeKind::kToken);
  EXPECT_EQ(child.failure_mode, FailureMode::kDoNotPropagate);
  EXPECT_TRUE(child.comes_later);
  EXPECT_FALSE(h.Look(2).comes_later);
}

TEST(AttachToken, IsAllowedBeforeAndAfterSetConstraintsAndAllocation) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  EXPECT_TRUE(h.Succeeded(Attach(h, 1, 2)));
  h.Constrain(1, Camping(1));
  EXPECT_TRUE(h.Succeeded(Attach(h, 1, 3))) << "while buffers are made";
  h.FinishAllocation();
  EXPECT_TRUE(h.Succeeded(Attach(h, 1, 4)));
  EXPECT_THAT(NodesOf(h), ElementsAre(1, 2, 3, 4)) << "in the order of creation (TREE-4)";
}

TEST(AttachToken, RefusesWhatIsMissingOrZero) {
  const struct {
    event::AttachToken message;
    const char* refused_by;
  } cases[] = {
      {{.node = 1, .child = 2}, "2.7 rights_attenuation_mask"},
      {{.node = 1, .child = 0, .rights_mask = kSameRights}, "2.7 token_handle"},
      {{.node = 1, .child = 1, .rights_mask = kSameRights}, "2.7 token_handle"},
      {{.node = 1, .child = 2, .rights_mask = 0}, "2.7 rights_attenuation_mask"},
      {{.node = 1, .child = 0}, "2.7 rights_attenuation_mask"},  // the first rule decides
      {{.node = 1, .child = 0, .rights_mask = 0}, "2.7 token_handle"},
  };
  for (const auto& one : cases) {
    Harness h;
    h.MakeTokens(0);
    h.Say(event::Bind{.node = 1});
    EXPECT_EQ(h.RefusedBy(h.Say(one.message)), one.refused_by);
    EXPECT_THAT(h.ClosedNodes(), ElementsAre(1));
  }
}

TEST(AttachToken, IsRefusedAfterRelease) {
  Harness h;
  ShareBuffers(h);
  h.Say(event::Release{.node = 2});
  EXPECT_EQ(h.RefusedBy(Attach(h, 2, 3)), "2.7");
  Harness zero;
  ShareBuffers(zero);
  zero.Say(event::Release{.node = 2});
  EXPECT_EQ(zero.RefusedBy(Attach(zero, 2, 3, 0)), "2.7") << "Release comes before the mask";
}

TEST(AttachToken, IsOnlyForCollections) {
  Harness h;
  h.MakeTokens(0);
  EXPECT_EQ(h.RefusedBy(Attach(h, 1, 2)), "2.4");
}

TEST(AttachToken, IsCountedAmongTheNodesOfACollection) {
  auto settings = SystemRamOnly();
  settings->limits.nodes_per_collection = 3;
  Harness h(settings);
  ShareBuffers(h);
  EXPECT_TRUE(h.Succeeded(Attach(h, 1, 3)));
  EXPECT_EQ(h.RefusedBy(Attach(h, 1, 4)), "nodes_per_collection");
}

TEST(AttachToken, AnswersClosedForNodesThatAreGone) {
  Harness h;
  ShareBuffers(h);
  EXPECT_EQ(h.OutcomeOf(Attach(h, 99, 3)), Outcome::kClosed);
}

TEST(AttachToken, NamesTheTokenAfterItsParent_DBG_3) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  EXPECT_EQ(h.Look(2).debug.name, "from AttachToken()");
  h.Say(event::SetDebugClientInfo{.node = 1, .name = "camera", .id = 5});
  Attach(h, 1, 3);
  EXPECT_EQ(h.Look(3).debug, (DebugInfo{"camera then AttachToken()", 5}));
  EXPECT_EQ(h.Look(2).debug.name, "from AttachToken()") << "later changes do not reach it (TREE-5)";
}

TEST(AttachToken, CutsALongNameAtTheLimit_DBG_2) {
  auto settings = SystemRamOnly();
  settings->limits.debug_name_bytes = 10;
  Harness h(settings);
  h.Say(event::CreateRoot{.node = 1, .bound = true, .debug = {"camera", 0}});
  Attach(h, 1, 2);
  EXPECT_EQ(h.Look(2).debug.name, "camera the");
}

TEST(AttachToken, CombinesTheRightsMasks_TREE_6) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = 0xff});
  h.Say(event::Bind{.node = 2});
  Attach(h, 2, 3, 0x10f);
  EXPECT_EQ(h.Look(3).rights_mask, 0x0fu);
  Attach(h, 2, 4, kSameRights);
  EXPECT_EQ(h.Look(4).rights_mask, 0xffu);
}

TEST(AttachToken, GivesReadOnlyBuffersBelowAMaskWithoutWrite_RES_1) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3, ~kRightWrite);
  h.BindAndConstrain(3, Camping(1));
  Attach(h, 1, 4);
  h.BindAndConstrain(4, Camping(1));
  const std::optional<Grant> reader = h.GrantOf(h.Say(event::Wait{.node = 3}));
  const std::optional<Grant> writer = h.GrantOf(h.Say(event::Wait{.node = 4}));
  ASSERT_TRUE(reader && writer);
  EXPECT_TRUE(reader->with_buffers && writer->with_buffers);
  EXPECT_FALSE(reader->writable);
  EXPECT_TRUE(writer->writable);
}

// ---- Before the initial allocation

TEST(AttachedSubtree, IsNotWaitedFor_ATT_3) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.Constrain(1, Camping(1));
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  h.FinishAllocation();
  EXPECT_TRUE(h.Look(1).allocated);
  EXPECT_FALSE(h.Look(2).allocated);
}

TEST(AttachedSubtree, BringsNothingIntoTheInitialAllocation_FAIL_8) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.BindAndConstrain(2, Camping(5));
  h.Constrain(1, Camping(1));
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.buffer_count, 1u);
}

TEST(AttachedSubtree, IsAllocatedRightAfterTheOthers_ATT_2_ATT_8_row_16) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.BindAndConstrain(2, Camping(1));
  const CallId attached = h.Say(event::Wait{.node = 2});
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u) << "a sub-tree is no root";
  EXPECT_EQ(h.ErrorOf(h.Say(event::Check{.node = 2})), Error::kPending);
  h.Constrain(1, WithRoom(1, 2));
  const CallId root = h.Say(event::Wait{.node = 1});
  EXPECT_TRUE(h.Pending(attached));
  h.FinishAllocation();
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u)
      << "nothing is built for those who come later (LATE-3)";
  ASSERT_TRUE(h.GrantOf(root) && h.GrantOf(attached));
  EXPECT_EQ(h.GrantOf(root)->plan, h.GrantOf(attached)->plan);
  EXPECT_TRUE(h.Succeeded(h.Say(event::Check{.node = 2})));
}

TEST(AttachedSubtree, IsAllocatedThroughEveryLevelAtOnce_ATT_8) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.Say(event::Bind{.node = 2});
  Attach(h, 2, 3);
  h.BindAndConstrain(3, Camping(1));
  h.Constrain(2, Camping(1));
  h.Constrain(1, WithRoom(1, 3));
  h.FinishAllocation();
  EXPECT_TRUE(h.Look(2).allocated);
  EXPECT_TRUE(h.Look(3).allocated);
}

TEST(AttachedSubtree, WaitsForTheOneAboveIt_ATT_2) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.Say(event::Bind{.node = 3});
  Attach(h, 3, 4);
  h.BindAndConstrain(4, Camping(0));
  EXPECT_FALSE(h.Look(4).allocated);
  h.Constrain(3, Camping(0));
  EXPECT_TRUE(h.Look(3).allocated);
  EXPECT_TRUE(h.Look(4).allocated);
}

TEST(AttachedSubtree, WaitsForAllOfItsOwnNodes_ATT_4) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.Say(event::Duplicate{.node = 3, .child = 4, .rights_mask = kSameRights});
  h.BindAndConstrain(3, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 3});
  EXPECT_TRUE(h.Pending(wait));
  EXPECT_EQ(h.ErrorOf(h.Say(event::Check{.node = 3})), Error::kPending);
  h.BindAndConstrain(4, Camping(1));
  EXPECT_TRUE(h.GrantOf(wait)) << "both at once: the sub-tree is one domain";
  EXPECT_TRUE(h.Look(4).allocated);
}

TEST(AttachedSubtree, IsNotListedAsSlow_SLOW_2) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.Do(event::Tick{.now_ns = INT64_MAX});
  EXPECT_THAT(h.Logged(effect::Log::Level::kError, "(node 2)"), IsEmpty());
  EXPECT_EQ(h.Logged(effect::Log::Level::kError, "(node 1)").size(), 1u);
}

TEST(AttachedSubtree, SharesTheFailureOfTheInitialAllocation_DEL_3_GONE_2) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.BindAndConstrain(2, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 2});
  h.Constrain(1, Camping(1));
  h.RefuseAllocation();
  EXPECT_EQ(h.ErrorOf(wait), Error::kNoMemory);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
}

TEST(AttachedSubtree, IsSkippedWhereItIsStillAToken_DEL_H1) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Attach(h, 1, 2);
  h.Constrain(1, Camping(1));
  h.RefuseAllocation();
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
  EXPECT_TRUE(h.Finished());
}

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
  EXPECT_EQ(h.Look(), before) << "the others are not touched (GONE-4)";
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
  EXPECT_THAT(named, ElementsAre(1, 2, 3, 0)) << "0: the buffers that exist";
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
