// SPDX-License-Identifier: Apache-2.0
//
// Looking at a collection a slice at a time: how much at a time, and what is seen when it changes
// meanwhile.
#include "core/snapshot_walk.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/core/collection_harness.h"

namespace sysmem::core {
namespace {

using test::Harness;
using test::Ids;

Ids IdsOf(const std::vector<NodeSnapshot>& nodes) {
  Ids ids;
  for (const NodeSnapshot& node : nodes) ids.push_back(node.id);
  return ids;
}

// Takes what is left of the walk, and counts the slices.
size_t Finish(const Harness& h, SnapshotWalk& walk) {
  size_t slices = 0;
  for (; !walk.done(); ++slices) h.collection().TakeSlice(walk);
  return slices;
}

TEST(SnapshotWalk, LooksAtNoMoreNodesAtATimeThanItSays) {
  Harness h;
  h.MakeTokens(999);
  SnapshotWalk walk({});
  size_t before = 0;
  while (!walk.done()) {
    h.collection().TakeSlice(walk);
    const size_t now = walk.snapshot().nodes.size();
    EXPECT_LE(now - before, SnapshotWalk::kNodesPerSlice);
    before = now;
  }
  EXPECT_EQ(before, 1000u);
}

TEST(SnapshotWalk, LooksAtNoMoreOfThoseWhoTakePartAtATimeThanItSays) {
  Harness h;
  h.MakeTokens(9);
  for (NodeId id = 1; id <= 10; ++id) h.BindAndConstrain(id, test::Camping(1));
  h.FinishAllocation();
  SnapshotWalk walk({.story = true, .nodes_per_slice = 4});
  // Ten nodes, and then ten who speak.
  EXPECT_EQ(Finish(h, walk), 5u);
  EXPECT_EQ(walk.story().voices.size(), 10u);
}

TEST(SnapshotWalk, SeesTheSameInSlicesAsAtOnce) {
  Harness h;
  h.MakeTokens(3);
  h.Say(event::Bind{.node = 1});
  h.Say(event::AttachToken{.node = 1, .child = 20, .rights_mask = kSameRights});
  h.Say(event::Duplicate{.node = 20, .child = 21, .rights_mask = kSameRights});
  h.BindAndConstrain(2, test::Picky(4096));
  SnapshotWalk walk({.nodes_per_slice = 1});
  EXPECT_EQ(Finish(h, walk), 6u);
  const Snapshot in_slices = std::move(walk).Take();
  EXPECT_EQ(in_slices, h.Look());
  EXPECT_EQ(IdsOf(in_slices.nodes), (Ids{1, 2, 3, 4, 20, 21}));
  EXPECT_FALSE(in_slices.nodes[3].comes_later);
  EXPECT_TRUE(in_slices.nodes[4].comes_later);
  EXPECT_TRUE(in_slices.nodes[5].comes_later);
}

TEST(SnapshotWalk, TellsInSlicesWhyThePlanIsAsItIs) {
  Harness h;
  h.MakeTokens(2);
  h.ReleaseAndClose(1);
  h.BindAndConstrain(2, test::Camping(1));
  h.BindAndConstrain(3, test::Camping(2));
  h.FinishAllocation();
  const Report at_once = h.collection().Explain();
  ASSERT_FALSE(at_once.decisions.empty());
  SnapshotWalk walk({.story = true, .nodes_per_slice = 1});
  Finish(h, walk);
  EXPECT_EQ(TextOf(walk.story().Tell(), [](auto text) { return std::string(text); }).text,
            TextOf(at_once, [](auto text) { return std::string(text); }).text);
}

TEST(SnapshotWalk, ShowsThePartThatIsWantedAndCountsTheRest) {
  Harness h;
  h.MakeTokens(9);
  h.ReleaseAndClose(9);
  SnapshotWalk walk({.first_node = 4, .most_nodes = 3, .nodes_per_slice = 2});
  Finish(h, walk);
  const Snapshot part = std::move(walk).Take();
  EXPECT_EQ(IdsOf(part.nodes), (Ids{5, 6, 7}));
  EXPECT_EQ(part.nodes_in_all, h.Look().nodes.size());
  EXPECT_EQ(part.connected_in_all, h.Look().connected_in_all);
  EXPECT_LT(part.connected_in_all, 10u);
}

TEST(SnapshotWalk, SeesNothingBeyondTheLastNode) {
  Harness h;
  h.MakeTokens(3);
  SnapshotWalk walk({.first_node = SIZE_MAX, .most_nodes = SIZE_MAX});
  Finish(h, walk);
  EXPECT_TRUE(walk.snapshot().nodes.empty());
  EXPECT_EQ(walk.snapshot().nodes_in_all, 4u);
}

TEST(SnapshotWalk, BeginsAnewWhenTheCollectionChanges) {
  Harness h;
  h.MakeTokens(5);
  SnapshotWalk walk({.nodes_per_slice = 4});
  h.collection().TakeSlice(walk);
  const uint64_t before = walk.snapshot().version;
  h.ReleaseAndClose(2);
  h.Say(event::Duplicate{.node = 1, .child = 50, .rights_mask = kSameRights});
  Finish(h, walk);
  const Snapshot shown = std::move(walk).Take();
  EXPECT_EQ(shown, h.Look());
  EXPECT_GT(shown.version, before);
  EXPECT_FALSE(shown.changed_meanwhile);
  EXPECT_EQ(IdsOf(shown.nodes).back(), 50u);
}

TEST(SnapshotWalk, SaysSoWhenTheCollectionChangesAgainAndAgain) {
  Harness h;
  h.MakeTokens(40);
  SnapshotWalk walk({.nodes_per_slice = 4});
  NodeId next = 100;
  size_t slices = 0;
  while (!walk.done()) {
    h.collection().TakeSlice(walk);
    h.Say(event::Duplicate{.node = 1, .child = ++next, .rights_mask = kSameRights});
    ASSERT_LT(++slices, 1000u);
  }
  EXPECT_EQ(walk.restarts(), SnapshotWalk::kRestarts);
  EXPECT_TRUE(walk.snapshot().changed_meanwhile);
}

TEST(SnapshotWalk, ShowsEachNodeOnceAndAfterItsParentWhateverGoesMeanwhile) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 1});
  // Attached sub-trees can end by themselves.
  for (NodeId top = 100; top < 200; top += 10) {
    h.Say(event::AttachToken{.node = 1, .child = top, .rights_mask = kSameRights});
    for (NodeId child = top + 1; child < top + 5; ++child) {
      h.Say(event::Duplicate{.node = top, .child = child, .rights_mask = kSameRights});
    }
  }
  SnapshotWalk walk({.nodes_per_slice = 3});
  NodeId top = 100;
  while (!walk.done()) {
    h.collection().TakeSlice(walk);
    if (top < 190) h.Say(event::Close{.node = top, .why = "gone"});
    top += 10;
  }
  const Snapshot shown = std::move(walk).Take();
  EXPECT_TRUE(shown.changed_meanwhile);
  std::set<NodeId> seen{0};
  for (const NodeSnapshot& node : shown.nodes) {
    EXPECT_TRUE(seen.contains(node.parent)) << "of node " << node.id;
    EXPECT_TRUE(seen.insert(node.id).second) << "node " << node.id << " twice";
  }
  EXPECT_TRUE(seen.contains(194)) << "one that was there all the time";
}

