// SPDX-License-Identifier: Apache-2.0
#include "core/checked.h"

#include <gtest/gtest.h>

namespace sysmem::core {
namespace {

TEST(CheckedArithmetic, SaysWhenASumOrAProductDoesNotFit) {
  EXPECT_EQ(CheckedAdd<uint32_t>(UINT32_MAX - 1, 1), UINT32_MAX);
  EXPECT_EQ(CheckedAdd<uint32_t>(UINT32_MAX, 1), std::nullopt);
  EXPECT_EQ(CheckedMul<uint32_t>(65536, 65535), 65536u * 65535u);
  EXPECT_EQ(CheckedMul<uint32_t>(65536, 65536), std::nullopt);
  EXPECT_EQ(CheckedMul<uint64_t>(1ull << 63, 2), std::nullopt);
}

TEST(CheckedArithmetic, RoundsToMultiplesThatAreNoPowersOfTwo) {
  EXPECT_EQ(RoundUp<uint32_t>(0, 12), 0u);
  EXPECT_EQ(RoundUp<uint32_t>(1, 12), 12u);
  EXPECT_EQ(RoundUp<uint32_t>(24, 12), 24u);
  EXPECT_EQ(RoundDown<uint32_t>(35, 12), 24u);
}

TEST(CheckedArithmetic, RoundingUpNearTheTopDoesNotWrap) {
  EXPECT_EQ(RoundUp<uint32_t>(UINT32_MAX, 2), std::nullopt);
  EXPECT_EQ(RoundUp<uint32_t>(UINT32_MAX, 1), UINT32_MAX);
  EXPECT_EQ(RoundUp<uint64_t>(UINT64_MAX, 4096), std::nullopt);
}

TEST(CheckedArithmetic, LeastCommonMultipleMustFit32Bits) {
  EXPECT_EQ(CheckedLcm(6, 8), 24u);
  EXPECT_EQ(CheckedLcm(1, UINT32_MAX), UINT32_MAX);
  EXPECT_EQ(CheckedLcm(65537, 65536 * 2), std::nullopt);
}

TEST(CheckedArithmetic, ZeroIsNoPowerOfTwo) {
  EXPECT_FALSE(IsPowerOfTwo(0u));
  EXPECT_TRUE(IsPowerOfTwo(1u));
  EXPECT_TRUE(IsPowerOfTwo(1ull << 63));
  EXPECT_FALSE(IsPowerOfTwo(96u));
}

}  // namespace
}  // namespace sysmem::core
