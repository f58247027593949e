// SPDX-License-Identifier: Apache-2.0
//
// Asks the node tree itself who is where and what is inherited.
#include <gtest/gtest.h>

#include <random>

#include "core/debug_info.h"
#include "core/describe.h"
#include "core/node_tree.h"

namespace sysmem::core {
namespace {

using Ids = std::vector<NodeId>;

// 1 - (2 - (4, 5), 3)
NodeTree SmallTree() {
  NodeTree tree;
  tree.AddRoot(1);
  tree.AddChild(1, 2, kSameRights);
  tree.AddChild(1, 3, kSameRights);
  tree.AddChild(2, 4, kSameRights);
  tree.AddChild(2, 5, kSameRights);
  return tree;
}

TEST(TreeNodes, WalkLevelByLevelAndOldestBrotherFirst_TREE_4) {
  EXPECT_EQ(SmallTree().BreadthFirst(1), (Ids{1, 2, 3, 4, 5}));
  EXPECT_EQ(SmallTree().BreadthFirst(2), (Ids{2, 4, 5}));
}

TEST(TreeNodes, AreSkippedWithEverythingBelowThemWhenTheWalkMayNotEnter) {
  EXPECT_EQ(SmallTree().BreadthFirst(1, [](const Node& n) { return n.id != 2; }), (Ids{1, 3}));
  EXPECT_EQ(SmallTree().BreadthFirst(2, [](const Node& n) { return n.id != 2; }), (Ids{2, 4, 5}))
      << "where the walk starts is not asked about";
}

TEST(TreeNodes, GoWithEverythingBelowThem) {
  NodeTree tree = SmallTree();
  tree.RemoveSubtree(2);
  EXPECT_EQ(tree.BreadthFirst(1), (Ids{1, 3}));
  EXPECT_EQ(tree.Find(4), nullptr);
  EXPECT_EQ(tree.size(), 2u);
  tree.RemoveSubtree(1);
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(tree.root(), 0u);
}

TEST(TreeNodes, InheritNameAndRightsOnceAtBirth_TREE_5) {
  NodeTree tree;
  Node& root = tree.AddRoot(1);
  root.debug = {"parent", 7};
  const Node& child = tree.AddChild(1, 2, kSameRights);
  root.debug = {"renamed", 8};
  root.rights_mask = 0;
  EXPECT_EQ(child.debug, (DebugInfo{"parent", 7}));
  EXPECT_EQ(child.rights_mask, UINT32_MAX);
  EXPECT_EQ(child.parent, 1u);
  EXPECT_EQ(child.kind, NodeKind::kToken);
}

TEST(TreeNodes, InheritWeaknessButWeakOkOnlyWhenItWasForChildren_TREE_5) {
  NodeTree tree;
  Node& root = tree.AddRoot(1);
  root.weak = true;
  root.weak_ok = true;
  EXPECT_TRUE(tree.AddChild(1, 2, kSameRights).weak);
  EXPECT_FALSE(tree.Get(2).weak_ok);
  root.weak_ok_for_children = true;
  EXPECT_TRUE(tree.AddChild(1, 3, kSameRights).weak_ok);
  EXPECT_TRUE(tree.Get(3).weak_ok_for_children);
}

TEST(TreeNodes, DoNotInheritTheFailureMode_TREE_5) {
  NodeTree tree;
  tree.AddRoot(1).failure_mode = FailureMode::kDoNotPropagate;
  EXPECT_EQ(tree.AddChild(1, 2, kSameRights).failure_mode, FailureMode::kPropagate);
}

TEST(TreeNodes, CombineRightsMasksOnTheWayDown_TREE_6) {
  NodeTree tree;
  tree.AddRoot(1);
  EXPECT_EQ(tree.AddChild(1, 2, 0x0c).rights_mask, 0x0cu);
  EXPECT_EQ(tree.AddChild(2, 3, 0x0a).rights_mask, 0x08u);
  EXPECT_EQ(tree.AddChild(2, 4, kSameRights).rights_mask, 0x0cu);
  EXPECT_EQ(tree.AddChild(2, 5, kSameRights | 0x04).rights_mask, 0x04u)
      << "only exactly \"same rights\" is special";
}

TEST(TreeNodes, AreCountedByKindAndOrphansOnlyAsNodes_CNT_1_CNT_2) {
  NodeTree tree = SmallTree();
  tree.Get(2).kind = NodeKind::kCollection;
  tree.Get(4).kind = NodeKind::kGroup;
  tree.Get(5).kind = NodeKind::kCollection;
  tree.Get(5).connected = false;
  EXPECT_EQ(tree.Count(1),
            (NodeCounts{.nodes = 5, .connected = 4, .tokens = 2, .collections = 1, .groups = 1}));
  EXPECT_EQ(tree.Count(2), (NodeCounts{.nodes = 3, .connected = 2, .collections = 1, .groups = 1}));
  EXPECT_EQ(tree.Count(5), (NodeCounts{.nodes = 1}));
}

TEST(TreeNodes, CountAsStrongUnlessTheyAreWeak_CNT_3) {
  NodeTree tree = SmallTree();
  EXPECT_EQ(tree.CountStrong(), 5u);
  tree.Get(3).weak = true;
  tree.Get(4).weak = true;
  EXPECT_EQ(tree.CountStrong(), 3u);
}

TEST(TreeNodes, MayFormAVeryDeepChain) {
  NodeTree tree;
  tree.AddRoot(1);
  for (NodeId id = 2; id <= 20000; ++id) tree.AddChild(id - 1, id, kSameRights);
  EXPECT_EQ(tree.BreadthFirst(1).size(), 20000u);
  tree.RemoveSubtree(2);
  EXPECT_EQ(tree.size(), 1u);
}

// Adds, removes and turns nodes at random and compares each sub-tree's counts with the sum over
// its children.
TEST(TreeNodes, CountsAddUpAfterAnyRandomSteps) {
  const uint32_t seed = 20240;
  std::mt19937 engine(seed);
  auto random = [&engine] { return static_cast<uint32_t>(engine()); };
  NodeTree tree;
  tree.AddRoot(1);
  NodeId next = 2;
  for (int step = 0; step < 5000; ++step) {
    const Ids all = tree.BreadthFirst(tree.root());
    const NodeId id = all[random() % all.size()];
    const uint32_t choice = random() % 8;
    if (choice < 5 && all.size() < 60) tree.AddChild(id, next++, random());
    if (choice == 5) tree.Get(id).kind = static_cast<NodeKind>(random() % 3);
    if (choice == 6) tree.Get(id).connected = random() % 2 == 0;
    if (choice == 7 && id != tree.root()) tree.RemoveSubtree(id);
    for (NodeId one : tree.BreadthFirst(tree.root())) {
      const NodeCounts counts = tree.Count(one);
      ASSERT_EQ(counts.connected, counts.tokens + counts.collections + counts.groups)
          << "seed " << seed << " step " << step;
      size_t nodes = 1;
      size_t connected = tree.Get(one).connected ? 1 : 0;
      for (NodeId child : tree.Get(one).children) {
        ASSERT_EQ(tree.Get(child).parent, one) << "seed " << seed << " step " << step;
        nodes += tree.Count(child).nodes;
        connected += tree.Count(child).connected;
      }
      ASSERT_EQ(counts.nodes, nodes) << "seed " << seed << " step " << step;
      ASSERT_EQ(counts.connected, connected) << "seed " << seed << " step " << step;
    }
  }
}

TEST(DebugNames, KeepTheEarlierNameInBrackets_DBG_2) {
  EXPECT_EQ(Renamed({}, {"new", 3}, 100), (DebugInfo{"new", 3}));
  EXPECT_EQ(Renamed({"old", 1}, {"new", 3}, 100), (DebugInfo{"new (was old)", 3}));
  EXPECT_EQ(Renamed({"b (was a)", 1}, {"c", 0}, 100), (DebugInfo{"c (was b (was a))", 0}));
}

TEST(DebugNames, AreCutToTheLimit_DBG_2) {
  const DebugInfo renamed = Renamed({std::string(4090, 'o'), 1}, {"new", 3}, 4096);
  EXPECT_EQ(renamed.name.size(), 4096u);
  EXPECT_EQ(renamed.name.substr(0, 10), "new (was o");
}

TEST(DebugNames, AreCutBetweenCharacters) {
  EXPECT_EQ(CutUtf8("abc", 3), "abc");
  EXPECT_EQ(CutUtf8("abc", 2), "ab");
  EXPECT_EQ(CutUtf8("\xc3\xa4\xc3\xb6", 3), "\xc3\xa4");  // two characters of two bytes
  EXPECT_EQ(CutUtf8("a\xf0\x9f\x8e\xa5", 4), "a");        // one of four bytes
  EXPECT_EQ(CutUtf8("\xf0\x9f\x8e\xa5", 2), "");
  EXPECT_EQ(CutUtf8(std::string(20, '\x80'), 10).size(), 10u);  // not UTF-8 at all
}

TEST(Descriptions, NameTheNodeAndShortenLongNames) {
  Node node;
  node.id = 12;
  EXPECT_EQ(Describe(node), "token without a name (node 12)");
  node.kind = NodeKind::kCollection;
  node.debug = {"camera", 7};
  EXPECT_EQ(Describe(node), "collection \"camera\" (id 7, node 12)");
  node.debug.name = std::string(4096, 'x');
  EXPECT_LT(Describe(node).size(), 200u);
}

TEST(Descriptions, ShowTheConstraintsThatAreSet) {
  EXPECT_EQ(Describe(Constraints{}), "nothing set");
  Constraints constraints;
  constraints.usage = BufferUsage{.cpu = 3};
  constraints.min_buffer_count = 0;
  constraints.memory = MemoryConstraints{.min_size_bytes = 4096};
  constraints.image_formats.resize(2);
  EXPECT_EQ(Describe(constraints),
            "usage cpu 0x3, min_buffer_count 0, min_size_bytes 4096, image formats 2");
}

}  // namespace
}  // namespace sysmem::core
