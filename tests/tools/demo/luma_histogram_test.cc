// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/luma_histogram.h"

#include <gtest/gtest.h>

#include <vector>

namespace sysmem::demo {
namespace {

TEST(LumaHistogram, CountsEveryVisibleByteAndNoPadding) {
  const std::vector<uint8_t> bytes = {1, 2, 3, 99,  //
                                      3, 3, 3, 99};
  LumaHistogram histogram;
  histogram.Add({.data = bytes.data(), .stride = 4, .width = 3, .height = 2});
  EXPECT_EQ(histogram.total(), 6u);
  EXPECT_EQ(histogram.count(1), 1u);
  EXPECT_EQ(histogram.count(3), 4u);
  EXPECT_EQ(histogram.count(99), 0u);
  EXPECT_EQ(histogram.Darkest(), 1);
  EXPECT_EQ(histogram.Brightest(), 3);
  EXPECT_DOUBLE_EQ(histogram.Mean(), 2.5);
}

TEST(LumaHistogram, AddsUpOverFrames) {
  const std::vector<uint8_t> dark(10, 16);
  const std::vector<uint8_t> bright(10, 235);
  LumaHistogram histogram;
  histogram.Add({.data = dark.data(), .stride = 10, .width = 10, .height = 1});
  histogram.Add({.data = bright.data(), .stride = 1, .width = 1, .height = 10});
  EXPECT_EQ(histogram.total(), 20u);
  EXPECT_DOUBLE_EQ(histogram.Mean(), 125.5);
}

TEST(LumaHistogram, DrawsWhatOccursAndLeavesOutWhatDoesNot) {
  std::vector<uint8_t> bytes(1000, 255);
  bytes[0] = 0;
  LumaHistogram histogram;
  histogram.Add({.data = bytes.data(), .stride = 1000, .width = 1000, .height = 1});
  EXPECT_EQ(histogram.Draw(4), "▁  █");
}

TEST(LumaHistogram, OfNothingIsBlank) {
  const LumaHistogram histogram;
  EXPECT_EQ(histogram.Draw(2), "  ");
  EXPECT_EQ(histogram.Mean(), 0);
}

}  // namespace
}  // namespace sysmem::demo
