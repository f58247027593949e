// SPDX-License-Identifier: Apache-2.0
//
// Makes, binds, releases and closes tokens: server-behaviour.md 1 and 2.5, conformance TOK and COL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(CollectionTokens, BeginWithOneRootTokenOrCollection_TREE_1) {
  Harness shared;
  EXPECT_TRUE(shared.Succeeded(shared.Say(event::CreateRoot{.node = 5})));
  EXPECT_EQ(shared.Look(5).kind, NodeKind::kToken);
  Harness bound;
  EXPECT_TRUE(bound.Succeeded(bound.Say(event::CreateRoot{.node = 5, .bound = true})));
  EXPECT_EQ(bound.Look(5).kind, NodeKind::kCollection);
}

TEST(CollectionTokens, HaveOneRootOnly) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  EXPECT_EQ(h.RefusedBy(h.Say(event::CreateRoot{.node = 2})), "TREE-1");
  EXPECT_TRUE(h.IsConnected(1)) << "an engine's mistake is nobody's failure";
  Harness zero;
  EXPECT_EQ(zero.RefusedBy(zero.Say(event::CreateRoot{.node = 0})), "TREE-1");
}

TEST(CollectionTokens, AreKnownUntilTheyGoAndStrangersNever_TOK_1) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Sync{.node = 1});
  h.Say(event::Sync{.node = 2});
  EXPECT_TRUE(h.IsConnected(1));
  EXPECT_TRUE(h.IsConnected(2));
  EXPECT_FALSE(h.IsConnected(3));
}

TEST(CollectionTokens, ThatAreUnknownCannotBeBoundAndHarmNobody_TOK_2) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 2});
  const CallId stray = h.Say(event::Bind{.node = 3});
  EXPECT_EQ(h.OutcomeOf(stray), Outcome::kClosed);
  const CallId late = h.Say(event::Duplicate{.node = 1, .child = 3, .rights_mask = kSameRights});
  EXPECT_TRUE(h.Succeeded(late));
  h.ReleaseAndClose(3);
  EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1})));
  EXPECT_TRUE(h.IsConnected(1) && h.IsConnected(2));
}

TEST(CollectionTokens, LeaveTheirChildrenAliveWhenReleased_TOK_4_GONE_1) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Sync{.node = 1});
  h.ReleaseAndClose(1);
  EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 2})));
  EXPECT_FALSE(h.IsConnected(1));
  EXPECT_EQ(h.Look(2).parent, 1u) << "the orphan keeps its place";
  EXPECT_TRUE(h.Look(1).ready);
}

TEST(CollectionTokens, RefuseDuplicateSyncWithAMaskOfZeroAndMakeNoChild_TOK_5_row_42) {
  Harness h;
  h.MakeTokens(0);
  const CallId call = h.Say(event::DuplicateSync{
      .node = 1, .children = {2, 3}, .rights_masks = std::vector<uint32_t>{kSameRights, 0}});
  EXPECT_EQ(h.RefusedBy(call), "2.5 rights_attenuation_masks");
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(1));
}

TEST(CollectionTokens, AcceptDuplicateWithAMaskOfZeroAsSameRights_row_43) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = 0x0c});
  EXPECT_TRUE(h.Succeeded(h.Say(event::Duplicate{.node = 2, .child = 3, .rights_mask = 0})));
  EXPECT_EQ(h.Look(3).rights_mask, 0x0cu);
  EXPECT_EQ(h.Logged(effect::Log::Level::kWarn, "deprecated").size(), 1u);
}

TEST(CollectionTokens, AreMadeInOrderByDuplicateSync_TREE_4) {
  Harness h;
  h.MakeTokens(0);
  const CallId call = h.Say(event::DuplicateSync{
      .node = 1, .children = {9, 4, 7}, .rights_masks = std::vector<uint32_t>{1, 2, kSameRights}});
  EXPECT_TRUE(h.Succeeded(call));
  const Snapshot snapshot = h.Look();
  ASSERT_EQ(snapshot.nodes.size(), 4u);
  EXPECT_EQ(snapshot.nodes[1].id, 9u);
  EXPECT_EQ(snapshot.nodes[2].id, 4u);
  EXPECT_EQ(snapshot.nodes[2].rights_mask, 2u);
  EXPECT_EQ(snapshot.nodes[3].id, 7u);
}

