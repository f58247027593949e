// SPDX-License-Identifier: Apache-2.0
//
// The linear rows of image-formats.md section 11, and what is supported at all.
#include "core/image_layout.h"

#include <gtest/gtest.h>

#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

using namespace pixel_format;  // NOLINT(google-build-using-namespace): a table of formats
constexpr std::optional<uint64_t> kNone;

PixelFormatAndModifier Linear(uint32_t format) { return {format, modifier::kLinear}; }

struct Vector {
  uint32_t format;
  SizeU size;
  uint32_t bytes_per_row;
  uint64_t image_size;
  std::optional<uint64_t> plane1;
  std::optional<uint64_t> plane2;
};

const Vector kVectors[] = {
    {kR8G8B8A8, {1920, 1080}, 7680, 8294400, kNone, kNone},
    {kB8G8R8, {1366, 768}, 4100, 3148800, kNone, kNone},
    {kR5G6B5, {1366, 768}, 2732, 2098176, kNone, kNone},
    {kYuy2, {1280, 720}, 2560, 1843200, kNone, kNone},
    {kNv12, {1920, 1080}, 1920, 3110400, 2073600, kNone},
    {kNv12, {1920, 1088}, 2048, 3342336, 2228224, kNone},
    {kP010, {3840, 2160}, 7680, 24883200, 16588800, kNone},
    {kI420, {1920, 1080}, 1920, 3110400, 2073600, 2592000},
    {kYv12, {1920, 1080}, 1920, 3110400, 2073600, 2592000},
    {kI420, {6, 4}, 6, 36, 24, 30},
    {kM420, {640, 480}, 640, 460800, kNone, kNone},
    {kNv12, {3, 3}, 4, 18, 12, kNone},
    {kI420, {5, 5}, 5, 37, 25, 29},
};

TEST(LinearLayout, AgreesWithTheTestVectorsOfTheSpecification) {
  for (const Vector& v : kVectors) {
    const ImageLayout image{Linear(v.format), v.size, v.bytes_per_row};
    SCOPED_TRACE(PairName(image.format) + " " + std::to_string(v.size.width));
    EXPECT_EQ(ImageSize(image), v.image_size);
    EXPECT_EQ(PlaneOffset(image, 0), 0u);
    EXPECT_EQ(PlaneOffset(image, 1), v.plane1);
    EXPECT_EQ(PlaneOffset(image, 2), v.plane2);
    EXPECT_EQ(PlaneOffset(image, 3), kNone);
  }
}

TEST(LinearLayout, ChromaRowsAreWholeForTwoPlanesAndHalfForThree) {
  const ImageLayout nv12{Linear(kNv12), {1920, 1080}, 1920};
  EXPECT_EQ(PlaneRowBytes(nv12, 0), 1920u);
  EXPECT_EQ(PlaneRowBytes(nv12, 1), 1920u);
  EXPECT_EQ(PlaneRowBytes(nv12, 2), std::nullopt);
  const ImageLayout yv12{Linear(kYv12), {1920, 1080}, 1921};
  EXPECT_EQ(PlaneRowBytes(yv12, 0), 1921u);
  EXPECT_EQ(PlaneRowBytes(yv12, 1), 960u);
  EXPECT_EQ(PlaneRowBytes(yv12, 2), 960u);
  EXPECT_EQ(PlaneRowBytes(yv12, 3), std::nullopt);
  const ImageLayout m420{Linear(kM420), {640, 480}, 640};
  EXPECT_EQ(PlaneRowBytes(m420, 0), 640u);
  EXPECT_EQ(PlaneRowBytes(m420, 1), std::nullopt);
  EXPECT_EQ(PlaneRows(nv12, 0), 1080u);
  EXPECT_EQ(PlaneRows(nv12, 1), 540u);
  EXPECT_EQ(PlaneRows(nv12, 2), std::nullopt);
  EXPECT_EQ(PlaneRows(yv12, 2), 540u);
  EXPECT_EQ(PlaneRows(m420, 0), 720u);
}

struct RowVector {
  uint32_t format;
  uint32_t width;
  RowLimits limits;
  std::optional<uint32_t> row;
};

