// SPDX-License-Identifier: Apache-2.0
//
// The conformance cases about groups, without a wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/core/every_message.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;

constexpr uint64_t kPage = 4096;

uint64_t SizeOf(const std::optional<Grant>& grant) {
  return grant ? grant->plan.settings.buffer.size_bytes : 0;
}
// FAIL/CIE
bool FailsOrIsEmpty(const Harness& h, CallId call) {
  return h.OutcomeOf(call) == Outcome::kClosed ||
         h.ErrorOf(call) == Error::kConstraintsIntersectionEmpty;
}

TEST(GroupConformance, GetBufferCollectionId_COL_8) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  MakeGroup(h, 1, 2);
  for (NodeId node : Ids{1, 2}) {
    const CallId call = h.Say(event::GetBufferCollectionId{.node = node});
    EXPECT_EQ(std::get<uint64_t>(h.AnswerTo(call)->result), Harness::kId);
  }
  h.Say(event::Bind{.node = 1});
  MakeChild(h, 2, 3);
  h.BindAndConstrain(3, Constraints{});
  Complete(h, 2);
  h.Constrain(1, Picky(kPage));
  h.FinishAllocation();
  const auto grant = h.GrantOf(h.Say(event::Wait{.node = 1}));
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->buffer_collection_id, Harness::kId);
}

TEST(GroupConformance, GroupPrefersFirstChild_GRP_4) {
  Harness h;
  MakeTwoAlternatives(h);
  h.BindAndConstrain(1, Constraints{});
  h.BindAndConstrain(3, Picky(16 * kPage));
  h.BindAndConstrain(4, Picky(32 * kPage));
  Complete(h, 2);
  h.FinishAllocation();
  EXPECT_EQ(SizeOf(h.GrantOf(h.Say(event::Wait{.node = 1}))), 16 * kPage);
  EXPECT_EQ(SizeOf(h.GrantOf(h.Say(event::Wait{.node = 3}))), 16 * kPage);
  EXPECT_TRUE(FailsOrIsEmpty(h, h.Say(event::Wait{.node = 4})));
}

// One round of GRP-5.
class Priority {
 public:
  explicit Priority(uint64_t seed) : random_(seed) {
    h_.Say(event::CreateRoot{.node = 1});
    Ids tokens{1};
    for (NodeId id = 2; id <= 13; ++id) {
      const NodeId parent = tokens[random_() % tokens.size()];
      h_.Say(event::Duplicate{.node = parent, .child = id, .rights_mask = kSameRights});
      children_[parent].push_back(id);
      tokens.push_back(id);
    }
    for (NodeId group = 100; group < 500; group += 100) {
      const NodeId parent = tokens[random_() % tokens.size()];
      MakeAlternatives(h_, parent, group, {group + 1});
      children_[parent].push_back(group);
    }
    while (picked_.size() < 2) picked_.insert(100 + random_() % 4 * 100);
    for (NodeId group : picked_) MakeChild(h_, group, group + 2);
    Constraints bounded = Camping(1);
    bounded.max_buffer_count = 16;
    for (NodeId id : tokens) h_.BindAndConstrain(id, id == 1 ? bounded : Camping(1));
    for (NodeId group = 100; group < 500; group += 100) {
      h_.BindAndConstrain(group + 1, Camping(1));
      if (picked_.count(group)) h_.BindAndConstrain(group + 2, Camping(0));
      Complete(h_, group);
    }
  }

  void Check() {
    h_.FinishAllocation();
    Ids order;
    Walk(1, &order);
    ASSERT_EQ(order.size(), 2u);
    EXPECT_EQ(h_.Look().plan->buffer_count, 16u);
    Ids gone = h_.ClosedNodes();
    EXPECT_THAT(gone, testing::UnorderedElementsAre(order[0] + 2, order[1] + 1));
  }

 private:
  // Picked groups, parents before children and older brothers first.
  void Walk(NodeId id, Ids* order) {
    if (picked_.count(id)) order->push_back(id);
    for (NodeId child : children_[id]) Walk(child, order);
  }

  std::mt19937_64 random_;
  Harness h_;
  std::map<NodeId, Ids> children_;
  std::set<NodeId> picked_;
};

TEST(GroupConformance, GroupPriority_GRP_5) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Priority(seed).Check();
  }
}

TEST(GroupConformance, SkipUnreachableChildSelections_GRP_7) {
  constexpr size_t kDepth = 63;
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  NodeId token = 1;
  Ids groups;
  Ids firsts;
  Ids seconds;
  NodeId last = 1;
  for (size_t i = 0; i < kDepth; ++i, last += 3) {
    MakeAlternatives(h, token, last + 1, {last + 2, last + 3});
    groups.push_back(last + 1);
    firsts.push_back(last + 2);
    seconds.push_back(last + 3);
    token = last + 2;
  }
  std::map<NodeId, CallId> waits;
  const auto constrain = [&](NodeId id, uint64_t pages) {
    h.BindAndConstrain(id, Picky(pages * kPage));
    waits[id] = h.Say(event::Wait{.node = id});
  };
  constrain(1, 1);
  for (NodeId id : firsts) constrain(id, 2);
  for (NodeId id : seconds) constrain(id, 1);
  for (NodeId id : groups) Complete(h, id);
  h.FinishAllocation();
  for (const auto& [node, wait] : waits) {
    if (node == 1 || node == seconds.front()) {
      EXPECT_EQ(SizeOf(h.GrantOf(wait)), kPage);
    } else {
      EXPECT_TRUE(FailsOrIsEmpty(h, wait)) << "node " << node;
    }
  }
  EXPECT_EQ(h.Look().nodes.size(), 3u);
}

