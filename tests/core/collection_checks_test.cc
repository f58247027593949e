// SPDX-License-Identifier: Apache-2.0
//
// Holds every message against every rule of the tables in server-behaviour.md 2.4 to 2.7, and
// against nodes that are gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/every_message.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CollectionChecks, RefuseEveryMessageAfterReleaseAndFailTheDomain_2_4) {
  for (const Message& message : AllMessages()) {
    for (NodeId node : Ids{kToken, kCollection, kGroup}) {
      if (message.name == std::string("SetDispensable") && node == kToken) continue;  // FAIL-2
      Harness h;
      MakeOneOfEach(h);
      if (node == kGroup) Complete(h, kGroup);
      h.Say(event::Release{.node = node});
      const CallId call = message.send(h, node);
      EXPECT_EQ(h.OutcomeOf(call), Outcome::kRefused) << message.name << " to node " << node;
      EXPECT_EQ(h.ClosedNodes().size(), 5u) << message.name << " to node " << node;
      EXPECT_TRUE(h.Finished());
    }
  }
}

// What a message needs before it, so that the kind of node alone decides about it.
void Prepare(Harness& h, NodeId node, const std::string& message) {
  if (node == kCollection && message == "Wait") h.Constrain(kCollection, Camping(1));
  if (node == kGroup && message == "Release") Complete(h, kGroup);
}

TEST(CollectionChecks, RefuseMessagesThatThisKindOfNodeDoesNotKnow_2_4) {
  for (const Message& message : AllMessages()) {
    for (NodeId node : Ids{kToken, kCollection, kGroup}) {
      Harness h;
      MakeOneOfEach(h);
      Prepare(h, node, message.name);
      const bool known = message.IsFor(KindOf(node));
      const CallId call = message.send(h, node);
      EXPECT_EQ(h.OutcomeOf(call) == Outcome::kRefused, !known)
          << message.name << " to node " << node;
      EXPECT_EQ(h.ClosedNodes().empty(), known) << message.name << " to node " << node;
    }
  }
}

TEST(CollectionChecks, AnswerClosedForNodesThatNeverWereOrAreGone_2_4) {
  for (const Message& message : AllMessages()) {
    Harness h;
    MakeOneOfEach(h);
    h.ReleaseAndClose(2);
    EXPECT_EQ(h.OutcomeOf(message.send(h, 2)), Outcome::kClosed) << message.name << " to an orphan";
    EXPECT_EQ(h.OutcomeOf(message.send(h, 55)), Outcome::kClosed) << message.name;
    EXPECT_EQ(h.OutcomeOf(message.send(h, 0)), Outcome::kClosed) << message.name;
    EXPECT_TRUE(h.IsConnected(1) && h.IsConnected(3)) << message.name;
    h.Say(event::Close{.node = 1});
    EXPECT_EQ(h.OutcomeOf(message.send(h, 3)), Outcome::kClosed) << message.name << " at the end";
    EXPECT_EQ(h.Count<effect::Finished>(), 1u);
  }
}

TEST(CollectionChecks, AnswerBeforeTheRootIsMade) {
  for (const Message& message : AllMessages()) {
    Harness h;
    EXPECT_EQ(h.OutcomeOf(message.send(h, 1)), Outcome::kClosed) << message.name;
    EXPECT_FALSE(h.Finished());
  }
}

class EveryRule : public testing::TestWithParam<BrokenRule> {};

TEST_P(EveryRule, IsNamedToTheOffenderBeforeTheDomainFails_FAIL_5) { CheckRefusal(GetParam()); }