TEST(CollectionTokens, MayBeDuplicatedZeroTimes) {
  Harness h;
  h.MakeTokens(0);
  EXPECT_TRUE(
      h.Succeeded(h.Say(event::DuplicateSync{.node = 1, .rights_masks = std::vector<uint32_t>{}})));
  EXPECT_EQ(h.Look().nodes.size(), 1u);
}

TEST(CollectionTokens, NeedNewNumbersForTheirChildren) {
  for (NodeId child : Ids{0, 1}) {
    Harness h;
    h.MakeTokens(0);
    const CallId call =
        h.Say(event::Duplicate{.node = 1, .child = child, .rights_mask = kSameRights});
    EXPECT_EQ(h.RefusedBy(call), "2.5 token_handle") << child;
  }
  Harness twice;
  twice.MakeTokens(0);
  EXPECT_EQ(twice.RefusedBy(twice.Say(event::DuplicateSync{
                .node = 1, .children = {2, 2}, .rights_masks = std::vector<uint32_t>{1, 1}})),
            "2.5 token_handles");
}

TEST(CollectionTokens, BecomeCollectionsInTheirPlace_CONV_2) {
  Harness h;
  h.MakeTokens(2);
  EXPECT_TRUE(h.Succeeded(h.Say(event::Bind{.node = 2})));
  EXPECT_EQ(h.Look(2).kind, NodeKind::kCollection);
  EXPECT_EQ(h.Look().nodes[1].id, 2u);
  EXPECT_FALSE(h.Look(2).ready) << "no constraints yet";
}

TEST(CollectionTokens, CannotBeBoundTwiceOrAfterRelease_CONV_4) {
  Harness twice;
  twice.MakeTokens(1);
  twice.Say(event::Bind{.node = 2});
  EXPECT_EQ(twice.RefusedBy(twice.Say(event::Bind{.node = 2})), "CONV-4 token");
  EXPECT_THAT(twice.ClosedNodes(), ElementsAre(2, 1));
  Harness released;
  released.MakeTokens(1);
  released.Say(event::Release{.node = 2});
  EXPECT_EQ(released.RefusedBy(released.Say(event::Bind{.node = 2})), "CONV-4 token");
  EXPECT_THAT(released.ClosedNodes(), ElementsAre(2, 1));
}

TEST(CollectionTokens, TakeTheAllocatorsNameWhenBoundIfItHasOne_CONV_5_DBG_4) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
  for (NodeId node : Ids{1, 2}) {
    h.Say(event::SetDebugClientInfo{.node = node, .name = "bad", .id = 6});
  }
  h.Say(event::Bind{.node = 1, .allocator_debug = DebugInfo{"abcdefghijklmnopqrstuvwxyz", 5}});
  h.Say(event::Bind{.node = 2});
  EXPECT_EQ(h.Look(1).debug, (DebugInfo{"abcdefghijklmnopqrstuvwxyz", 5}))
      << "replaced, not joined";
  EXPECT_EQ(h.Look(2).debug, (DebugInfo{"bad", 6}));
}

TEST(CollectionTokens, ThatAreClosedWithoutReleaseTakeEverybodyAlong_row_1_FAIL_1_FAIL_4) {
  Harness h;
  h.MakeTokens(1);
  h.BindAndConstrain(1, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 1});
  const CallId close = h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_TRUE(h.Succeeded(close)) << "closing is always possible";
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed) << "no error code";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
  EXPECT_THAT(h.Last<effect::NodeClosed>()->why, HasSubstr("session ended"));
  EXPECT_TRUE(h.Finished());
}

TEST(CollectionTokens, NameTheOneWhoLeftInTheReasonAndTheLog_6_4) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::SetDebugClientInfo{.node = 2, .name = "decoder", .id = 9});
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_THAT(h.Last<effect::NodeClosed>()->why, HasSubstr("\"decoder\" (id 9, node 2)"));
  EXPECT_EQ(h.Logged(effect::Log::Level::kError, "\"decoder\" (id 9").size(), 1u);
  EXPECT_EQ(h.Logged(effect::Log::Level::kInfo, "the collection fails").size(), 1u);
  ASSERT_TRUE(h.Look().failure);
  EXPECT_EQ(h.Look().failure->participants.at(0).name, "decoder");
  EXPECT_EQ(h.Look().state, CollectionState::kFailed);
}

