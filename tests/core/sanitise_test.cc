// SPDX-License-Identifier: Apache-2.0
//
// Rules C, U and M: one participant by itself, and what is checked again for the aggregate.
#include "core/sanitise.h"

#include <gtest/gtest.h>

#include "core/merge.h"
#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

Constraints Uses(BufferUsage usage) {
  Constraints c;
  c.usage = usage;
  return c;
}

Constraints With(BufferUsage usage, MemoryConstraints memory) {
  Constraints c = Uses(usage);
  c.memory = std::move(memory);
  return c;
}

std::string RuleForAll(SanitisedConstraints merged, const Settings& settings = Machine()) {
  return RuleOf(SanitiseAggregate(std::move(merged), settings));
}

// A machine with one secure heap.
Settings SecureMachine() {
  Settings settings = Machine();
  settings.secure_heaps = {{"vendor.SECURE", 0}};
  settings.heaps.push_back(HeapNamed("vendor.SECURE"));
  return settings;
}

TEST(RuleMinSize, CountsEveryWayToAskForASize) {
  EXPECT_FALSE(AsksForSize(Constraints{}));
  EXPECT_TRUE(AsksForSize(CpuBytes(1)));
  EXPECT_FALSE(AsksForSize(CpuBytes(0)));
  ImageFormatConstraints image = Rgba();
  EXPECT_FALSE(AsksForSize(CpuImages({image})));
  image.min_size = {0, 1};
  EXPECT_FALSE(AsksForSize(CpuImages({image})));
  image.min_size = {1, 0};
  EXPECT_FALSE(AsksForSize(CpuImages({image})));
  image.min_size = {1, 1};
  EXPECT_TRUE(AsksForSize(CpuImages({image})));
  image = Rgba();
  image.required_max_size = {1, 1};
  EXPECT_TRUE(AsksForSize(CpuImages({image})));
  image = Rgba();
  image.required_max_size_list = {{0, 5}, {1, 1}};
  EXPECT_TRUE(AsksForSize(CpuImages({image})));
}

TEST(RuleC1, TreatsATableWithoutAnyFieldAsNoneUsage) {
  const SanitisedConstraints sane = Sane(Constraints{});
  EXPECT_EQ(sane.usage, BufferUsage{.none = kNoneUsage});
}

TEST(RuleC3C4, FillsInTheCountsThatAreUnset) {
  const SanitisedConstraints sane = Sane(Uses(CpuReadWrite()));
  EXPECT_EQ(sane.min_buffer_count_for_camping, 0u);
  EXPECT_EQ(sane.min_buffer_count_for_dedicated_slack, 0u);
  EXPECT_EQ(sane.min_buffer_count_for_shared_slack, 0u);
  EXPECT_EQ(sane.min_buffer_count, 0u);
  EXPECT_EQ(sane.max_buffer_count, UINT32_MAX);
}

TEST(RuleC4, RefusesAMaximumOfNoBuffers) {
  Constraints c = Uses(CpuReadWrite());
  c.max_buffer_count = 0;
  EXPECT_EQ(RuleForOne(c), "C4");
}

TEST(RuleC5, RefusesAMinimumAboveTheMaximumOfOneAndOfAll) {
  Constraints c = Uses(CpuReadWrite());
  c.min_buffer_count = 3;
  c.max_buffer_count = 3;
  EXPECT_EQ(RuleForOne(c), "");
  c.max_buffer_count = 2;
  EXPECT_EQ(RuleForOne(c), "C5");

  SanitisedConstraints merged = NeutralConstraints();
  merged.usage = CpuReadWrite();
  merged.min_buffer_count = 3;
  merged.max_buffer_count = 2;
  EXPECT_EQ(RuleForAll(merged), "C5");
}

TEST(RuleC8, RefusesCpuUsageWithoutADomainTheCpuCanUse) {
  MemoryConstraints memory;
  memory.cpu_domain_supported = false;
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "C8");  // M9: RAM is off by default
  memory.ram_domain_supported = true;
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "");
}

