// SPDX-License-Identifier: Apache-2.0
#include "core/attempt_cost.h"

#include <gtest/gtest.h>

#include <variant>

#include "core/pixel_format.h"
#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

constexpr PixelFormatAndModifier kNv12{pixel_format::kNv12, modifier::kLinear};

Constraints WithPairs(size_t entries, PixelFormatAndModifier pair = kNv12) {
  Constraints constraints = Picky(4096);
  for (size_t i = 0; i < entries; ++i) {
    constraints.image_formats.push_back(
        {.pixel_format = pair.pixel_format, .pixel_format_modifier = pair.modifier});
  }
  return constraints;
}

TEST(AttemptCost, CountsThePairsOfListsAndSinglePairsAlike) {
  Constraints constraints = WithPairs(2);
  constraints.image_formats[1].pixel_format_and_modifiers = {kNv12, kNv12, kNv12};
  EXPECT_EQ(WeightOf(constraints), (ConstraintsWeight{.entries = 5}));
}

TEST(AttemptCost, CountsAnUnsetModifierAsAWildcard) {
  Constraints constraints;
  constraints.image_formats.push_back({.pixel_format = pixel_format::kNv12});
  EXPECT_EQ(WeightOf(constraints), (ConstraintsWeight{.entries = 1, .wildcards = 1}));
}

class AttemptCostOf : public ::testing::Test {
 protected:
  NodeTree& TreeOf(size_t collections, const ConstraintsWeight& each) {
    tree_.AddRoot(1);
    for (NodeId id = 2; id < 2 + collections; ++id) {
      Node& node = tree_.AddChild(1, id, UINT32_MAX);
      node.kind = NodeKind::kCollection;
      node.weight = each;
    }
    return tree_;
  }
  NodeTree tree_;
  const Limits limits_{};
};

TEST_F(AttemptCostOf, AnEmptyTreeIsNothing) { EXPECT_EQ(AttemptCost(tree_, {}, limits_), 0u); }

TEST_F(AttemptCostOf, ATreeIsItsNodesAndTheirPairs) {
  TreeOf(10, {.entries = 4});
  EXPECT_EQ(AttemptCost(tree_, {.entries = 3}, limits_), 11u + 43u);
}

TEST_F(AttemptCostOf, GroupsMultipliesUpToTheLimitOfTries) {
  TreeOf(2, {.entries = 50});
  const uint64_t once = AttemptCost(tree_, {}, limits_);
  const auto add_group = [this](NodeId id) {
    tree_.AddChild(1, id, UINT32_MAX).kind = NodeKind::kGroup;
    tree_.AddChild(id, id + 1, UINT32_MAX);
    tree_.AddChild(id, id + 2, UINT32_MAX);
  };
  add_group(100);
  add_group(200);
  EXPECT_EQ(AttemptCost(tree_, {}, limits_), 4 * (once + 6));
  for (NodeId id = 300; id < 4000; id += 100) add_group(id);
  EXPECT_EQ(AttemptCost(tree_, {}, limits_), limits_.group_combinations * (once + 39 * 3));
}

TEST_F(AttemptCostOf, WildcardsMeetEverybodysPairs) {
  TreeOf(2, {.entries = 100});
  const uint64_t without = AttemptCost(tree_, {.entries = 10}, limits_);
  EXPECT_EQ(AttemptCost(tree_, {.entries = 10, .wildcards = 10}, limits_), without + 10 * 210);
}

TEST_F(AttemptCostOf, WhatCannotBeCountedIsAtLeastTheLargestNumber) {
  TreeOf(1, {.entries = 1000, .wildcards = UINT64_MAX / 2});
  EXPECT_EQ(AttemptCost(tree_, {}, limits_), UINT64_MAX);
}

TEST(CollectionCost, IsNothingForMessagesThatStartNoAttempt) {
  Collection collection(1, SystemRamOnly(), 0);
  collection.Handle(event::CreateRoot{.node = 1, .bound = true});
  EXPECT_EQ(collection.CostOf(event::Wait{.node = 1}), 0u);
  EXPECT_EQ(collection.CostOf(event::Sync{.node = 1}), 0u);
  EXPECT_EQ(collection.CostOf(event::Close{.node = 1}), 0u) << "an unclean end tries nothing";
  collection.Handle(event::Release{.node = 1});
  EXPECT_GT(collection.CostOf(event::Close{.node = 1}), 0u);
}

TEST(CollectionCost, KnowsTheConstraintsThatAreAboutToBeSetAndThoseThatAre) {
  Collection collection(1, SystemRamOnly(), 0);
  collection.Handle(event::CreateRoot{.node = 1});
  collection.Handle(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
  collection.Handle(event::Bind{.node = 1});
  collection.Handle(event::Bind{.node = 2});
  EXPECT_EQ(collection.CostOf(event::SetConstraints{.node = 1, .constraints = WithPairs(40)}), 42u);
  collection.Handle(event::SetConstraints{.node = 1, .constraints = WithPairs(40)});
  EXPECT_EQ(collection.CostOf(event::SetConstraints{.node = 2, .constraints = WithPairs(2)}), 44u);
}

TEST(CollectionCost, HasALimitThatNamesItselfAndTheFigures) {
  auto settings = SystemRamOnly();
  settings->limits.image_formats_per_collection = 100;
  Harness h(settings);
  h.Say(event::CreateRoot{.node = 1});
  h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
  h.Say(event::Bind{.node = 1});
  h.Say(event::Bind{.node = 2});
  const CallId fits = h.Say(event::SetConstraints{.node = 1, .constraints = WithPairs(60)});
  EXPECT_EQ(h.OutcomeOf(fits), std::nullopt);
  const CallId beyond = h.Say(event::SetConstraints{.node = 2, .constraints = WithPairs(41)});
  EXPECT_EQ(h.OutcomeOf(beyond), Outcome::kRefused);
  const Failure why = *h.FailureOf(beyond);
  EXPECT_EQ(why.rule, "image_formats_per_collection");
  EXPECT_EQ(why.field, "constraints.image_format_constraints");
  EXPECT_NE(why.message.find("at most 100"), std::string::npos) << why.message;
  EXPECT_NE(why.message.find("there are 60, and this one names 41"), std::string::npos)
      << why.message;
}

}  // namespace
}  // namespace sysmem::core::test
