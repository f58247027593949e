// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/deleted_regions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace sysmem::heaps {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Names(const std::vector<DeletedRegion>& regions) {
  std::vector<std::string> names;
  for (const DeletedRegion& one : regions) names.push_back(one.name);
  return names;
}

TEST(DeletedRegionsTest, NamesTheNewestOwnersFirstAndThoseWhoTouch) {
  DeletedRegions deleted;
  deleted.Add({.region = {.begin = 0, .end = 10}, .deleted_ns = 1, .name = "below"});
  deleted.Add({.region = {.begin = 10, .end = 20}, .deleted_ns = 2, .name = "older"});
  deleted.Add({.region = {.begin = 40, .end = 50}, .deleted_ns = 3, .name = "elsewhere"});
  deleted.Add({.region = {.begin = 12, .end = 14}, .deleted_ns = 4, .name = "newer"});
  EXPECT_THAT(Names(deleted.NewestAround({.begin = 10, .end = 14}, 8)),
              ElementsAre("newer", "older", "below"));
  EXPECT_THAT(Names(deleted.NewestAround({.begin = 10, .end = 14}, 1)), ElementsAre("newer"));
}

TEST(DeletedRegionsTest, EndsItsSearchWhenNobodyWasThere) {  // POOL-H1
  DeletedRegions deleted;
  EXPECT_THAT(deleted.NewestAround({.begin = 0, .end = 10}, 8), IsEmpty());
  for (uint64_t i = 0; i < kDeletedRegionsKept; ++i) {
    deleted.Add({.region = {.begin = 100 + i, .end = 101 + i}, .deleted_ns = 1, .name = "x"});
  }
  EXPECT_THAT(deleted.NewestAround({.begin = 0, .end = 10}, 8), IsEmpty());
}

TEST(DeletedRegionsTest, ForgetsTheOldestOf513) {
  DeletedRegions deleted;
  for (uint64_t i = 0; i <= kDeletedRegionsKept; ++i) {
    deleted.Add({.region = {.begin = 2 * i, .end = 2 * i + 1},
                 .deleted_ns = static_cast<int64_t>(i),
                 .name = absl::StrCat(i)});
  }
  EXPECT_EQ(deleted.size(), kDeletedRegionsKept);
  EXPECT_THAT(deleted.NewestAround({.begin = 0, .end = 1}, 8), IsEmpty());
  EXPECT_THAT(Names(deleted.NewestAround({.begin = 2, .end = 3}, 8)), ElementsAre("1"));
}

TEST(DeletedRegionsTest, JoinsWhatWasDeletedLately) {
  DeletedRegions deleted;
  deleted.Add({.region = {.begin = 50, .end = 60}, .deleted_ns = 5, .name = ""});
  deleted.Add({.region = {.begin = 20, .end = 30}, .deleted_ns = 10, .name = ""});
  deleted.Add({.region = {.begin = 0, .end = 20}, .deleted_ns = 11, .name = ""});
  deleted.Add({.region = {.begin = 25, .end = 28}, .deleted_ns = 12, .name = ""});
  deleted.Add({.region = {.begin = 40, .end = 41}, .deleted_ns = 13, .name = ""});
  EXPECT_THAT(deleted.DeletedAfter(5),
              ElementsAre(Region{.begin = 0, .end = 30}, Region{.begin = 40, .end = 41}));
  EXPECT_THAT(deleted.DeletedAfter(13), IsEmpty());
}

}  // namespace
}  // namespace sysmem::heaps
