// SPDX-License-Identifier: Apache-2.0
//
// In which order the children of groups are tried, on trees built by hand and at random.
#include "core/group_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/attempt.h"

namespace sysmem::core {
namespace {

using testing::ElementsAre;
using Ids = std::vector<NodeId>;

class Choices : public testing::Test {
 protected:
  Choices() { tree_.AddRoot(1); }

  NodeId AddToken(NodeId parent) { return tree_.AddChild(parent, ++last_, kSameRights).id; }
  // A group with this many children, whose ids follow its own.
  NodeId AddGroup(NodeId parent, size_t children) {
    const NodeId group = AddToken(parent);
    tree_.Get(group).kind = NodeKind::kGroup;
    for (size_t i = 0; i < children; ++i) AddToken(group);
    return group;
  }
  GroupChoice First() const { return GroupChoice(tree_, PrunedSubtree(tree_, 1)); }
  // The nodes that are visible in each choice, in the order of the choices.
  std::vector<Ids> All(size_t at_most = 1000) const {
    std::vector<Ids> all;
    GroupChoice choice = First();
    do {
      all.push_back(choice.Visible());
    } while (choice.Next() && all.size() < at_most);
    return all;
  }
  // Which of `nodes` are visible, choice after choice.
  std::vector<Ids> AllAmong(const Ids& nodes) const {
    std::vector<Ids> all = All();
    for (Ids& visible : all) {
      std::erase_if(visible, [&nodes](NodeId id) {
        return std::find(nodes.begin(), nodes.end(), id) == nodes.end();
      });
    }
    return all;
  }

  NodeTree tree_;
  NodeId last_ = 1;
};

TEST_F(Choices, AreASingleOneWithoutGroups_GRP_5) {
  AddToken(AddToken(1));
  EXPECT_THAT(All(), ElementsAre(Ids{1, 2, 3}));
  EXPECT_EQ(First().Describe(), "");
}

TEST_F(Choices, TakeTheChildrenOfAGroupInTheirOrder_GRP_4) {
  AddGroup(1, 3);
  AddToken(4);
  EXPECT_THAT(All(), ElementsAre(Ids{1, 2, 3}, Ids{1, 2, 4, 6}, Ids{1, 2, 5}));
}

TEST_F(Choices, OfBrothersTurnTheLastOneFastest_GRP_4_row_11) {
  AddGroup(1, 2);  // 2 - (3, 4)
  AddGroup(1, 2);  // 5 - (6, 7)
  EXPECT_THAT(AllAmong({3, 4, 6, 7}), ElementsAre(Ids{3, 6}, Ids{3, 7}, Ids{4, 6}, Ids{4, 7}));
}

TEST_F(Choices, RankGroupsByAWalkThatGoesDownFirst_GRP_1) {
  const NodeId first = AddToken(1);
  const NodeId second = AddToken(1);
  const NodeId later = AddGroup(second, 2);  // 4 - (5, 6)
  const NodeId deeper = AddGroup(first, 2);  // 7 - (8, 9): made later, and met first
  EXPECT_LT(later, deeper);
  EXPECT_THAT(AllAmong({5, 6, 8, 9}), ElementsAre(Ids{8, 5}, Ids{8, 6}, Ids{9, 5}, Ids{9, 6}));
}

TEST_F(Choices, RankAParentBeforeItsChildren_GRP_1) {
  AddGroup(1, 2);  // 2 - (3, 4)
  AddGroup(3, 2);  // 5 - (6, 7)
  EXPECT_THAT(AllAmong({3, 4, 6, 7}), ElementsAre(Ids{3, 6}, Ids{3, 7}, Ids{4}));
}

TEST_F(Choices, DoNotMultiplyByGroupsOutOfSight_GRP_4) {
  AddGroup(1, 2);  // 2 - (3, 4)
  AddGroup(3, 3);
  AddGroup(3, 3);
  AddGroup(4, 2);
  EXPECT_EQ(All().size(), 3u * 3u + 2u);
}

TEST_F(Choices, StartAnewInAGroupThatComesIntoSightAgain_GRP_4) {
  AddGroup(1, 2);  // 2 - (3, 4)
  AddGroup(1, 2);  // 5 - (6, 7)
  AddGroup(7, 2);  // 8 - (9, 10)
  EXPECT_THAT(AllAmong({3, 4, 6, 9, 10}),
              ElementsAre(Ids{3, 6}, Ids{3, 9}, Ids{3, 10}, Ids{4, 6}, Ids{4, 9}, Ids{4, 10}));
}

TEST_F(Choices, LeaveAttachedSubtreesOut_ATT_3) {
  AddGroup(1, 2);  // 2 - (3, 4)
  const NodeId attached = AddToken(3);
  tree_.Get(attached).failure_mode = FailureMode::kDoNotPropagate;
  AddGroup(attached, 2);
  EXPECT_THAT(All(), ElementsAre(Ids{1, 2, 3}, Ids{1, 2, 4}));
  GroupChoice below(tree_, PrunedSubtree(tree_, attached));
  EXPECT_EQ(below.Visible(), (Ids{5, 6, 7}));
  EXPECT_TRUE(below.Next());
  EXPECT_EQ(below.Visible(), (Ids{5, 6, 8}));
}

TEST_F(Choices, SteerByOrphanedGroupsToo_GONE_1) {
  AddGroup(1, 2);
  tree_.Get(2).connected = false;
  EXPECT_THAT(All(), ElementsAre(Ids{1, 2, 3}, Ids{1, 2, 4}));
}

TEST_F(Choices, StandAsTheFirstOneAgainAfterTheLast) {
  AddGroup(1, 2);
  AddGroup(4, 2);
  GroupChoice choice = First();
  const Ids first = choice.Visible();
  while (choice.Next()) EXPECT_NE(choice.Visible(), first);
  EXPECT_EQ(choice.Visible(), first);
}

TEST_F(Choices, AreToldInWordsAsFarAsTheyAreInSight) {
  AddGroup(1, 2);  // 2 - (3, 4)
  AddGroup(3, 3);  // 5
  GroupChoice choice = First();
  EXPECT_EQ(choice.Describe(), "node 2 takes child 0 of 2, node 5 takes child 0 of 3");
  for (int i = 0; i < 3; ++i) choice.Next();
  EXPECT_EQ(choice.Describe(), "node 2 takes child 1 of 2");
  for (int i = 0; i < 20; ++i) AddGroup(1, 1);
  EXPECT_LT(First().Describe().size(), 400u) << "a log line, not a book";
}

// The same question asked the other way round: all choices of a sub-tree, written down by what they
// mean, with no counter. Each is a list of groups' decisions in the order of their rank.
class Oracle {
 public:
  explicit Oracle(const NodeTree& tree) : tree_(tree) {}

