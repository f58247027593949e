// SPDX-License-Identifier: Apache-2.0
//
// Layouts against the test vectors of the image format description (its section 11).
#include <gtest/gtest.h>
#include <sysmem/buffers.h>
#include <sysmem/constants.h>

#include <optional>
#include <string>
#include <vector>

#include "core/color_space.h"
#include "core/pixel_format.h"

namespace {

// Settings without any limit, for a stride of exactly `stride`.
struct Fixture {
  Fixture(uint32_t format, uint32_t stride) {
    image.pixel_format = format;
    image.min_size = {1, 1};
    image.max_size = {UINT32_MAX, UINT32_MAX};
    image.min_bytes_per_row = stride;
    image.max_bytes_per_row = UINT32_MAX;
    image.size_alignment = {1, 1};
    image.bytes_per_row_divisor = 1;
    settings.size_bytes = UINT64_MAX;
    settings.image = &image;
  }
  std::optional<sysmem_image_layout> Layout(uint32_t width, uint32_t height) const {
    sysmem_image_layout layout{};
    const sysmem_status status =
        sysmem_settings_image_layout(&settings, width, height, &layout, nullptr);
    if (status == SYSMEM_OK) return layout;
    EXPECT_EQ(status, SYSMEM_INVALID_ARGUMENT);
    return std::nullopt;
  }
  sysmem_image_settings image{};
  sysmem_settings settings{};
};

struct Vector {
  uint32_t format, width, height, stride;
  uint64_t size, plane1, plane2;  // 0: no such plane
};
constexpr Vector kVectors[] = {
    {SYSMEM_PIXEL_FORMAT_R8G8B8A8, 1920, 1080, 7680, 8294400, 0, 0},
    {SYSMEM_PIXEL_FORMAT_B8G8R8, 1366, 768, 4100, 3148800, 0, 0},
    {SYSMEM_PIXEL_FORMAT_R5G6B5, 1366, 768, 2732, 2098176, 0, 0},
    {SYSMEM_PIXEL_FORMAT_YUY2, 1280, 720, 2560, 1843200, 0, 0},
    {SYSMEM_PIXEL_FORMAT_NV12, 1920, 1080, 1920, 3110400, 2073600, 0},
    {SYSMEM_PIXEL_FORMAT_NV12, 1920, 1088, 2048, 3342336, 2228224, 0},
    {SYSMEM_PIXEL_FORMAT_P010, 3840, 2160, 7680, 24883200, 16588800, 0},
    {SYSMEM_PIXEL_FORMAT_I420, 1920, 1080, 1920, 3110400, 2073600, 2592000},
    {SYSMEM_PIXEL_FORMAT_YV12, 1920, 1080, 1920, 3110400, 2073600, 2592000},
    {SYSMEM_PIXEL_FORMAT_I420, 6, 4, 6, 36, 24, 30},
    {SYSMEM_PIXEL_FORMAT_M420, 640, 480, 640, 460800, 0, 0},
};

TEST(ImageLayout, AgreesWithTheVectorsOfTheDescription) {
  for (const Vector& vector : kVectors) {
    SCOPED_TRACE(std::string(sysmem_pixel_format_name(vector.format)) + " of width " +
                 std::to_string(vector.width));
    const auto layout = Fixture(vector.format, vector.stride).Layout(vector.width, vector.height);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->planes[0].offset, 0u);
    EXPECT_EQ(layout->planes[0].bytes_per_row, vector.stride);
    EXPECT_EQ(layout->size_bytes, vector.size);
    EXPECT_EQ(layout->plane_count, vector.plane2 != 0 ? 3u : vector.plane1 != 0 ? 2u : 1u);
    EXPECT_EQ(layout->planes[1].offset, vector.plane1);
    EXPECT_EQ(layout->planes[2].offset, vector.plane2);
  }
}

TEST(ImageLayout, EndsWhereItsLastPlaneEnds) {
  for (const Vector& vector : kVectors) {
    const auto layout = Fixture(vector.format, vector.stride).Layout(vector.width, vector.height);
    ASSERT_TRUE(layout);
    const sysmem_plane& last = layout->planes[layout->plane_count - 1];
    EXPECT_EQ(last.offset + uint64_t{last.bytes_per_row} * last.row_count, layout->size_bytes)
        << sysmem_pixel_format_name(vector.format);
  }
}

TEST(ImageLayout, TakesTheSmallestStrideThatTheSettingsAllow) {
  const auto stride = [](Fixture fixture, uint32_t width) {
    const auto layout = fixture.Layout(width, 2);
    return layout ? layout->planes[0].bytes_per_row : 0;
  };
  Fixture rgb(SYSMEM_PIXEL_FORMAT_B8G8R8, 0);
  rgb.image.bytes_per_row_divisor = 4;
  EXPECT_EQ(stride(rgb, 1366), 4100u);
  rgb.image.bytes_per_row_divisor = 12;
  EXPECT_EQ(stride(rgb, 1366), 4104u);
  Fixture nv12(SYSMEM_PIXEL_FORMAT_NV12, 2000);
  nv12.image.bytes_per_row_divisor = 64;
  EXPECT_EQ(stride(nv12, 1920), 2048u);
  nv12.image.max_bytes_per_row = 2047;
  EXPECT_EQ(stride(nv12, 1920), 0u) << "there is none";
}

