// SPDX-License-Identifier: Apache-2.0
//
// Heap, coherency domain, format, count (server-behaviour.md 4.7, 4.8).
#include "core/plan_buffers.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/format_cost.h"
#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;

const Heap kRam{kHeapSystemRam, 0};

Settings MachineWith(std::vector<HeapProperties> more) {
  Settings settings = Machine();
  settings.heaps.insert(settings.heaps.end(), more.begin(), more.end());
  return settings;
}

std::string HeapChosen(const SanitisedMemory& memory, const Settings& settings) {
  const auto heap = ChooseHeap(memory, settings);
  return heap.ok() ? heap.value().heap.type + " " + std::to_string(heap.value().heap.id)
                   : heap.failure().rule;
}

const char kRamName[] = "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM 0";

TEST(RuleHeap1, TakesThePermittedSecureHeapWithTheLowestName) {
  Settings settings = MachineWith({HeapNamed("s.b"), HeapNamed("s.a"), HeapNamed("s.c")});
  settings.secure_heaps = {{"s.c", 0}, {"s.b", 0}, {"s.a", 0}};
  EXPECT_EQ(HeapChosen({.secure_required = true}, settings), "s.a 0");
  EXPECT_EQ(
      HeapChosen({.secure_required = true, .permitted_heaps = {{"s.c", 0}, {"s.b", 0}}}, settings),
      "s.b 0");
  settings.heaps.erase(settings.heaps.begin() + 1);
  EXPECT_EQ(HeapChosen({.secure_required = true, .permitted_heaps = {{"s.b", 0}}}, settings),
            "HEAP-4");
}

TEST(RuleHeap2, PrefersSystemRamWheneverItIsPermittedWhateverTheDomains) {
  HeapProperties ram = HeapNamed(kHeapSystemRam);
  ram.inaccessible_domain = false;
  Settings settings;
  settings.heaps = {HeapNamed("other"), ram};
  EXPECT_EQ(HeapChosen({}, settings), kRamName);
  const SanitisedMemory last{.cpu_domain_supported = false,
                             .ram_domain_supported = false,
                             .permitted_heaps = {{"other", 0}, kRam}};
  EXPECT_EQ(HeapChosen(last, settings), kRamName);
}

TEST(RuleHeap3, TakesTheFirstPermittedHeapThatIsThereAndSharesADomain) {
  HeapProperties cpu_only = HeapNamed("cpu");
  cpu_only.ram_domain = cpu_only.inaccessible_domain = false;
  const Settings settings = MachineWith({HeapNamed("all"), cpu_only});
  const std::vector<Heap> permitted = {{"absent", 0}, {"cpu", 0}, {"all", 0}};
  EXPECT_EQ(HeapChosen({.permitted_heaps = permitted}, settings), "cpu 0");
  EXPECT_EQ(HeapChosen({.cpu_domain_supported = false, .permitted_heaps = permitted}, settings),
            "all 0");
  EXPECT_EQ(HeapChosen({.permitted_heaps = {{"all", 1}, {kHeapSystemRam, 1}}}, settings), "HEAP-3");
}

TEST(RuleHeap4, NeedsARegisteredHeap) { EXPECT_EQ(HeapChosen({}, Settings{}), "HEAP-4"); }

TEST(RuleHeap4, GivesContiguousSystemRamOnlyWhereTheMachineHasIt) {
  const SanitisedMemory contiguous{.physically_contiguous_required = true};
  Settings settings = Machine();
  EXPECT_EQ(HeapChosen(contiguous, settings), "HEAP-4");
  settings.heaps[0].physically_contiguous = true;
  EXPECT_EQ(HeapChosen(contiguous, settings), kRamName);
}

HeapProperties Contiguous(std::string type) {
  HeapProperties heap = HeapNamed(std::move(type));
  heap.physically_contiguous = true;
  return heap;
}

HeapProperties Scattered(std::string type) {
  HeapProperties heap = HeapNamed(std::move(type));
  heap.physically_contiguous = false;
  return heap;
}

