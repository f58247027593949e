// SPDX-License-Identifier: Apache-2.0
//
// What clients may say to a group (server-behaviour.md 2.4 to 2.6), what its children are born
// with, and how a group comes to an end. That every other message is refused after Release and by
// other kinds of node is part of collection_checks_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/every_message.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Level = effect::Log::Level;
using Masks = std::vector<uint32_t>;

TEST(Group, IsMadeBelowATokenWithWhatTheTokenHas_TREE_3_TREE_5) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1, .debug = {"camera", 7}});
  h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = 0xFF});
  EXPECT_TRUE(h.Succeeded(MakeGroup(h, 2, 3)));
  const NodeSnapshot group = h.Look(3);
  EXPECT_EQ(group.kind, NodeKind::kGroup);
  EXPECT_EQ(group.parent, 2u);
  EXPECT_EQ(group.rights_mask, 0xFFu);
  EXPECT_EQ(group.debug, (DebugInfo{"camera", 7}));
  EXPECT_EQ(group.failure_mode, FailureMode::kPropagate);
  EXPECT_TRUE(h.IsConnected(3));
  EXPECT_FALSE(group.ready);
}

TEST(Group, HasTokensAsChildrenInTheOrderOfTheirMaking_TREE_4_TREE_6) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  MakeGroup(h, 1, 2);
  h.Say(event::SetDebugClientInfo{.node = 2, .name = "chooser", .id = 4});
  EXPECT_TRUE(h.Succeeded(MakeChild(h, 2, 9)));
  EXPECT_TRUE(h.Succeeded(MakeChild(h, 2, 8, 0xF)));
  EXPECT_TRUE(h.Succeeded(h.Say(event::CreateChildrenSync{
      .node = 2, .children = {7, 6}, .rights_masks = Masks{kSameRights, 0x3}})));
  const Snapshot now = h.Look();
  ASSERT_EQ(now.nodes.size(), 6u);
  const Ids ids{9, 8, 7, 6};
  const Masks rights{UINT32_MAX, 0xF, UINT32_MAX, 0x3};
  for (size_t i = 0; i < ids.size(); ++i) {
    const NodeSnapshot& child = now.nodes[2 + i];
    EXPECT_EQ(child.id, ids[i]);
    EXPECT_EQ(child.parent, 2u);
    EXPECT_EQ(child.kind, NodeKind::kToken);
    EXPECT_EQ(child.rights_mask, rights[i]);
    EXPECT_EQ(child.debug.name, "chooser");
    EXPECT_EQ(child.failure_mode, FailureMode::kPropagate);
  }
}

TEST(Group, TakesAnEmptyListOfChildren_2_6) {
  Harness h;
  MakeTwoAlternatives(h);
  EXPECT_TRUE(h.Succeeded(h.Say(event::CreateChildrenSync{.node = 2, .rights_masks = Masks{}})));
  EXPECT_EQ(h.Look().nodes.size(), 4u);
}

TEST(Group, IsReadyWithAllChildrenPresent_1_4) {
  Harness h;
  MakeTwoAlternatives(h);
  EXPECT_FALSE(h.Look(2).ready);
  EXPECT_TRUE(h.Succeeded(Complete(h, 2)));
  EXPECT_TRUE(h.Look(2).ready);
}

TEST(Group, MayBeGivenChildrenAfterItsParentWasBound_COL_8) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  MakeGroup(h, 1, 2);
  h.Say(event::Bind{.node = 1});
  EXPECT_TRUE(h.Succeeded(MakeChild(h, 2, 3)));
}

TEST(Group, CountsAgainstTheNodesOfACollection) {
  auto settings = SystemRamOnly();
  settings->limits.nodes_per_collection = 4;
  Harness h(settings);
  MakeTwoAlternatives(h);
  Harness token(settings);
  token.MakeTokens(3);
  EXPECT_EQ(token.RefusedBy(MakeGroup(token, 1, 9)), "nodes_per_collection");
  EXPECT_EQ(h.RefusedBy(MakeChild(h, 2, 9)), "nodes_per_collection");
  Harness many(settings);
  many.Say(event::CreateRoot{.node = 1});
  MakeGroup(many, 1, 2);
  const CallId call = many.Say(
      event::CreateChildrenSync{.node = 2, .children = {3, 4, 5}, .rights_masks = Masks{1, 1, 1}});
  EXPECT_EQ(many.RefusedBy(call), "nodes_per_collection");
  EXPECT_THAT(many.ClosedNodes(), ElementsAre(2, 1)) << "no child was made";
}

