// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/even_sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sysmem::demo {
namespace {

std::vector<uint64_t> SampleOf(uint64_t count, size_t wanted) {
  EvenSample<uint64_t> sample(wanted);
  for (uint64_t number = 0; number < count; ++number) {
    if (sample.Wants(number)) sample.Add(number);
  }
  return std::move(sample).Take();
}

TEST(EvenSample, TakesAllOfAFew) {
  EXPECT_EQ(SampleOf(0, 4), (std::vector<uint64_t>{}));
  EXPECT_EQ(SampleOf(3, 4), (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(SampleOf(4, 4), (std::vector<uint64_t>{0, 1, 2, 3}));
}

TEST(EvenSample, TakesExactlyAsManyAsWantedOfMore) {
  for (uint64_t count = 16; count < 3000; ++count) {
    const std::vector<uint64_t> sample = SampleOf(count, 16);
    ASSERT_EQ(sample.size(), 16u) << count;
    EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
    EXPECT_EQ(std::adjacent_find(sample.begin(), sample.end()), sample.end()) << count;
  }
}

TEST(EvenSample, SpreadsThemOverTheWhole) {
  for (uint64_t count : {100u, 300u, 1000u, 100000u}) {
    const std::vector<uint64_t> sample = SampleOf(count, 16);
    EXPECT_EQ(sample.front(), 0u);
    EXPECT_GE(sample.back(), count - count / 8) << count;
    for (size_t i = 1; i < sample.size(); ++i) {
      EXPECT_LE(sample[i] - sample[i - 1], count / 8) << count;
    }
  }
}

TEST(EvenSample, CanBeOfOne) { EXPECT_EQ(SampleOf(1000, 1).size(), 1u); }

}  // namespace
}  // namespace sysmem::demo
