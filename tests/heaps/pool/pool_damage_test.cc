// SPDX-License-Identifier: Apache-2.0
//
// Method: something writes to the pool by address, where it should not; time passes by hand.
#include "heaps/pool/pool_damage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/heaps/pool/pool_fixture.h"

namespace sysmem::heaps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

using PoolDamageTest = PoolTest;

// Case POOL-7 (GUARD-3, GUARD-4)
TEST_F(PoolDamageTest, FindsWhatWasWrittenToTheGuardsAtBothEnds) {
  PoolOptions options = Options();
  options.guards = {.pages = 1, .unused_cycle_seconds = 2};
  Start(options);
  std::unique_ptr<Buffer> buffer = Allocate(kPage);
  RunSeconds(6);
  EXPECT_EQ(Failures(), 0U);
  WriteByte(1);
  WriteByte(options.size_bytes - 1);
  const uint64_t region = OffsetOf(*buffer);  // without internal guards it begins with the buffer
  WriteByte(region + 1);
  WriteByte(region + 3 * kPage - 1);
  RunSeconds(6);
  EXPECT_EQ(Failures(), 2U);
  EXPECT_EQ(pool_->ReadFigures().last_failed_guard_region_check_timestamp_ns, 1010 * kSecond);
  buffer.reset();
  EXPECT_EQ(Failures(), 2U);
}

TEST_F(PoolDamageTest, NamesTheGuardItsBytesAndWhatShouldStandThere) {  // GUARD-5
  PoolOptions options = Options();
  options.guards = {.pages = 1};
  Start(options);
  WriteBytes(16, std::vector<uint8_t>(20, 0xab));
  RunSeconds(6);
  ASSERT_THAT(complaints_, SizeIs(1));
  EXPECT_EQ(complaints_[0].severity, Severity::kError);
  EXPECT_EQ(complaints_[0].text,
            "pool \"test-pool\": somebody wrote to the guard at the beginning of the pool, byte 16 "
            "to 35 of it (physical 0x10000000010 to 0x10000000023): found ab ab ab ab ab ab ab ab "
            "ab ab ab ab ab ab ab ab, expected 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20; "
            "nobody is known to have had this place lately");
}

TEST_F(PoolDamageTest, LooksAtInternalGuardsEveryFiveSecondsAndLeavesThemAsTheyAre) {  // GUARD-4
  PoolOptions options = Options();
  options.guards = {.pages = 1, .internal = true};
  Start(options);
  const std::unique_ptr<Buffer> whole = Allocate(kPage, 0, "whole");
  std::unique_ptr<Buffer> hurt = Allocate(2 * kPage, 0, "hurt");
  WriteByte(OffsetOf(*hurt) - 1);
  WriteByte(OffsetOf(*hurt) + 2 * kPage);
  RunSeconds(4);
  EXPECT_EQ(Failures(), 0U);
  RunSeconds(2);
  EXPECT_EQ(Failures(), 2U);
  ASSERT_THAT(complaints_, SizeIs(2));
  EXPECT_THAT(complaints_[0].text, HasSubstr("the guard before buffer \"hurt\" of 8192 bytes, "
                                             "byte 4095 to 4095"));
  EXPECT_THAT(complaints_[1].text, HasSubstr("the guard behind buffer \"hurt\" of 8192 bytes, "
                                             "byte 0 to 0"));
  RunSeconds(5);
  EXPECT_EQ(Failures(), 4U);
  hurt.reset();  // looked at once more, as it is deleted
  EXPECT_EQ(Failures(), 6U);
  RunSeconds(6);
  EXPECT_EQ(Failures(), 6U);
}

TEST_F(PoolDamageTest, LooksAtTheGuardsOfAllBuffersHoweverManyThereAre) {  // GUARD-4
  PoolOptions options = Options();
  options.guards = {.pages = 1, .internal = true, .unused = false};
  Start(options);
  std::vector<std::unique_ptr<Buffer>> buffers;
  for (int i = 0; i < 300; ++i) buffers.push_back(Allocate(kPage));
  WriteByte(OffsetOf(*buffers.front()) - 1);
  WriteByte(OffsetOf(*buffers.back()) - 1);
  RunSeconds(6);
  EXPECT_EQ(Failures(), 2U);
  EXPECT_EQ(pool_->ReadFigures().passed_guard_region_checks, 600U);
}