class EveryGroupRule : public testing::TestWithParam<BrokenRule> {};

TEST_P(EveryGroupRule, IsNamedToTheOffenderBeforeTheDomainFails_FAIL_5) {
  CheckRefusal(GetParam());
}

// Sends `message` after AllChildrenPresent, or after Release too.
template <typename E>
Send AfterCompletion(E message, bool released = false) {
  return [message, released](Harness& h, NodeId node) mutable {
    Complete(h, node);
    if (released) h.Say(event::Release{.node = node});
    message.node = node;
    return h.Say(message);
  };
}

event::CreateChildrenSync Children(Ids ids, std::optional<Masks> masks) {
  return {.children = std::move(ids), .rights_masks = std::move(masks)};
}

std::vector<BrokenRule> GroupRules() {
  return {
      {"GroupWithoutHandle", kToken, Plain<event::CreateTokenGroup>(), "2.5 group_handle"},
      {"GroupInPlaceOfAnother", kToken, Plain(event::CreateTokenGroup{.child = 3}),
       "2.5 group_handle"},
      {"GroupBelowAGroup_TREE_3", kGroup, Plain(event::CreateTokenGroup{.child = 9}), "2.4"},
      {"GroupBelowACollection_TREE_3", kCollection, Plain(event::CreateTokenGroup{.child = 9}),
       "2.4"},
      {"GroupOfAReleasedTokenWithoutHandle", kToken,
       [](Harness& h, NodeId node) {
         h.Say(event::Release{.node = node});
         return h.Say(event::CreateTokenGroup{.node = node});
       },
       "2.5 group_handle"},
      {"ChildWithoutToken", kGroup, Plain<event::CreateChild>(), "2.6 token_handle"},
      {"ChildWithMaskZero_GRP_10", kGroup, Plain(event::CreateChild{.child = 9, .rights_mask = 0}),
       "2.6 rights_attenuation_mask"},
      {"ChildAfterAllChildrenPresent", kGroup,
       AfterCompletion(event::CreateChild{.child = 9, .rights_mask = 0}), "2.6"},
      {"ChildWithoutTokenAfterAllChildrenPresent", kGroup, AfterCompletion(event::CreateChild{}),
       "2.6 token_handle"},
      {"ChildOfAReleasedGroup", kGroup, AfterCompletion(event::CreateChild{.child = 9}, true),
       "2.6"},
      {"ChildrenWithoutMasks", kGroup, Plain(Children({}, std::nullopt)),
       "2.6 rights_attenuation_masks"},
      {"ChildrenWithMaskZero_GRP_11", kGroup, Plain(Children({8, 9}, Masks{0, 0})),
       "2.6 rights_attenuation_masks"},
      {"ChildrenOfWhomTheLastHasMaskZero", kGroup, Plain(Children({8, 9}, Masks{1, 0})),
       "2.6 rights_attenuation_masks"},
      {"ChildrenWithTooFewTokens", kGroup, Plain(Children({9}, Masks{1, 1})), "2.6 token_handles"},
      {"ChildrenWithTheSameTokenTwice", kGroup, Plain(Children({9, 9}, Masks{1, 1})),
       "2.6 token_handles"},
      {"ChildrenWithoutMasksAfterAllChildrenPresent", kGroup,
       AfterCompletion(Children({}, std::nullopt)), "2.6"},
      {"ChildrenOfAReleasedGroup", kGroup, AfterCompletion(Children({}, std::nullopt), true),
       "2.6"},
      {"SecondAllChildrenPresent", kGroup, AfterCompletion(event::AllChildrenPresent{}), "2.6"},
      {"AllChildrenPresentAfterRelease", kGroup, AfterCompletion(event::AllChildrenPresent{}, true),
       "2.6"},
      {"ReleaseBeforeAllChildrenPresent_row_45", kGroup, Plain<event::Release>(), "2.4"},
      {"SecondRelease", kGroup, AfterCompletion(event::Release{}, true), "2.4"},
      {"BindOfAGroup", kGroup, Plain<event::Bind>(), "CONV-4 token"},
      {"SetConstraintsOnAGroup", kGroup, Plain<event::SetConstraints>(), "2.4"},
      {"AllChildrenPresentOnAToken", kToken, Plain<event::AllChildrenPresent>(), "2.4"},
  };
}

