// SPDX-License-Identifier: Apache-2.0
//
// Layouts against the test vectors of the image format description (its section 11).
#include <gtest/gtest.h>
#include <sysmem/buffers.h>
#include <sysmem/constants.h>

#include <optional>
#include <string>

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

TEST(ImageLayout, ExistsForLinearImagesOnly) {
  Fixture tiled(SYSMEM_PIXEL_FORMAT_R8G8B8A8, 0);
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

}  // namespace
