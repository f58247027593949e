// SPDX-License-Identifier: Apache-2.0
#include "tools/heap_provider/slices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace sysmem::heap_provider {
namespace {

TEST(Slices, AreTheFirstThatFit) {
  Slices slices(10);
  EXPECT_EQ(slices.Take(4), (Slice{0, 4}));
  EXPECT_EQ(slices.Take(2), (Slice{4, 2}));
  EXPECT_EQ(slices.Take(4), (Slice{6, 4}));
  EXPECT_EQ(slices.Take(1), std::nullopt) << "full";
  slices.GiveBack({0, 4});
  slices.GiveBack({6, 4});
  EXPECT_EQ(slices.Take(5), std::nullopt) << "8 are free, but not in one piece";
  EXPECT_EQ(slices.LargestGap(), 4u);
  EXPECT_EQ(slices.Take(3), (Slice{0, 3}));
  EXPECT_EQ(slices.Take(4), (Slice{6, 4}));
  EXPECT_EQ(slices.taken_bytes(), 9u);
}

TEST(Slices, CannotBeLargerThanThePool) {
  Slices slices(10);
  EXPECT_EQ(slices.Take(11), std::nullopt);
  EXPECT_EQ(slices.Take(UINT64_MAX), std::nullopt);
  EXPECT_EQ(slices.Take(10), (Slice{0, 10}));
}

TEST(Slices, NeverOverlapWhateverComesAndGoes) {
  constexpr uint64_t kPool = 100;
  std::mt19937_64 random(1);
  Slices slices(kPool);
  std::vector<Slice> held;
  std::vector<bool> taken(kPool);
  for (int i = 0; i < 10'000; ++i) {
    if (random() % 2 == 0) {
      const auto slice = slices.Take(1 + random() % 20);
      if (!slice) continue;
      for (uint64_t at = slice->offset; at < slice->offset + slice->size; ++at) {
        ASSERT_FALSE(taken.at(at)) << i;
        taken.at(at) = true;
      }
      held.push_back(*slice);
    } else if (!held.empty()) {
      std::swap(held.at(random() % held.size()), held.back());
      const Slice slice = held.back();
      held.pop_back();
      for (uint64_t at = slice.offset; at < slice.offset + slice.size; ++at) taken.at(at) = false;
      slices.GiveBack(slice);
    }
    ASSERT_EQ(slices.taken_bytes(),
              static_cast<uint64_t>(std::count(taken.begin(), taken.end(), true)));
  }
}

}  // namespace
}  // namespace sysmem::heap_provider
