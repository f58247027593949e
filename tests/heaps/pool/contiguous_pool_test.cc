// SPDX-License-Identifier: Apache-2.0
//
// Method: the real kernel, the test's own clock. What a pool promises of its buffers is looked at
// through descriptors that were handed out, what it promises of its space through addresses.
#include "heaps/pool/contiguous_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/heaps/pool/pool_fixture.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

std::string LinkOf(base::BorrowedFd fd) {
  return std::filesystem::read_symlink(absl::StrCat("/proc/self/fd/", fd.get())).string();
}

UniqueFd HandOut(const Buffer& buffer, Access access) {
  absl::StatusOr<HandedOut> made = buffer.HandOut(access);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? std::move(made->fd) : UniqueFd();
}

using ContiguousPoolTest = PoolTest;

// Case POOL-1
TEST_F(ContiguousPoolTest, NamesItsMemoryAndThatOfItsBuffers) {
  Start(Options());
  EXPECT_EQ(LinkOf(pool_->memory().fd()), "/memfd:test-pool (deleted)");
  EXPECT_EQ(LinkOf(HandOut(*Allocate(kPage), Access::kReadOnly)),
            "/memfd:test-pool-child (deleted)");
  EXPECT_EQ(LinkOf(HandOut(*Allocate(kPage, 0, "cam:3"), Access::kReadOnly)),
            "/memfd:cam:3 (deleted)");
}

