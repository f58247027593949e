// SPDX-License-Identifier: Apache-2.0
//
// AttachNodeTracking: what the core counts, and when a tracked node is no more (TRK-1, 2.4). The
// signal itself is the engine's: it is due with NodeClosed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/attach_harness.h"
#include "tests/core/every_message.h"

namespace sysmem::core::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

CallId Track(Harness& h, NodeId node) {
  return h.Say(event::AttachNodeTracking{.node = node, .has_end = true});
}

TEST(NodeTrackingConformance, SurvivesTheBindAndEndsWithTheFailureOfAChild_NODE_1) {
  Harness h;
  h.MakeTokens(1);
  EXPECT_TRUE(h.Succeeded(Track(h, 1)));
  h.Say(event::Bind{.node = 1});
  h.Say(event::Bind{.node = 2});
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
  h.Say(event::Close{.node = 2});
  EXPECT_THAT(h.ClosedNodes(), Contains(1u));
}

TEST(NodeTrackingConformance, SurvivesTheReleaseOfItsNode_NODE_2) {
  Harness h;
  h.MakeTokens(1);
  Track(h, 1);
  h.BindAndConstrain(1, Camping(1));
  h.Say(event::Bind{.node = 2});
  h.ReleaseAndClose(1);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
  h.Say(event::Close{.node = 2});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
}

TEST(NodeTracking, DoesNotEndWhenATokenThatSaidNothingIsReleased_TRK_1) {
  Harness h;
  h.MakeTokens(2);
  Track(h, 2);
  h.ReleaseAndClose(2);
  h.ReleaseAndClose(3);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3)) << "only the one that nobody watches";
  h.Say(event::Close{.node = 1});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3, 2, 1));
}

TEST(NodeTracking, Takes256AndNotOneMore_2_4_row_46) {
  Harness h;
  h.MakeTokens(1);
  for (int i = 0; i < 256; ++i) ASSERT_TRUE(h.Succeeded(Track(h, 2))) << i;
  EXPECT_TRUE(h.Succeeded(Track(h, 1))) << "each node has its own";
  EXPECT_EQ(h.Look(2).trackings, 256u);
  EXPECT_EQ(h.Look(1).trackings, 1u);
  const CallId call = Track(h, 2);
  EXPECT_EQ(h.RefusedBy(call), "2.4 server_end");
  EXPECT_NE(h.FailureOf(call)->message.find("256"), std::string::npos);
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
}

TEST(NodeTracking, NeedsANodeThatIsNotReleasedAndThenAnEnd_2_4) {
  CheckRefusal({"", kToken, Plain<event::AttachNodeTracking>(), "2.4 server_end"});
  CheckRefusal({"", kToken,
                [](Harness& h, NodeId node) {
                  h.Say(event::Release{.node = node});
                  return h.Say(event::AttachNodeTracking{.node = node});
                },
                "2.4"});
}

// TRK-2, row 32: the room of one who went is there for the next when the signal comes.
TEST(NodeTracking, EndsWhenTheRoomIsFreeForAnother_TRK_2_row_32) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1, .bound = true});
  Constraints two = Camping(1);
  two.min_buffer_count = 2;
  h.Constrain(1, two);
  h.FinishAllocation();
  h.Say(event::AttachToken{.node = 1, .child = 2, .rights_mask = kSameRights});
  Track(h, 2);
  h.BindAndConstrain(2, Camping(1));
  EXPECT_TRUE(h.Look(2).allocated);
  EXPECT_THAT(h.ClosedNodes(), Not(Contains(2u)));
  h.Say(event::Close{.node = 2});
  ASSERT_THAT(h.ClosedNodes(), ElementsAre(2));
  h.Say(event::AttachToken{.node = 1, .child = 3, .rights_mask = kSameRights});
  h.BindAndConstrain(3, Camping(1));
  EXPECT_TRUE(h.Look(3).allocated);
}

}  // namespace
}  // namespace sysmem::core::test
