// SPDX-License-Identifier: Apache-2.0
//
// must_match_vmo: new buffers like those of another collection. PART-2, PART-3 and EXIST of
// server-behaviour.md 3.3 and 3.8, and its row of 2.7.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/attempt.h"
#include "core/attempt_cost.h"
#include "core/report.h"
#include "tests/core/attach_harness.h"
#include "tests/core/group_harness.h"
#include "tests/core/recipes.h"

namespace sysmem::core::test {
namespace {

using recipes::kPage;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// How buffers are made on which these agree.
SingleBufferSettings BuffersFor(const Constraints& constraints) {
  return recipes::Agreed({constraints}).settings;
}

Constraints OfSize(uint64_t bytes) { return Picky(bytes); }

// One page of CPU memory or more.
Constraints APageOrMore(uint32_t camping = 1) {
  Constraints c = Camping(camping);
  c.memory->max_size_bytes.reset();
  return c;
}

CallId ConstrainToMatch(Harness& h, NodeId node, std::optional<Constraints> constraints,
                        const SingleBufferSettings& buffers) {
  return h.Say(event::SetConstraints{
      .node = node, .constraints = std::move(constraints), .must_match = buffers});
}

void BindAndMatch(Harness& h, NodeId node, std::optional<Constraints> constraints,
                  const SingleBufferSettings& buffers) {
  h.Say(event::Bind{.node = node});
  ConstrainToMatch(h, node, std::move(constraints), buffers);
}

std::vector<std::string> NamesIn(const Failure& failure) {
  std::vector<std::string> names;
  for (const ParticipantValue& one : failure.participants) names.push_back(one.name);
  return names;
}

// --- What comes out

TEST(MustMatch, MakesBuffersLikeTheOthers_PART_2_EXIST) {
  const SingleBufferSettings others = BuffersFor(OfSize(3 * kPage));
  Harness h;
  h.MakeTokens(1);
  BindAndMatch(h, 1, APageOrMore(), others);
  h.BindAndConstrain(2, APageOrMore());
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings, others);
}

TEST(MustMatch, DoesNotFixHowManyBuffersThereAre_PART_2) {
  Constraints five = OfSize(kPage);
  five.min_buffer_count_for_camping = 5;
  Harness h;
  h.MakeTokens(0);
  BindAndMatch(h, 1, APageOrMore(2), BuffersFor(five));
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.buffer_count, 2u);
}

TEST(MustMatch, GivesASizeToThoseWhoNameNone_MINSIZE) {
  Constraints sizeless = APageOrMore();
  sizeless.memory->min_size_bytes.reset();
  Harness h;
  h.MakeTokens(0);
  BindAndMatch(h, 1, sizeless, BuffersFor(OfSize(2 * kPage)));
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings.buffer.size_bytes, 2 * kPage);
}

TEST(MustMatch, IsNoUseOfTheBuffersByItself_U5) {
  Harness h;
  h.MakeTokens(0);
  BindAndMatch(h, 1, std::nullopt, BuffersFor(OfSize(kPage)));
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u);
  ASSERT_TRUE(h.Look().failure);
  EXPECT_EQ(h.Look().failure->rule, "U5");
}

TEST(MustMatch, TakesTheImageFormatOverAsWell_EXIST) {
  const SingleBufferSettings others = BuffersFor(recipes::KNv12());
  Constraints any = recipes::KNv12();
  any.image_formats.push_back(recipes::Rgba());
  any.image_formats.back().min_size = {16, 16};
  Harness h;
  h.MakeTokens(0);
  BindAndMatch(h, 1, any, others);
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings, others);
}

TEST(MustMatch, AllowsThePaddingThatTheOthersHave_LATE_H1) {
  Constraints padded = recipes::KNv12();
  padded.memory = recipes::CpuOnly();
  padded.image_formats.front().pad_beyond_image_size_bytes = 10000;
  const SingleBufferSettings others = BuffersFor(padded);
  ASSERT_GT(others.buffer.raw_vmo_size, others.buffer.size_bytes + 9999);
  Constraints plain = recipes::KNv12();
  plain.memory = recipes::CpuOnly();
  Harness h;
  h.MakeTokens(0);
  BindAndMatch(h, 1, plain, others);
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings, others);
}

// --- When nothing comes out

TEST(MustMatch, FixesTheSizeSoThatALargerOneFails_row_48) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::SetDebugClientInfo{.node = 1, .name = "codec"});
  h.Say(event::Bind{.node = 1});
  ConstrainToMatch(h, 1, APageOrMore(), BuffersFor(OfSize(kPage)));
  h.Say(event::SetDebugClientInfo{.node = 2, .name = "camera"});
  const CallId wait = h.Say(event::Wait{.node = 1});
  Constraints larger = APageOrMore();
  larger.memory->min_size_bytes = 2 * kPage;
  h.BindAndConstrain(2, larger);
  ASSERT_EQ(h.ErrorOf(wait), Error::kConstraintsIntersectionEmpty);
  const Failure why = *h.FailureOf(wait);
  EXPECT_EQ(why.rule, "M14");
  EXPECT_THAT(NamesIn(why), ElementsAre("camera", "buffers to match, given by codec"));
  EXPECT_EQ(why.participants.back().node, 1u) << "whoever gave them";
  EXPECT_THAT(why.message, HasSubstr("\"buffers to match, given by codec\""));
}

