// SPDX-License-Identifier: Apache-2.0
//
// LastClose where the kernel's limits are reached: its queue of events, its number of watches; and
// with many buffers (method: last_close_fixture.h).
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/last_close.h"
#include "tests/server/last_close_fixture.h"

namespace sysmem::server {
namespace {

class LastCloseLimitsTest : public LastCloseTest {
 protected:
  static size_t Tunable(const std::string& name) {
    size_t value = 0;
    std::ifstream("/proc/sys/fs/inotify/" + name) >> value;
    return value;
  }

  // More closes than the kernel's queue holds, of two buffers in turn: of one alone, it would make
  // one event of them all.
  void OverflowTheQueue(const heaps::Buffer& one, const heaps::Buffer& other) {
    const size_t queue_length = Tunable("max_queued_events");
    ASSERT_GT(queue_length, 0u);
    for (size_t i = 0; i <= queue_length; ++i) Touch(i % 2 == 0 ? one : other);
  }
};

// --- Overflow ---

TEST_F(LastCloseLimitsTest, FindsACloseThatTheKernelHadNoRoomToAnnounce) {
  LastClose& last_close = Make();
  const auto one = Allocate();
  const auto other = Allocate();
  const auto lost = Allocate();
  bool ended = false;
  const auto watch_one = last_close.Watch(one, [] { return false; });
  const auto watch_other = last_close.Watch(other, [] { return false; });
  const auto watch_lost = last_close.Watch(lost, [&] {
    ended = lost->IsOnlyOurs();
    return !ended;
  });
  base::UniqueFd hand_out = HandOut(*lost);
  OverflowTheQueue(*one, *other);
  hand_out.reset();
  runner_.RunUntil([&] { return ended; });
  EXPECT_EQ(last_close.counts().overflows, 1u);
}

TEST_F(LastCloseLimitsTest, LetsOthersHaveTheLoopWhileItLooksAtAll) {
  LastClose& last_close = MakeWithoutRetries();
  const auto one = Allocate();
  const auto other = Allocate();
  const auto watch_one = last_close.Watch(one, [] { return false; });
  const auto watch_other = last_close.Watch(other, [] { return false; });
  constexpr size_t kMany = 600;
  size_t asked = 0;
  std::optional<size_t> asked_when_others_had_a_turn;
  std::vector<std::unique_ptr<BufferWatch>> watches;
  for (size_t i = 0; i < kMany; ++i) {
    watches.push_back(last_close.Watch(Allocate(), [&] {
      if (asked++ == 0) runner_.loop().Post([&] { asked_when_others_had_a_turn = asked; });
      return false;
    }));
  }
  OverflowTheQueue(*one, *other);
  runner_.RunUntil([&] { return asked == kMany; });
  EXPECT_LE(asked_when_others_had_a_turn.value(), 256u);
  Settle();
  EXPECT_EQ(asked, kMany) << "each once";
}

TEST_F(LastCloseLimitsTest, LooksAtAllAgainWhenTheQueueOverflowsMeanwhile) {
  LastClose& last_close = MakeWithoutRetries();
  const auto one = Allocate();
  const auto other = Allocate();
  const auto watch_one = last_close.Watch(one, [] { return false; });
  const auto watch_other = last_close.Watch(other, [] { return false; });
  std::vector<std::unique_ptr<BufferWatch>> watches;
  size_t asked = 0;
  constexpr size_t kMany = 300;
  for (size_t i = 0; i < kMany; ++i) {
    watches.push_back(last_close.Watch(Allocate(), [&] {
      // All that was read before is gone from the queue, so this overflows it again; and somebody
      // reads that while the loop is at the first slice.
      if (asked++ == 0) {
        OverflowTheQueue(*one, *other);
        std::thread([&] { last_close.CatchUp(); }).join();
      }
      return false;
    }));
  }
  OverflowTheQueue(*one, *other);
  runner_.RunUntil([&] { return last_close.counts().overflows == 2 && asked >= 2 * kMany; });
  Settle();
  EXPECT_EQ(asked, 2 * kMany);
}

// --- What cannot be watched ---

// Refuses to be watched as long as it is told to.
class RefusingBuffer final : public heaps::Buffer {
 public:
  RefusingBuffer(std::shared_ptr<const heaps::Buffer> real, absl::Status refusal)
      : real_(std::move(real)), refusal_(std::move(refusal)) {}

