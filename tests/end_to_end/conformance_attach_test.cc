// SPDX-License-Identifier: Apache-2.0
//
// Conformance: attached tokens, dispensable nodes and failure domains (FAIL), through the library
// and the wire.
#include <optional>
#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytesOf512x512 = 393216;

sysmem::Constraints Nv12UpTo512x512() {
  sysmem::Constraints constraints = Nv12();
  constraints.memory->max_size_bytes = kBytesOf512x512;
  return constraints;
}

sysmem::Constraints Nv12Of512x512() {
  sysmem::Constraints constraints = Nv12UpTo512x512();
  constraints.image_formats.front().min_size = sysmem::Size{512, 512};
  return constraints;
}

// What one scenario does differently from others.
struct Scenario {
  bool before = false;      // the third is attached before allocation
  bool dies_early = false;  // and drops its end before allocation
  sysmem::Constraints k1 = Nv12UpTo512x512();
  sysmem::Constraints k2 = Nv12Of512x512();
  sysmem::Constraints k3 = {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
                            .memory = sysmem::MemoryConstraints{.cpu_domain_supported = true}};
  size_t count = 6;
  std::optional<uint32_t> domain;
};

// Two who share buffers, of whom the second attaches a third. The first two get theirs whatever
// the third does.
class Attach : public Conformance {
 protected:
  // True iff the third got the same buffers, each time it came.
  bool Succeeds(Scenario scenario) {
    scenario_ = std::move(scenario);
    MakeTheFirstTwo();
    if (scenario_.before) {
      AttachTheThird();
      if (scenario_.dies_early) three_->Close();
      Settle();
    }
    ServeTheFirstTwo();
    if (::testing::Test::HasFatalFailure() || scenario_.dies_early) return false;
    if (scenario_.before && !ThirdIsServed()) return false;
    for (int round = 0; round < 3; ++round) {
      if (round > 0) LoseTheThird();
      if (round > 0 || !scenario_.before) AttachTheThird();
      if (!ThirdIsServed()) return false;
    }
    return true;
  }

 private:
  void MakeTheFirstTwo() {
    sysmem::Token root = Root();
    auto second = root.DuplicateExported();
    SYSMEM_ASSERT_OK(second);
    one_.emplace(*std::move(root).Bind());
    SYSMEM_EXPECT_OK(one_->SetConstraints(scenario_.k1));
    SYSMEM_EXPECT_OK(one_->Sync(Patience()));
    auto two = other().BindToken(*std::move(second));
    SYSMEM_ASSERT_OK(two);
    two_.emplace(*std::move(two));
    for (sysmem::Collection* each : {&*one_, &*two_}) {
      auto check = each->Check(Patience());
      ASSERT_FALSE(check.ok());
      EXPECT_EQ(check.failure().error, sysmem::Error::kPending) << check.failure().text;
    }
  }

  void AttachTheThird() {
    auto token = two_->AttachToken();
    SYSMEM_ASSERT_OK(token);
    SYSMEM_EXPECT_OK(two_->Sync(Patience()));
    three_.emplace(*std::move(*token).Bind());
    SYSMEM_EXPECT_OK(three_->SetConstraints(scenario_.k3));
  }

  void LoseTheThird() {
    TrackedEnd end;
    SYSMEM_EXPECT_OK(three_->AttachNodeTracking(end.Give()));
    three_->Close();
    three_.reset();
    SYSMEM_EXPECT_OK(other().Flush());
    ASSERT_TRUE(end.Signals());
  }

  void ServeTheFirstTwo() {
    SYSMEM_EXPECT_OK(two_->SetConstraints(scenario_.k2));
    SYSMEM_EXPECT_OK(other().Flush());
    first_.emplace(Wait(*one_));
    SYSMEM_ASSERT_OK(*first_);
    SYSMEM_EXPECT_OK(one_->Check(Patience()));
    SYSMEM_EXPECT_OK(two_->Check(Patience()));
    const auto second = Wait(*two_);
    SYSMEM_ASSERT_OK(second);
    ExpectTheSame(*second);
    const sysmem::Settings& settings = (*first_)->settings();
    EXPECT_EQ((*first_)->count(), scenario_.count);
    EXPECT_GE(settings.size_bytes, kBytesOf512x512);
    EXPECT_FALSE(settings.is_physically_contiguous);
    EXPECT_FALSE(settings.is_secure);
    ASSERT_NE(settings.image, nullptr);
    EXPECT_LE((**first_)[0].usable_start + settings.size_bytes, settings.raw_size_bytes);
    EXPECT_EQ(settings.coherency_domain, scenario_.domain.value_or(SYSMEM_COHERENCY_DOMAIN_CPU));
  }

  // In any case the first two are unharmed.
  bool ThirdIsServed() {
    SYSMEM_EXPECT_OK(one_->Sync(Patience()));
    const auto third = Wait(*three_);
    SYSMEM_EXPECT_OK(one_->Sync(Patience()));
    SYSMEM_EXPECT_OK(two_->Sync(Patience()));
    if (third.ok()) ExpectTheSame(*third);
    return third.ok();
  }

  // The buffers of the first, by descriptors of its own.
  void ExpectTheSame(const sysmem::Buffers& other) {
    const sysmem::Buffers& first = **first_;
    ASSERT_EQ(other.count(), first.count());
    EXPECT_EQ(NameMemory(other), NameMemory(first));
    for (size_t i = 0; i < first.count(); ++i) EXPECT_NE(other[i].fd, first[i].fd);
    EXPECT_EQ(other.collection_id(), first.collection_id());
    EXPECT_EQ(other.settings().size_bytes, first.settings().size_bytes);
    EXPECT_EQ(other.settings().raw_size_bytes, first.settings().raw_size_bytes);
    EXPECT_EQ(other.settings().coherency_domain, first.settings().coherency_domain);
    ASSERT_NE(other.settings().image, nullptr);
    EXPECT_EQ(other.settings().image->min_size.width, first.settings().image->min_size.width);
    EXPECT_EQ(other.settings().image->min_bytes_per_row, first.settings().image->min_bytes_per_row);
  }