TEST(RuleHeap4, LooksForContiguousMemoryElsewhereWhereSystemRamHasNone) {
  const SanitisedMemory contiguous{.physically_contiguous_required = true};
  Settings settings = MachineWith({HeapNamed("a.provider"), Scattered("pages"), Contiguous("cma")});
  EXPECT_EQ(HeapChosen(contiguous, settings), "cma 0");
  EXPECT_EQ(HeapChosen({}, settings), kRamName) << "others are not sent there";
  SanitisedMemory named = contiguous;
  named.permitted_heaps = {{"pages", 0}, kRam, {"cma", 0}};
  EXPECT_EQ(HeapChosen(named, settings), "cma 0");
  settings.secure_heaps = {{"another", 0}, {"cma", 0}};
  EXPECT_EQ(HeapChosen(contiguous, settings), "HEAP-4") << "secure memory is for who requires it";
}

TEST(RuleHeap3, PassesOverHeapsThatAreKnownNotToBeContiguous) {
  SanitisedMemory memory{.physically_contiguous_required = true,
                         .permitted_heaps = {{"pages", 0}, {"a.provider", 0}, {"cma", 0}}};
  Settings settings = MachineWith({Scattered("pages"), HeapNamed("a.provider"), Contiguous("cma")});
  EXPECT_EQ(HeapChosen(memory, settings), "a.provider 0") << "a provider knows best";
  memory.permitted_heaps = {{"pages", 0}};
  EXPECT_EQ(HeapChosen(memory, settings), "HEAP-4");
  memory.physically_contiguous_required = false;
  EXPECT_EQ(HeapChosen(memory, settings), "pages 0");
}

TEST(PreferredHeaps, AreTakenInTheOwnersOrderBeforeSystemRam) {
  Settings settings = MachineWith({HeapNamed("a"), HeapNamed("b")});
  settings.preferred_heaps = {"absent", "b", "a"};
  EXPECT_EQ(HeapChosen({}, settings), "b 0");
  EXPECT_EQ(HeapChosen({.permitted_heaps = {kRam, {"a", 0}, {"b", 0}}}, settings), "b 0");
  EXPECT_EQ(HeapChosen({.permitted_heaps = {kRam, {"a", 0}}}, settings), "a 0");
  EXPECT_EQ(HeapChosen({.permitted_heaps = {kRam}}, settings), kRamName);
}

TEST(PreferredHeaps, ArePassedOverWhereTheyWouldNotDo) {
  HeapProperties cpu_only = HeapNamed("cpu");
  cpu_only.ram_domain = cpu_only.inaccessible_domain = false;
  Settings settings = MachineWith({cpu_only, HeapNamed("safe"), HeapNamed("pages")});
  settings.secure_heaps = {{"safe", 0}};
  settings.preferred_heaps = {"cpu", "safe", "pages"};
  EXPECT_EQ(HeapChosen({.cpu_domain_supported = false}, settings), "pages 0");
  settings.heaps[0].physically_contiguous = true;  // system RAM
  EXPECT_EQ(HeapChosen({.physically_contiguous_required = true}, settings), kRamName);
}

TEST(DeniedHeaps, AreNotTaken) {
  const Settings settings = MachineWith({HeapNamed("a"), HeapNamed("b")});
  SanitisedMemory memory{.permitted_heaps = {{"a", 0}, {"b", 0}}, .denied_heaps = {"a"}};
  EXPECT_EQ(HeapChosen(memory, settings), "b 0");
  memory.denied_heaps = {"a", "b", "c"};
  const auto refused = ChooseHeap(memory, settings);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.failure().rule, "HEAP-ACCESS");
  EXPECT_EQ(refused.failure().denied_heaps, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(HeapChosen({.denied_heaps = {kHeapSystemRam}}, settings), "HEAP-ACCESS");
}

TEST(DeniedHeaps, AreNoExcuseWhereNoHeapWouldDoAnyway) {
  const Settings settings = MachineWith({HeapNamed("a")});
  EXPECT_EQ(HeapChosen({.permitted_heaps = {{"absent", 0}}, .denied_heaps = {"absent"}}, settings),
            "HEAP-3");
}

