// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/contact_sheet.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace sysmem::demo {
namespace {

Thumbnail Uniform(uint32_t width, uint32_t height, uint8_t value) {
  return {.width = width,
          .height = height,
          .pixels = std::vector<uint8_t>(size_t{width} * height * 3, value)};
}

TEST(ThumbnailSize, KeepsProportionsWithinALongestSide) {
  const Size wide = ThumbnailSize(1280, 720);
  EXPECT_EQ(wide.width, 320u);
  EXPECT_EQ(wide.height, 180u);
  const Size tall = ThumbnailSize(1080, 1920);
  EXPECT_EQ(tall.width, 180u);
  EXPECT_EQ(tall.height, 320u);
}

TEST(ThumbnailSize, LeavesSmallPicturesAndNeverBecomesEmpty) {
  EXPECT_EQ(ThumbnailSize(64, 48).width, 64u);
  EXPECT_EQ(ThumbnailSize(UINT32_MAX, 1).height, 1u);
}

TEST(ArrangeSheet, PutsFourInARowWithGapsAround) {
  const Thumbnail sheet = ArrangeSheet(std::vector<Thumbnail>(16, Uniform(10, 5, 200)));
  EXPECT_EQ(sheet.width, 4 * 16u + 6);
  EXPECT_EQ(sheet.height, 4 * 11u + 6);
  const auto at = [&](size_t x, size_t y) { return sheet.pixels[(y * sheet.width + x) * 3]; };
  EXPECT_EQ(at(6, 6), 200);
  EXPECT_NE(at(5, 6), 200);
  EXPECT_EQ(at(15, 10), 200);
  EXPECT_NE(at(16, 10), 200);
  EXPECT_EQ(at(63, 43), 200);
}

TEST(ArrangeSheet, IsAsNarrowAsTheFewPicturesOfAShortVideo) {
  const Thumbnail sheet = ArrangeSheet({Uniform(10, 5, 200)});
  EXPECT_EQ(sheet.width, 22u);
  EXPECT_EQ(sheet.height, 17u);
}

TEST(EncodePng, WritesAFileThatBeginsAndEndsAsAPngDoes) {
  const Result<std::vector<uint8_t>> png = EncodePng(Uniform(7, 3, 100));
  ASSERT_TRUE(png.ok()) << png.failure().text;
  const std::vector<uint8_t> signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  ASSERT_GT(png->size(), signature.size());
  EXPECT_EQ(std::vector<uint8_t>(png->begin(), png->begin() + 8), signature);
  EXPECT_EQ(std::string(png->end() - 8, png->end() - 4), "IEND");
}

TEST(ThumbnailMaker, ShowsGreyAsGreyWithTheRangeOfItsColourSpace) {
  const std::vector<uint8_t> luma(64 * 64, 235);
  const std::vector<uint8_t> chroma(32 * 32, 128);
  const PictureView picture =
      I420View({luma.data(), chroma.data(), chroma.data()}, {64, 32, 32}, 64, 64);
  Result<Thumbnail> limited = ThumbnailMaker(SYSMEM_COLOR_SPACE_REC709).Make(picture);
  Result<Thumbnail> full = ThumbnailMaker(SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE).Make(picture);
  ASSERT_TRUE(limited.ok() && full.ok());
  EXPECT_NEAR(limited->pixels[1], 255, 1);
  EXPECT_NEAR(full->pixels[1], 235, 1);
}

}  // namespace
}  // namespace sysmem::demo
