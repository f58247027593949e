// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/guard_pattern.h"

#include <gtest/gtest.h>

#include <vector>

namespace sysmem::heaps {
namespace {

std::vector<uint8_t> Pattern(size_t bytes) {
  std::vector<uint8_t> block(bytes);
  WritePattern(block);
  return block;
}

TEST(GuardPatternTest, CountsFromOneAndBeginsAnewEvery256Bytes) {  // GUARD-2
  const std::vector<uint8_t> block = Pattern(8192);
  for (size_t i = 0; i < block.size(); ++i) ASSERT_EQ(block[i], (i + 1) % 256) << i;
  EXPECT_EQ(FindDamage(block), std::nullopt);
}

TEST(GuardPatternTest, FindsTheFirstAndTheLastBadByteWhereverTheyAre) {
  constexpr size_t kBytes = 1024;
  for (const size_t first : {0U, 1U, 255U, 256U, 700U, 1023U}) {
    for (const size_t last : {0U, 1U, 255U, 256U, 700U, 1023U}) {
      if (last < first) continue;
      std::vector<uint8_t> block = Pattern(kBytes);
      block[first] ^= 0x80;
      if (last != first) block[last] ^= 0x01;
      EXPECT_EQ(FindDamage(block), (DamagedBytes{.first = first, .last = last}));
    }
  }
}

TEST(GuardPatternTest, FindsZeroesWhereverThePatternIsNotZeroItself) {
  EXPECT_EQ(FindDamage(std::vector<uint8_t>(512)), (DamagedBytes{.first = 0, .last = 510}));
}

TEST(GuardPatternTest, ShowsBytesAsHexadecimalNumbers) {
  EXPECT_EQ(HexBytes(std::vector<uint8_t>{0, 255, 16}), "00 ff 10");
  EXPECT_EQ(HexPattern(254, 3), "ff 00 01");
  EXPECT_EQ(HexPattern(4096, 2), "01 02");
}

}  // namespace
}  // namespace sysmem::heaps
