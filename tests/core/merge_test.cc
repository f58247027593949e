// SPDX-License-Identifier: Apache-2.0
//
// Accumulation, field by field (server-behaviour.md 4.5), and RMSL (4.6).
#include "core/merge.h"

#include <gtest/gtest.h>

#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

SanitisedConstraints Merged(std::vector<SanitisedConstraints> all) {
  SanitisedConstraints total = NeutralConstraints();
  for (SanitisedConstraints& one : all) {
    EXPECT_EQ(RuleOf(Merge(total, std::move(one), Limits{})), "");
  }
  return total;
}

SanitisedMemory MergedMemory(const SanitisedMemory& a, const SanitisedMemory& b) {
  return Merged({{.memory = a}, {.memory = b}}).memory;
}

TEST(MergingUsage, OrsEveryKind) {
  const SanitisedConstraints total =
      Merged({{.usage = {.none = 1, .cpu = 1, .vulkan = 2, .display = 1, .video = 8}},
              {.usage = {.none = 2, .cpu = 4, .vulkan = 2, .display = 2, .video = 1}}});
  EXPECT_EQ(total.usage, (BufferUsage{.none = 3, .cpu = 5, .vulkan = 2, .display = 3, .video = 9}));
}

TEST(MergingCounts, AddsCampingAndDedicatedSlackAndTakesTheLargestOfTheRest) {
  SanitisedConstraints a{.min_buffer_count_for_camping = 2,
                         .min_buffer_count_for_dedicated_slack = 1,
                         .min_buffer_count_for_shared_slack = 3,
                         .min_buffer_count = 4,
                         .max_buffer_count = 20};
  SanitisedConstraints b{.min_buffer_count_for_camping = 3,
                         .min_buffer_count_for_dedicated_slack = 2,
                         .min_buffer_count_for_shared_slack = 2,
                         .min_buffer_count = 9,
                         .max_buffer_count = 30};
  const SanitisedConstraints total = Merged({a, b});
  EXPECT_EQ(total.min_buffer_count_for_camping, 5u);
  EXPECT_EQ(total.min_buffer_count_for_dedicated_slack, 3u);
  EXPECT_EQ(total.min_buffer_count_for_shared_slack, 3u);
  EXPECT_EQ(total.min_buffer_count, 9u);
  EXPECT_EQ(total.max_buffer_count, 20u);
}

TEST(HazardAccH3, SumsOfCountsDoNotWrap) {
  Constraints absurd = CpuBytes(kPage);
  absurd.min_buffer_count_for_camping = UINT32_MAX;
  Constraints one_more = CpuBytes(kPage);
  one_more.min_buffer_count_for_camping = 2;  // 32-bit sum: 1
  EXPECT_EQ(RuleOf(Ask({absurd, one_more})), "4.8");
}

TEST(MergingMemory, TakesTheLargestMinimumAndTheSmallestMaximum) {
  const SanitisedMemory memory = MergedMemory({.min_size_bytes = 10, .max_size_bytes = 100},
                                              {.min_size_bytes = 20, .max_size_bytes = 90});
  EXPECT_EQ(memory.min_size_bytes, 20u);
  EXPECT_EQ(memory.max_size_bytes, 90u);
}

TEST(MergingMemory, NeverComesBelowOneByte) { EXPECT_EQ(MergedMemory({}, {}).min_size_bytes, 1u); }

TEST(MergingMemory, OrsDemandsAndAndsDomains) {
  const SanitisedMemory memory =
      MergedMemory({.physically_contiguous_required = true, .cpu_domain_supported = false},
                   {.secure_required = true, .ram_domain_supported = false});
  EXPECT_TRUE(memory.physically_contiguous_required);
  EXPECT_TRUE(memory.secure_required);
  EXPECT_FALSE(memory.cpu_domain_supported);
  EXPECT_FALSE(memory.ram_domain_supported);
  EXPECT_TRUE(memory.inaccessible_domain_supported);
}

TEST(HazardAccH1, AParticipantWithoutPhysicalAlignmentCountsAsOne) {
  const Constraints plain = CpuBytes(kPage);
  Constraints aligned = plain;
  aligned.memory->physically_contiguous_required = true;
  aligned.memory->min_physical_base_alignment = 65536;
  for (const auto& order : {std::vector{plain, aligned}, std::vector{aligned, plain}}) {
    const SanitisedMemory memory = Merged({Sane(order[0]), Sane(order[1])}).memory;
    EXPECT_EQ(memory.min_physical_base_alignment, 65536u);
  }
}