std::string DomainChosen(const SanitisedConstraints& agreed, const HeapProperties& heap) {
  const auto domain = ChooseCoherencyDomain(agreed, heap);
  if (!domain.ok()) return domain.failure().rule;
  switch (domain.value()) {
    case CoherencyDomain::kCpu:
      return "CPU";
    case CoherencyDomain::kRam:
      return "RAM";
    case CoherencyDomain::kInaccessible:
      return "INACCESSIBLE";
  }
  return "?";
}

TEST(RuleDom1, PrefersRamForDisplaysWithoutAskingTheHeap) {
  HeapProperties heap = HeapNamed("h");
  SanitisedConstraints agreed{.usage = {.cpu = 1, .display = 1}};
  EXPECT_EQ(DomainChosen(agreed, heap), "RAM");
  heap.ram_domain = false;
  EXPECT_EQ(DomainChosen(agreed, heap), "RAM");
  agreed.memory.ram_domain_supported = false;
  EXPECT_EQ(DomainChosen(agreed, heap), "CPU");
}

TEST(RuleDom1, GoesFromCpuOverRamToInaccessible) {
  HeapProperties heap = HeapNamed("h");
  SanitisedConstraints agreed{.usage = {.cpu = 1}};
  EXPECT_EQ(DomainChosen(agreed, heap), "CPU");
  agreed.memory.cpu_domain_supported = false;
  EXPECT_EQ(DomainChosen(agreed, heap), "RAM");
  heap.ram_domain = false;
  EXPECT_EQ(DomainChosen(agreed, heap), "INACCESSIBLE");
  agreed.memory.inaccessible_domain_supported = false;
  EXPECT_EQ(DomainChosen(agreed, heap), "DOM-1");
}

SanitisedImageFormat Of(uint32_t format, uint64_t modifier = modifier::kLinear) {
  SanitisedImageFormat one;
  one.format = {format, modifier};
  return one;
}

TEST(RuleFmt1, TakesTheSmallerNumberAmongEquallyDearFormatsWhateverTheOrder) {
  const std::vector<SanitisedImageFormat> formats = {Of(104), Of(1), Of(101)};
  EXPECT_EQ(BestFormat(formats, {}, {}).format.pixel_format, 1u);
  const std::vector<SanitisedImageFormat> modifiers = {Of(104, 7), Of(104, 3), Of(104, 9)};
  EXPECT_EQ(BestFormat(modifiers, {}, {}).format.modifier, 3u);
}

TEST(RuleFmt1, PrefersACheaperFormatToASmallerNumber) {
  const std::vector<FormatCost> costs = {{.format = kNv12Linear, .cost = 5}};
  EXPECT_EQ(BestFormat({Of(1), Of(104)}, {}, costs).format.pixel_format, 104u);
}

TEST(RulesCost1Cost2, TakeTheEntryThatSharesMostUsageBitsAndOfEqualsTheLater) {
  const BufferUsage usage{.cpu = 3, .video = 1};
  std::vector<FormatCost> costs = {{.format = kNv12Linear, .cost = 1}};
  EXPECT_EQ(CostOf(kNv12Linear, usage, costs), 1);
  costs.push_back({.format = kNv12Linear, .usage = {.cpu = 1, .video = 1}, .cost = 2});
  costs.push_back({.format = kNv12Linear, .usage = {.video = 1}, .cost = 3});
  EXPECT_EQ(CostOf(kNv12Linear, usage, costs), 2);
  costs.push_back({.format = kNv12Linear, .usage = {.cpu = 3}, .cost = 4});
  EXPECT_EQ(CostOf(kNv12Linear, usage, costs), 4);
  costs.push_back({.format = kNv12Linear, .usage = {.cpu = 7, .video = 1}, .cost = 5});
  EXPECT_EQ(CostOf(kNv12Linear, usage, costs), 4);
  costs.push_back({.format = kRgbaLinear, .cost = 6});
  EXPECT_EQ(CostOf(kNv12Linear, usage, costs), 4);
}

TEST(RuleCost2, MakesAFormatWithoutAnEntryTheDearest) {
  EXPECT_EQ(CostOf(kNv12Linear, {}, {}), std::numeric_limits<double>::max());
}

