// SPDX-License-Identifier: Apache-2.0
//
// IsAlternateFor: can at most one of two nodes take part (server-behaviour.md 2.4)?
#include <gtest/gtest.h>

#include "tests/core/attach_harness.h"
#include "tests/core/every_message.h"

namespace sysmem::core::test {
namespace {

// The answer; nothing if it is not a yes or no.
std::optional<bool> Alternate(Harness& h, NodeId node, NodeId other) {
  const CallId call = h.Say(event::IsAlternateFor{.node = node, .other = other});
  const bool* answer = std::get_if<bool>(&h.AnswerTo(call)->result);
  return answer == nullptr ? std::nullopt : std::optional(*answer);
}

TEST(AlternateConformance, IsAlternateForFalse_GRP_1) {
  Harness h;
  h.MakeTokens(2);
  EXPECT_EQ(Alternate(h, 2, 3), false);
}

TEST(AlternateConformance, IsAlternateForTrue_GRP_2) {
  Harness h;
  MakeTwoAlternatives(h);
  EXPECT_EQ(Alternate(h, 3, 4), true);
}

TEST(Alternate, IsDecidedByTheNearestNodeAboveBoth_2_4) {
  Harness h;
  MakeTwoAlternatives(h);
  h.Say(event::Duplicate{.node = 3, .child = 5, .rights_mask = kSameRights});
  h.Say(event::Duplicate{.node = 3, .child = 6, .rights_mask = kSameRights});
  EXPECT_EQ(Alternate(h, 5, 6), false) << "both or none";
  EXPECT_EQ(Alternate(h, 5, 4), true);
  EXPECT_EQ(Alternate(h, 4, 5), true) << "either way round";
  EXPECT_EQ(Alternate(h, 5, 3), false);
  EXPECT_EQ(Alternate(h, 1, 5), false);
  EXPECT_EQ(Alternate(h, 2, 5), true) << "a group asked about a node below it";
  EXPECT_EQ(Alternate(h, 5, 2), true);
  EXPECT_EQ(Alternate(h, 2, 2), true);
  EXPECT_EQ(Alternate(h, 5, 5), false);
  EXPECT_EQ(Alternate(h, 1, 2), false);
}

TEST(Alternate, IsAlsoDecidedByOrphans_2_4) {
  Harness h;
  MakeTwoAlternatives(h);
  Complete(h, 2);
  h.ReleaseAndClose(2);
  h.ReleaseAndClose(4);
  EXPECT_EQ(Alternate(h, 3, 4), true) << "a released group still chooses";
}

TEST(Alternate, IsAnErrorForNodesThatAreNotInTheTreeButHarmsNobody_MSG_H1) {
  Harness h;
  MakeTwoAlternatives(h);
  for (NodeId other : Ids{0, 99}) {
    const CallId call = h.Say(event::IsAlternateFor{.node = 3, .other = other});
    EXPECT_EQ(h.ErrorOf(call), Error::kNotFound);
    EXPECT_EQ(h.FailureOf(call)->field, "node_ref");
  }
  const CallId call = h.Say(event::IsAlternateFor{.node = 3, .unreadable = true});
  EXPECT_EQ(h.ErrorOf(call), Error::kProtocolDeviation);
  EXPECT_EQ(NodesOf(h), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(Alternate(h, 3, 4), true);
}

TEST(Alternate, IsNotFoundAmongThoseWhoAreGone_DEL_2) {
  Harness h;
  MakeTwoAlternatives(h);
  for (NodeId id : Ids{1, 3, 4}) h.BindAndConstrain(id, Camping(1));
  Complete(h, 2);
  h.FinishAllocation();
  EXPECT_EQ(h.ErrorOf(h.Say(event::IsAlternateFor{.node = 3, .other = 4})), Error::kNotFound);
}

TEST(NodeRef, NamesTheNodeItWasAskedFrom_2_4) {
  Harness h;
  MakeTwoAlternatives(h);
  const CallId call = h.Say(event::GetNodeRef{.node = 4});
  const auto* reference = std::get_if<Reference>(&h.AnswerTo(call)->result);
  ASSERT_NE(reference, nullptr);
  EXPECT_EQ(reference->node, 4u);
}

TEST(NodeRef, IsGoodForAnOrphanToo_2_4) {
  Harness h;
  h.MakeTokens(2);
  h.Say(event::GetNodeRef{.node = 2});
  h.ReleaseAndClose(2);
  EXPECT_EQ(Alternate(h, 3, 2), false) << "still in the tree, and no alternative";
}

TEST(NodeRef, IsNotGivenToAReleasedNode_2_4) {
  CheckRefusal({"", kToken,
                [](Harness& h, NodeId node) {
                  h.Say(event::Release{.node = node});
                  return h.Say(event::GetNodeRef{.node = node});
                },
                "2.4"});
}

TEST(Alternate, NeedsANodeRefFirstAndANodeThatIsNotReleased_2_4) {
  CheckRefusal({"", kToken, Plain<event::IsAlternateFor>(), "2.4 node_ref"});
  const auto released = [](event::IsAlternateFor message) {
    return [message](Harness& h, NodeId node) mutable {
      h.Say(event::Release{.node = node});
      message.node = node;
      return h.Say(message);
    };
  };
  CheckRefusal({"", kToken, released({}), "2.4 node_ref"});
  CheckRefusal({"", kToken, released({.unreadable = true}), "2.4"});
  CheckRefusal({"", kToken, released({.other = 1}), "2.4"});
}

}  // namespace
}  // namespace sysmem::core::test
