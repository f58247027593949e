// SPDX-License-Identifier: Apache-2.0
//
// Method: random calls, played to the allocator and to a list of free regions that is searched from
// its beginning; both must agree on every answer.
#include "heaps/pool/region_allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <random>
#include <utility>

namespace sysmem::heaps {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = 1 << 20;

// First fit as it stands in textbooks.
class Model {
 public:
  explicit Model(Region space) : free_{space} {}

  std::optional<Region> Allocate(uint64_t bytes, uint64_t alignment) {
    for (size_t i = 0; i < free_.size(); ++i) {
      const Region from = free_[i];
      const uint64_t begin = (from.begin + alignment - 1) / alignment * alignment;
      if (begin + bytes > from.end) continue;
      const Region taken{.begin = begin, .end = begin + bytes};
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      Insert({.begin = from.begin, .end = taken.begin});
      Insert({.begin = taken.end, .end = from.end});
      return taken;
    }
    return std::nullopt;
  }

  void Free(Region region) {
    Insert(region);
    for (size_t i = 0; i + 1 < free_.size();) {
      if (free_[i].end == free_[i + 1].begin) {
        free_[i].end = free_[i + 1].end;
        free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      } else {
        ++i;
      }
    }
  }

  FreeSpace Measure() const {
    std::vector<uint64_t> sizes;
    for (const Region& region : free_) sizes.push_back(region.size());
    std::sort(sizes.begin(), sizes.end(), std::greater<>());
    FreeSpace space{.regions = sizes.size()};
    for (size_t i = 0; i < sizes.size(); ++i) {
      space.total_bytes += sizes[i];
      if (i < 10) space.ten_largest_bytes += sizes[i];
      space.largest_bytes = sizes.front();
    }
    return space;
  }

  const std::vector<Region>& free() const { return free_; }

 private:
  void Insert(Region region) {
    if (region.empty()) return;
    const auto at = std::find_if(free_.begin(), free_.end(),
                                 [&](const Region& other) { return other.begin > region.begin; });
    free_.insert(at, region);
  }
  std::vector<Region> free_;
};

std::vector<Region> AllFree(const RegionAllocator& allocator, Region window) {
  std::vector<Region> all;
  while (std::optional<Region> region = allocator.FirstFreeIn(window)) {
    all.push_back(*region);
    window.begin = region->end;
  }
  return all;
}

class RegionAllocatorSeeds : public testing::TestWithParam<uint32_t> {};

TEST_P(RegionAllocatorSeeds, AgreesWithAListSearchedFromItsBeginning) {
  std::mt19937 random(GetParam());
  const auto below = [&](uint64_t bound) { return random() % bound; };
  const Region space{.begin = below(3) * kPage, .end = (512 + below(1024)) * kPage};
  RegionAllocator allocator(space, kPage, kMiB);
  Model model(space);
  std::vector<Region> taken;
  for (int step = 0; step < 4000; ++step) {
    // Fills up, then lives near the brim.
    if (!taken.empty() && below(100) < 48) {
      std::swap(taken[below(taken.size())], taken.back());
      allocator.Free(taken.back());
      model.Free(taken.back());
      taken.pop_back();
    } else {
      const uint64_t bytes = (1 + below(below(10) == 0 ? 200 : 8)) * kPage;
      const uint64_t alignment = below(3) == 0 ? kPage << below(9) : kPage;
      const std::optional<Region> region = allocator.Allocate(bytes, alignment);
      ASSERT_EQ(region, model.Allocate(bytes, alignment)) << "step " << step;
      if (region) taken.push_back(*region);
    }
    ASSERT_EQ(allocator.Measure(), model.Measure()) << "step " << step;
    ASSERT_EQ(allocator.largest_free_bytes(), model.Measure().largest_bytes);
  }
  EXPECT_EQ(AllFree(allocator, space), model.free());
  for (const Region& region : taken) allocator.Free(region);
  EXPECT_EQ(AllFree(allocator, space), std::vector<Region>{space});
}

INSTANTIATE_TEST_SUITE_P(Random, RegionAllocatorSeeds, testing::Range(uint32_t{1}, uint32_t{17}));

TEST(RegionAllocatorTest, TakesTheLowestAddressThatFits) {
  RegionAllocator allocator({.begin = 0, .end = 8 * kPage}, kPage, kPage);
  const Region first = *allocator.Allocate(2 * kPage, kPage);
  const Region second = *allocator.Allocate(kPage, kPage);
  EXPECT_EQ(first, (Region{.begin = 0, .end = 2 * kPage}));
  EXPECT_EQ(second, (Region{.begin = 2 * kPage, .end = 3 * kPage}));
  allocator.Free(first);
  EXPECT_EQ(allocator.Allocate(3 * kPage, kPage)->begin, 3 * kPage);
  EXPECT_EQ(allocator.Allocate(kPage, kPage)->begin, 0U);
}

TEST(RegionAllocatorTest, KeepsWhatLiesBeforeAnAlignedRegionFree) {
  RegionAllocator allocator({.begin = kPage, .end = 4 * kMiB}, kPage, kMiB);
  EXPECT_EQ(allocator.Allocate(kPage, kMiB)->begin, kMiB);
  EXPECT_EQ(allocator.Allocate(kPage, kPage)->begin, kPage);
  EXPECT_EQ(allocator.Allocate(kPage, kMiB)->begin, 2 * kMiB);
}

TEST(RegionAllocatorTest, HasOneAddressForAlignmentsBeyondItsEnd) {
  RegionAllocator allocator({.begin = 0, .end = 3 * kPage}, kPage, uint64_t{1} << 61);
  EXPECT_EQ(allocator.Allocate(kPage, uint64_t{1} << 60)->begin, 0U);
  EXPECT_EQ(allocator.Allocate(kPage, uint64_t{1} << 60), std::nullopt);
}

TEST(RegionAllocatorTest, SumsTheTenLargestInSixtyFourBits) {
  constexpr uint64_t kHuge = uint64_t{1} << 40;
  RegionAllocator allocator({.begin = 0, .end = kHuge}, kPage, kPage);
  EXPECT_EQ(allocator.Measure().ten_largest_bytes, kHuge);
}

TEST(RegionAllocatorTest, ReportsFreeRegionsCutToTheWindow) {
  RegionAllocator allocator({.begin = 0, .end = 8 * kPage}, kPage, kPage);
  const Region low = *allocator.Allocate(2 * kPage, kPage);
  (void)allocator.Allocate(2 * kPage, kPage);
  allocator.Free(low);
  EXPECT_EQ(allocator.FirstFreeIn({.begin = kPage, .end = 3 * kPage}),
            (Region{.begin = kPage, .end = 2 * kPage}));
  EXPECT_EQ(allocator.FirstFreeIn({.begin = 3 * kPage, .end = 6 * kPage}),
            (Region{.begin = 4 * kPage, .end = 6 * kPage}));
  EXPECT_EQ(allocator.FirstFreeIn({.begin = 2 * kPage, .end = 4 * kPage}), std::nullopt);
}

}  // namespace
}  // namespace sysmem::heaps