  std::vector<std::vector<NodeId>> ChoicesBelow(NodeId id) const {
    const Node& node = tree_.Get(id);
    std::vector<std::vector<NodeId>> all;
    if (node.kind == NodeKind::kGroup) {
      for (NodeId child : node.children) {
        for (std::vector<NodeId> rest : ChoicesBelow(child)) all.push_back(Joined({child}, rest));
      }
      return all;
    }
    all.emplace_back();
    for (NodeId child : node.children) {
      std::vector<std::vector<NodeId>> longer;
      for (const auto& before : all) {
        for (const auto& after : ChoicesBelow(child)) longer.push_back(Joined(before, after));
      }
      all = std::move(longer);
    }
    return all;
  }

 private:
  static std::vector<NodeId> Joined(std::vector<NodeId> a, const std::vector<NodeId>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  const NodeTree& tree_;
};

TEST_F(Choices, AreThoseOfACarefulListOnRandomTrees) {
  std::mt19937_64 random(20);
  uint64_t compared = 0;
  for (int round = 0; round < 300; ++round) {
    tree_ = NodeTree();
    last_ = 1;
    tree_.AddRoot(1);
    Ids tokens{1};
    for (int i = 0; i < 6; ++i) {
      const NodeId parent = tokens[random() % tokens.size()];
      if (random() % 2 == 0) {
        tokens.push_back(AddToken(parent));
        continue;
      }
      const NodeId group = AddGroup(parent, 1 + random() % 3);
      for (NodeId id = group + 1; id <= last_; ++id) tokens.push_back(id);
    }
    std::vector<Ids> decided;  // of each choice, by a walk that goes down first
    for (const Ids& visible : All(100'000)) {
      Ids order;
      Ids to_visit{1};
      while (!to_visit.empty()) {
        const Node& node = tree_.Get(to_visit.back());
        to_visit.pop_back();
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
          if (std::find(visible.begin(), visible.end(), *child) != visible.end()) {
            to_visit.push_back(*child);
          }
        }
        if (node.id != 1 && tree_.Get(node.parent).kind == NodeKind::kGroup) {
          order.push_back(node.id);
        }
      }
      decided.push_back(std::move(order));
    }
    ASSERT_EQ(decided, Oracle(tree_).ChoicesBelow(1)) << "round " << round;
    compared += decided.size();
  }
  EXPECT_GT(compared, 1000u);
}

}  // namespace
}  // namespace sysmem::core
