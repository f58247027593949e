// SPDX-License-Identifier: Apache-2.0
//
// Holds every message against every rule of the tables in server-behaviour.md 2.4, 2.5 and 2.7, and
// against nodes that are gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Send = std::function<CallId(Harness&, NodeId)>;

struct Message {
  const char* name;
  Send send;
  bool for_token;
  bool for_collection;
};

template <typename E>
Send Plain(E e = {}) {
  return [e](Harness& h, NodeId node) mutable {
    e.node = node;
    return h.Say(e);
  };
}

// Every message with a call, well formed.
std::vector<Message> AllMessages() {
  return {
      {"Duplicate", Plain(event::Duplicate{.child = 90, .rights_mask = kSameRights}), true, false},
      {"DuplicateSync",
       Plain(event::DuplicateSync{.children = {91}, .rights_masks = std::vector<uint32_t>{1}}),
       true, false},
      {"Bind", Plain<event::Bind>(), true, false},
      {"SetConstraints", Plain(event::SetConstraints{.constraints = Camping(1)}), false, true},
      {"Wait", Plain<event::Wait>(), false, true},
      {"Check", Plain<event::Check>(), false, true},
      {"Sync", Plain<event::Sync>(), true, true},
      {"Release", Plain<event::Release>(), true, true},
      {"SetName", Plain(event::SetName{.priority = 1, .name = "n"}), true, true},
      {"SetDebugClientInfo", Plain(event::SetDebugClientInfo{.name = "n"}), true, true},
      {"SetDebugTimeoutLogDeadline", Plain(event::SetDebugTimeoutLogDeadline{.deadline_ns = 1}),
       true, true},
      {"SetVerboseLogging", Plain<event::SetVerboseLogging>(), true, true},
      {"GetBufferCollectionId", Plain<event::GetBufferCollectionId>(), true, true},
  };
}

// Root token 1 with child token 2 and child collection 3.
void MakeOneOfEach(Harness& h) {
  h.MakeTokens(2);
  h.Say(event::Bind{.node = 3});
}

TEST(CollectionChecks, RefuseEveryMessageAfterReleaseAndFailTheDomain_2_4) {
  for (const Message& message : AllMessages()) {
    for (NodeId node : Ids{2, 3}) {
      Harness h;
      MakeOneOfEach(h);
      h.Say(event::Release{.node = node});
      const CallId call = message.send(h, node);
      EXPECT_EQ(h.OutcomeOf(call), Outcome::kRefused) << message.name << " to node " << node;
      EXPECT_EQ(h.ClosedNodes().size(), 3u) << message.name << " to node " << node;
      EXPECT_TRUE(h.Finished());
    }
  }
}

TEST(CollectionChecks, RefuseMessagesThatThisKindOfNodeDoesNotKnow_2_4) {
  for (const Message& message : AllMessages()) {
    for (NodeId node : Ids{2, 3}) {
      Harness h;
      MakeOneOfEach(h);
      h.Say(event::SetName{.node = 1, .priority = 0, .name = "x"});
      if (message.for_collection) {
        // Wait is legal only after constraints; make it the kind alone that decides.
        h.Constrain(3, message.name == std::string("SetConstraints") ? std::nullopt
                                                                     : std::optional(Camping(1)));
      }
      const bool known = node == 2 ? message.for_token : message.for_collection;
      const CallId call = message.send(h, node);
      if (message.name == std::string("SetConstraints") && node == 3) continue;  // the second one
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

// One row: a message that breaks a rule, what the answer names, and the node it goes to.
struct BrokenRule {
  const char* name;
  NodeId node;
  Send send;
  const char* refused_by;
};

class EveryRule : public testing::TestWithParam<BrokenRule> {};

TEST_P(EveryRule, IsNamedToTheOffenderBeforeTheDomainFails_FAIL_5) {
  Harness h;
  MakeOneOfEach(h);
  const size_t before = h.all().size();
  const CallId call = GetParam().send(h, GetParam().node);
  ASSERT_EQ(h.RefusedBy(call), GetParam().refused_by);
  const Failure failure = *h.FailureOf(call);
  EXPECT_EQ(failure.error, Error::kProtocolDeviation);
  EXPECT_FALSE(failure.message.empty());
  ASSERT_EQ(failure.participants.size(), 1u);
  EXPECT_EQ(failure.participants[0].node, GetParam().node);
  EXPECT_TRUE(std::holds_alternative<effect::Answer>(h.all()[before])) << "the reply comes first";
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2, 1));
  EXPECT_TRUE(std::holds_alternative<effect::Finished>(h.all().back()));
  EXPECT_FALSE(h.Logged(effect::Log::Level::kError, failure.message).empty());
}

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
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2, 1));
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
