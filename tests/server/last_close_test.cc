// SPDX-License-Identifier: Apache-2.0
//
// When LastClose asks, and when it does not (method: last_close_fixture.h).
#include "server/last_close.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/server/last_close_fixture.h"
#include "tests/support/process.h"

namespace sysmem::server {
namespace {

size_t WatchesInTheKernel() { return sysmem::testing::InotifyWatchCount(::getpid()); }

// --- Announcements ---

TEST_F(LastCloseTest, AsksWhenADescriptionIsClosed) {
  LastClose& last_close = Make();
  const auto buffer = Allocate();
  bool ended = false;
  const auto watch = last_close.Watch(buffer, [&] {
    ended = buffer->IsOnlyOurs();
    return !ended;
  });
  EXPECT_TRUE(watch->status().ok());
  base::UniqueFd hand_out = HandOut(*buffer);
  Settle();
  EXPECT_EQ(last_close.counts().probes, 0u);
  hand_out.reset();
  runner_.RunUntil([&] { return ended; });
  EXPECT_EQ(last_close.counts().events, 1u);
}

TEST_F(LastCloseTest, AsksNothingWhileADuplicateOrAMappingIsLeft) {
  LastClose& last_close = MakeWithoutRetries();
  const auto buffer = Allocate();
  const auto watch = last_close.Watch(buffer, [] { return true; });
  base::UniqueFd hand_out = HandOut(*buffer);
  base::UniqueFd duplicate = base::Dup(hand_out);
  void* const memory = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, hand_out.get(), 0);
  hand_out.reset();
  Settle();
  duplicate.reset();
  Settle();
  EXPECT_EQ(last_close.counts().probes, 0u);
  ::munmap(memory, kPage);
  runner_.RunUntil([&] { return last_close.counts().probes == 1; });
}

TEST_F(LastCloseTest, AsksOnlyAboutTheBufferThatWasClosed) {
  LastClose& last_close = MakeWithoutRetries();
  const auto closed = Allocate();
  const auto other = Allocate();
  int asked = 0;
  const auto watch = last_close.Watch(closed, [&] { return ++asked, true; });
  const auto other_watch = last_close.Watch(other, [] { return ADD_FAILURE(), true; });
  Touch(*closed);
  runner_.RunUntil([&] { return asked == 1; });
  Settle();
}

TEST_F(LastCloseTest, AsksEveryoneWhoWatchesTheSameBuffer) {
  LastClose& last_close = MakeWithoutRetries();
  const auto buffer = Allocate();
  int first_asked = 0, second_asked = 0;
  auto first = last_close.Watch(buffer, [&] { return ++first_asked, true; });
  const auto second = last_close.Watch(buffer, [&] { return ++second_asked, true; });
  Touch(*buffer);
  runner_.RunUntil([&] { return first_asked == 1 && second_asked == 1; });
  first.reset();
  Settle();
  EXPECT_EQ(second_asked, 1) << "the kernel's watch is both's";
  Touch(*buffer);
  runner_.RunUntil([&] { return second_asked == 2; });
  EXPECT_EQ(first_asked, 1);
}

// --- Rounds ---

TEST_F(LastCloseTest, AsksAgainWhenTheFirstProbeCameTooEarly) {
  LastClose& last_close = Make({.first_probe_is_early = [] { return true; }});
  const auto buffer = Allocate();
  bool ended = false;
  const auto watch = last_close.Watch(buffer, [&] {
    ended = buffer->IsOnlyOurs();
    return !ended;
  });
  Touch(*buffer);
  runner_.RunUntil([&] { return ended; });
  EXPECT_EQ(last_close.counts().late_ends, 1u);
  EXPECT_EQ(last_close.counts().events, 1u) << "no other announcement helped";
}

TEST_F(LastCloseTest, AsksAtEachDelayAndThenNotBeforeTheNextClose) {
  LastClose& last_close = Make({.retry_delays_ns = {1000, 1000, 1000}});
  const auto buffer = Allocate();
  int asked = 0;
  const auto watch = last_close.Watch(buffer, [&] { return ++asked, true; });
  for (const int in_all : {4, 8}) {
    Touch(*buffer);
    runner_.RunUntil([&] { return asked == in_all; });
    Settle();
    EXPECT_EQ(asked, in_all);
  }
  EXPECT_EQ(last_close.counts().late_ends, 0u);
}

TEST_F(LastCloseTest, IsContentOnceNobodySeemsToHoldTheBuffer) {
  LastClose& last_close = Make({.retry_delays_ns = {1000, 1000, 1000}});
  const auto buffer = Allocate();
  int asked = 0;
  const auto watch = last_close.Watch(buffer, [&] { return ++asked < 2; });
  Touch(*buffer);
  runner_.RunUntil([&] { return asked == 2; });
  Settle();
  EXPECT_EQ(asked, 2);
}

TEST_F(LastCloseTest, BeginsTheRoundAnewWithEachClose) {
  LastClose& last_close = Make({.retry_delays_ns = {1000, kHourNs}});
  const auto buffer = Allocate();
  int asked = 0;
  const auto watch = last_close.Watch(buffer, [&] { return ++asked, true; });
  for (const int in_all : {2, 4, 6}) {
    Touch(*buffer);
    runner_.RunUntil([&] { return asked == in_all; });
  }
}

TEST_F(LastCloseTest, HasOneTimerForARoundAndNoneBetweenRounds) {
  LastClose& last_close = MakeWithoutRetries();
  const size_t before = runner_.loop().pending_timers();
  const auto buffer = Allocate();
  bool held = true;
  auto watch = last_close.Watch(buffer, [&] { return held; });
  EXPECT_EQ(runner_.loop().pending_timers(), before);
  for (int i = 0; i < 3; ++i) {
    Touch(*buffer);
    Settle();
    EXPECT_EQ(runner_.loop().pending_timers(), before + 1) << "begun anew, the round is still one";
  }
  held = false;
  Touch(*buffer);
  Settle();
  EXPECT_EQ(runner_.loop().pending_timers(), before);
  held = true;
  Touch(*buffer);
  Settle();
  EXPECT_EQ(runner_.loop().pending_timers(), before + 1);
  watch.reset();
  EXPECT_EQ(runner_.loop().pending_timers(), before);
}

TEST_F(LastCloseTest, AsksOnceForManyClosesThatItReadsTogether) {
  LastClose& last_close = MakeWithoutRetries();
  const auto one = Allocate();
  const auto other = Allocate();
  int asked = 0;
  const auto watch = last_close.Watch(one, [&] { return ++asked, true; });
  const auto other_watch = last_close.Watch(other, [&] { return ++asked, true; });
  for (int i = 0; i < 10; ++i) Touch(i % 2 == 0 ? *one : *other);
  runner_.RunUntil([&] { return asked == 2; });
  Settle();
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(last_close.counts().events, 10u);
}

TEST_F(LastCloseTest, BeginsARoundWhenAskedTo) {
  LastClose& last_close = MakeWithoutRetries();
  const auto watch = last_close.Watch(Allocate(), [] { return true; });
  watch->ProbeSoon();
  watch->ProbeSoon();
  EXPECT_EQ(last_close.counts().probes, 0u) << "not on the caller's thread";
  Settle();
  EXPECT_EQ(last_close.counts().probes, 1u);
  watch->ProbeSoon();
  Settle();
  EXPECT_EQ(last_close.counts().probes, 2u);
}

// --- Long looks ---

TEST_F(LastCloseTest, AsksAProbeThatLooksOnUntilItHasSeenEverythingAndCountsItOnce) {
  LastClose& last_close = Make({.retry_delays_ns = {1000, kHourNs}});
  constexpr int kLooks = 20;  // more than a round has probes
  const auto buffer = Allocate();
  int asked = 0;
  std::unique_ptr<BufferWatch> watch;
  watch = last_close.Watch(buffer, [&] {
    if (++asked % kLooks != 0) watch->LookOn();
    return true;
  });
  Touch(*buffer);
  runner_.RunUntil([&] { return asked == 2 * kLooks; });
  Settle();
  EXPECT_EQ(asked, 2 * kLooks) << "the first probe and the one retry that is due, each in parts";
}

TEST_F(LastCloseTest, LetsOthersComeInBetweenTheLooksOfOneProbe) {
  LastClose& last_close = MakeWithoutRetries();
  const auto crowded = Allocate();
  const auto other = Allocate();
  bool other_asked = false;
  std::unique_ptr<BufferWatch> watch;
  watch = last_close.Watch(crowded, [&] {
    if (!other_asked) watch->LookOn();
    return true;
  });
  const auto other_watch = last_close.Watch(other, [&] { return other_asked = true; });
  Touch(*crowded);
  runner_.RunUntil([&] { return last_close.counts().probes >= 3; });
  Touch(*other);
  runner_.RunUntil([&] { return other_asked; });
}

TEST_F(LastCloseTest, LooksOnNoMoreOnceNobodyHoldsTheBuffer) {
  LastClose& last_close = MakeWithoutRetries();
  const auto buffer = Allocate();
  int asked = 0;
  std::unique_ptr<BufferWatch> watch;
  watch = last_close.Watch(buffer, [&] {
    watch->LookOn();
    return ++asked < 3;
  });
  Touch(*buffer);
  runner_.RunUntil([&] { return asked == 3; });
  Settle();
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(runner_.loop().pending_timers(), 0u);
}

// --- Catching up ---

TEST_F(LastCloseTest, CatchesUpWithWhatWasClosedBefore) {
  LastClose& last_close = Make();
  const auto buffer = Allocate();
  bool ended = false;
  const auto watch = last_close.Watch(buffer, [&] {
    ended = buffer->IsOnlyOurs();
    return !ended;
  });
  Touch(*buffer);
  last_close.CatchUp();
  EXPECT_TRUE(ended);
}

TEST_F(LastCloseTest, CatchesUpWithProbesThatCameTooEarly) {
  LastClose& last_close =
      Make({.retry_delays_ns = {kHourNs}, .first_probe_is_early = [] { return true; }});
  const auto buffer = Allocate();
  bool ended = false;
  const auto watch = last_close.Watch(buffer, [&] {
    ended = buffer->IsOnlyOurs();
    return !ended;
  });
  Touch(*buffer);
  runner_.RunUntil([&] { return last_close.counts().probes == 1; });
  EXPECT_FALSE(ended);
  last_close.CatchUp();
  EXPECT_TRUE(ended);
}

TEST_F(LastCloseTest, CatchesUpWithMoreThanOneBatch) {
  LastClose& last_close = MakeWithoutRetries();
  std::vector<std::shared_ptr<const heaps::Buffer>> buffers;
  std::vector<std::unique_ptr<BufferWatch>> watches;
  size_t asked = 0;
  for (int i = 0; i < 600; ++i) {
    buffers.push_back(Allocate());
    watches.push_back(last_close.Watch(buffers.back(), [&] { return ++asked, false; }));
  }
  for (const auto& buffer : buffers) Touch(*buffer);
  last_close.CatchUp();
  EXPECT_EQ(asked, buffers.size());
  EXPECT_EQ(last_close.counts().late_ends, 0u);
}

// --- Ends of watches ---

TEST_F(LastCloseTest, AsksNothingForAWatchThatHasEnded) {
  LastClose& last_close = Make({.retry_delays_ns = {1000}});
  const auto buffer = Allocate();
  auto watch = last_close.Watch(buffer, [] { return ADD_FAILURE(), true; });
  Touch(*buffer);
  watch->ProbeSoon();
  watch.reset();
  Settle();
  EXPECT_EQ(last_close.counts().watches, 0u);
}

TEST_F(LastCloseTest, AsksNothingForAWatchThatHasEndedInTheSameTurn) {
  LastClose& last_close = MakeWithoutRetries();
  const auto first = Allocate();
  const auto second = Allocate();
  int asked = 0;
  std::unique_ptr<BufferWatch> second_watch;
  const auto first_watch = last_close.Watch(first, [&] {
    second_watch.reset();
    return ++asked, true;
  });
  second_watch = last_close.Watch(second, [] { return ADD_FAILURE(), true; });
  Touch(*first);
  Touch(*second);
  runner_.RunUntil([&] { return asked == 1; });
  Settle();
}

TEST_F(LastCloseTest, LeavesNoWatchInTheKernel) {
  LastClose& last_close = MakeWithoutRetries();
  const size_t before = WatchesInTheKernel();
  const auto buffer = Allocate();  // else its watch would go with it
  auto first = last_close.Watch(buffer, [] { return true; });
  const auto second = last_close.Watch(Allocate(), [] { return true; });
  EXPECT_EQ(WatchesInTheKernel(), before + 2);
  first.reset();
  EXPECT_EQ(WatchesInTheKernel(), before + 1);
}

TEST_F(LastCloseTest, MayEndAWatchFromItsOwnProbe) {
  LastClose& last_close = MakeWithoutRetries();
  const auto buffer = Allocate();
  int asked = 0;
  std::unique_ptr<BufferWatch> watch;
  watch = last_close.Watch(buffer, [&] {
    ++asked;
    watch.reset();
    return true;
  });
  Touch(*buffer);
  runner_.RunUntil([&] { return asked == 1; });
  Settle();
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(runner_.loop().pending_timers(), 0u);
}

TEST_F(LastCloseTest, KeepsTheBufferNoLongerThanItWatches) {
  LastClose& last_close = MakeWithoutRetries();
  auto buffer = Allocate();
  const std::weak_ptr<const heaps::Buffer> weak = buffer;
  auto watch = last_close.Watch(std::move(buffer), [] { return true; });
  watch->ProbeSoon();
  Settle();  // a retry is due in an hour
  watch.reset();
  EXPECT_TRUE(weak.expired());
}

TEST_F(LastCloseTest, MayGoBeforeItsWatches) {
  const auto buffer = Allocate();
  const auto watch = Make().Watch(buffer, [] { return ADD_FAILURE(), true; });
  Touch(*buffer);
  watch->ProbeSoon();
  last_close_.reset();
  watch->ProbeSoon();
  watch->SetAwaited(true);
  Settle();
}

TEST_F(LastCloseTest, LetsWatchesComeAndGoOnOtherThreadsWhileItDelivers) {
  LastClose& last_close = Make({.retry_delays_ns = {1000, 1000}});
  std::atomic<uint64_t> ends = 0;
  std::atomic<int> running = 3;
  const auto use_buffers = [&] {
    for (int i = 0; i < 500; ++i) {
      const auto buffer = Allocate();
      const auto watch = last_close.Watch(buffer, [&ends, weak = std::weak_ptr(buffer)] {
        const auto probed = weak.lock();
        const bool held = probed && !probed->IsOnlyOurs();
        if (!held) ++ends;
        return held;
      });
      Touch(*buffer);
      if (i % 3 == 0) last_close.CatchUp();
      if (i % 3 == 1) watch->ProbeSoon();
    }
    --running;
  };
  std::vector<std::thread> threads;
  for (int i = running; i > 0; --i) threads.emplace_back(use_buffers);
  runner_.RunUntil([&] { return running == 0; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(ends, 0u);
  EXPECT_EQ(last_close.counts().watches, 0u);
  EXPECT_EQ(last_close.counts().unwatched, 0u);
}

}  // namespace
}  // namespace sysmem::server
