// SPDX-License-Identifier: Apache-2.0
//
// Method: a pool over real memfds, with windows of time so long that none ends, or so short that
// one ends soon. Whether the pool is where it wants to be is waited for, never slept for.
#include "heaps/warm_pool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "heaps/memfd_heap.h"

namespace sysmem::heaps {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLarge = 64 * kPage;
constexpr uint64_t kFrame = 1920 * 1080 * 3 / 2 / kPage * kPage + kPage;  // 1080p in NV12
constexpr std::chrono::steady_clock::duration kPatience = 60s;

class WarmPoolTest : public ::testing::Test {
 protected:
  WarmPool& Pool(WarmPoolOptions options, uint64_t spare = 64) {
    spare_ = std::make_shared<SpareDescriptors>(spare);
    pool_ = std::make_unique<WarmPool>(
        options, spare_,
        WarmPool::Sources{.make = [this](uint64_t size_bytes) { return Make(size_bytes); },
                          .available = [this] { return absl::StatusOr<uint64_t>(available_); }});
    return *pool_;
  }
  absl::StatusOr<FreshMemfd> Make(uint64_t size_bytes) {
    if (before_making_) before_making_();
    if (refuse_) return absl::ResourceExhaustedError("no memory");
    ++made_;
    return maker_.Make(kPooledBuffer, size_bytes);
  }
  // A pool in which nothing changes by the passing of time.
  WarmPool& Timeless(WarmPoolOptions options = {}, uint64_t spare = 64) {
    options.window = 1h;
    options.pressure_rest = 1h;
    return Pool(options, spare);
  }
  static void Fill(WarmPool& pool) {
    ASSERT_TRUE(pool.WaitUntilFull(std::chrono::steady_clock::now() + kPatience));
  }
  // Takes until the pool has noted `count` of it: while it is busy, it takes notice of nobody.
  static void Want(WarmPool& pool, uint64_t size, uint64_t count = 1) {
    const auto noted = [&pool] { return pool.kept().hits + pool.kept().misses; };
    for (const uint64_t wanted = noted() + count; noted() < wanted;) pool.Take(size);
  }
  // One that is there already; the pool may be busy for a moment.
  static WarmPool::Ready TakeOne(WarmPool& pool, uint64_t size) {
    std::optional<WarmPool::Ready> ready;
    while (!ready) ready = pool.Take(size);
    return *std::move(ready);
  }
  // Takes until `count` could be had; the pool may be busy for a moment.
  static std::vector<WarmPool::Ready> TakeReady(WarmPool& pool, uint64_t size, size_t count) {
    std::vector<WarmPool::Ready> taken;
    Fill(pool);
    while (taken.size() < count) {
      if (auto ready = pool.Take(size)) {
        taken.push_back(*std::move(ready));
      } else {
        Fill(pool);
      }
    }
    return taken;
  }

  ReservationGate gate_;
  MemfdMaker maker_{gate_};
  std::function<void()> before_making_;  // set before the first Take
  std::atomic<bool> refuse_ = false;
  std::atomic<uint64_t> available_ = uint64_t{1} << 40;
  std::atomic<unsigned> made_ = 0;
  std::shared_ptr<SpareDescriptors> spare_;
  std::unique_ptr<WarmPool> pool_;
};

bool IsZero(const base::UniqueFd& fd, uint64_t size) {
  void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return false;
  const std::string bytes(static_cast<const char*>(memory), size);
  ::munmap(memory, size);
  return bytes == std::string(size, '\0');
}

TEST_F(WarmPoolTest, MakesAgainWhatWasWanted) {
  WarmPool& pool = Timeless();
  Want(pool, kPage, 5);
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 5u);
  EXPECT_EQ(pool.kept().bytes, 5 * kPage);
  EXPECT_EQ(TakeReady(pool, kPage, 1).front().memfd.size_bytes, kPage);
  EXPECT_GE(pool.kept().hits, 1u);
}