  absl::StatusOr<heaps::HandedOut> HandOut(heaps::Access access) const override {
    return real_->HandOut(access);
  }
  absl::StatusOr<int> WatchCloses(base::BorrowedFd inotify) const override {
    if (refuses) return refusal_;
    return real_->WatchCloses(inotify);
  }
  heaps::BufferIdentity identity() const override { return real_->identity(); }
  uint64_t size_bytes() const override { return real_->size_bytes(); }
  const std::string& name() const override { return real_->name(); }

  std::atomic<bool> refuses = true;

 private:
  const std::shared_ptr<const heaps::Buffer> real_;
  const absl::Status refusal_;
};

TEST_F(LastCloseLimitsTest, AsksAgainAndAgainAboutWhatItCannotWatchWhileSomebodyWaits) {
  LastClose& last_close = Make({.poll_interval_ns = 1000});
  const auto buffer =
      std::make_shared<RefusingBuffer>(Allocate(), absl::UnimplementedError("no end"));
  int asked = 0;
  const auto watch = last_close.Watch(buffer, [&] { return ++asked, false; });
  EXPECT_EQ(watch->status(), absl::UnimplementedError("no end"));
  EXPECT_EQ(last_close.counts().unwatched, 1u);
  Settle();
  EXPECT_EQ(asked, 0) << "nobody waits";
  watch->SetAwaited(true);
  runner_.RunUntil([&] { return asked >= 5; });
  watch->SetAwaited(false);
  Settle();
  const int before = asked;
  Settle();
  EXPECT_EQ(asked, before);
  EXPECT_EQ(last_close.counts().late_ends, 0u);
}

TEST_F(LastCloseLimitsTest, WatchesABufferAsSoonAsTheLimitAllows) {
  LastClose& last_close = Make({.poll_interval_ns = 1000});
  const auto buffer =
      std::make_shared<RefusingBuffer>(Allocate(), absl::ResourceExhaustedError("full"));
  int asked = 0;
  const auto watch = last_close.Watch(buffer, [&] { return ++asked, false; });
  watch->SetAwaited(true);
  runner_.RunUntil([&] { return asked >= 2; });
  buffer->refuses = false;
  runner_.RunUntil([&] { return watch->status().ok(); });
  EXPECT_EQ(last_close.counts().unwatched, 0u);
  Settle();
  const int before = asked;
  Settle();
  EXPECT_EQ(asked, before) << "it still asks every now and then";
  Touch(*buffer);
  runner_.RunUntil([&] { return asked == before + 1; });
}

TEST_F(LastCloseLimitsTest, DoesNotPollWhatItWatches) {
  LastClose& last_close = Make({.poll_interval_ns = 1000});
  const auto watch = last_close.Watch(Allocate(), [] { return ADD_FAILURE(), true; });
  watch->SetAwaited(true);
  Settle();
}

// --- Many ---

TEST_F(LastCloseLimitsTest, MissesNoneOfTenThousandAndRestsAfterwards) {
  constexpr size_t kMany = 10'000;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t needed = kMany + 1000;
  const rlimit wanted{.rlim_cur = needed, .rlim_max = std::max(limit.rlim_max, needed)};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) != 0 || Tunable("max_user_watches") < kMany + 1000) {
    GTEST_SKIP() << "MissesNoneOfTenThousandAndRestsAfterwards: needs 11,000 descriptors, watches";
  }
  LastClose& last_close = Make();
  std::vector<std::unique_ptr<BufferWatch>> watches;
  std::vector<void*> mappings;  // they hold, and cost no descriptors
  size_t ended = 0;
  for (size_t i = 0; i < kMany; ++i) {
    const auto buffer = Allocate();
    watches.push_back(last_close.Watch(buffer, [&ended, raw = buffer.get()] {
      const bool held = !raw->IsOnlyOurs();
      if (!held) ++ended;
      return held;
    }));
    mappings.push_back(::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, HandOut(*buffer).get(), 0));
    ASSERT_NE(mappings.back(), MAP_FAILED);
  }
  Settle();
  EXPECT_EQ(last_close.counts().probes, 0u);
  EXPECT_EQ(last_close.counts().watches, kMany);
  EXPECT_EQ(last_close.counts().unwatched, 0u);
  for (void* const memory : mappings) ::munmap(memory, kPage);
  runner_.RunUntil([&] { return ended == kMany; });
  const uint64_t probes = last_close.counts().probes;
  Settle();
  EXPECT_EQ(last_close.counts().probes, probes);
  watches.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

}  // namespace
}  // namespace sysmem::server
