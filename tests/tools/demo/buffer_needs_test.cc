// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/buffer_needs.h"

#include <gtest/gtest.h>

#include <climits>
#include <cstdint>

namespace sysmem::demo {
namespace {

TEST(RowDivisor, CountsChromaDoubleBecauseItsRowsAreHalfAsLong) {
  EXPECT_EQ(RowDivisor({32, 16, 16}), 32u);
  EXPECT_EQ(RowDivisor({32, 32, 32}), 64u);
  EXPECT_EQ(RowDivisor({64, 64, 64}), 128u);
}

TEST(RowDivisor, ServesPlanesOfDifferentAlignment) {
  EXPECT_EQ(RowDivisor({48, 16, 32}), 192u);
  EXPECT_EQ(RowDivisor({3, 5, 7}), 210u);
}

TEST(RowDivisor, IsEvenEvenWhenNobodyAsksForAnything) {
  EXPECT_EQ(RowDivisor({0, 0, 0}), 2u);
  EXPECT_EQ(RowDivisor({1, 1, 1}), 2u);
}

TEST(RowDivisor, IsEmptyWhenItIsNo32BitNumber) {
  EXPECT_EQ(RowDivisor({INT_MAX, INT_MAX - 2, 1}), std::nullopt);
  EXPECT_EQ(RowDivisor({1, INT_MAX, 1}), 2u * INT_MAX);
}

TEST(RoundUpToEven, LeavesEvenNumbersAndRaisesOddOnes) {
  EXPECT_EQ(RoundUpToEven(1), 2u);
  EXPECT_EQ(RoundUpToEven(2), 2u);
  EXPECT_EQ(RoundUpToEven(241), 242u);
  EXPECT_EQ(RoundUpToEven(UINT32_MAX - 1), UINT32_MAX - 1);
}

TEST(RoundUpToEven, IsEmptyForNothingAndForWhatDoesNotFit) {
  EXPECT_EQ(RoundUpToEven(0), std::nullopt);
  EXPECT_EQ(RoundUpToEven(UINT32_MAX), std::nullopt);
}

TEST(MostReferenceFrames, FollowsTheBufferOfAnH264Level) {
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_H264, 31, 1280, 720), 5u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_H264, 40, 1920, 1080), 4u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_H264, 51, 3840, 2160), 5u);
}

TEST(MostReferenceFrames, NeverExceedsSixteenNorFallsBelowOneForH264) {
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_H264, 51, 320, 240), 16u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_H264, 10, 1920, 1080), 1u);
}

TEST(MostReferenceFrames, TakesTheMostWhenTheLevelIsUnknown) {
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_H264, 0, 1280, 720), 16u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_HEVC, -99, 1280, 720), 16u);
}

TEST(MostReferenceFrames, PermitsMoreOfSmallerPicturesInAnH265Level) {
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_HEVC, 120, 2048, 1088), 6u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_HEVC, 120, 1600, 900), 8u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_HEVC, 120, 1280, 720), 12u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_HEVC, 120, 640, 360), 16u);
}

TEST(MostReferenceFrames, KnowsCodecsWhosePicturesStandAlone) {
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_MJPEG, 0, 640, 480), 0u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_MPEG2VIDEO, 0, 640, 480), 2u);
  EXPECT_EQ(MostReferenceFrames(AV_CODEC_ID_VP9, 0, 640, 480), 8u);
}

}  // namespace
}  // namespace sysmem::demo