TEST(SnapshotWalk, GoesOnWhenTheWholeTreeIsGone) {
  Harness h;
  h.MakeTokens(20);
  SnapshotWalk walk({.nodes_per_slice = 4});
  h.collection().TakeSlice(walk);
  h.Say(event::Close{.node = 1, .why = "gone"});
  Finish(h, walk);
  const Snapshot shown = std::move(walk).Take();
  EXPECT_EQ(shown.state, CollectionState::kFailed);
  EXPECT_TRUE(shown.nodes.empty());
  EXPECT_EQ(shown.nodes_at_failure.size(), 21u);
}

TEST(CollectionVersion, RisesWithEachChangeAndNotWithQuestions) {
  Harness h;
  h.MakeTokens(1);
  const uint64_t made = h.collection().version();
  EXPECT_GE(made, 2u);
  h.Say(event::Sync{.node = 1});
  h.Say(event::GetBufferCollectionId{.node = 1});
  EXPECT_EQ(h.collection().version(), made);
  h.Say(event::SetName{.node = 1, .priority = 1, .name = "frames"});
  EXPECT_EQ(h.collection().version(), made + 1);
  EXPECT_EQ(h.Look().version, made + 1);
}

TEST(CollectionVersion, RisesWithAQuestionThatFailsWhoAsks) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Release{.node = 2});
  const uint64_t before = h.collection().version();
  h.Say(event::Sync{.node = 2});
  EXPECT_GT(h.collection().version(), before);
}

}  // namespace
}  // namespace sysmem::core