TEST(MustMatch, HoldsHisOwnConstraintsAgainstHimToo_row_48) {
  Constraints larger = APageOrMore();
  larger.memory->min_size_bytes = 2 * kPage;
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  const CallId set = ConstrainToMatch(h, 1, larger, BuffersFor(OfSize(kPage)));
  EXPECT_TRUE(h.Succeeded(set)) << "bad wishes are no bad message";
  ASSERT_TRUE(h.Look().failure);
  EXPECT_EQ(h.Look().failure->error, Error::kConstraintsIntersectionEmpty);
  EXPECT_THAT(NamesIn(*h.Look().failure), ElementsAre("", "buffers to match"));
  EXPECT_THAT(h.Look().failure->participants.front().value, HasSubstr("8192"));
  EXPECT_THAT(h.Look().failure->participants.back().value, HasSubstr("4096"));
}

TEST(MustMatch, OfTwoDifferentKindsFailsNamingBoth) {
  Harness h;
  h.MakeTokens(1);
  BindAndMatch(h, 1, APageOrMore(), BuffersFor(OfSize(kPage)));
  BindAndMatch(h, 2, APageOrMore(), BuffersFor(OfSize(2 * kPage)));
  ASSERT_TRUE(h.Look().failure);
  const std::vector<ParticipantValue> named = h.Look().failure->participants;
  ASSERT_EQ(named.size(), 2u);
  EXPECT_EQ(named[0].node, 1u);
  EXPECT_EQ(named[1].node, 2u);
  EXPECT_THAT(NamesIn(*h.Look().failure), ElementsAre("buffers to match", "buffers to match"));
}

// --- Who takes part

TEST(MustMatch, StandsBehindEverybodyElse_PART_2_LATE_1) {
  NodeTree tree;
  tree.AddRoot(1);
  tree.AddChild(1, 2, kSameRights);
  tree.AddChild(1, 3, kSameRights);
  const Constraints buffers = AtMost(kPage);
  for (const NodeId id : {1, 2, 3}) tree.Get(id).constraints_set = true;
  for (const NodeId id : {1, 3}) tree.Get(id).must_match = buffers;
  const auto nodes_of = [](const TryParticipants& who) {
    std::vector<std::pair<NodeId, bool>> nodes;
    for (const Participant& one : who.all()) nodes.emplace_back(one.node, one.exists_already);
    return nodes;
  };
  const TryParticipants first(tree, {1, 2, 3}, nullptr);
  EXPECT_THAT(nodes_of(first),
              ElementsAre(std::pair(1, false), std::pair(2, false), std::pair(3, false),
                          std::pair(1, true), std::pair(3, true)));
  tree.Get(1).allocated = true;
  tree.Get(2).allocated = true;
  const Plan plan = recipes::Agreed({OfSize(kPage)});
  const TryParticipants late(tree, {3}, &plan);
  EXPECT_THAT(nodes_of(late),
              ElementsAre(std::pair(1, false), std::pair(2, false), std::pair(3, false),
                          std::pair(0, true), std::pair(1, true), std::pair(3, true)));
  std::vector<bool> is_new;
  for (size_t i = 0; i < late.all().size(); ++i) is_new.push_back(late.IsNew(i));
  EXPECT_THAT(is_new, ElementsAre(false, false, true, true, false, true));
}

TEST(MustMatch, OfAnUnchosenChildCountsForNothing_GRP_3) {
  Harness h;
  MakeTwoAlternatives(h);
  h.BindAndConstrain(1, OfSize(2 * kPage));
  BindAndMatch(h, 3, APageOrMore(), BuffersFor(OfSize(kPage)));
  h.BindAndConstrain(4, APageOrMore());
  Complete(h, 2);
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u) << "the second child does";
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings.buffer.size_bytes, 2 * kPage);
}

TEST(MustMatch, StaysWithTheOrphan_GONE_1) {
  Harness h;
  h.MakeTokens(1);
  BindAndMatch(h, 2, APageOrMore(), BuffersFor(OfSize(2 * kPage)));
  h.ReleaseAndClose(2);
  h.BindAndConstrain(1, APageOrMore());
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings.buffer.size_bytes, 2 * kPage);
}

TEST(MustMatch, SuitsALateParticipantIfTheBuffersAreAlike_LATE_1) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  BindAndMatch(h, 3, Camping(1), BuffersFor(Camping(1)));
  EXPECT_TRUE(h.Look(3).allocated);
  Attach(h, 1, 4);
  h.Say(event::Bind{.node = 4});
  const CallId wait = h.Say(event::Wait{.node = 4});
  ConstrainToMatch(h, 4, AtMost(16 * kPage), BuffersFor(OfSize(2 * kPage)));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4)) << "and harms nobody else";
  EXPECT_TRUE(h.Look(3).allocated);
  EXPECT_FALSE(h.Pending(wait));
}