TEST(MergingHeaps, TakesEmptyAsAnyAndIntersectsByTypeAndId) {
  const Heap a0{"a", 0};
  const Heap a1{"a", 1};
  const Heap b0{"b", 0};
  EXPECT_EQ(MergedMemory({}, {.permitted_heaps = {a0}}).permitted_heaps, std::vector{a0});
  EXPECT_EQ(MergedMemory({.permitted_heaps = {a0}}, {}).permitted_heaps, std::vector{a0});
  EXPECT_EQ(MergedMemory({.permitted_heaps = {a0, a1, b0}}, {.permitted_heaps = {b0, a1}})
                .permitted_heaps,
            (std::vector{a1, b0}));
}

TEST(MergingHeaps, FailsWithoutACommonHeap) {
  SanitisedConstraints total{.memory = {.permitted_heaps = {{"a", 0}}}};
  EXPECT_EQ(RuleOf(Merge(total, {.memory = {.permitted_heaps = {{"a", 1}}}}, Limits{})), "4.5");
}

TEST(RuleRmsl, KeepsTheSizesThatNoOtherOneCovers) {
  using Sizes = std::vector<SizeU>;
  EXPECT_EQ(LargestSizes({}), Sizes{});
  EXPECT_EQ(LargestSizes({{5, 5}, {5, 5}}), (Sizes{{5, 5}}));
  EXPECT_EQ(LargestSizes({{1, 9}, {9, 1}, {5, 5}, {5, 4}, {4, 5}}),
            (Sizes{{1, 9}, {9, 1}, {5, 5}}));
  EXPECT_EQ(LargestSizes({{5, 5}, {6, 6}, {4, 6}}), (Sizes{{6, 6}}));
}

TEST(RuleRmsl, AppendsTheDeprecatedSizeAndReversesTheOrder) {
  SanitisedImageFormat format;
  format.required_max_size = {20, 2};
  format.required_max_size_list = {{1, 30}, {10, 10}, {5, 5}};
  SanitisedConstraints total{.image_formats = {format}};
  EXPECT_EQ(RuleOf(ReduceRequiredSizes(total, Limits{})), "");
  const std::vector<SizeU> expected = {{20, 2}, {10, 10}, {1, 30}};
  EXPECT_EQ(total.image_formats[0].required_max_size_list, expected);
  EXPECT_EQ(total.image_formats[0].required_max_size, (SizeU{20, 2}));
}

TEST(RuleRmsl, IgnoresADeprecatedSizeWithoutWidthOrHeight) {
  SanitisedImageFormat format;
  format.required_max_size = {20, 0};
  SanitisedConstraints total{.image_formats = {format}};
  EXPECT_EQ(RuleOf(ReduceRequiredSizes(total, Limits{})), "");
  EXPECT_TRUE(total.image_formats[0].required_max_size_list.empty());
}

// Walking from the back as RMSL words it, to hold the faster way against.
std::vector<SizeU> WalkFromTheBack(std::vector<SizeU> left) {
  std::vector<SizeU> kept;
  const auto covers = [](const SizeU& a, const SizeU& b) {
    return a.width >= b.width && a.height >= b.height;
  };
  while (!left.empty()) {
    const SizeU candidate = left.back();
    left.pop_back();
    bool covered = false;
    for (const SizeU& other : left) covered = covered || covers(other, candidate);
    for (const SizeU& other : kept) covered = covered || covers(other, candidate);
    if (!covered) kept.push_back(candidate);
  }
  return kept;
}

TEST(RuleRmsl, AgreesWithTheWalkFromTheBackOnEveryShortList) {
  for (unsigned code = 0; code < 9 * 9 * 9 * 9; ++code) {
    SanitisedImageFormat format;
    for (unsigned rest = code, i = 0; i < 4; ++i, rest /= 9) {
      format.required_max_size_list.push_back({rest % 9 / 3 + 1, rest % 3 + 1});
    }
    const std::vector<SizeU> expected = WalkFromTheBack(format.required_max_size_list);
    SanitisedConstraints total{.image_formats = {format}};
    ASSERT_EQ(RuleOf(ReduceRequiredSizes(total, Limits{})), "");
    ASSERT_EQ(total.image_formats[0].required_max_size_list, expected) << code;
  }
}

TEST(RuleRmsl, FailsWhenMoreThan64SizesAreLeft) {
  SanitisedImageFormat format;
  for (uint32_t i = 1; i <= 64; ++i) format.required_max_size_list.push_back({i, 100 - i});
  SanitisedConstraints total{.image_formats = {format}};
  EXPECT_EQ(RuleOf(ReduceRequiredSizes(total, Limits{})), "");
  format.required_max_size_list.push_back({65, 35});
  total.image_formats = {format};
  EXPECT_EQ(RuleOf(ReduceRequiredSizes(total, Limits{})), "RMSL");
}

}  // namespace
}  // namespace sysmem::core
