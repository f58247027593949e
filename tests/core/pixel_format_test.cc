// SPDX-License-Identifier: Apache-2.0
#include "core/pixel_format.h"

#include <gtest/gtest.h>

#include <set>

#include "core/color_space.h"

namespace sysmem::core {
namespace {

using namespace pixel_format;  // NOLINT(google-build-using-namespace): a table of formats

struct Scalars {
  std::set<uint32_t> formats;
  uint32_t bits;
  uint32_t stride_bytes;
  uint32_t sample_alignment;
  uint32_t min_divisor;
};

// image-formats.md section 6, written as it stands there.
const Scalars kScalars[] = {
    {{kR8G8B8A8, kR8G8B8X8, kB8G8R8A8, kB8G8R8X8, kA2R10G10B10, kA2B10G10R10}, 32, 4, 4, 1},
    {{kB8G8R8, kR8G8B8}, 24, 3, 1, 1},
    {{kI420, kYv12, kM420, kNv12}, 12, 1, 2, 2},
    {{kP010}, 15, 2, 4, 2},
    {{kYuy2}, 16, 2, 2, 2},
    {{kR5G6B5, kR8G8}, 16, 2, 2, 1},
    {{kR3G3B2, kR2G2B2X2, kL8, kR8}, 8, 1, 1, 1},
};

TEST(PixelFormats, HaveTheScalarsOfTheSpecification) {
  size_t seen = 0;
  for (const Scalars& row : kScalars) {
    for (uint32_t number : row.formats) {
      SCOPED_TRACE(PixelFormatName(number));
      const PixelFormatInfo* info = FindPixelFormat(number);
      ASSERT_NE(info, nullptr);
      EXPECT_EQ(info->bits_per_pixel, row.bits);
      EXPECT_EQ(info->stride_bytes_per_pixel, row.stride_bytes);
      EXPECT_EQ(info->sample_alignment, row.sample_alignment);
      EXPECT_EQ(info->min_divisor, row.min_divisor);
      ++seen;
    }
  }
  EXPECT_EQ(seen, 20u);
}

TEST(PixelFormats, FindsEveryNumberOfTheTableAndNoOther) {
  const std::set<uint32_t> known = {1,   101, 102, 103, 104, 105, 106, 107, 108, 109, 110,
                                    111, 112, 113, 114, 115, 116, 117, 118, 119, 120};
  for (uint32_t number = 0; number < 300; ++number) {
    const PixelFormatInfo* info = FindPixelFormat(number);
    EXPECT_EQ(info != nullptr, known.count(number) == 1) << number;
    if (info == nullptr) continue;
    EXPECT_EQ(info->number, number);
  }
  EXPECT_EQ(FindPixelFormat(kDoNotCare), nullptr);
}

TEST(PixelFormats, HaveNamesForPeople) {
  EXPECT_EQ(PixelFormatName(104), "NV12");
  EXPECT_EQ(PixelFormatName(0), "INVALID");
  EXPECT_EQ(PixelFormatName(kDoNotCare), "DO_NOT_CARE");
  EXPECT_EQ(PixelFormatName(77), "77");
  EXPECT_EQ(ModifierName(0), "LINEAR");
  EXPECT_EQ(ModifierName(0x0100000000000001), "INTEL_I915_X_TILED");
  EXPECT_EQ(ModifierName(0x0800000000003071),
            "ARM_AFBC_16X16_SPLIT_BLOCK_SPARSE_YUV_TE_TILED_HEADER");
  EXPECT_EQ(ModifierName(0x0200000000000042), "0x0200000000000042");
  EXPECT_EQ(PairName({104, 0}), "NV12 LINEAR");
  EXPECT_STREQ(FindPixelFormat(kB8G8R8A8)->v1_name, "BGRA32");
  EXPECT_EQ(FindPixelFormat(kP010)->v1_name, nullptr);
}

TEST(PixelFormats, ApplyAlphaToThoseWithAnAOrXChannel) {
  const std::set<uint32_t> with_alpha = {kR8G8B8A8, kR8G8B8X8,    kB8G8R8A8,   kB8G8R8X8,
                                         kR2G2B2X2, kA2R10G10B10, kA2B10G10R10};
  for (uint32_t number = 0; number < 300; ++number) {
    const PixelFormatInfo* info = FindPixelFormat(number);
    if (info == nullptr) continue;
    EXPECT_EQ(info->has_alpha_channel, with_alpha.count(number) == 1) << info->name;
  }
}

using namespace color_space;  // NOLINT(google-build-using-namespace): a table of colour spaces

TEST(ColorSpaces, GoWithTheFormatsOfTheSpecification) {
  const std::set<uint32_t> rgb = {kSrgb};
  const std::set<uint32_t> yuv8 = {kRec601Ntsc, kRec601NtscFullRange, kRec601Pal,
                                   kRec601PalFullRange, kRec709};
  std::set<uint32_t> yuv10 = yuv8;
  yuv10.insert({kRec2020, kRec2100});
  std::set<uint32_t> both = yuv8;
  both.insert(kSrgb);
  for (uint32_t number = 0; number < 300; ++number) {
    const PixelFormatInfo* info = FindPixelFormat(number);
    if (info == nullptr) continue;
    const std::set<uint32_t>& expected = info->color_models == (kModelRgb | kModelYuv) ? both
                                         : number == kP010                             ? yuv10
                                         : info->color_models == kModelYuv             ? yuv8
                                                                                       : rgb;
    for (uint32_t space = 0; space < 20; ++space) {
      if (space == kPassthrough) continue;
      EXPECT_EQ(IsColorSpaceSupported(space, number), expected.count(space) == 1)
          << info->name << " " << ColorSpaceName(space);
    }
  }
}

TEST(ColorSpaces, PassthroughGoesWithAnythingAndWildcardsWithNothing) {
  EXPECT_TRUE(IsColorSpaceSupported(kPassthrough, kNv12));
  EXPECT_TRUE(IsColorSpaceSupported(kPassthrough, 4711));
  EXPECT_FALSE(IsColorSpaceSupported(color_space::kDoNotCare, kNv12));
  EXPECT_FALSE(IsColorSpaceSupported(color_space::kInvalid, kNv12));
  EXPECT_FALSE(IsColorSpaceSupported(kSrgb, 4711));
  EXPECT_FALSE(IsColorSpaceSupported(kSrgb, pixel_format::kDoNotCare));
}

TEST(ColorSpaces, ArePreferredInTheOrderOfRuleC15) {
  const std::vector<uint32_t> order = {kSrgb,
                                       kRec2100,
                                       kRec2020,
                                       kRec709,
                                       kRec601PalFullRange,
                                       kRec601Pal,
                                       kRec601NtscFullRange,
                                       kRec601Ntsc,
                                       kPassthrough};
  for (size_t i = 0; i < order.size(); ++i) {
    const std::vector<uint32_t> rest(order.rbegin(), order.rend() - static_cast<ptrdiff_t>(i));
    EXPECT_EQ(BestColorSpace(rest), order[i]);
  }
}

}  // namespace
}  // namespace sysmem::core