// Case POOL-2
TEST_F(ContiguousPoolTest, CountsWhatDidNotFitAndWhy) {
  Start(Options());
  EXPECT_GT(pool_->ReadFigures().free_at_high_water_mark, 0U);
  std::vector<std::unique_ptr<Buffer>> buffers;
  for (int i = 0; i < 1024; ++i) buffers.push_back(Allocate(kPage));
  EXPECT_EQ(pool_->ReadFigures().last_allocation_failed_timestamp_ns, 0);
  now_ += 5;
  EXPECT_EQ(Refusal(kPage).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(pool_->ReadFigures().last_allocation_failed_timestamp_ns, now_);
  buffers.pop_back();
  buffers.push_back(Allocate(kPage));
  for (size_t i = 0; i < buffers.size(); i += 2) buffers[i].reset();
  EXPECT_EQ(Refusal(2 * kPage).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Refusal(1024 * kPage).code(), absl::StatusCode::kResourceExhausted);
  const PoolFigures figures = pool_->ReadFigures();
  EXPECT_EQ(figures.allocations_failed, 3U);
  EXPECT_EQ(figures.allocations_failed_fragmentation, 1U);
  EXPECT_EQ(figures.max_free_at_high_water, 0U);
  EXPECT_EQ(figures.free_at_high_water_mark, 0U);
  EXPECT_EQ(figures.high_water_mark, 1024 * kPage);
  EXPECT_EQ(figures.used_size, 512 * kPage);
  EXPECT_EQ(figures.free_regions, 512U);
  EXPECT_EQ(figures.largest_free_region, kPage);
  EXPECT_EQ(figures.large_contiguous_region_sum, 10 * kPage);
  EXPECT_EQ(figures.loanable_bytes, 512 * kPage);
  EXPECT_EQ(figures.loanable_ratio_permille, 500U);
  EXPECT_EQ(figures.loanable_efficiency_permille, 1000U);
}

TEST_F(ContiguousPoolTest, RemembersWhenItWasFullest) {  // MET-1
  Start(Options());
  EXPECT_EQ(pool_->ReadFigures().high_water_mark, 0U);
  EXPECT_EQ(pool_->ReadFigures().free_at_high_water_mark, 4 * kMiB);
  EXPECT_EQ(pool_->ReadFigures().max_free_at_high_water, 4 * kMiB);
  std::unique_ptr<Buffer> first = Allocate(kMiB);
  const std::unique_ptr<Buffer> second = Allocate(kMiB);
  first.reset();
  const std::unique_ptr<Buffer> third = Allocate(kPage);
  const PoolFigures figures = pool_->ReadFigures();
  EXPECT_EQ(figures.used_size, kMiB + kPage);
  EXPECT_EQ(figures.high_water_mark, 2 * kMiB);
  EXPECT_EQ(figures.free_at_high_water_mark, 2 * kMiB);
  EXPECT_EQ(figures.max_free_at_high_water, 2 * kMiB);
  EXPECT_EQ(figures.large_contiguous_region_sum, 3 * kMiB - kPage);
}

TEST_F(ContiguousPoolTest, SaysInFullWhoHasWhatWhenNothingFits) {  // POOL-6
  Start(Options());
  const std::unique_ptr<Buffer> large = Allocate(1000 * kPage, 0, "camera:0");
  const std::unique_ptr<Buffer> small = Allocate(kPage);
  const absl::Status refused = Refusal(24 * kPage);
  EXPECT_EQ(refused.message(),
            "buffer \"\" of 98304 bytes: no region of 98304 bytes in pool \"test-pool\" for a "
            "buffer of 98304 bytes: 94208 of 4194304 bytes are unused; 1 free regions, the largest "
            "of 94208 bytes, the ten largest together of 94208");
  ASSERT_THAT(complaints_, SizeIs(1));
  EXPECT_EQ(complaints_[0].severity, Severity::kWarning);
  EXPECT_THAT(complaints_[0].text, HasSubstr("94208 unused in 1 regions"));
  EXPECT_THAT(complaints_[0].text,
              HasSubstr(absl::StrCat("id ", large->identity().inode,
                                     " \"camera:0\" of 4096000 bytes at offset 0")));
  EXPECT_THAT(complaints_[0].text, HasSubstr("\"Unknown\" of 4096 bytes at offset 4096000"));
}

TEST_F(ContiguousPoolTest, SaysSoOnceInAWhileHoweverOftenSomebodyTries) {
  Start(Options());
  for (int i = 0; i < 1000; ++i) (void)Refusal(5 * kMiB);
  EXPECT_THAT(complaints_, SizeIs(1));
  now_ += kNoFitQuietNs - 1;
  (void)Refusal(5 * kMiB);
  EXPECT_THAT(complaints_, SizeIs(1));
  now_ += 1;
  (void)Refusal(5 * kMiB);
  ASSERT_THAT(complaints_, SizeIs(2));
  EXPECT_THAT(complaints_[1].text, StartsWith("1000 refusals before were not told of; "));
  EXPECT_EQ(pool_->ReadFigures().allocations_failed, 1002U);
}

// Case POOL-5
TEST_F(ContiguousPoolTest, RefusesUntilItIsReady) {
  PoolOptions options = Options();
  options.ready = false;
  Start(options);
  EXPECT_FALSE(pool_->ReadFigures().is_ready);
  EXPECT_EQ(Refusal(kPage).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool_->ReadFigures().allocations_failed, 0U);
  pool_->SetReady(true);
  EXPECT_TRUE(pool_->ReadFigures().is_ready);
  EXPECT_TRUE(Allocate(kPage));
}

// Case POOL-10
TEST_F(ContiguousPoolTest, HonoursThePhysicalAlignment) {
  Start(Options());
  for (uint64_t round = 0; round < 10; ++round) {
    std::unique_ptr<Buffer> spoiler;
    if (round > 0) spoiler = Allocate(round * kPage);
    const std::unique_ptr<Buffer> aligned = Allocate(kPage, kMiB);
    EXPECT_EQ(OffsetOf(*aligned) % kMiB, 0U);
    EXPECT_EQ(*aligned->physical_address() % kMiB, 0U);
  }
}

TEST_F(ContiguousPoolTest, PromisesNoMoreThanItWasMadeFor) {  // POOL-1, POOL-5
  PoolOptions options = Options();
  options.promised_alignment = 64 * 1024;
  Start(options);
  EXPECT_TRUE(Allocate(kPage, 64 * 1024));
  const absl::Status refused = Refusal(kPage, 128 * 1024);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("physical_alignment 131072, expected at most 65536"));
  EXPECT_EQ(Refusal(kPage, 3 * kPage).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ContiguousPoolTest, PromisesTheNaturalAlignmentOfAFixedPlaceInSixtyFourBits) {  // POOL-H2
  PoolOptions options = Options();
  options.fixed_place = true;
  for (const uint64_t alignment : {kPage, 32 * kMiB, uint64_t{1} << 36}) {
    options.physical_base = 3 * alignment;
    EXPECT_EQ(PromisedAlignment(options), alignment);
  }
  Start(options);
  EXPECT_EQ(*Allocate(kPage, uint64_t{1} << 36)->physical_address(), options.physical_base);
}

TEST_F(ContiguousPoolTest, TakesAPageForNoAlignmentWithInternalGuards) {  // POOL-H2
  PoolOptions options = Options();
  options.guards = {.pages = 1, .internal = true};
  Start(options);
  EXPECT_TRUE(Allocate(kPage, kPage));
  EXPECT_EQ(Refusal(kPage, 2 * kPage).code(), absl::StatusCode::kUnimplemented);
}

TEST_F(ContiguousPoolTest, TakesRoomForGuardsEvenIfTheyAreOnlyExternal) {  // POOL-4, GUARD-3
  PoolOptions options = Options();
  options.guards.pages = 2;
  Start(options);
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  EXPECT_EQ(OffsetOf(*buffer), 2 * kPage);
  EXPECT_EQ(pool_->ReadFigures().used_size, 5 * kPage);
  options.guards.internal = true;
  Start(options);
  EXPECT_EQ(OffsetOf(*Allocate(kPage)), 4 * kPage);
}

TEST_F(ContiguousPoolTest, GivesEachBufferFreshZeroedSealedMemoryOfItsOwn) {
  Start(Options());
  std::set<BufferIdentity> seen;
  UniqueFd survivor;
  for (int i = 0; i < 3; ++i) {
    const std::unique_ptr<Buffer> buffer = Allocate(2 * kPage);
    EXPECT_EQ(OffsetOf(*buffer), 0U);  // the same place each time
    EXPECT_TRUE(seen.insert(buffer->identity()).second);
    survivor = HandOut(*buffer, Access::kReadWrite);
    std::vector<char> content(2 * kPage, 'x');
    ASSERT_EQ(::pread(survivor.get(), content.data(), content.size(), 0), 2 * kPage);
    EXPECT_THAT(content, Each('\0'));
    ASSERT_EQ(::pwrite(survivor.get(), "secret", 6, 0), 6);
    EXPECT_EQ(::ftruncate(survivor.get(), 0), -1);
    EXPECT_EQ(::pwrite(HandOut(*buffer, Access::kReadOnly).get(), "x", 1, 0), -1);
  }
}

TEST_F(ContiguousPoolTest, TellsHoldersApartAndTheirEnds) {
  Start(Options());
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  absl::StatusOr<HandedOut> one = buffer->HandOut(Access::kReadWrite);
  absl::StatusOr<HandedOut> other = buffer->HandOut(Access::kReadOnly);
  ASSERT_TRUE(one.ok() && other.ok());
  one->fd.reset();
  EXPECT_FALSE(buffer->MayLive(one->mark));
  EXPECT_TRUE(buffer->MayLive(other->mark));
  EXPECT_FALSE(buffer->IsOnlyOurs());
  other->fd.reset();
  EXPECT_TRUE(buffer->IsOnlyOurs());
}

TEST_F(ContiguousPoolTest, IsAHoleWhereBuffersLive) {
  PoolOptions options = Options();
  options.guards = {.pages = 0};
  Start(options);
  const auto first_data = [this] { return ::lseek(pool_->memory().fd().get(), 0, SEEK_DATA); };
  EXPECT_EQ(first_data(), 0);  // a patterned page
  std::unique_ptr<Buffer> buffer = Allocate(2 * kMiB);
  EXPECT_EQ(first_data(), static_cast<off_t>(2 * kMiB));
  buffer.reset();
  EXPECT_EQ(first_data(), 0);
}

TEST_F(ContiguousPoolTest, KeepsLittleOfWhatIsUnused) {  // UNUSED-1
  PoolOptions options = Options();
  options.guards = {.pages = 1};
  Start(options);
  struct stat status {};
  ASSERT_EQ(::fstat(pool_->memory().fd().get(), &status), 0);
  // Two guards, one of which lies where a patterned page would, and seven of those.
  EXPECT_EQ(static_cast<uint64_t>(status.st_blocks) * 512, 9 * kPage);
}

TEST_F(ContiguousPoolTest, CountsWhatGotNoMemoryAndGivesItsPlaceBack) {  // POOL-7
  available_ = kPage;  // from the first reading on
  Start(Options());
  now_ += 9;
  EXPECT_EQ(Refusal(2 * kMiB).code(), absl::StatusCode::kResourceExhausted);
  const PoolFigures figures = pool_->ReadFigures();
  EXPECT_EQ(figures.commits_failed, 1U);
  EXPECT_EQ(figures.last_commit_failed_timstamp_ns, now_);
  EXPECT_EQ(figures.allocations_failed, 0U);
  EXPECT_EQ(figures.used_size, 0U);
  EXPECT_EQ(figures.largest_free_region, 4 * kMiB);
  EXPECT_EQ(figures.high_water_mark, 0U);
}

TEST_F(ContiguousPoolTest, RefusesSizesThatWouldWrap) {
  PoolOptions options = Options();
  options.guards.pages = 1;
  Start(options);
  for (const uint64_t bytes : {uint64_t{0} - kPage, uint64_t{1} << 63, uint64_t{1} << 62}) {
    EXPECT_EQ(Refusal(bytes).code(), absl::StatusCode::kResourceExhausted) << bytes;
  }
  EXPECT_EQ(Refusal(kPage + 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refusal(0).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ContiguousPoolTest, RefusesOptionsOutOfTheirBounds) {
  const auto refusal = [this](auto change) {
    PoolOptions options = Options();
    change(options);
    return ContiguousPool::Create(gate_, options).status();
  };
  const auto is_invalid = [&](auto change) {
    return refusal(change).code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.size_bytes = 0; }));
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.size_bytes = kPage + 1; }));
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.size_bytes = 2 * kMaxPoolBytes; }));
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.promised_alignment = 3 * kPage; }));
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.promised_alignment = 1; }));
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.physical_base = kPage; }));
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.physical_base = uint64_t{0} - kMiB; }));
  EXPECT_TRUE(is_invalid([](PoolOptions& o) { o.guards.pages = kMaxGuardPages + 1; }));
  EXPECT_EQ(refusal([](PoolOptions& o) {
              o.size_bytes = 2 * kPage;
              o.guards.pages = 1;
            }).message(),
            "pool \"test-pool\": size_bytes 8192, expected a multiple of 4096 from 12288 (a page "
            "beside the guards) to 4503599627370496");
}