TEST(RuleC9, RefusesCpuUsageOfSecureMemory) {
  MemoryConstraints memory;
  memory.secure_required = true;
  memory.inaccessible_domain_supported = true;
  memory.cpu_domain_supported = true;
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory), SecureMachine()), "C9");
}

TEST(RuleC10, RefusesSecureMemoryInADomainTheCpuCanUse) {
  MemoryConstraints memory;
  memory.secure_required = true;
  EXPECT_EQ(RuleForOne(With({.video = 1}, memory), SecureMachine()), "");
  memory.ram_domain_supported = true;
  EXPECT_EQ(RuleForOne(With({.video = 1}, memory), SecureMachine()), "C10");
  memory.ram_domain_supported = false;
  memory.cpu_domain_supported = true;
  EXPECT_EQ(RuleForOne(With({.video = 1}, memory), SecureMachine()), "C10");
}

TEST(RuleU2, RefusesATableWithFieldsButWithoutUsage) {
  Constraints c;
  c.min_buffer_count = 1;
  EXPECT_EQ(RuleForOne(c), "U2");
  c.usage = BufferUsage{};
  EXPECT_EQ(RuleForOne(c), "U2");
  Constraints only_memory;
  only_memory.memory = MemoryConstraints{};
  EXPECT_EQ(RuleForOne(only_memory), "U2");
}

TEST(RuleU3, RefusesNoneBesideAnyOtherUsage) {
  for (const BufferUsage& usage :
       {BufferUsage{.none = 1, .cpu = 1}, BufferUsage{.none = 1, .vulkan = 1},
        BufferUsage{.none = 1, .display = 1}, BufferUsage{.none = 1, .video = 1}}) {
    EXPECT_EQ(RuleForOne(Uses(usage)), "U3");
  }
}

TEST(RuleU4, RefusesPermitAllocationWithoutNone) {
  EXPECT_EQ(RuleForOne(Uses({.none = kNoneUsagePermitAllocation})), "U4");
  EXPECT_EQ(RuleForOne(Uses({.none = kNoneUsage | kNoneUsagePermitAllocation})), "");
}

TEST(RuleU5, RefusesACollectionNobodyUsesUnlessSomebodyPermitsIt) {
  SanitisedConstraints merged = NeutralConstraints();
  merged.usage.none = kNoneUsage;
  EXPECT_EQ(RuleForAll(merged), "U5");
  merged.usage.none = kNoneUsage | kNoneUsagePermitAllocation;
  EXPECT_EQ(RuleForAll(merged), "");
  merged.usage = {.none = kNoneUsage, .display = 1};
  EXPECT_EQ(RuleForAll(merged), "");
}

TEST(RuleM1, RefusesAPhysicalAlignmentWithoutContiguity) {
  MemoryConstraints memory{.min_physical_base_alignment = 4096};
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "M1");
  memory.physically_contiguous_required = false;
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "M1");
  memory.physically_contiguous_required = true;
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "");
}

TEST(RuleM2, RefusesAPhysicalAlignmentThatIsNoPowerOfTwo) {
  MemoryConstraints memory{.physically_contiguous_required = true};
  for (uint64_t alignment : {uint64_t{0}, uint64_t{3}, (uint64_t{1} << 40) + 1}) {
    memory.min_physical_base_alignment = alignment;
    EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "M2") << alignment;
  }
}

TEST(RulesM3ToM7, FillInWhatIsUnset) {
  EXPECT_EQ(Sane(With({.video = 1}, {})).memory, SanitisedMemory{});
  EXPECT_EQ(Sane(Uses({.video = 1})).memory, SanitisedMemory{});
}

