// SPDX-License-Identifier: Apache-2.0
//
// Conformance cases PAD-4 to PAD-10: the padding function without a server around it.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/checked.h"
#include "core/plan_buffers.h"
#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

constexpr uint64_t kImageBytes = 835200;  // 450 x 450 in rows of 1856
constexpr uint64_t kWholeBlocks = 838912;

// R8G8B8A8 LINEAR in rows that are a multiple of 64 bytes, accessed in blocks of 4 x 4.
SanitisedImageFormat Padded(SizeU min_size, SizeU max_size, SizeU alignment = {1, 1}) {
  SanitisedImageFormat format;
  format.format = kRgbaLinear;
  format.color_spaces = {color_space::kPassthrough};
  format.min_size = min_size;
  format.max_size = max_size;
  format.size_alignment = alignment;
  format.bytes_per_row_divisor = 64;
  format.min_bytes_per_row = 64;
  format.pad_for_block_size = {4, 4};
  return format;
}

uint64_t PaddedBytes(const SanitisedImageFormat& format) {
  return kImageBytes + BlockPaddingBytes(format, kImageBytes).value();
}

TEST(PAD4, APageForThePaddingIsProvided) {
  const uint64_t bytes = PaddedBytes(Padded({450, 450}, {450, 450}));
  EXPECT_EQ(RoundUp<uint64_t>(bytes, 4096), 205u * 4096);
  EXPECT_EQ(RoundUp<uint64_t>(kImageBytes, 4096), 204u * 4096);
}

TEST(PAD5, ASmallestSizeAloneGivesTheExactAnswer) {
  EXPECT_EQ(PaddedBytes(Padded({450, 450}, {0xFFFFFFFE, 0xFFFFFFFF})), kWholeBlocks);
}

TEST(PAD7, AnAlignedHeightLimitsThePaddingToTheImageItself) {
  const uint64_t bytes = PaddedBytes(Padded({1, 1}, {UINT32_MAX, UINT32_MAX}, {1, 2}));
  EXPECT_GT(bytes, kWholeBlocks);
  EXPECT_EQ(bytes, 2 * kImageBytes);
}

TEST(PAD8, ALimitedWidthLimitsThePaddingToAFewRows) {
  EXPECT_EQ(PaddedBytes(Padded({1, 1}, {1800, 0xFFFFFFFF})), 856896u);
}

TEST(RulePad3, ARowLimitCountsLikeAWidth) {
  SanitisedImageFormat format = Padded({1, 1}, {UINT32_MAX - 1, UINT32_MAX});
  format.max_bytes_per_row = 7295;  // whole divisors only: 7232
  EXPECT_EQ(PaddedBytes(format), 856896u);
}

TEST(RulePad3, OnlyWidthsOfTheAlignmentCount) {
  EXPECT_EQ(BlockPaddingBytes(Padded({1, 1}, {1800, 1}, {1000, 1}), kImageBytes), 3u * 4032);
}

TEST(RulePad3, NothingIsAddedWhereNoImageEndsInsideABlock) {
  EXPECT_EQ(BlockPaddingBytes(Padded({1, 4}, {1800, 4096}, {1, 4}), kImageBytes), 0u);
}

TEST(RulePad3, TriesTheHeightJustAboveWholeBlocks) {
  // Height 4 fills its block; height 5 does not.
  EXPECT_EQ(BlockPaddingBytes(Padded({1, 4}, {1800, 4}), kImageBytes), 0u);
  EXPECT_EQ(BlockPaddingBytes(Padded({1, 4}, {1800, 5}), kImageBytes), 3u * 7232);
}

TEST(RulePad3, FailsWhereBlocksDoNotFit32Bits) {
  SanitisedImageFormat format = Padded({1, 0xFFFFFFFD}, {1800, UINT32_MAX});
  EXPECT_EQ(BlockPaddingBytes(format, uint64_t{64} << 32), std::nullopt);
}

// One drawn set of bounds with a size that some permitted image takes exactly.
class Draw {
 public:
  explicit Draw(std::mt19937& random) : random_(random) {
    const uint32_t divisor_factor = Pick(1, 23);
    format_.format = kRgbaLinear;
    format_.pad_for_block_size = {Power(), Power()};
    format_.size_alignment = {Power(), Power()};
    format_.bytes_per_row_divisor = 4 * format_.pad_for_block_size.width * divisor_factor;
    format_.min_bytes_per_row = format_.bytes_per_row_divisor;
    for (uint32_t SizeU::*side : {&SizeU::width, &SizeU::height}) {
      const uint32_t alignment = format_.size_alignment.*side;
      const uint32_t low = Pick(1, 16384 / alignment);
      const uint32_t high = Pick(low, 16384 / alignment);
      format_.min_size.*side = low * alignment;
      format_.max_size.*side = high * alignment;
      full_.*side = Pick(low, high) * alignment;
    }
    if (Pick(0, 1) == 1) format_.max_bytes_per_row = Pick(Row(full_.width), 70000000);
  }

  const SanitisedImageFormat& format() const { return format_; }
  uint64_t size_bytes() const { return uint64_t{Row(full_.width)} * full_.height; }

  // A random permitted image that fits the buffer; empty if none is found at the first try.
  std::optional<SizeU> Probe() {
    const SizeU& step = format_.size_alignment;
    const uint32_t width =
        Pick(format_.min_size.width / step.width, format_.max_size.width / step.width) * step.width;
    const uint64_t fits = size_bytes() / Row(width);
    const uint32_t high = static_cast<uint32_t>(std::min<uint64_t>(fits, format_.max_size.height));
    if (high < format_.min_size.height || Row(width) > format_.max_bytes_per_row) {
      return std::nullopt;
    }
    return SizeU{width,
                 Pick(format_.min_size.height / step.height, high / step.height) * step.height};
  }

  // Where access in whole blocks ends.
  uint64_t BlockEnd(const SizeU& image) const {
    const SizeU& block = format_.pad_for_block_size;
    return uint64_t{Row(*RoundUp(image.width, block.width))} * *RoundUp(image.height, block.height);
  }

 private:
  uint32_t Pick(uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random_);
  }
  uint32_t Power() { return 1u << Pick(1, 12); }
  uint32_t Row(uint32_t width) const {
    return *RoundUp(std::max(4 * width, format_.min_bytes_per_row), format_.bytes_per_row_divisor);
  }

  std::mt19937& random_;
  SanitisedImageFormat format_;
  SizeU full_;
};

TEST(PAD10, NoPermittedImageOutgrowsThePaddedBuffer) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  size_t probes = 0;
  size_t padded_draws = 0;
  while (probes < 100000) {
    Draw draw(random);
    const std::optional<uint64_t> padding = BlockPaddingBytes(draw.format(), draw.size_bytes());
    ASSERT_TRUE(padding.has_value());
    padded_draws += *padding > 0;
    for (int i = 0; i < 80; ++i) {
      const std::optional<SizeU> image = draw.Probe();
      if (!image) continue;
      ++probes;
      ASSERT_LE(draw.BlockEnd(*image), draw.size_bytes() + *padding)
          << image->width << "x" << image->height;
    }
  }
  EXPECT_GT(padded_draws, 0u);
}

}  // namespace
}  // namespace sysmem::core