TEST_F(WarmPoolTest, GivesMemfdsThatAreSealedZeroAndReadyToBeHandedOut) {
  WarmPool& pool = Timeless();
  Want(pool, 2 * kPage);
  const auto taken = TakeReady(pool, 2 * kPage, 1);
  const WarmPool::Ready& ready = taken.front();
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  EXPECT_EQ(::fcntl(ready.memfd.kept.get(), F_GET_SEALS) & kSeals, kSeals);
  EXPECT_TRUE(IsZero(ready.memfd.kept, 2 * kPage));
  ASSERT_TRUE(ready.hand_out.has_value());
  EXPECT_EQ(::fcntl(ready.hand_out->hand_out.fd.get(), F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST_F(WarmPoolTest, NeverGivesMemoryThatSomebodyHad) {
  WarmPool& pool = Timeless();
  Want(pool, kPage, 3);
  for (int round = 0; round < 50; ++round) {
    for (const WarmPool::Ready& ready : TakeReady(pool, kPage, 3)) {
      ASSERT_TRUE(IsZero(ready.memfd.kept, kPage)) << "round " << round;
      ASSERT_EQ(::pwrite(ready.memfd.kept.get(), "secret", 6, 0), 6);
    }
  }
}

TEST_F(WarmPoolTest, KeepsNoMoreThanItsBudgets) {
  WarmPool& pool = Timeless({.bytes = 8 * kPage, .buffers = 6});
  Want(pool, kPage, 20);
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 6u) << "buffers";
  EXPECT_LE(pool.kept().bytes, 8 * kPage);
}

TEST_F(WarmPoolTest, DealsItsBudgetsOutOneByOne) {
  WarmPool& pool = Timeless({.bytes = 9 * kPage, .buffers = 6});
  Want(pool, kPage, 20);
  Want(pool, 2 * kPage, 20);
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 3u + 3u);
  EXPECT_EQ(pool.kept().bytes, 3 * kPage + 3 * 2 * kPage);
}

TEST_F(WarmPoolTest, KeepsASetOfVideoFramesBesidesSmallBuffers) {
  WarmPool& pool = Timeless();
  Want(pool, kPage, 5);
  Want(pool, kFrame, 5);
  pool.Take(65 << 20);  // larger than the whole budget: takes no room from the others
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 10u);
  EXPECT_EQ(pool.kept().bytes, 5 * kPage + 5 * kFrame);
  for (const WarmPool::Ready& ready : TakeReady(pool, kFrame, 5)) {
    EXPECT_TRUE(IsZero(ready.memfd.kept, kFrame));
    EXPECT_TRUE(ready.hand_out.has_value());
  }
}

TEST_F(WarmPoolTest, MakesNoLargeBuffersWhileMoreAreBeingTaken) {
  WarmPool& pool = Timeless({.quiet = 1h, .longest_quiet = 1h});
  Want(pool, kLarge, 5);
  Want(pool, kPage);
  // Small ones, which do not take long, are made, so its thread has had time for large ones too.
  for (int i = 0; i < 20; ++i) EXPECT_EQ(TakeOne(pool, kPage).memfd.size_bytes, kPage);
  EXPECT_LT(pool.kept().bytes, kLarge);
  EXPECT_FALSE(pool.Take(kLarge).has_value());
}

TEST_F(WarmPoolTest, MakesLargeBuffersInTheEndThoughMoreAreBeingTaken) {
  WarmPool& pool = Timeless({.quiet = 1h, .longest_quiet = 0ms});
  Want(pool, kLarge, 5);
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 5u);
}

TEST_F(WarmPoolTest, MakesEachLargeBufferAgain) {
  WarmPool& pool = Timeless();
  Want(pool, kLarge, 5);
  Fill(pool);
  // Nobody asks it to.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  Want(pool, kLarge);
  while (pool.kept().buffers < 5) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  EXPECT_EQ(pool.kept().hits, 1u);
}

TEST_F(WarmPoolTest, KeepsNoMoreThanItsPartOfTheAvailableMemory) {
  available_ = 256 << 20;  // as in a small control group
  WarmPool& pool = Timeless();
  Want(pool, kFrame, 5);
  Fill(pool);
  EXPECT_EQ(pool.kept().budget_bytes, (256u << 20) / 64);
  EXPECT_EQ(pool.kept().buffers, 1u);
}

TEST_F(WarmPoolTest, KeepsMoreWhenMoreMemoryIsAvailable) {
  available_ = 0;
  WarmPool& pool = Timeless();
  Want(pool, kPage, 4);
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 0u);
  available_ = uint64_t{1} << 40;
  // It asks when somebody wants one, but not each time.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (pool.kept().buffers == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    pool.Take(kPage);
    Fill(pool);
  }
}

