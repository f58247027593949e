// SPDX-License-Identifier: Apache-2.0
//
// How big a buffer becomes (server-behaviour.md 4.9, 4.10).
#include <gtest/gtest.h>

#include "core/plan_buffers.h"
#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

SanitisedImageFormat FormatFor(const ImageFormatConstraints& image) { return SaneImage(image); }

std::string RuleFor(const SanitisedImageFormat& format, const SanitisedMemory& memory = {},
                    const Limits& limits = {}) {
  return RuleOf(SizeBuffers(memory, &format, 1, limits));
}

uint64_t SizeFor(const SanitisedImageFormat& format, const SanitisedMemory& memory = {}) {
  const auto sizes = SizeBuffers(memory, &format, 1, Limits{});
  EXPECT_TRUE(sizes.ok()) << RuleOf(sizes);
  return sizes.ok() ? sizes.value().size_bytes : 0;
}

TEST(BufferSize, IsTheMinimumForBuffersWithoutImages) {
  const auto sizes = SizeBuffers({.min_size_bytes = 5000}, nullptr, 1, Limits{});
  ASSERT_TRUE(sizes.ok());
  EXPECT_EQ(sizes.value().size_bytes, 5000u);
  EXPECT_EQ(sizes.value().raw_vmo_size, 8192u);
}

TEST(BufferSize, HoldsTheSmallestImageWhenNoSizeIsRequired) {
  ImageFormatConstraints image = Nv12();
  image.min_size = {256, 256};
  EXPECT_EQ(SizeFor(FormatFor(image)), 98304u);
  EXPECT_EQ(SizeFor(FormatFor(image), {.min_size_bytes = 100000}), 100000u);
}

TEST(BufferSize, HoldsEachRequiredSizeButNotTheBoxAroundThem) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.required_max_size_list = {{100, 10}, {10, 101}};
  EXPECT_EQ(SizeFor(FormatFor(image)), 1010u);
}

TEST(BufferSize, HoldsTheSmallestPermittedImageAtLeast) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.min_size = {50, 50};
  image.required_max_size_list = {{100, 10}};
  EXPECT_EQ(SizeFor(FormatFor(image)), 5000u);  // 100 wide, 50 high
}

TEST(BufferSize, AlignsSizesAndRows) {
  ImageFormatConstraints image = Rgba();
  image.required_max_size_list = {{33, 17}};
  image.size_alignment = {8, 16};
  image.bytes_per_row_divisor = 64;
  EXPECT_EQ(SizeFor(FormatFor(image)), 192u * 32u);  // 40 x 4 = 160, rows of 192
}

TEST(BufferSize, FailsWhenAnAlignedSizeDoesNotFit32Bits) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.required_max_size_list = {{UINT32_MAX, 1}};
  image.size_alignment = {2, 1};
  EXPECT_EQ(RuleFor(FormatFor(image)), "4.9");
}

TEST(BufferSize, FailsWhenRowsExceedTheirLimitOr32Bits) {
  ImageFormatConstraints image = Rgba();
  image.required_max_size_list = {{17, 1}};
  image.max_bytes_per_row = 67;
  EXPECT_EQ(RuleFor(FormatFor(image)), "4.9");
  image.max_bytes_per_row = 68;
  EXPECT_EQ(RuleFor(FormatFor(image)), "");
  image.max_bytes_per_row.reset();
  image.required_max_size_list = {{0x40000000, 1}};
  EXPECT_EQ(RuleFor(FormatFor(image)), "4.9");
}

TEST(BufferSize, FailsWithMorePixelsThanPermittedOrThan32Bits) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.required_max_size_list = {{10, 10}};
  image.max_width_times_height = 99;
  EXPECT_EQ(RuleFor(FormatFor(image)), "4.9");
  image.max_width_times_height = 100;
  EXPECT_EQ(RuleFor(FormatFor(image)), "");
  image.max_width_times_height.reset();
  const Limits boundless{.buffer_bytes = UINT64_MAX, .collection_bytes = UINT64_MAX};
  image.required_max_size_list = {{65537, 65535}};  // exactly 2^32 - 1
  EXPECT_EQ(RuleFor(FormatFor(image), {}, boundless), "");
  image.required_max_size_list = {{65536, 65536}};
  EXPECT_EQ(RuleFor(FormatFor(image), {}, boundless), "4.9");
}

