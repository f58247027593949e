// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/unused_pages.h"

#include <gtest/gtest.h>

#include <map>

namespace sysmem::heaps {
namespace {

constexpr uint64_t kPage = 4096;

// How each page of a region is treated, by its number.
std::map<uint64_t, UnusedUse> PageByPage(const UnusedPagePlan& plan, Region region) {
  std::map<uint64_t, UnusedUse> pages;
  while (!region.empty()) {
    const UnusedPiece piece = plan.FirstPiece(region);
    EXPECT_EQ(piece.region.begin, region.begin);
    EXPECT_FALSE(piece.region.empty());
    EXPECT_LE(piece.region.end, region.end);
    if (piece.region.empty()) break;
    for (uint64_t at = piece.region.begin; at < piece.region.end; at += kPage) {
      pages[at / kPage] = piece.use;
    }
    region.begin = piece.region.end;
  }
  return pages;
}

TEST(UnusedPagesTest, KeepsTheFirstPageOfEachPeriodAndLoansTheOthers) {  // UNUSED-1
  const UnusedPagePlan plan{.period_pages = 8};
  for (uint64_t begin = 0; begin < 20; ++begin) {
    for (uint64_t end = begin + 1; end < 40; ++end) {
      const auto pages = PageByPage(plan, {.begin = begin * kPage, .end = end * kPage});
      ASSERT_EQ(pages.size(), end - begin);
      for (const auto& [page, use] : pages) {
        ASSERT_EQ(use, page % 8 == 0 ? UnusedUse::kPatterned : UnusedUse::kLoaned);
      }
    }
  }
}

TEST(UnusedPagesTest, PatternsEverythingWhereNothingCanBeLoaned) {
  const Region region{.begin = kPage, .end = 300 * kPage};
  EXPECT_EQ((UnusedPagePlan{.loaning = false}).FirstPiece(region),
            (UnusedPiece{.region = region, .use = UnusedUse::kPatterned}));
}

TEST(UnusedPagesTest, LoansEverythingWhereNothingIsChecked) {
  const Region region{.begin = kPage, .end = 300 * kPage};
  EXPECT_EQ((UnusedPagePlan{.checking = false}).FirstPiece(region),
            (UnusedPiece{.region = region, .use = UnusedUse::kLoaned}));
  EXPECT_EQ((UnusedPagePlan{.checking = false, .loaning = false}).FirstPiece(region),
            (UnusedPiece{.region = region, .use = UnusedUse::kLeft}));
}

TEST(UnusedPagesTest, CutsAPoolIntoSixtyFourPartsThatMissNothing) {  // UNUSED-2
  for (const uint64_t pages :
       {uint64_t{1}, uint64_t{63}, uint64_t{64}, uint64_t{1000}, uint64_t{1} << 50}) {
    uint64_t end = 0;
    for (uint64_t i = 0; i < kCheckSlices; ++i) {
      const Region slice = CheckSlice(pages * kPage, kPage, i);
      EXPECT_EQ(slice.begin, end);
      EXPECT_LE(slice.size(), (pages / kCheckSlices + 1) * kPage);
      end = slice.end;
    }
    EXPECT_EQ(end, pages * kPage);
  }
}

}  // namespace
}  // namespace sysmem::heaps