TEST(ImageLayout, RefusesSizesOutsideTheSettings) {
  Fixture fixture(SYSMEM_PIXEL_FORMAT_NV12, 0);
  fixture.image.min_size = {16, 16};
  fixture.image.max_size = {64, 64};
  fixture.image.size_alignment = {2, 2};
  fixture.settings.size_bytes = 64 * 48 * 3 / 2;
  EXPECT_TRUE(fixture.Layout(64, 48));
  EXPECT_FALSE(fixture.Layout(14, 16)) << "below min_size";
  EXPECT_FALSE(fixture.Layout(66, 16)) << "above max_size";
  EXPECT_FALSE(fixture.Layout(33, 16)) << "not aligned";
  EXPECT_FALSE(fixture.Layout(64, 50)) << "larger than the buffer";
}

// One plane of a layout that is not linear: number, offset, stride, rows.
struct Plane {
  uint32_t number;
  uint64_t offset;
  uint32_t bytes_per_row, rows;
};
struct TiledVector {
  uint32_t format;
  uint64_t modifier;
  uint32_t width, height;
  uint64_t size;
  std::vector<Plane> planes;
};

const TiledVector kTiledVectors[] = {
    {SYSMEM_PIXEL_FORMAT_R8G8B8A8,
     SYSMEM_MODIFIER_INTEL_I915_X_TILED,
     1366,
     768,
     4325376,
     {{0, 0, 5632, 768}}},
    {SYSMEM_PIXEL_FORMAT_B8G8R8A8,
     SYSMEM_MODIFIER_INTEL_I915_Y_TILED_CCS,
     1920,
     1080,
     8380416,
     {{0, 0, 7680, 1088}, {3, 8355840, 256, 96}}},
    {SYSMEM_PIXEL_FORMAT_NV12,
     SYSMEM_MODIFIER_INTEL_I915_X_TILED,
     1920,
     1080,
     3325952,
     {{0, 0, 2048, 1080}, {1, 2211840, 2048, 544}}},
    {SYSMEM_PIXEL_FORMAT_R8G8B8A8,
     SYSMEM_MODIFIER_ARM_AFBC_16X16,
     1920,
     1080,
     8486912,
     {{0, 0, 0, 0}}},
    {SYSMEM_PIXEL_FORMAT_R8G8B8A8,
     SYSMEM_MODIFIER_ARM_AFBC_16X16_TE,
     1920,
     1080,
     8552256,
     {{0, 0, 0, 0}, {3, 8486912, 960, 68}}},
    {SYSMEM_PIXEL_FORMAT_I420,
     SYSMEM_MODIFIER_ARM_LINEAR_TE,
     64,
     64,
     6144 + 64 + 64 * 4,
     {{0, 0, 64, 64}, {1, 4096, 32, 32}, {2, 5120, 32, 32}, {3, 6144, 64, 4}}},
};

TEST(ImageLayout, AgreesWithTheVectorsOfTheDescriptionForImagesThatAreNotLinear) {
  for (const TiledVector& vector : kTiledVectors) {
    SCOPED_TRACE(vector.modifier);
    Fixture fixture(vector.format, 0);
    fixture.image.pixel_format_modifier = vector.modifier;
    const auto layout = fixture.Layout(vector.width, vector.height);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->size_bytes, vector.size);
    EXPECT_EQ(layout->plane_count, vector.planes.back().number + 1);
    sysmem_plane expected[SYSMEM_MAX_PLANES] = {};
    for (const Plane& plane : vector.planes) {
      expected[plane.number] = {plane.offset, plane.bytes_per_row, plane.rows};
    }
    for (uint32_t i = 0; i < SYSMEM_MAX_PLANES; ++i) {
      EXPECT_EQ(layout->planes[i].offset, expected[i].offset) << i;
      EXPECT_EQ(layout->planes[i].bytes_per_row, expected[i].bytes_per_row) << i;
      EXPECT_EQ(layout->planes[i].row_count, expected[i].row_count) << i;
    }
  }
}

TEST(ImageLayout, IsUnknownForPairsThatAreNotSupportedAndWhereNobodyKnowsTheRows) {
  Fixture goldfish(SYSMEM_PIXEL_FORMAT_R8G8B8A8, 0);
  goldfish.image.pixel_format_modifier = SYSMEM_MODIFIER_GOOGLE_GOLDFISH_OPTIMAL;
  EXPECT_FALSE(goldfish.Layout(4, 4));
  Fixture tiled(SYSMEM_PIXEL_FORMAT_R5G6B5, 0);
  tiled.image.pixel_format_modifier = SYSMEM_MODIFIER_INTEL_I915_X_TILED;
  EXPECT_FALSE(tiled.Layout(4, 4));
  EXPECT_FALSE(Fixture(SYSMEM_PIXEL_FORMAT_MJPEG, 0).Layout(4, 4));
  EXPECT_FALSE(Fixture(4711, 0).Layout(4, 4)) << "an unknown format";
  Fixture raw(SYSMEM_PIXEL_FORMAT_R8, 0);
  raw.settings.image = nullptr;
  EXPECT_FALSE(raw.Layout(4, 4));
}