TEST(RulesM8ToM10, DeriveTheDomainsFromUsageAndSecurity) {
  struct Row {
    bool uses_cpu, secure, cpu, ram, inaccessible;
  };
  for (const Row& row : {Row{false, false, true, true, true}, Row{true, false, true, false, false},
                         Row{false, true, false, false, true}}) {
    const BufferUsage usage = row.uses_cpu ? CpuReadWrite() : BufferUsage{.vulkan = 1};
    const SanitisedMemory memory =
        Sane(With(usage, {.secure_required = row.secure}), SecureMachine()).memory;
    EXPECT_EQ(memory.cpu_domain_supported, row.cpu);
    EXPECT_EQ(memory.ram_domain_supported, row.ram);
    EXPECT_EQ(memory.inaccessible_domain_supported, row.inaccessible);
  }
}

TEST(RulesM8ToM10, LetWhatWasSentWinOverTheDefault) {
  const SanitisedMemory memory = Sane(With(CpuReadWrite(), {.cpu_domain_supported = false,
                                                            .ram_domain_supported = true,
                                                            .inaccessible_domain_supported = true}))
                                     .memory;
  EXPECT_FALSE(memory.cpu_domain_supported);
  EXPECT_TRUE(memory.ram_domain_supported);
  EXPECT_TRUE(memory.inaccessible_domain_supported);
}

TEST(RuleM11, RefusesAnEmptyListOfHeaps) {
  MemoryConstraints memory;
  memory.permitted_heaps.emplace();
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "M11");
}

TEST(RulesM12M13, NeedATypeForEachHeapAndTakeAMissingIdAsZero) {
  MemoryConstraints memory;
  memory.permitted_heaps = {{{.type = kHeapSystemRam}, {.type = "other", .id = 7}}};
  const std::vector<Heap> heaps = {{kHeapSystemRam, 0}, {"other", 7}};
  EXPECT_EQ(Sane(With(CpuReadWrite(), memory)).memory.permitted_heaps, heaps);
  memory.permitted_heaps->push_back({.id = 1});
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), memory)), "M12");
}

TEST(RuleM14, RefusesAMinimumSizeAboveTheMaximumOfOneAndOfAll) {
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), CpuOnly(8, 8))), "");
  EXPECT_EQ(RuleForOne(With(CpuReadWrite(), CpuOnly(9, 8))), "M14");
  SanitisedConstraints merged = NeutralConstraints();
  merged.usage = CpuReadWrite();
  merged.memory.min_size_bytes = 9;
  merged.memory.max_size_bytes = 8;
  EXPECT_EQ(RuleForAll(merged), "M14");
}

TEST(RuleM15, RefusesSecureMemoryOnAMachineThatHasNone) {
  EXPECT_EQ(RuleForOne(With({.video = 1}, {.secure_required = true})), "M15");
}

TEST(RuleM15, NeedsTheInaccessibleDomainAndAPermittedSecureHeap) {
  MemoryConstraints memory{.secure_required = true, .inaccessible_domain_supported = false};
  EXPECT_EQ(RuleForOne(With({.video = 1}, memory), SecureMachine()), "M15");
  memory.inaccessible_domain_supported = true;
  memory.permitted_heaps = {{{.type = kHeapSystemRam}}};
  EXPECT_EQ(RuleForOne(With({.video = 1}, memory), SecureMachine()), "M15");
  memory.permitted_heaps->push_back({.type = "vendor.SECURE"});
  EXPECT_EQ(RuleForOne(With({.video = 1}, memory), SecureMachine()), "");
}

TEST(RuleM15, StopsACpuUserAndASecureOneFromMeeting) {
  const Constraints cpu = CpuBytes(kPage);
  const Constraints secure = With({.video = 1}, {.secure_required = true});
  EXPECT_EQ(RuleOf(Ask({cpu, secure}, SecureMachine())), "M15");
  Constraints tolerant = cpu;
  tolerant.memory->inaccessible_domain_supported = true;
  const auto plan = Ask({tolerant, secure}, SecureMachine());
  ASSERT_TRUE(plan.ok()) << plan.failure().message;
  EXPECT_TRUE(plan.value().settings.buffer.is_secure);
  EXPECT_EQ(plan.value().settings.buffer.coherency_domain, CoherencyDomain::kInaccessible);
}

}  // namespace
}  // namespace sysmem::core