INSTANTIATE_TEST_SUITE_P(OfTheTables, EveryGroupRule, testing::ValuesIn(GroupRules()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Group, WithoutAnyChildCannotBeComplete_2_6) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  MakeGroup(h, 1, 2);
  const CallId call = Complete(h, 2);
  EXPECT_EQ(h.RefusedBy(call), "2.6");
  EXPECT_THAT(h.FailureOf(call)->message, HasSubstr("no child"));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
}

// ---- Ends

TEST(Group, FailsItsDomainIfItIsClosedWithoutRelease_1_2) {
  Harness h;
  MakeTwoAlternatives(h);
  Complete(h, 2);
  h.Say(event::Close{.node = 2, .why = "session ended"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(h.Logged(Level::kInfo, "group"), testing::SizeIs(1)) << "FAIL-6";
}

TEST(Group, StaysAsAnOrphanWithItsChildrenAfterRelease_CONV_GONE_1) {
  Harness h;
  MakeTwoAlternatives(h);
  Complete(h, 2);
  h.ReleaseAndClose(2);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
  const NodeSnapshot group = h.Look(2);
  EXPECT_EQ(group.kind, NodeKind::kGroup);
  EXPECT_FALSE(group.connected);
  EXPECT_TRUE(group.ready);
  EXPECT_TRUE(h.IsConnected(3) && h.IsConnected(4));
}

TEST(Group, FailsWithAChildThatIsClosedWithoutRelease_FAIL_1) {
  Harness h;
  MakeTwoAlternatives(h);
  h.Say(event::Close{.node = 4, .why = "session ended"});
  EXPECT_TRUE(h.Finished());
}

TEST(Group, KeepsThePlaceOfAReleasedChild_2_6) {
  Harness h;
  MakeTwoAlternatives(h);
  h.ReleaseAndClose(3);
  Complete(h, 2);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(4, Camping(2));
  h.FinishAllocation();
  EXPECT_TRUE(h.Look(3).allocated) << "it is the first choice, and asks for nothing";
  EXPECT_EQ(h.Look().plan->buffer_count, 1u);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4));
}

TEST(Group, IsAClientThatKeepsItsDomainAlive_CNT_1_ZERO_1) {
  Harness h;
  MakeTwoAlternatives(h);
  Complete(h, 2);
  h.ReleaseAndClose(1);
  h.ReleaseAndClose(3);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty()) << "group and second child are connected";
  h.BindAndConstrain(4, Camping(1));
  h.FinishAllocation();
  EXPECT_TRUE(h.Look(4).allocated) << "below the first child nobody asks for a size";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3));
}

TEST(Group, EndsTheCollectionAsItsLastClient_ZERO_2_row_6) {
  Harness h;
  MakeTwoAlternatives(h);
  Complete(h, 2);
  h.BindAndConstrain(3, Camping(1));
  h.BindAndConstrain(4, Camping(1));
  h.BindAndConstrain(1, std::nullopt);
  h.FinishAllocation();
  h.ReleaseAndClose(1);
  h.ReleaseAndClose(3);
  EXPECT_FALSE(h.Finished()) << "the group is there";
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 0u) << "and strong (WEAK-5)";
  h.ReleaseAndClose(2);
  EXPECT_TRUE(h.Finished());
  EXPECT_EQ(h.Look().state, CollectionState::kAllocated) << "a normal end";
  EXPECT_EQ(h.Count<effect::DropBuffers>(), 1u);
}

}  // namespace
}  // namespace sysmem::core::test