TEST(RuleFmt2, ReportsTheAggregateWithEveryFieldSet) {
  ImageFormatConstraints image = Rgba();
  image.min_size = {60, 40};
  const auto plan = Ask({CpuImages({image})});
  ASSERT_TRUE(plan.ok()) << plan.failure().message;
  const ImageFormatConstraints expected{.pixel_format = pf::kR8G8B8A8,
                                        .pixel_format_modifier = modifier::kLinear,
                                        .pixel_format_and_modifiers = {},
                                        .color_spaces = {color_space::kSrgb},
                                        .min_size = SizeU{60, 40},
                                        .max_size = SizeU{kAllOnes, kAllOnes},
                                        .min_bytes_per_row = 240,
                                        .max_bytes_per_row = kAllOnes,
                                        .max_width_times_height = UINT64_MAX,
                                        .size_alignment = SizeU{1, 1},
                                        .display_rect_alignment = SizeU{1, 1},
                                        .required_min_size = SizeU{kAllOnes, kAllOnes},
                                        .required_max_size = SizeU{0, 0},
                                        .required_max_size_list = {},
                                        .bytes_per_row_divisor = 4,
                                        .start_offset_divisor = 4,
                                        .require_bytes_per_row_at_pixel_boundary = false,
                                        .is_alpha_present = std::nullopt,
                                        .pad_for_block_size = SizeU{1, 1},
                                        .pad_beyond_image_size_bytes = 0};
  EXPECT_EQ(plan.value().settings.image_format, expected);
}

TEST(RuleFmt3, DoesNotTryAnotherFormatWhenTheBestOneIsTooLarge) {
  ImageFormatConstraints large = Rgba();  // number 1: chosen first
  large.min_size = {8, 8};
  ImageFormatConstraints small = Image(pf::kR8, {color_space::kSrgb});
  small.min_size = {8, 8};
  Constraints c = CpuImages({small, large});
  c.memory = CpuOnly(1, 100);
  EXPECT_EQ(RuleOf(Ask({c})), "4.9");
  c.image_formats = {small};
  EXPECT_EQ(RuleOf(Ask({c})), "");
}

std::string CountOf(const SanitisedConstraints& agreed) {
  const auto count = CountBuffers(agreed, Limits{});
  return count.ok() ? std::to_string(count.value()) : count.failure().rule;
}

TEST(BufferCount, IsTheSumOfTheNeedsOrTheMinimumWhicheverIsMore) {
  SanitisedConstraints agreed{.min_buffer_count_for_camping = 3,
                              .min_buffer_count_for_dedicated_slack = 2,
                              .min_buffer_count_for_shared_slack = 1};
  EXPECT_EQ(CountOf(agreed), "6");
  agreed.min_buffer_count = 5;
  EXPECT_EQ(CountOf(agreed), "6");
  agreed.min_buffer_count = 9;
  EXPECT_EQ(CountOf(agreed), "9");
}

TEST(BufferCount, FailsAboveTheMaximumAboveTheLimitAndAtZero) {
  EXPECT_EQ(CountOf({.min_buffer_count = 5, .max_buffer_count = 5}), "5");
  EXPECT_EQ(CountOf({.min_buffer_count_for_camping = 6, .max_buffer_count = 5}), "4.8");
  EXPECT_EQ(CountOf({.min_buffer_count = 128}), "128");
  EXPECT_EQ(CountOf({.min_buffer_count = 129}), "4.8");
  EXPECT_EQ(CountOf({}), "4.8");
  EXPECT_EQ(CountOf({.min_buffer_count_for_camping = 1ull << 32}), "4.8");
}

TEST(RuleBuf1, GivesAPhysicalAlignmentOnlyWithContiguity) {
  Settings settings = Machine();
  settings.heaps[0].physically_contiguous = true;
  Constraints c = CpuBytes(kPage);
  EXPECT_EQ(Ask({c}, settings).value().physical_alignment, std::nullopt);
  c.memory->physically_contiguous_required = true;
  EXPECT_EQ(Ask({c}, settings).value().physical_alignment, 1u);
  c.memory->min_physical_base_alignment = 65536;
  const auto plan = Ask({c}, settings);
  EXPECT_EQ(plan.value().physical_alignment, 65536u);
  EXPECT_TRUE(plan.value().settings.buffer.is_physically_contiguous);
}

}  // namespace
}  // namespace sysmem::core