TEST_F(WarmPoolTest, LeavesBuffersAloneThatExceedItsBudget) {
  WarmPool& pool = Timeless({.bytes = kPage});
  EXPECT_FALSE(pool.Take(2 * kPage).has_value());
  EXPECT_EQ(pool.kept().misses, 0u);
  EXPECT_EQ(made_, 0u);
}

TEST_F(WarmPoolTest, IsOffWithoutABudget) {
  EXPECT_FALSE(Timeless({.bytes = 0}).Take(kPage).has_value());
  EXPECT_FALSE(Timeless({}, 0).Take(kPage).has_value());
  EXPECT_EQ(made_, 0u);
}

TEST_F(WarmPoolTest, OpensNoMoreSpareDescriptorsThanItMay) {
  WarmPool& pool = Timeless({}, 5);
  Want(pool, kPage, 10);
  Fill(pool);
  EXPECT_LE(spare_->open(), 5u);
  EXPECT_GE(pool.kept().buffers, 1u);
  pool_.reset();
  EXPECT_EQ(spare_->open(), 0u) << "all are given back";
}

TEST_F(WarmPoolTest, ForgetsTheSizeThatWasNotWantedForLongest) {
  WarmPool& pool = Timeless({.sizes = 2});
  Want(pool, kPage);
  Want(pool, 2 * kPage);
  Fill(pool);
  while (!pool.Take(kPage)) Fill(pool);  // wanted last now
  Want(pool, 3 * kPage);                 // a third
  Fill(pool);
  const uint64_t hits = pool.kept().hits;
  Want(pool, 2 * kPage);
  EXPECT_EQ(pool.kept().hits, hits) << "it was forgotten";
}

TEST_F(WarmPoolTest, GivesEverythingBackWhenMemoryIsShort) {
  WarmPool& pool = Timeless();
  Want(pool, kPage, 4);
  Fill(pool);
  ASSERT_EQ(pool.kept().buffers, 4u);
  EXPECT_TRUE(pool.GiveBack());
  EXPECT_EQ(spare_->open(), 0u);
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 0u) << "and makes no more for a window";
  EXPECT_EQ(pool.kept().given_back, 4u);
  EXPECT_FALSE(pool.GiveBack()) << "there is nothing";
}

TEST_F(WarmPoolTest, GivesBackEvenWhileOthersAskIt) {
  for (int round = 0; round < 30; ++round) {
    WarmPool& pool = Timeless();
    Want(pool, kPage);
    Fill(pool);
    std::atomic<bool> enough = false;
    std::thread other([&] {
      while (!enough) (void)pool.kept();
    });
    EXPECT_TRUE(pool.GiveBack()) << "round " << round;
    enough = true;
    other.join();
  }
}

TEST_F(WarmPoolTest, GivesEverythingBackUnderPressureAndMakesNothingWhileItLasts) {
  WarmPool& pool = Timeless();
  Want(pool, kPage, 4);
  Fill(pool);
  ASSERT_EQ(pool.kept().buffers, 4u);
  EXPECT_EQ(pool.kept().why_resting, "");
  EXPECT_TRUE(pool.OnPressure());
  EXPECT_FALSE(pool.OnPressure()) << "no news";
  Fill(pool);
  EXPECT_EQ(spare_->open(), 0u);
  const unsigned made = made_;
  Want(pool, kPage, 20);
  Fill(pool);
  EXPECT_EQ(made_, made);
  EXPECT_EQ(pool.kept().why_resting, "memory pressure");
}

TEST_F(WarmPoolTest, MakesMoreWhenThePressureHasPassed) {
  WarmPool& pool = Pool({.window = 1h, .pressure_rest = 20ms});
  Want(pool, kPage, 4);
  Fill(pool);
  pool.OnPressure();
  // By itself, since they are wanted still.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (pool.kept().buffers < 4) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  EXPECT_EQ(pool.kept().given_back, 4u);
}

