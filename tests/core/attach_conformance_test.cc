// SPDX-License-Identifier: Apache-2.0
//
// The ATTACH scenario of the conformance cases, FAIL-1 to FAIL-10, without a wire: two participants
// share buffers, and a third one is attached to the second.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/collection_harness.h"
#include "tests/core/recipes.h"

namespace sysmem::core::test {
namespace {

using testing::Contains;

constexpr NodeId kC1 = 1;
constexpr NodeId kC2 = 2;
constexpr int kRounds = 3;

Constraints K1() {
  Constraints c = recipes::KNv12();
  c.memory->max_size_bytes = 393216;
  return c;
}
Constraints K2() {
  Constraints c = K1();
  c.image_formats[0].min_size = {512, 512};
  return c;
}
Constraints K3() {
  Constraints c;
  c.usage = recipes::CpuReadWrite();
  c.memory = MemoryConstraints{.cpu_domain_supported = true};
  return c;
}

struct Scenario {
  bool before = false;  // attached before allocation, too
  Constraints k1 = K1();
  Constraints k2 = K2();
  Constraints k3 = K3();
  uint32_t count = 6;
  CoherencyDomain domain = CoherencyDomain::kCpu;
};

class Attach {
 public:
  explicit Attach(Scenario scenario) : scenario_(std::move(scenario)) {}

  // Whether the attached participant is served, in every round. Expects of the other two what must
  // hold in any case.
  bool Succeeds() {
    h_.MakeTokens(1);
    h_.BindAndConstrain(kC1, scenario_.k1);
    h_.Say(event::Bind{.node = kC2});
    EXPECT_EQ(h_.ErrorOf(h_.Say(event::Check{.node = kC1})), Error::kPending);
    EXPECT_EQ(h_.ErrorOf(h_.Say(event::Check{.node = kC2})), Error::kPending);
    if (scenario_.before) AttachThird();
    h_.Constrain(kC2, scenario_.k2);
    h_.FinishAllocation();
    CheckFirstTwo();
    if (scenario_.before && !ThirdIsServed()) return false;
    for (int round = 0; round < kRounds; ++round) {
      if (round == 0 && scenario_.before) {
        if (!ThirdIsServed()) return false;  // the wait is repeated
        continue;
      }
      DropThird();
      AttachThird();
      EXPECT_TRUE(h_.Succeeded(h_.Say(event::Sync{.node = kC1})));
      if (!ThirdIsServed()) return false;
    }
    return true;
  }

 private:
  void AttachThird() {
    const CallId attach =
        h_.Say(event::AttachToken{.node = kC2, .child = ++last_node_, .rights_mask = kSameRights});
    EXPECT_TRUE(h_.Succeeded(attach));
    EXPECT_TRUE(h_.Succeeded(h_.Say(event::Sync{.node = kC2})));
    h_.Say(event::Bind{.node = last_node_});
    h_.Constrain(last_node_, scenario_.k3);
  }

  void DropThird() {
    if (last_node_ == kC2) return;  // there is none yet
    h_.Say(event::Close{.node = last_node_, .why = "session ended"});
    EXPECT_THAT(h_.ClosedNodes(), Contains(last_node_));
    EXPECT_TRUE(h_.Succeeded(h_.Say(event::Sync{.node = kC1})));
  }

  void CheckFirstTwo() {
    first_ = h_.GrantOf(h_.Say(event::Wait{.node = kC1}));
    EXPECT_TRUE(h_.Succeeded(h_.Say(event::Check{.node = kC1})));
    EXPECT_TRUE(h_.Succeeded(h_.Say(event::Check{.node = kC2})));
    const std::optional<Grant> second = h_.GrantOf(h_.Say(event::Wait{.node = kC2}));
    ASSERT_TRUE(first_ && second);
    EXPECT_EQ(first_, second);
    const Plan& plan = first_->plan;
    EXPECT_EQ(plan.buffer_count, scenario_.count);
    EXPECT_EQ(plan.settings.buffer.coherency_domain, scenario_.domain);
    EXPECT_GE(plan.settings.buffer.size_bytes, 393216u);
    EXPECT_LE(plan.settings.buffer.size_bytes, plan.settings.buffer.raw_vmo_size);
    EXPECT_FALSE(plan.settings.buffer.is_physically_contiguous);
    EXPECT_FALSE(plan.settings.buffer.is_secure);
    EXPECT_TRUE(plan.settings.image_format);
  }