TEST(GroupConformance, GroupChildSelectionCombinationCountLimit_GRP_8) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  std::vector<CallId> waits;
  const auto constrain = [&](NodeId id, uint64_t pages) {
    h.BindAndConstrain(id, Picky(pages * kPage));
    waits.push_back(h.Say(event::Wait{.node = id}));
  };
  for (NodeId group = 100; group < 164; ++group) {
    MakeAlternatives(h, 1, group, {group + 100, group + 200});
    constrain(group + 100, 1);
    constrain(group + 200, 1);
  }
  constrain(1, 2);
  for (NodeId group = 100; group < 164; ++group) Complete(h, group);
  for (CallId wait : waits) {
    EXPECT_EQ(h.ErrorOf(wait), Error::kTooManyGroupChildCombinations);
  }
  EXPECT_TRUE(h.Finished());
}

TEST(GroupConformance, CreateChildZeroAttenuationMaskFails_GRP_10) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  MakeGroup(h, 1, 2);
  MakeChild(h, 2, 3, 0);
  EXPECT_EQ(h.OutcomeOf(h.Say(event::Sync{.node = 1})), Outcome::kClosed);
}

TEST(GroupConformance, CreateChildrenZeroAttenuationMaskFails_GRP_11) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1});
  MakeGroup(h, 1, 2);
  const CallId call = h.Say(event::CreateChildrenSync{
      .node = 2, .children = {3, 4}, .rights_masks = std::vector<uint32_t>{0, 0}});
  EXPECT_FALSE(h.Succeeded(call));
  EXPECT_EQ(h.OutcomeOf(h.Say(event::Sync{.node = 1})), Outcome::kClosed);
}

// K-HEAP(list, cr, ina) of the conformance cases.
Constraints KHeap(const std::vector<std::string>& heaps, bool cpu_and_ram, bool inaccessible) {
  Constraints c;
  c.usage = BufferUsage{.display = 1};  // LAYER
  c.min_buffer_count = 1;
  c.memory = MemoryConstraints{.min_size_bytes = kPage,
                               .max_size_bytes = kPage,
                               .physically_contiguous_required = false,
                               .secure_required = false,
                               .cpu_domain_supported = cpu_and_ram,
                               .ram_domain_supported = cpu_and_ram,
                               .inaccessible_domain_supported = inaccessible};
  for (const std::string& heap : heaps) {
    if (!c.memory->permitted_heaps) c.memory->permitted_heaps.emplace();
    c.memory->permitted_heaps->push_back({.type = heap, .id = 0});
  }
  return c;
}

TEST(GroupConformance, HeapConflictMovesToNextGroupChild_GRP_13) {
  const std::string far = "fuchsia.sysmem.heap.HEAP_TYPE.GOLDFISH_DEVICE_LOCAL";
  for (bool registered : {false, true}) {
    auto settings = SystemRamOnly();
    if (registered) settings->heaps.push_back({.heap = {.type = far}, .inaccessible_domain = true});
    Harness h(settings);
    MakeTwoAlternatives(h);
    h.BindAndConstrain(1, KHeap({}, true, false));
    Complete(h, 2);
    h.BindAndConstrain(3, KHeap({far}, true, true));
    h.BindAndConstrain(4, KHeap({}, true, false));
    h.FinishAllocation();
    const auto grant = h.GrantOf(h.Say(event::Wait{.node = 1}));
    ASSERT_TRUE(grant) << "registered: " << registered;
    EXPECT_EQ(grant->plan.settings.buffer.heap, (Heap{.type = kHeapSystemRam}));
  }
}

TEST(GroupConformance, CloseBeforeChildrenSetConstraints_GRP_14) {
  Harness h;
  MakeTwoAlternatives(h);
  Complete(h, 2);
  h.ReleaseAndClose(2);
  h.BindAndConstrain(1, std::nullopt);
  h.BindAndConstrain(3, Picky(16 * kPage));
  h.BindAndConstrain(4, Picky(32 * kPage));
  const CallId second = h.Say(event::Wait{.node = 4});
  h.FinishAllocation();
  EXPECT_EQ(SizeOf(h.GrantOf(h.Say(event::Wait{.node = 1}))), 16 * kPage);
  EXPECT_EQ(SizeOf(h.GrantOf(h.Say(event::Wait{.node = 3}))), 16 * kPage);
  EXPECT_TRUE(FailsOrIsEmpty(h, second));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(4));
}

}  // namespace
}  // namespace sysmem::core::test