TEST(ImageLayout, DoesNotOverflow) {
  const Fixture fixture(SYSMEM_PIXEL_FORMAT_R8G8B8A8, 0);
  EXPECT_FALSE(fixture.Layout(UINT32_MAX, 1)) << "a stride needs more than 32 bits";
  EXPECT_FALSE(Fixture(SYSMEM_PIXEL_FORMAT_NV12, 0).Layout(UINT32_MAX - 1, UINT32_MAX - 1))
      << "an image needs more than 64 bits";
}

TEST(FormatNames, AreKnownForTheFormatsOfTheDescription) {
  EXPECT_STREQ(sysmem_pixel_format_name(SYSMEM_PIXEL_FORMAT_NV12), "NV12");
  EXPECT_STREQ(sysmem_pixel_format_name(5), "UNKNOWN");
  EXPECT_STREQ(sysmem_color_space_name(SYSMEM_COLOR_SPACE_REC709), "REC709");
  EXPECT_STREQ(sysmem_color_space_name(77), "UNKNOWN");
}

// What users write is what the daemon reads.
TEST(Constants, AreTheNumbersOfTheNegotiation) {
  namespace pf = sysmem::core::pixel_format;
  namespace mod = sysmem::core::modifier;
  namespace cs = sysmem::core::color_space;
  EXPECT_EQ(SYSMEM_PIXEL_FORMAT_NV12, pf::kNv12);
  EXPECT_EQ(SYSMEM_PIXEL_FORMAT_B8G8R8X8, pf::kB8G8R8X8);
  EXPECT_EQ(SYSMEM_PIXEL_FORMAT_DO_NOT_CARE, pf::kDoNotCare);
  EXPECT_EQ(SYSMEM_COLOR_SPACE_REC2100, cs::kRec2100);
  EXPECT_EQ(SYSMEM_COLOR_SPACE_DO_NOT_CARE, cs::kDoNotCare);
  const std::pair<uint64_t, uint64_t> modifiers[] = {
      {SYSMEM_MODIFIER_LINEAR, mod::kLinear},
      {SYSMEM_MODIFIER_DO_NOT_CARE, mod::kDoNotCare},
      {SYSMEM_MODIFIER_INTEL_I915_X_TILED, mod::kIntelXTiled},
      {SYSMEM_MODIFIER_INTEL_I915_Y_TILED, mod::kIntelYTiled},
      {SYSMEM_MODIFIER_INTEL_I915_YF_TILED, mod::kIntelYfTiled},
      {SYSMEM_MODIFIER_INTEL_I915_Y_TILED_CCS, mod::kIntelYTiledCcs},
      {SYSMEM_MODIFIER_INTEL_I915_YF_TILED_CCS, mod::kIntelYfTiledCcs},
      {SYSMEM_MODIFIER_ARM_AFBC_16X16, mod::kArmAfbc16x16},
      {SYSMEM_MODIFIER_ARM_AFBC_32X8, mod::kArmAfbc32x8},
      {SYSMEM_MODIFIER_ARM_LINEAR_TE, mod::kArmLinearTe},
      {SYSMEM_MODIFIER_ARM_AFBC_16X16_TE, mod::kArmAfbc16x16Te},
      {SYSMEM_MODIFIER_ARM_AFBC_32X8_TE, mod::kArmAfbc32x8Te},
      {SYSMEM_MODIFIER_ARM_AFBC_16X16_YUV_TILED_HEADER, mod::kArmAfbc16x16YuvTiledHeader},
      {SYSMEM_MODIFIER_ARM_AFBC_16X16_SPLIT_BLOCK_SPARSE_YUV,
       mod::kArmAfbc16x16SplitBlockSparseYuv},
      {SYSMEM_MODIFIER_ARM_AFBC_16X16_SPLIT_BLOCK_SPARSE_YUV_TE,
       mod::kArmAfbc16x16SplitBlockSparseYuvTe},
      {SYSMEM_MODIFIER_ARM_AFBC_16X16_SPLIT_BLOCK_SPARSE_YUV_TILED_HEADER,
       mod::kArmAfbc16x16SplitBlockSparseYuvTiledHeader},
      {SYSMEM_MODIFIER_ARM_AFBC_16X16_SPLIT_BLOCK_SPARSE_YUV_TE_TILED_HEADER,
       mod::kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader},
      {SYSMEM_MODIFIER_GOOGLE_GOLDFISH_OPTIMAL, mod::kGoogleGoldfishOptimal},
  };
  for (const auto& [ours, daemons] : modifiers) EXPECT_EQ(ours, daemons);
}

}  // namespace
