// SPDX-License-Identifier: Apache-2.0
//
// AttachToken and what becomes of the sub-tree below it: server-behaviour.md 2.1, 2.2, 2.7, 3.2,
// 3.6 and 3.7. In most tests node 1 is the root collection, 2 another participant and 3 the
// attached one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/attach_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
  EXPECT_EQ(h.Logged(effect::Log::Level::kError, "(node 1)").size(), 2u)
      << "in the first line and in its own";
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

}  // namespace
}  // namespace sysmem::core::test