INSTANTIATE_TEST_SUITE_P(OfTheTables, EveryRule,
                         testing::Values(BrokenRule{"DuplicateWithoutMask", 2,
                                                    Plain(event::Duplicate{.child = 9}),
                                                    "2.5 rights_attenuation_mask"},
                                         BrokenRule{"DuplicateWithoutToken", 2,
                                                    Plain(event::Duplicate{.rights_mask = 1}),
                                                    "2.5 token_handle"},
                                         BrokenRule{"DuplicateSyncWithoutMasks", 2,
                                                    Plain<event::DuplicateSync>(),
                                                    "2.5 rights_attenuation_masks"},
                                         BrokenRule{"DuplicateSyncWithZero", 2,
                                                    Plain(event::DuplicateSync{
                                                        .children = {9},
                                                        .rights_masks = std::vector<uint32_t>{0}}),
                                                    "2.5 rights_attenuation_masks"},
                                         BrokenRule{
                                             "DuplicateSyncWithTooFewTokens", 2,
                                             Plain(event::DuplicateSync{
                                                 .children = {9},
                                                 .rights_masks = std::vector<uint32_t>{1, 1}}),
                                             "2.5 token_handles"},
                                         BrokenRule{
                                             "DuplicateOfACollection", 3,
                                             Plain(event::Duplicate{.child = 9, .rights_mask = 1}),
                                             "2.4"},
                                         BrokenRule{"BindOfACollection", 3, Plain<event::Bind>(),
                                                    "CONV-4 token"},
                                         BrokenRule{"SetConstraintsOnAToken", 2,
                                                    Plain<event::SetConstraints>(), "2.4"},
                                         BrokenRule{"WaitOnAToken", 2, Plain<event::Wait>(), "2.4"},
                                         BrokenRule{"WaitBeforeSetConstraints_row_24", 3,
                                                    Plain<event::Wait>(), "2.7"},
                                         BrokenRule{
                                             "SetNameWithoutPriority", 2, Plain(event::SetName{.name = "n"}),
                                             "2.4 priority"},
                                         BrokenRule{"SetNameWithoutName", 3,
                                                    Plain(event::SetName{.priority = 1}),
                                                    "2.4 name"},
                                         BrokenRule{"SetNameWithoutAnything", 3,
                                                    Plain<event::SetName>(), "2.4 priority"},
                                         BrokenRule{
                                             "SetDebugClientInfoWithoutName", 3,
                                             Plain(event::SetDebugClientInfo{.id = 4}), "2.4 name"},
                                         BrokenRule{"SetDebugTimeoutLogDeadlineWithoutDeadline", 2,
                                                    Plain<event::SetDebugTimeoutLogDeadline>(),
                                                    "2.4 deadline"},
                                         BrokenRule{"SecondRelease", 2,
                                                    [](Harness& h, NodeId node) {
                                                      h.Say(event::Release{.node = node});
                                                      return h.Say(event::Release{.node = node});
                                                    },
                                                    "2.4"},
                                         BrokenRule{"SecondSetConstraints", 3,
                                                    [](Harness& h, NodeId node) {
                                                      h.Constrain(node, std::nullopt);
                                                      return h.Constrain(node, std::nullopt);
                                                    },
                                                    "2.7"},
                                         // Of two broken rules the table's first one speaks.
                                         BrokenRule{"DuplicateAfterReleaseWithoutMask", 2,
                                                    [](Harness& h, NodeId node) {
                                                      h.Say(event::Release{.node = node});
                                                      return h.Say(event::Duplicate{.node = node});
                                                    },
                                                    "2.5 rights_attenuation_mask"},
                                         BrokenRule{"DuplicateSyncAfterReleaseWithoutMasks", 2,
                                                    [](Harness& h, NodeId node) {
                                                      h.Say(event::Release{.node = node});
                                                      return h.Say(
                                                          event::DuplicateSync{.node = node});
                                                    },
                                                    "2.5"},
                                         BrokenRule{"SetNameAfterReleaseWithoutName", 2,
                                                    [](Harness& h, NodeId node) {
                                                      h.Say(event::Release{.node = node});
                                                      return h.Say(event::SetName{.node = node});
                                                    },
                                                    "2.4"}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(CollectionChecks, FailTheNodeOfABadMessageWithTheParsersWords_2_4) {
  Harness h;
  MakeOneOfEach(h);
  Failure why;
  why.outcome = Outcome::kRefused;
  why.error = Error::kProtocolDeviation;
  why.rule = "interface.md 2.1";
  why.field = "image_format_constraints";
  why.message = "65 entries, at most 64";
  const CallId call = h.Say(event::BadMessage{.node = 3, .why = why});
  EXPECT_EQ(h.RefusedBy(call), "interface.md 2.1 image_format_constraints");
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_EQ(h.OutcomeOf(h.Say(event::BadMessage{.node = 3, .why = why})), Outcome::kClosed);
}

TEST(CollectionChecks, TellOthersWhoBrokeWhatButOnlyInWords_FAIL_5) {
  Harness h;
  MakeOneOfEach(h);
  h.Constrain(3, Camping(1));
  const CallId wait = h.Say(event::Wait{.node = 3});
  h.Say(event::SetDebugClientInfo{.node = 2, .name = "viewer", .id = 4});
  h.Say(event::SetName{.node = 2});
  EXPECT_EQ(h.OutcomeOf(wait), Outcome::kClosed);
  EXPECT_THAT(h.Last<effect::NodeClosed>()->why, HasSubstr("\"viewer\" (id 4, node 2)"));
  EXPECT_THAT(h.Last<effect::NodeClosed>()->why, HasSubstr("priority is required"));
}

TEST(CollectionChecks, SendNoAnswerWhereNobodyAsked) {
  Harness h;
  h.Do(event::CreateRoot{.node = 1});
  h.Do(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
  h.Do(event::Bind{.node = 1});
  h.Do(event::SetConstraints{.node = 1});
  h.Do(event::Wait{.node = 1});
  h.Do(event::Close{.node = 2});
  EXPECT_EQ(h.Count<effect::Answer>(), 0u);
  EXPECT_TRUE(h.Finished());
}

}  // namespace
}  // namespace sysmem::core::test
