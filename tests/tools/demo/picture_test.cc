// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/picture.h"

#include <gtest/gtest.h>

#include <vector>

namespace sysmem::demo {
namespace {

class CropTest : public testing::Test {
 protected:
  PictureView Picture() const {
    return I420View({luma_.data(), u_.data(), v_.data()}, {64, 32, 32}, 48, 40);
  }

  const std::vector<uint8_t> luma_ = std::vector<uint8_t>(64 * 40);
  const std::vector<uint8_t> u_ = std::vector<uint8_t>(32 * 20);
  const std::vector<uint8_t> v_ = std::vector<uint8_t>(32 * 20);
};

TEST_F(CropTest, OfEverythingIsThePictureItself) {
  const auto view = Crop(Picture(), {.x = 0, .y = 0, .width = 48, .height = 40});
  ASSERT_TRUE(view);
  EXPECT_EQ(view->planes[0].data, luma_.data());
  EXPECT_EQ(view->planes[1].width, 24u);
  EXPECT_EQ(view->planes[2].height, 20u);
}

TEST_F(CropTest, HalvesPositionsForChromaAndRoundsItsSizesUp) {
  const auto view = Crop(Picture(), {.x = 4, .y = 6, .width = 33, .height = 21});
  ASSERT_TRUE(view);
  EXPECT_EQ(view->planes[0].data, luma_.data() + 6 * 64 + 4);
  EXPECT_EQ(view->planes[1].data, u_.data() + 3 * 32 + 2);
  EXPECT_EQ(view->planes[2].data, v_.data() + 3 * 32 + 2);
  EXPECT_EQ(view->planes[1].width, 17u);
  EXPECT_EQ(view->planes[1].height, 11u);
  EXPECT_EQ(view->planes[1].stride, 32);
}

TEST_F(CropTest, OutsideOfThePictureOrOfNothingIsRefused) {
  const Rectangle wrong[] = {{.x = 0, .y = 0, .width = 49, .height = 40},
                             {.x = 1, .y = 0, .width = 48, .height = 40},
                             {.x = 0, .y = 40, .width = 1, .height = 1},
                             {.x = 0, .y = 0, .width = 0, .height = 40},
                             {.x = UINT32_MAX, .y = 0, .width = 2, .height = 2},
                             {.x = 2, .y = 2, .width = UINT32_MAX, .height = 2}};
  for (const Rectangle& rectangle : wrong) EXPECT_FALSE(Crop(Picture(), rectangle));
}

}  // namespace
}  // namespace sysmem::demo