  bool ThirdIsServed() {
    const CallId wait = h_.Say(event::Wait{.node = last_node_});
    const std::optional<Grant> third = h_.GrantOf(wait);
    if (third) {
      EXPECT_EQ(third, first_);
    }
    CheckFirstTwo();
    return third.has_value();
  }

  const Scenario scenario_;
  Harness h_;
  NodeId last_node_ = kC2;
  std::optional<Grant> first_;
};

Scenario TooSmallAThird(bool before) {
  Scenario scenario{.before = before};
  scenario.k3.memory->max_size_bytes = 393215;
  return scenario;
}

Scenario CampingThird(bool before, bool headroom) {
  Scenario scenario{.before = before};
  scenario.k3.min_buffer_count_for_camping = 1;
  if (headroom) {
    scenario.k1.min_buffer_count = 8;
    scenario.k2.min_buffer_count = 6;
    scenario.count = 8;
  }
  return scenario;
}

// Part A and B of FAIL-10 differ in who is a display.
Scenario AllDomains() {
  Scenario scenario;
  for (Constraints* one : {&scenario.k1, &scenario.k2, &scenario.k3}) {
    one->memory->cpu_domain_supported = true;
    one->memory->ram_domain_supported = true;
    one->memory->inaccessible_domain_supported = false;
  }
  return scenario;
}
constexpr uint32_t kLayer = 1;

TEST(AttachConformance, BeforeAllocateSuccess_FAIL_1) {
  EXPECT_TRUE(Attach({.before = true}).Succeeds());
}

TEST(AttachConformance, AfterAllocateSuccess_FAIL_2) {
  EXPECT_TRUE(Attach({.before = false}).Succeeds());
}

TEST(AttachConformance, BeforeAllocateFailureBufferSizes_FAIL_4) {
  EXPECT_FALSE(Attach(TooSmallAThird(true)).Succeeds());
}

TEST(AttachConformance, AfterAllocateFailureBufferSizes_FAIL_5) {
  EXPECT_FALSE(Attach(TooSmallAThird(false)).Succeeds());
}

TEST(AttachConformance, BeforeAllocateSuccessBufferCounts_FAIL_6) {
  EXPECT_TRUE(Attach(CampingThird(true, true)).Succeeds());
}

TEST(AttachConformance, AfterAllocateSuccessBufferCounts_FAIL_7) {
  EXPECT_TRUE(Attach(CampingThird(false, true)).Succeeds());
}

TEST(AttachConformance, BeforeAllocateFailureBufferCounts_FAIL_8) {
  EXPECT_FALSE(Attach(CampingThird(true, false)).Succeeds());
}

TEST(AttachConformance, AfterAllocateFailureBufferCounts_FAIL_9) {
  EXPECT_FALSE(Attach(CampingThird(false, false)).Succeeds());
}

TEST(AttachConformance, SelectsSameDomainAsInitialAllocation_FAIL_10_part_A) {
  Scenario scenario = AllDomains();
  scenario.k1.usage->display = kLayer;
  scenario.domain = CoherencyDomain::kRam;
  EXPECT_TRUE(Attach(scenario).Succeeds());
}

TEST(AttachConformance, SelectsSameDomainAsInitialAllocation_FAIL_10_part_B) {
  Scenario scenario = AllDomains();
  scenario.k3.usage->display = kLayer;
  scenario.domain = CoherencyDomain::kCpu;
  EXPECT_TRUE(Attach(scenario).Succeeds());
}

}  // namespace
}  // namespace sysmem::core::test
