// SPDX-License-Identifier: Apache-2.0
//
// Heaps that some participant's user may not use (HEAP-ACCESS): who is named, and who counts.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Heap kDear{.type = "linux.sysmem.heap.HEAP_TYPE.DEAR"};

std::shared_ptr<Settings> WithDearHeap() {
  auto settings = SystemRamOnly();
  settings->heaps.push_back({.heap = kDear, .cpu_domain = true});
  return settings;
}

Constraints FromDear() {
  Constraints constraints = Picky(4096);
  constraints.memory->permitted_heaps = {HeapWish{.type = kDear.type}};
  return constraints;
}

// Sets constraints as a user who may not use the dear heap.
CallId ConstrainDenied(Harness& h, NodeId node, std::optional<Constraints> constraints) {
  h.Say(event::Bind{.node = node});
  return h.Say(event::SetConstraints{.node = node,
                                     .constraints = std::move(constraints),
                                     .denied_heaps = std::vector{kDear.type}});
}

std::vector<NodeId> Blamed(const Failure& failure) {
  std::vector<NodeId> nodes;
  for (const ParticipantValue& one : failure.participants) nodes.push_back(one.node);
  return nodes;
}

TEST(DeniedHeaps, FailWhatNeedsThemAndNameWhoMayNotUseThemAndWhoAsked) {
  Harness h(WithDearHeap());
  h.MakeTokens(2);
  h.BindAndConstrain(1, FromDear());
  const CallId wait = h.Say(event::Wait{.node = 1});
  h.BindAndConstrain(2, Picky(4096));
  ConstrainDenied(h, 3, Picky(4096));
  ASSERT_EQ(h.ErrorOf(wait), Error::kConstraintsIntersectionEmpty);
  const Failure failure = *h.FailureOf(wait);
  EXPECT_EQ(failure.rule, "HEAP-ACCESS");
  EXPECT_EQ(failure.field, "buffer_memory_constraints.permitted_heaps");
  EXPECT_THAT(failure.message, HasSubstr(kDear.type));
  EXPECT_THAT(Blamed(failure), ElementsAre(1, 3));
  EXPECT_EQ(failure.participants[1].value, "access denied to " + kDear.type);
}

TEST(DeniedHeaps, GiveWayToAnotherOneThatIsPermitted) {
  Harness h(WithDearHeap());
  h.MakeTokens(1);
  Constraints either = FromDear();
  either.memory->permitted_heaps->push_back(HeapWish{.type = kHeapSystemRam, .id = 0});
  h.BindAndConstrain(1, either);
  ConstrainDenied(h, 2, Picky(4096));
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings.buffer.heap.type, kHeapSystemRam);
}

TEST(DeniedHeaps, ConcernNobodyWhoIsHandedNoBuffers) {
  Harness h(WithDearHeap());
  h.MakeTokens(1);
  ConstrainDenied(h, 2, std::nullopt);
  h.BindAndConstrain(1, FromDear());
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u);
}

TEST(DeniedHeaps, KeepOutWhoComesLate) {
  Harness h(WithDearHeap());
  h.MakeTokens(0);
  h.BindAndConstrain(1, FromDear());
  h.FinishAllocation();
  h.Say(event::AttachToken{.node = 1, .child = 2, .rights_mask = kSameRights});
  ConstrainDenied(h, 2, Camping(0));
  EXPECT_FALSE(h.Succeeded(h.Say(event::Wait{.node = 2})));
  h.Say(event::AttachToken{.node = 1, .child = 3, .rights_mask = kSameRights});
  h.BindAndConstrain(3, Camping(0));
  EXPECT_TRUE(h.Succeeded(h.Say(event::Wait{.node = 3}))) << "those who may are served";
}

TEST(DeniedHeaps, AreToldAmongTheReasonsOfAReport) {
  Harness h(WithDearHeap());
  h.MakeTokens(1);
  h.BindAndConstrain(1, FromDear());
  const CallId wait = h.Say(event::Wait{.node = 1});
  ConstrainDenied(h, 2, Picky(4096));
  const Failure failure = *h.FailureOf(wait);
  ASSERT_TRUE(failure.report);
  const auto as_is = [](std::string_view text) { return std::string(text); };
  EXPECT_THAT(TextOf(*failure.report, as_is).text,
              HasSubstr("by the daemon's configuration not to be used by: participant 2"));
}

}  // namespace
}  // namespace sysmem::core::test
