// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "server/event_loop.h"

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;

int64_t Soon() { return EventLoop::NowNs() + 20'000'000'000; }

TEST(Worker, RunsJobsInTheOrderInWhichTheyWereGiven) {
  Worker worker({.name = "test", .threads = 1, .max_threads = 1});
  std::vector<int> ran;
  for (int job = 1; job <= 3; ++job) worker.Run([&ran, job] { ran.push_back(job); });
  ASSERT_TRUE(worker.Drain(Soon()));
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(Worker, RunsAsManyJobsAtOnceAsItHasThreads) {
  Worker worker({.name = "test", .threads = 2});
  std::latch both_run(2);
  for (int job = 0; job < 2; ++job) worker.Run([&] { both_run.arrive_and_wait(); });
  EXPECT_TRUE(worker.Drain(Soon()));
}

TEST(Worker, LetsOwnersTakeTurns) {
  Worker worker({.name = "test", .threads = 1, .max_threads = 1});
  std::latch all_given(1);
  std::vector<std::string> ran;
  worker.Run(1, [&] { all_given.wait(); });
  const auto job = [&](const char* name) { return [&ran, name] { ran.push_back(name); }; };
  worker.Run(1, job("first of 1"));
  worker.Run(1, job("second of 1"));
  worker.Run(1, job("third of 1"));
  worker.Run(2, job("first of 2"));
  worker.Run(3, job("first of 3"));
  all_given.count_down();
  ASSERT_TRUE(worker.Drain(Soon()));
  EXPECT_THAT(ran,
              ElementsAre("first of 2", "first of 3", "first of 1", "second of 1", "third of 1"));
}

TEST(Worker, KeepsAThreadFreeOfAnOwnerWhoHasHisShare) {
  Worker worker({.name = "test", .threads = 2, .max_threads = 2, .jobs_per_owner = 1});
  std::latch others_ran(1);
  std::atomic<int> under_way = 0;
  const auto greedy = [&] {
    EXPECT_EQ(under_way.fetch_add(1), 0);
    others_ran.wait();
    under_way.fetch_sub(1);
  };
  for (int job = 0; job < 4; ++job) worker.Run(1, greedy);
  worker.Run(2, [&] { others_ran.count_down(); });  // Were both threads the greedy one's, never.
  EXPECT_TRUE(worker.Drain(Soon()));
}

// How often a thread of this process has gone to sleep.
int64_t Sleeps() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return used.ru_nvcsw;
}

TEST(Worker, WakesNoThreadForAJobThatMayNotStartYet) {
  constexpr int kJobs = 1000;
  Worker worker({.name = "test", .threads = 2, .max_threads = 2, .jobs_per_owner = 1});
  int given = 1;
  std::latch done(1);
  const std::function<void()> job = [&] {
    if (given == kJobs) return done.count_down();
    ++given;
    worker.Run(1, job);  // waits for this one, its owner's share
  };
  const int64_t before = Sleeps();
  worker.Run(1, job);
  done.wait();
  ASSERT_TRUE(worker.Drain(Soon()));
  EXPECT_LT(Sleeps() - before, kJobs / 10);
}

TEST(Worker, FinishesWhatWaitsForItsOwnersShareWhenItIsStopped) {
  std::atomic<int> ran = 0;
  Worker worker({.name = "test", .threads = 2, .jobs_per_owner = 1});
  for (int job = 0; job < 100; ++job) worker.Run(1, [&] { ++ran; });
  EXPECT_TRUE(worker.Stop(Soon()));
  EXPECT_EQ(ran.load(), 100);
}

TEST(Worker, IsNicerThanOthersWhereItIsToldTo) {
  Worker worker({.name = "test", .nice = 3});
  int nice = 0;
  worker.Run([&] { nice = ::getpriority(PRIO_PROCESS, 0); });
  ASSERT_TRUE(worker.Drain(Soon()));
  EXPECT_EQ(nice, std::min(::getpriority(PRIO_PROCESS, 0) + 3, 19));
}

TEST(Worker, NamesItsThreadsAndBlocksEverySignalInThem) {
  Worker worker({.name = "sysmemd-with-a-long-name"});
  std::string name;
  sigset_t mask;
  ::sigemptyset(&mask);
  worker.Run([&] {
    std::array<char, 16> buffer{};
    ::pthread_getname_np(::pthread_self(), buffer.data(), buffer.size());
    name = buffer.data();
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  });
  ASSERT_TRUE(worker.Drain(Soon()));
  EXPECT_EQ(name, "sysmemd-with-a-");
  EXPECT_TRUE(::sigismember(&mask, SIGTERM));
  EXPECT_TRUE(::sigismember(&mask, SIGUSR1));
}

TEST(Worker, FinishesWhatItWasGivenWhenItIsStopped) {
  std::atomic<int> ran = 0;
  Worker worker({.name = "test"});
  for (int job = 0; job < 100; ++job) worker.Run([&] { ++ran; });
  EXPECT_TRUE(worker.Stop(Soon()));
  EXPECT_EQ(ran.load(), 100);
  EXPECT_EQ(worker.threads(), 0U);
}

TEST(Worker, TakesNoJobAfterItWasStopped) {
  Worker worker({.name = "test"});
  worker.Stop(Soon());
  EXPECT_FALSE(worker.Run([] { FAIL(); }));
}

TEST(Worker, LetsAJobGiveAnotherOne) {
  std::latch second_ran(1);
  Worker worker({.name = "test", .threads = 1});
  worker.Run([&] { worker.Run([&] { second_ran.count_down(); }); });
  second_ran.wait();
}

TEST(Worker, AddsAThreadWhenAllAreStuck) {
  Worker worker({.name = "test", .threads = 1, .max_threads = 2, .stall_ns = 0});
  std::latch stuck(1);
  std::latch other_ran(1);
  worker.Run([&] {
    stuck.count_down();
    other_ran.wait();
  });
  stuck.wait();
  worker.Run([&] { other_ran.count_down(); });  // Only a second thread can run this.
  EXPECT_TRUE(worker.Drain(Soon()));
  EXPECT_EQ(worker.threads(), 2U);
}

TEST(Worker, AddsNoThreadForJobsThatJustBegan) {
  Worker worker({.name = "test", .threads = 1, .max_threads = 8, .stall_ns = 60'000'000'000});
  for (int job = 0; job < 100; ++job) worker.Run([] {});
  EXPECT_TRUE(worker.Drain(Soon()));
  EXPECT_EQ(worker.threads(), 1U);
}

// What the job uses is its own: it goes on after the worker is gone.
TEST(Worker, LeavesAStuckJobToItselfWhenItsPatienceEnds) {
  struct Shared {
    std::latch begun{1};
    std::latch go_on{1};
    std::latch ended{1};
    std::atomic<bool> second_ran = false;
  };
  auto shared = std::make_shared<Shared>();
  {
    Worker worker({.name = "test", .threads = 1, .max_threads = 1});
    worker.Run([shared] {
      shared->begun.count_down();
      shared->go_on.wait();
      shared->ended.count_down();
    });
    worker.Run([shared] { shared->second_ran = true; });
    shared->begun.wait();
    EXPECT_FALSE(worker.Drain(EventLoop::NowNs()));
    EXPECT_FALSE(worker.Stop(EventLoop::NowNs()));
    // The destructor would be patient for seconds; the job is let go before it.
    shared->go_on.count_down();
  }
  shared->ended.wait();
  EXPECT_FALSE(shared->second_ran);
}

}  // namespace
}  // namespace sysmem::server