TEST_F(ContiguousPoolTest, DoesNotStartWithoutMemoryForItsPattern) {
  available_ = kPage;
  PoolOptions options = Options();
  options.guards = {};
  const absl::Status refused = ContiguousPool::Create(gate_, options).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("pool \"test-pool\" of 4194304 bytes"));
}

TEST_F(ContiguousPoolTest, HasTheSpaceBackBeforeABufferCountsAsGone) {  // LIFE-4
  Start(Options());
  const std::unique_ptr<Buffer> buffer = Allocate(Options().size_bytes);
  bool gone = false;
  buffer->GiveBack([&] {
    gone = true;
    EXPECT_EQ(OffsetOf(*Allocate(Options().size_bytes)), 0u);
  });
  EXPECT_TRUE(gone);
}

TEST_F(ContiguousPoolTest, LetsABufferOutliveIt) {
  PoolOptions options = Options();
  options.guards = {.pages = 1, .internal = true};
  Start(options);
  std::unique_ptr<Buffer> buffer = Allocate(kPage);
  pool_.reset();
  EXPECT_TRUE(HandOut(*buffer, Access::kReadWrite));
  buffer.reset();
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(ContiguousPoolTest, ReportsItsFiguresByTheNamesOfTheOriginal) {  // 7.6
  Start(Options());
  const std::unique_ptr<Buffer> buffer = Allocate(kMiB);
  std::map<std::string, uint64_t> figures;
  for (const Figure& figure : pool_->figures()) figures[figure.name] = figure.value;
  for (const char* name :
       {"id", "free_at_high_water_mark", "allocations_failed",
        "last_allocation_failed_timestamp_ns", "commits_failed", "last_commit_failed_timstamp_ns",
        "allocations_failed_fragmentation", "max_free_at_high_water", "is_ready",
        "failed_guard_region_checks", "last_failed_guard_region_check_timestamp_ns",
        "large_contiguous_region_sum", "loanable_efficiency", "loanable_ratio", "loanable_bytes"}) {
    EXPECT_TRUE(figures.contains(name)) << name;
  }
  EXPECT_EQ(figures["size"], 4 * kMiB);
  EXPECT_EQ(figures["used_size"], kMiB);
  EXPECT_EQ(figures["high_water_mark"], kMiB);
  EXPECT_EQ(figures["loanable_mebibytes"], 3U);
}

TEST_F(ContiguousPoolTest, GivesNoPlaceTwiceToThreadsThatCompete) {
  PoolOptions options = Options();
  options.guards = {.pages = 1, .internal = true, .unused_period_pages = 4};
  std::atomic<int> complaints = 0;
  options.clock = nullptr;
  options.complain = [&complaints](Severity severity, const std::string&) {
    if (severity != Severity::kWarning) ++complaints;
  };
  Start(options);
  std::mutex mutex;
  std::map<uint64_t, uint64_t> taken;  // begin -> end
  std::atomic<bool> done = false;
  std::thread keeper([&] {
    // As if seconds passed at each call.
    for (int64_t now = kSecond; !done; now += kSecond) pool_->Maintain(now);
  });
  const auto client = [&](uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<Buffer>> mine;
    for (int step = 0; step < 400; ++step) {
      if (mine.size() > 30 || (!mine.empty() && random() % 2 == 0)) {
        std::swap(mine[random() % mine.size()], mine.back());
        {
          const std::lock_guard lock(mutex);
          taken.erase(*mine.back()->physical_address());
        }
        mine.pop_back();
        continue;
      }
      absl::StatusOr<std::unique_ptr<Buffer>> buffer = TryAllocate((1 + random() % 20) * kPage);
      if (!buffer.ok()) continue;
      const uint64_t begin = *(*buffer)->physical_address();
      const uint64_t end = begin + (*buffer)->size_bytes();
      const std::lock_guard lock(mutex);
      const auto above = taken.lower_bound(begin);
      EXPECT_TRUE(above == taken.end() || above->first >= end);
      EXPECT_TRUE(above == taken.begin() || std::prev(above)->second <= begin);
      taken[begin] = end;
      mine.push_back(*std::move(buffer));
    }
    const std::lock_guard lock(mutex);
    for (const std::unique_ptr<Buffer>& one : mine) taken.erase(*one->physical_address());
  };
  std::thread first(client, 1);
  std::thread second(client, 2);
  client(3);
  first.join();
  second.join();
  done = true;
  keeper.join();
  EXPECT_EQ(complaints, 0);
  const PoolFigures figures = pool_->ReadFigures();
  EXPECT_EQ(figures.used_size, 0U);
  EXPECT_EQ(figures.free_regions, 1U);
  EXPECT_EQ(figures.failed_guard_region_checks, 0U);
}

}  // namespace
}  // namespace sysmem::heaps