TEST(MustMatch, HoldsForThoseWhoComeLaterToo_LATE_1) {
  Harness h;
  h.MakeTokens(0);
  Constraints room = APageOrMore(1);
  room.min_buffer_count = 3;
  BindAndMatch(h, 1, room, BuffersFor(OfSize(2 * kPage)));
  h.FinishAllocation();
  Attach(h, 1, 2);
  h.BindAndConstrain(2, APageOrMore(1));
  EXPECT_TRUE(h.Look(2).allocated);
  Attach(h, 1, 3);
  h.BindAndConstrain(3, OfSize(kPage));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3));
}

// --- What is no buffer

TEST(MustMatch, ThatIsNoBufferFailsItsSenderByTheField_2_7) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 2});
  const CallId set = h.Say(event::SetConstraints{
      .node = 2, .constraints = Camping(1), .not_a_buffer = "descriptor 4, a pipe"});
  EXPECT_EQ(h.RefusedBy(set), "2.7 must_match_vmo");
  EXPECT_EQ(h.FailureOf(set)->error, Error::kProtocolDeviation);
  EXPECT_THAT(h.FailureOf(set)->message, HasSubstr("is descriptor 4, a pipe"));
  EXPECT_TRUE(h.Look().nodes.empty()) << "the whole collection is its failure domain";
}

TEST(MustMatch, ThatIsNoBufferHarmsNoMoreThanTheFailureDomain_2_7) {
  Harness h;
  ShareBuffers(h);
  Attach(h, 1, 3);
  h.Say(event::Bind{.node = 3});
  h.Say(event::SetConstraints{
      .node = 3, .constraints = Camping(1), .not_a_buffer = "descriptor 4, a pipe"});
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(3));
}

TEST(MustMatch, IsLookedAtBehindTheOtherRules_2_7) {
  for (const bool released : {false, true}) {
    Harness h;
    h.MakeTokens(1);
    h.Say(event::Bind{.node = 2});
    if (released) {
      h.Say(event::Release{.node = 2});
    } else {
      h.Constrain(2, Camping(1));
    }
    const CallId set = h.Say(event::SetConstraints{
        .node = 2, .constraints = Camping(1), .not_a_buffer = "descriptor 4, a pipe"});
    EXPECT_EQ(h.RefusedBy(set), "2.7");
  }
}

// --- What people see

TEST(MustMatch, ShowsInSnapshotAndLog) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::SetVerboseLogging{.node = 1});
  BindAndMatch(h, 2, APageOrMore(), BuffersFor(OfSize(2 * kPage)));
  EXPECT_TRUE(h.Look(2).must_match);
  EXPECT_FALSE(h.Look(1).must_match);
  EXPECT_THAT(h.Logged(effect::Log::Level::kInfo, "gave buffers to match"), testing::SizeIs(1));
  h.BindAndConstrain(1, APageOrMore());
  EXPECT_THAT(h.Logged(effect::Log::Level::kInfo, "to match buffers: "), testing::SizeIs(1));
}

TEST(MustMatch, ExplainsTheSizeAlsoWhenItsGiverIsGone) {
  Collection collection(1, SystemRamOnly(), 0);
  collection.Handle(event::CreateRoot{.node = 1});
  collection.Handle(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
  collection.Handle(event::SetDispensable{.node = 2});
  collection.Handle(event::SetDebugClientInfo{.node = 2, .name = "codec"});
  for (const NodeId node : {1, 2}) collection.Handle(event::Bind{.node = node});
  collection.Handle(event::SetConstraints{
      .node = 2, .constraints = APageOrMore(), .must_match = BuffersFor(OfSize(3 * kPage))});
  collection.Handle(event::SetConstraints{.node = 1, .constraints = APageOrMore()});
  collection.Handle(event::AllocationFinished{.attempt = 1});
  const auto explained = [&] {
    return TextOf(collection.Explain(), [](std::string_view text) { return std::string(text); })
        .text;
  };
  const std::string before = explained();
  EXPECT_THAT(before, HasSubstr("buffers to match, given by codec"));
  collection.Handle(event::Close{.node = 2});
  ASSERT_FALSE(collection.IsConnected(2));
  EXPECT_EQ(explained(), before);
}

TEST(MustMatch, CostsTheWorkOfOneMoreImageFormat) {
  event::SetConstraints message{.constraints = recipes::KNv12()};
  EXPECT_EQ(WeightOf(message).entries, 1u);
  message.must_match = BuffersFor(OfSize(kPage));
  EXPECT_EQ(WeightOf(message).entries, 1u);
  message.must_match = BuffersFor(recipes::KNv12());
  EXPECT_EQ(WeightOf(message).entries, 2u);
}

}  // namespace
}  // namespace sysmem::core::test
