// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/pool_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sysmem::heaps {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kGiB = uint64_t{1} << 30;

bool IsRefused(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument;
}

// Case POOL-13 (CFG-1)
TEST(PoolOptionsTest, TakesASizeFromATextAndKeepsTheOldOneOtherwise) {
  int64_t size = 7;
  EXPECT_TRUE(OverridePoolSize("pool size", "5", size).ok());
  EXPECT_EQ(size, 5);
  EXPECT_TRUE(OverridePoolSize("pool size", "65537", size).ok());
  EXPECT_EQ(size, 65537);
  EXPECT_TRUE(IsRefused(OverridePoolSize("pool size", "65536a", size)));
  EXPECT_EQ(size, 65537);
  EXPECT_TRUE(OverridePoolSize("pool size", "", size).ok());
  EXPECT_EQ(size, 65537);
  EXPECT_TRUE(IsRefused(OverridePoolSize("pool size", "-100", size)));
  EXPECT_EQ(size, 65537);
  EXPECT_TRUE(OverridePoolSize("pool size", "-99", size).ok());
  EXPECT_EQ(size, -99);
  for (const char* text : {" 5", "5 ", "+5", "0x5", "5.0", "-", "9223372036854775808", "-1e1"}) {
    EXPECT_TRUE(IsRefused(OverridePoolSize("pool size", text, size))) << text;
    EXPECT_EQ(size, -99);
  }
}

TEST(PoolOptionsTest, NamesFieldValueAndRuleOfWhatItRefuses) {
  int64_t size = 0;
  const absl::Status refused = OverridePoolSize("contiguous size", "12\nx", size);
  EXPECT_EQ(refused.message(),
            "contiguous size: \"12\\nx\", expected bytes from 0 up, or percent of memory from -1 "
            "to -99");
  const absl::Status pages = ParseGuardOptions({.pages = "257"}).status();
  EXPECT_EQ(pages.message(), "guard pages: 257, expected 0 to 256");
}

TEST(PoolOptionsTest, PrefersBytesToPercentToTheDefault) {  // 7.1
  EXPECT_EQ(PoolSizeBytes({.bytes = 5000, .percent = 10}, 5, kGiB, kPage), 2 * kPage);
  EXPECT_EQ(PoolSizeBytes({.bytes = -1, .percent = 50}, 5, kGiB, kPage), kGiB / 2);
  EXPECT_EQ(PoolSizeBytes({.percent = 100}, 25, kGiB, kPage), kGiB / 4);
  EXPECT_EQ(PoolSizeBytes({.percent = -1}, 25, kGiB, kPage), kGiB / 4);
  EXPECT_EQ(PoolSizeBytes({}, 0, kGiB, kPage), 0U);
  EXPECT_EQ(PoolSizeBytes({.bytes = 0, .percent = 50}, 5, kGiB, kPage), 0U);
  EXPECT_EQ(PoolSizeBytes({}, 5, kGiB, kPage), (kGiB / 20 / kPage + 1) * kPage);
  EXPECT_EQ(PoolSizeBytes({.bytes = 1}, 5, kGiB, kProtectedPoolUnitBytes), 65536U);
}

TEST(PoolOptionsTest, NeverOverflows) {
  EXPECT_EQ(PoolSizeBytes({.bytes = INT64_MAX}, 5, kGiB, kPage), uint64_t{1} << 63);
  EXPECT_EQ(PoolSizeBytes({.percent = 99}, 5, UINT64_MAX, 1), UINT64_MAX / 100 * 99 + 14);
  EXPECT_EQ(PoolSizeBytes({.bytes = INT64_MAX}, 5, kGiB, uint64_t{1} << 63), uint64_t{1} << 63);
}

TEST(PoolOptionsTest, ReadsANumberAsBytesOrPercent) {
  EXPECT_EQ(PoolSizeBytes(ToPoolSizeSetting(-25), 5, kGiB, kPage), kGiB / 4);
  EXPECT_EQ(PoolSizeBytes(ToPoolSizeSetting(8192), 5, kGiB, kPage), 8192U);
}

// Case POOL-14 (CFG-2, GUARD-1, UNUSED-2)
TEST(PoolOptionsTest, TakesGuardOptionsFromTexts) {
  const GuardOptions defaults = ParseGuardOptions({}).value();
  EXPECT_EQ(defaults, GuardOptions{});
  EXPECT_EQ(defaults.pages, 1U);
  EXPECT_TRUE(defaults.unused);
  EXPECT_EQ(defaults.unused_cycle_seconds, 600U);
  EXPECT_EQ(defaults.unused_period_pages, 128U);
  EXPECT_FALSE(defaults.internal);
  EXPECT_FALSE(defaults.fatal);

  EXPECT_TRUE(ParseGuardOptions({.internal = ""})->internal);
  EXPECT_TRUE(IsRefused(ParseGuardOptions({.pages = "fasfas", .internal = ""}).status()));
  EXPECT_EQ(ParseGuardOptions({.pages = ""})->pages, 1U);
  EXPECT_EQ(ParseGuardOptions({.pages = "2"})->pages, 2U);
  EXPECT_TRUE(ParseGuardOptions({.fatal = "no"})->fatal);
  EXPECT_FALSE(ParseGuardOptions({.unused_disabled = ""})->unused);
  EXPECT_EQ(ParseGuardOptions({.unused_cycle_seconds = "42"})->unused_cycle_seconds, 42U);
}

TEST(PoolOptionsTest, RefusesGuardNumbersOutOfTheirBounds) {
  EXPECT_TRUE(IsRefused(ParseGuardOptions({.unused_cycle_seconds = "0"}).status()));
  EXPECT_TRUE(IsRefused(ParseGuardOptions({.unused_cycle_seconds = "-1"}).status()));
  EXPECT_TRUE(IsRefused(ParseGuardOptions({.pages = "18446744073709551616"}).status()));
  EXPECT_TRUE(IsRefused(CheckGuardOptions({.unused_period_pages = 0})));
  EXPECT_TRUE(CheckGuardOptions({.pages = kMaxGuardPages}).ok());
}

}  // namespace
}  // namespace sysmem::heaps