  Scenario scenario_;
  std::optional<sysmem::Collection> one_;
  std::optional<sysmem::Collection> two_;
  std::optional<sysmem::Collection> three_;
  std::optional<sysmem::Result<sysmem::Buffers>> first_;
};

Scenario TooSmallAThird(bool before) {
  Scenario scenario{.before = before};
  scenario.k3.memory->max_size_bytes = kBytesOf512x512 - 1;
  return scenario;
}

Scenario CampingThird(bool before, bool headroom) {
  Scenario scenario{.before = before};
  scenario.k3.min_buffer_count_for_camping = 1;
  if (headroom) {
    scenario.k1.min_buffer_count = 8;
    scenario.count = 8;
  }
  return scenario;
}

Scenario AllDomainsThatCpusReach() {
  Scenario scenario;
  for (sysmem::Constraints* each : {&scenario.k1, &scenario.k2, &scenario.k3}) {
    each->memory->cpu_domain_supported = true;
    each->memory->ram_domain_supported = true;
    each->memory->inaccessible_domain_supported = false;
  }
  return scenario;
}

// Case FAIL-1
TEST_F(Attach, BeforeAllocationBringsTheSameBuffers) { EXPECT_TRUE(Succeeds({.before = true})); }

// Case FAIL-2
TEST_F(Attach, AfterAllocationBringsTheSameBuffers) { EXPECT_TRUE(Succeeds({.before = false})); }

TEST_F(Attach, OfOneWhoDiesBeforeAllocationHarmsNobody) {
  EXPECT_FALSE(Succeeds({.before = true, .dies_early = true}));
}

// Case FAIL-4
TEST_F(Attach, BeforeAllocationFailsForOneWhoWantsSmallerBuffers) {
  EXPECT_FALSE(Succeeds(TooSmallAThird(true)));
}

// Case FAIL-5
TEST_F(Attach, AfterAllocationFailsForOneWhoWantsSmallerBuffers) {
  EXPECT_FALSE(Succeeds(TooSmallAThird(false)));
}

TEST_F(Attach, BeforeAllocationTakesSpareBuffers) {
  EXPECT_TRUE(Succeeds(CampingThird(true, true)));
}

// Case FAIL-7
TEST_F(Attach, AfterAllocationTakesSpareBuffers) {
  EXPECT_TRUE(Succeeds(CampingThird(false, true)));
}

// Case FAIL-8
TEST_F(Attach, BeforeAllocationAddsNoBuffers) { EXPECT_FALSE(Succeeds(CampingThird(true, false))); }

TEST_F(Attach, AfterAllocationAddsNoBuffers) { EXPECT_FALSE(Succeeds(CampingThird(false, false))); }

// Case FAIL-10, part A
TEST_F(Attach, TakesTheRamDomainThatTheFirstAllocationChose) {
  Scenario scenario = AllDomainsThatCpusReach();
  scenario.k1.usage->display = SYSMEM_DISPLAY_USAGE_LAYER;
  scenario.domain = SYSMEM_COHERENCY_DOMAIN_RAM;
  EXPECT_TRUE(Succeeds(scenario));
}

// Case FAIL-10, part B
TEST_F(Attach, TakesTheCpuDomainThatTheFirstAllocationChose) {
  Scenario scenario = AllDomainsThatCpusReach();
  scenario.k3.usage->display = SYSMEM_DISPLAY_USAGE_LAYER;
  scenario.domain = SYSMEM_COHERENCY_DOMAIN_CPU;
  EXPECT_TRUE(Succeeds(scenario));
}

class Fail : public Conformance {};

// Case FAIL-11, before allocation.
TEST_F(Fail, ADispensableNodeThatNeverTookPartTakesTheOthersAlong) {
  sysmem::Token root = Root();
  sysmem::Token child = Dup(root);
  SYSMEM_EXPECT_OK(child.SetDispensable());
  sysmem::Collection one = Bind(std::move(root));
  SYSMEM_EXPECT_OK(one.Sync());
  sysmem::Collection two = Bind(std::move(child));
  SYSMEM_EXPECT_OK(one.SetConstraints(Camp(2)));
  two.Close();
  EXPECT_TRUE(IsClosed(Why(Wait(one))));
}

// Case FAIL-11, after allocation.
TEST_F(Fail, ADispensableNodeGoesAloneOnceItHasBuffers) {
  sysmem::Constraints needs = Camp(2);
  needs.memory = CpuOnly(65536, 65536);
  sysmem::Token root = Root();
  sysmem::Token child = Dup(root);
  SYSMEM_EXPECT_OK(child.SetDispensable());
  sysmem::Collection one = Bind(std::move(root));
  SYSMEM_EXPECT_OK(one.Sync());
  sysmem::Collection two = Bind(std::move(child));
  SYSMEM_EXPECT_OK(one.SetConstraints(needs));
  SYSMEM_EXPECT_OK(two.SetConstraints(needs));
  auto buffers = Wait(one);
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 4u);
  two.Close();
  Settle();
  SYSMEM_EXPECT_OK(one.Sync());
}

}  // namespace
}  // namespace sysmem::testing