TEST_F(WarmPoolTest, DoesNotKeepWhatItMadeWhilePressureArose) {
  std::atomic<WarmPool*> pool = nullptr;
  before_making_ = [&] { pool.load()->OnPressure(); };
  pool = &Timeless();
  Want(*pool, kPage);
  Fill(*pool);
  EXPECT_EQ(made_, 1u);
  EXPECT_EQ(pool.load()->kept().buffers, 0u);
  EXPECT_EQ(spare_->open(), 0u);
}

TEST_F(WarmPoolTest, GivesEverythingBackWhenItIsRefusedMemoryItself) {
  WarmPool& pool = Timeless();
  Want(pool, kPage);
  Fill(pool);
  ASSERT_EQ(pool.kept().buffers, 1u);
  refuse_ = true;
  Want(pool, 2 * kPage, 3);
  Fill(pool);
  EXPECT_EQ(pool.kept().buffers, 0u);
}

TEST_F(WarmPoolTest, GivesBackWhatNobodyWantsAnyMore) {
  WarmPool& pool = Pool({.window = 20ms});
  Want(pool, kPage);
  // Two windows later nothing is kept; the pool says so when it comes to rest.
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (pool.kept().buffers == 0 && made_ == 0)
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  while (spare_->open() > 0) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  EXPECT_EQ(pool.kept().buffers, 0u);
  EXPECT_EQ(made_, 1u);
}

TEST(SpareDescriptors, LendsNoMoreThanItsLimitAndTakesBack) {
  const auto spare = std::make_shared<SpareDescriptors>(2);
  auto first = spare->Take();
  auto second = spare->Take();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(spare->Take());
  first.reset();
  EXPECT_EQ(spare->open(), 1u);
  auto moved = std::move(second);
  second.reset();
  EXPECT_EQ(spare->open(), 1u) << "a lease that moved is still one lease";
  EXPECT_TRUE(spare->Take());
}

// --- The heap over it ---

class WarmHeapTest : public ::testing::Test {
 protected:
  static AllocateRequest Page(std::string name) {
    return {.size_bytes = kPage, .name = std::move(name)};
  }
  ReservationGate gate_;
  MemfdHeap heap_{gate_, {.warm_pool = {.window = std::chrono::hours(1)}, .spare_descriptors = 64}};
};

TEST_F(WarmHeapTest, GivesPooledBuffersTheirOwnNames) {
  auto cold = heap_.Allocate(Page("cold:0"));
  ASSERT_TRUE(cold.ok());
  ASSERT_TRUE(heap_.warm_pool().WaitUntilFull(std::chrono::steady_clock::now() + 60s));
  auto warm = heap_.Allocate(Page("warm:0"));
  // The pool may be busy for a moment.
  while (warm.ok() && heap_.warm_pool().kept().hits == 0) warm = heap_.Allocate(Page("warm:0"));
  ASSERT_TRUE(warm.ok());
  EXPECT_EQ((*warm)->name(), "warm:0");
  EXPECT_NE((*warm)->identity(), (*cold)->identity());
}

TEST_F(WarmHeapTest, HandsOutEachDescriptionOnceWhetherOpenedAheadOrNot) {
  auto buffer = heap_.Allocate(Page("x"));
  ASSERT_TRUE(buffer.ok());
  (*buffer)->OpenAhead(Access::kReadWrite);
  auto first = (*buffer)->HandOut(Access::kReadWrite);
  auto second = (*buffer)->HandOut(Access::kReadWrite);
  ASSERT_TRUE(first.ok() && second.ok());
  // One file description has one offset.
  ASSERT_EQ(::lseek(first->fd.get(), 100, SEEK_SET), 100);
  EXPECT_EQ(::lseek(second->fd.get(), 0, SEEK_CUR), 0);
}

TEST_F(WarmHeapTest, NeverHandsOutMoreAccessThanWasAskedFor) {
  auto buffer = heap_.Allocate(Page("x"));
  ASSERT_TRUE(buffer.ok());
  (*buffer)->OpenAhead(Access::kReadWrite);
  auto reader = (*buffer)->HandOut(Access::kReadOnly);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(::fcntl(reader->fd.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  (*buffer)->OpenAhead(Access::kReadOnly);
  auto writer = (*buffer)->HandOut(Access::kReadWrite);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(::fcntl(writer->fd.get(), F_GETFL) & O_ACCMODE, O_RDWR);
}

}  // namespace
}  // namespace sysmem::heaps