TEST(CollectionTokens, MayBeClosedAgainByWhoLearnedThatTheyWereClosed) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Close{.node = 2, .why = "handle closed"});
  EXPECT_TRUE(h.Succeeded(h.Say(event::Close{.node = 1, .why = "handle closed"})));
  EXPECT_TRUE(h.Succeeded(h.Say(event::Close{.node = 12345, .why = "handle closed"})));
  EXPECT_EQ(h.Count<effect::Finished>(), 1u);
}

TEST(CollectionTokens, AreLimitedInNumberAndTheOneTooManyIsRefusedByTheLimitsName) {
  auto settings = SystemRamOnly();
  settings->limits.nodes_per_collection = 3;
  Harness h(settings);
  h.MakeTokens(2);
  EXPECT_EQ(h.Look().nodes.size(), 3u);
  const CallId call = h.Say(event::Duplicate{.node = 2, .child = 9, .rights_mask = kSameRights});
  EXPECT_EQ(h.RefusedBy(call), "nodes_per_collection");
  EXPECT_THAT(h.FailureOf(call)->message, HasSubstr("at most 3 nodes"));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2, 1));
  Harness sync(settings);
  sync.MakeTokens(1);
  EXPECT_EQ(sync.RefusedBy(sync.Say(event::DuplicateSync{
                .node = 1, .children = {8, 9}, .rights_masks = std::vector<uint32_t>{1, 1}})),
            "nodes_per_collection");
  EXPECT_EQ(sync.Look().nodes.size(), 0u) << "neither child was made";
}

TEST(CollectionTokens, MayComeAndGoWithoutFillingTheTree) {
  auto settings = SystemRamOnly();
  settings->limits.nodes_per_collection = 3;
  Harness h(settings);
  h.MakeTokens(0);
  for (NodeId id = 2; id <= 10001; ++id) {
    ASSERT_TRUE(
        h.Succeeded(h.Say(event::Duplicate{.node = 1, .child = id, .rights_mask = kSameRights})));
    h.ReleaseAndClose(id);
    ASSERT_EQ(h.ClosedNodes().back(), id);
  }
  EXPECT_EQ(h.Look().nodes.size(), 1u);
  EXPECT_TRUE(h.IsConnected(1));
}

TEST(CollectionTokens, StayAsOrphansWhileTheirChildrenOrConstraintsCount) {
  Harness h;
  h.MakeTokens(2);
  h.Say(event::Duplicate{.node = 2, .child = 4, .rights_mask = kSameRights});
  h.BindAndConstrain(3, Camping(1));
  h.ReleaseAndClose(3);
  h.ReleaseAndClose(2);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty()) << "3 has constraints, 2 has a child";
  h.ReleaseAndClose(4);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4, 2)) << "the child first, then its orphaned parent";
  EXPECT_FALSE(h.Look(3).connected);
}

TEST(CollectionTokens, AllTellTheSameCollectionId_COL_8) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 2});
  for (NodeId node : Ids{1, 2}) {
    const CallId call = h.Say(event::GetBufferCollectionId{.node = node});
    EXPECT_EQ(std::get<uint64_t>(h.AnswerTo(call)->result), Harness::kId);
  }
}

TEST(CollectionTokens, AreNotNeededForANonSharedCollection_COL_1) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1, .bound = true, .debug = {"test", 3}});
  EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = 1})));
  EXPECT_EQ(h.Look(1).debug, (DebugInfo{"test", 3})) << "the allocator's (DBG-3)";
}

// COL-13 on the core: whatever state it is in, a collection can just be destroyed.
TEST(CollectionTokens, MayVanishWithTheirCollectionAtAnyMoment_COL_13) {
  Harness empty;
  Harness h;
  h.MakeTokens(3);
  h.BindAndConstrain(2, Camping(1));
  h.Say(event::Wait{.node = 2});
}

}  // namespace
}  // namespace sysmem::core::test