TEST(LinearLayout, MinimumRowBytesAgreeWithTheTestVectorsOfTheSpecification) {
  const RowVector vectors[] = {
      {kB8G8R8, 1366, {.bytes_per_row_divisor = 4}, 4100},
      {kB8G8R8, 1366, {.bytes_per_row_divisor = 12}, 4104},
      {kNv12, 1919, {.size_alignment = {2, 1}, .bytes_per_row_divisor = 64}, 1920},
      {kNv12, 1920, {.min_bytes_per_row = 2000, .bytes_per_row_divisor = 64}, 2048},
      {kR8G8B8A8, 5, {.max_size = {6, kDoNotCare}, .size_alignment = {4, 1}}, 32},
  };
  for (const RowVector& v : vectors) {
    EXPECT_EQ(MinimumRowBytes(Linear(v.format), v.limits, v.width), v.row) << v.width;
  }
}

TEST(LinearLayout, NoRowFitsAWidthOutOfBoundsOrALowerLimit) {
  EXPECT_EQ(MinimumRowBytes(Linear(kNv12), {.min_size = {8, 8}}, 7), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(Linear(kNv12), {.max_size = {8, 8}}, 9), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(Linear(kNv12), {.max_bytes_per_row = 63}, 64), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(Linear(kNv12), {.max_bytes_per_row = 64}, 64), 64u);
}

TEST(LinearLayout, WhatDoesNotFitItsTypeIsEmptyInsteadOfWrapped) {
  EXPECT_EQ(MinimumRowBytes(Linear(kR8G8B8A8), {}, 0x40000000), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(Linear(kR8), {.size_alignment = {2, 1}}, UINT32_MAX), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(Linear(kR8), {.bytes_per_row_divisor = 64}, UINT32_MAX), std::nullopt);
  const ImageLayout huge{Linear(kNv12), {1, UINT32_MAX}, UINT32_MAX};
  EXPECT_EQ(ImageSize(huge), kNone);
  EXPECT_EQ(ImageSize({Linear(kR8), {1, UINT32_MAX}, UINT32_MAX}),
            uint64_t{UINT32_MAX} * UINT32_MAX);
}

TEST(ImageLayouts, SupportTwentyFormatsInLinearAndNothingThatIsAWildcardOrCompressed) {
  int supported = 0;
  for (uint32_t format = 0; format < 300; ++format) supported += IsSupported(Linear(format));
  EXPECT_EQ(supported, 20);
  EXPECT_FALSE(IsSupported(Linear(kInvalid)));
  EXPECT_FALSE(IsSupported(Linear(kMjpeg)));
  EXPECT_FALSE(IsSupported(Linear(kDoNotCare)));
  EXPECT_FALSE(IsSupported({kNv12, modifier::kDoNotCare}));
  EXPECT_FALSE(IsSupported({kNv12, modifier::kInvalid}));
}

TEST(ImageLayouts, AnswerNothingForUnsupportedPairs) {
  const PixelFormatAndModifier pair{kMjpeg, modifier::kLinear};
  EXPECT_EQ(ImageSize({pair, {64, 64}, 64}), kNone);
  EXPECT_EQ(PlaneOffset({pair, {64, 64}, 64}, 0), kNone);
  EXPECT_EQ(PlaneRowBytes({pair, {64, 64}, 64}, 0), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(pair, {}, 64), std::nullopt);
  EXPECT_FALSE(IsNonTiledSinglePlane(pair));
  EXPECT_FALSE(IsCompatibleWithProtectedMemory(pair));
}

TEST(ImageLayouts, SinglePlaneMeansWholePixelsSideBySide) {
  for (uint32_t format : {kI420, kM420, kNv12, kYv12, kP010}) {
    EXPECT_FALSE(IsNonTiledSinglePlane(Linear(format))) << PixelFormatName(format);
  }
  for (uint32_t format : {kR8G8B8A8, kB8G8R8, kYuy2, kL8, kR8G8, kA2B10G10R10, kR8G8B8X8}) {
    EXPECT_TRUE(IsNonTiledSinglePlane(Linear(format))) << PixelFormatName(format);
  }
  EXPECT_TRUE(IsCompatibleWithProtectedMemory(Linear(kNv12)));
}

}  // namespace
}  // namespace sysmem::core