TEST(BufferSize, FailsWhenTheImageExceedsMaxSizeBytes) {
  ImageFormatConstraints image = Nv12();
  image.min_size = {256, 256};
  EXPECT_EQ(RuleFor(FormatFor(image), {.max_size_bytes = 98304}), "");
  EXPECT_EQ(RuleFor(FormatFor(image), {.max_size_bytes = 98303}), "4.9");
}

TEST(RuleSize1, ComparesTheMaximumWithTheSizeBeforeItIsRoundedToPages) {
  const auto sizes =
      SizeBuffers({.min_size_bytes = 4097, .max_size_bytes = 4097}, nullptr, 1, Limits{});
  ASSERT_TRUE(sizes.ok());
  EXPECT_EQ(sizes.value().raw_vmo_size, 8192u);
}

TEST(SizeLimits, HoldExactly256MiBPerBufferAndOneGiBPerCollection) {
  const auto rule = [](uint64_t bytes, uint32_t count) {
    return RuleOf(SizeBuffers({.min_size_bytes = bytes}, nullptr, count, Limits{}));
  };
  EXPECT_EQ(rule(256 * kMiB, 4), "");
  EXPECT_EQ(rule(256 * kMiB + 1, 1), "4.9");
  EXPECT_EQ(rule(256 * kMiB, 5), "4.9");
  EXPECT_EQ(rule(8 * kMiB, 128), "");
  EXPECT_EQ(rule(8 * kMiB + 1, 128), "4.9");
}

TEST(HazardSizeH1, HugeSizesFailInsteadOfWrapping) {
  for (uint64_t bytes : {uint64_t{1} << 32, (uint64_t{1} << 32) + 1, UINT64_MAX - 1, UINT64_MAX}) {
    EXPECT_EQ(RuleOf(SizeBuffers({.min_size_bytes = bytes}, nullptr, 128, Limits{})), "4.9");
  }
}

TEST(SizeLimits, CompareTheAllocationLimitWithTheSizeWithoutPadding) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.min_size = {64, 64};
  image.pad_beyond_image_size_bytes = 4096;
  EXPECT_EQ(RuleFor(FormatFor(image), {}, {.allocation_bytes = 4096}), "");
  EXPECT_EQ(RuleFor(FormatFor(image), {}, {.allocation_bytes = 4095}), "4.9");
}

TEST(RulePad1, FailsWhenBlocksReachBeyondMaxSizeBytes) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.min_size = {64, 61};
  image.max_size = {64, 61};
  image.pad_for_block_size = {1, 4};
  EXPECT_EQ(RuleFor(FormatFor(image), {.max_size_bytes = 64 * 64}), "");
  EXPECT_EQ(RuleFor(FormatFor(image), {.max_size_bytes = 64 * 64 - 1}), "PAD-1");
}

TEST(RulePad2, AddsToTheSizeAndOverlapsWithTheBlocks) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.min_size = {64, 61};
  image.max_size = {64, 61};
  image.pad_for_block_size = {1, 4};  // adds three rows: 192 bytes
  image.pad_beyond_image_size_bytes = 100;
  const auto format = FormatFor(image);
  EXPECT_EQ(SizeBuffers({}, &format, 1, {.page_bytes = 1}).value().raw_vmo_size, 64u * 61 + 192);
  image.pad_beyond_image_size_bytes = 200;
  const auto further = FormatFor(image);
  const auto sizes = SizeBuffers({}, &further, 1, {.page_bytes = 1});
  EXPECT_EQ(sizes.value().raw_vmo_size, 64u * 61 + 200);
  EXPECT_EQ(sizes.value().size_bytes, 64u * 61);
}

TEST(RulePad2, FailsWhereItWouldWrapOrExceedALimit) {
  ImageFormatConstraints image = Image(pixel_format::kR8, {color_space::kSrgb});
  image.min_size = {64, 64};
  image.pad_beyond_image_size_bytes = UINT64_MAX;
  EXPECT_EQ(RuleFor(FormatFor(image)), "PAD-2");
  image.pad_beyond_image_size_bytes = 256 * kMiB;
  EXPECT_EQ(RuleFor(FormatFor(image)), "4.9");
  image.pad_beyond_image_size_bytes = 256 * kMiB - 4096;
  EXPECT_EQ(RuleFor(FormatFor(image)), "");
  EXPECT_EQ(RuleFor(FormatFor(image), {.max_size_bytes = kMiB}), "PAD-2");
}

}  // namespace
}  // namespace sysmem::core