TEST_F(PoolDamageTest, TellsWhoHadThePlaceOfAGuardBefore) {  // POOL-H2
  PoolOptions options = Options();
  options.guards = {.pages = 1, .internal = true};
  Start(options);
  const std::unique_ptr<Buffer> first = Allocate(kPage, 0, "first");
  std::unique_ptr<Buffer> culprit = Allocate(kPage, 0, "culprit");
  const uint64_t place = OffsetOf(*culprit);
  culprit.reset();
  RunSeconds(1);
  const std::unique_ptr<Buffer> victim = Allocate(kPage, 0, "victim");
  EXPECT_EQ(OffsetOf(*victim), place);
  WriteByte(place + kPage + 7);
  RunSeconds(6);
  ASSERT_THAT(complaints_, SizeIs(1));
  EXPECT_THAT(complaints_[0].text, AllOf(HasSubstr("the guard behind buffer \"victim\""),
                                         HasSubstr("had lately by \"culprit\" (until 5.0 s ago"),
                                         Not(HasSubstr("\"first\""))));
}

TEST_F(PoolDamageTest, SaysThatTheDaemonMustEndIfThatIsWanted) {  // GUARD-5
  PoolOptions options = Options();
  options.guards = {.pages = 1, .fatal = true};
  Start(options);
  WriteByte(0);
  RunSeconds(6);
  ASSERT_THAT(complaints_, SizeIs(1));
  EXPECT_EQ(complaints_[0].severity, Severity::kFatal);
}

// Case POOL-8 (UNUSED-1, UNUSED-2, UNUSED-3)
TEST_F(PoolDamageTest, FindsWhatWasWrittenToUnusedPages) {
  PoolOptions options = Options();
  options.guards = {.pages = 0, .unused_cycle_seconds = 2};
  Start(options);
  std::unique_ptr<Buffer> buffer = Allocate(2 * kMiB);
  const uint64_t offset = OffsetOf(*buffer);
  ASSERT_EQ(offset % (128 * kPage), 0U);
  RunSeconds(3);
  EXPECT_EQ(Failures(), 0U);
  WriteByte(offset + 5);
  WriteByte(3 * kMiB + 5);
  RunSeconds(3);
  EXPECT_EQ(Failures(), 1U);
  EXPECT_EQ(ByteAt(3 * kMiB + 5), 6);
  buffer.reset();
  WriteByte(offset + 5);
  RunSeconds(3);
  EXPECT_EQ(Failures(), 2U);
  for (uint64_t page = 0; page < 32; ++page) WriteByte(offset + page * kPage);
  RunSeconds(3);
  const uint64_t failures = Failures();
  EXPECT_GE(failures, 3U);
  WriteBytes(offset, std::vector<uint8_t>(32 * kPage, 0xee));
  RunSeconds(3);
  EXPECT_GT(Failures(), failures);
}

TEST_F(PoolDamageTest, LooksEarlyAtWhatWasGivenBackLately) {  // UNUSED-2
  PoolOptions options = Options();
  options.guards = {.pages = 0};  // a cycle of ten minutes
  Start(options);
  const std::unique_ptr<Buffer> other = Allocate(kMiB, 0, "other");
  Allocate(kMiB, 0, "camera:1").reset();
  WriteByte(kMiB + 3);
  RunSeconds(3);
  ASSERT_THAT(complaints_, SizeIs(1));
  EXPECT_EQ(complaints_[0].severity, Severity::kError);
  EXPECT_EQ(complaints_[0].text,
            "pool \"test-pool\": somebody wrote to unused memory, at offset 0x100003 to 0x100004 "
            "(physical 0x10000100003 to 0x10000100004); had lately by \"camera:1\" (until 2.0 s "
            "ago, offset 0x100000 to 0x200000)\n  at 0x100003: ee, expected 04");
  RunSeconds(4);
  WriteByte(kMiB + 3);  // no longer that lately
  RunSeconds(3);
  EXPECT_EQ(Failures(), 1U);
  RunSeconds(600);
  EXPECT_EQ(Failures(), 2U);
}

TEST_F(PoolDamageTest, LooksAgainAtWhatIsAboutToBeUsed) {  // POOL-8
  PoolOptions options = Options();
  options.guards = {.pages = 0};
  Start(options);
  WriteByte(128 * kPage);
  const std::unique_ptr<Buffer> elsewhere = Allocate(kPage);
  EXPECT_EQ(Failures(), 0U);
  const std::unique_ptr<Buffer> there = Allocate(kMiB);
  EXPECT_EQ(Failures(), 1U);
  EXPECT_EQ(ByteAt(128 * kPage), 0);  // a hole by now
}

TEST_F(PoolDamageTest, LooksAtEveryPageOnceInACycle) {  // UNUSED-2
  PoolOptions options = Options();
  options.guards = {.pages = 0, .unused_period_pages = 1, .unused_cycle_seconds = 64};
  Start(options);
  const std::unique_ptr<Buffer> buffer = Allocate(24 * kPage);
  const uint64_t before = pool_->ReadFigures().unused_page_checks;
  RunSeconds(64);
  EXPECT_EQ(pool_->ReadFigures().unused_page_checks - before, 1000U);
}

TEST_F(PoolDamageTest, CountsAdjacentPagesOnce) {  // UNUSED-3
  PoolOptions options = Options();
  options.guards = {.pages = 0, .unused_period_pages = 1, .unused_cycle_seconds = 1};
  Start(options);
  WriteBytes(4 * kPage + 100, std::vector<uint8_t>(3 * kPage, 0));
  WriteByte(10 * kPage);
  RunSeconds(2);
  EXPECT_EQ(Failures(), 2U);
  ASSERT_THAT(complaints_, SizeIs(2));
  EXPECT_THAT(complaints_[0].text, HasSubstr("at offset 0x4064 to 0x7064"));
}

TEST_F(PoolDamageTest, FindsNothingWhereNothingIsLookedFor) {
  Start(Options());
  EXPECT_EQ(next_, kNever);
  WriteByte(0);
  Allocate(kPage).reset();
  EXPECT_EQ(Failures(), 0U);
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(PoolDamageTest, CatchesUpAfterALongSleepWithOneCycleAtMost) {
  PoolOptions options = Options();
  options.guards = {.pages = 0, .unused_cycle_seconds = 64};
  Start(options);
  now_ += 1'000'000 * kSecond;
  next_ = pool_->Maintain(now_);
  int calls = 1;
  for (; next_ <= now_; ++calls) next_ = pool_->Maintain(now_);
  EXPECT_LE(calls, 66);
  EXPECT_GE(calls, 60);
}

TEST(HexDiffTest, ShowsTheFirstAndTheLast512BytesOfMore) {  // UNUSED-3
  DamageFinder finder(kPage);
  for (uint64_t page = 0; page < 5; ++page) {
    EXPECT_TRUE(finder.Look(page * kPage, std::vector<uint8_t>(kPage, 0x77)));
  }
  ASSERT_EQ(finder.count(), 1U);
  ASSERT_EQ(finder.groups().size(), 1U);
  const std::string diff = HexDiff(finder.groups()[0]);
  EXPECT_EQ(std::count(diff.begin(), diff.end(), '\n'), 65);
  EXPECT_THAT(diff, HasSubstr("\n  at 0x1f0: 77"));
  EXPECT_THAT(diff, Not(HasSubstr("\n  at 0x200: 77")));
  EXPECT_THAT(diff, Not(HasSubstr("\n  at 0x4df0: 77")));
  EXPECT_THAT(diff, HasSubstr("\n  at 0x4e00: 77"));
  EXPECT_THAT(diff, HasSubstr("\n  at 0x4ff0: 77"));
}

TEST(HexDiffTest, ShowsAllOfLessAcrossThePages) {
  DamageFinder finder(kPage);
  std::vector<uint8_t> page(kPage);
  WritePattern(page);
  page[kPage - 1] = 1;
  EXPECT_TRUE(finder.Look(8 * kPage, page));
  WritePattern(page);
  page[17] = 2;
  EXPECT_TRUE(finder.Look(9 * kPage, page));
  WritePattern(page);
  EXPECT_FALSE(finder.Look(10 * kPage, page));
  EXPECT_EQ(HexDiff(finder.groups()[0]),
            "\n  at 0x8fff: 01, expected 00\n  at 0x9010: 11 02, expected 11 12");
}

}  // namespace
}  // namespace sysmem::heaps
