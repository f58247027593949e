// SPDX-License-Identifier: Apache-2.0
#include "server/event_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "tests/server/loop_runner.h"

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;

base::EventFd MakeEvent() { return std::move(base::EventFd::Create()).value(); }

class EventLoopTest : public testing::Test {
 protected:
  EventLoop& loop() { return runner_.loop(); }
  EventLoop::WatchId Watch(const base::EventFd& event, uint32_t events,
                           EventLoop::WatchCallback callback) {
    return loop().AddWatch(event.fd().get(), events, std::move(callback)).value();
  }

  LoopRunner runner_;
};

TEST_F(EventLoopTest, CallsAWatchWhenItsDescriptorCanBeRead) {
  const base::EventFd event = MakeEvent();
  uint32_t seen = 0;
  Watch(event, EPOLLIN, [&](uint32_t events) {
    seen = events;
    event.Drain();
  });
  runner_.RunRounds(3);
  EXPECT_EQ(seen, 0U);
  event.Signal();
  runner_.RunUntil([&] { return seen != 0; });
  EXPECT_EQ(seen, uint32_t{EPOLLIN});
}

TEST_F(EventLoopTest, ReportsAHangUpThoughNothingWasAskedFor) {
  auto [ours, theirs] = base::SocketPair(SOCK_SEQPACKET).value();
  uint32_t seen = 0;
  ASSERT_TRUE(loop().AddWatch(ours.get(), 0, [&](uint32_t events) { seen = events; }).ok());
  runner_.RunRounds(3);
  EXPECT_EQ(seen, 0U);
  theirs.reset();
  runner_.RunUntil([&] { return seen != 0; });
  EXPECT_NE(seen & EPOLLHUP, 0U);
}

TEST_F(EventLoopTest, CallsAnEdgeTriggeredWatchOncePerEdge) {
  const base::EventFd event = MakeEvent();
  int calls = 0;
  Watch(event, EPOLLIN | EPOLLET, [&](uint32_t) { ++calls; });
  event.Signal();
  runner_.RunUntil([&] { return calls != 0; });
  runner_.RunRounds(5);  // Still readable, but no news.
  EXPECT_EQ(calls, 1);
  event.Signal();
  runner_.RunUntil([&] { return calls == 2; });
}

TEST_F(EventLoopTest, CallsALevelTriggeredWatchUntilItIsChanged) {
  const base::EventFd event = MakeEvent();
  int calls = 0;
  const EventLoop::WatchId watch = Watch(event, EPOLLIN, [&](uint32_t) { ++calls; });
  event.Signal();
  runner_.RunUntil([&] { return calls >= 3; });
  loop().ChangeWatch(watch, 0);
  const int calls_before = calls;
  runner_.RunRounds(5);
  EXPECT_EQ(calls, calls_before);
  loop().ChangeWatch(watch, EPOLLIN);
  runner_.RunUntil([&] { return calls > calls_before; });
}

class HangUps : public EventLoopTest {
 protected:
  void Add(size_t count) {
    ends_.resize(count);
    for (End& end : ends_) {
      auto [ours, theirs] = base::SocketPair(SOCK_SEQPACKET).value();
      end.ours = std::move(ours);
      end.theirs = std::move(theirs);
      end.watch = loop()
                      .AddHangUpWatch(end.ours.get(),
                                      [this, &end] {
                                        ++end.calls;
                                        loop().RemoveWatch(end.watch);
                                      })
                      .value();
    }
  }
  void HangUpAll() {
    for (End& end : ends_) end.theirs.reset();
  }
  std::set<int> Calls() const {
    std::set<int> calls;
    for (const End& end : ends_) calls.insert(end.calls);
    return calls;
  }

 private:
  struct End {
    base::UniqueFd ours;
    base::UniqueFd theirs;
    EventLoop::WatchId watch = 0;
    int calls = 0;
  };
  std::vector<End> ends_;
};

TEST_F(HangUps, AreHandledByTheLoopOnce) {
  Add(200);
  runner_.RunRounds(3);
  EXPECT_EQ(Calls(), std::set<int>({0}));
  HangUpAll();
  runner_.RunUntil([&] { return !Calls().contains(0); });
  loop().CatchUp();
  EXPECT_EQ(Calls(), std::set<int>({1}));
}

TEST_F(HangUps, AreAllHandledWhenSomebodyCatchesUpThoughTheLoopDoesNotRun) {
  Add(200);
  loop().CatchUp();
  EXPECT_EQ(Calls(), std::set<int>({0}));
  HangUpAll();
  loop().CatchUp();
  EXPECT_EQ(Calls(), std::set<int>({1}));
  runner_.RunRounds(3);
  EXPECT_EQ(Calls(), std::set<int>({1}));
}

TEST_F(EventLoopTest, RefusesADescriptorItWatchesAlready) {
  const base::EventFd event = MakeEvent();
  Watch(event, EPOLLIN, [](uint32_t) {});
  EXPECT_EQ(loop().AddWatch(event.fd().get(), EPOLLIN, [](uint32_t) {}).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(EventLoopTest, RefusesADescriptorThatIsNotOpen) {
  EXPECT_FALSE(loop().AddWatch(-1, EPOLLIN, [](uint32_t) {}).ok());
}

TEST_F(EventLoopTest, CallsNothingForAWatchRemovedWhileItsEventWasUnderWay) {
  const base::EventFd first = MakeEvent();
  const base::EventFd second = MakeEvent();
  std::vector<EventLoop::WatchId> watches;
  int calls = 0;
  const auto remove_both = [&](uint32_t) {
    ++calls;
    for (const EventLoop::WatchId watch : watches) loop().RemoveWatch(watch);
  };
  watches.push_back(Watch(first, EPOLLIN, remove_both));
  watches.push_back(Watch(second, EPOLLIN, remove_both));
  first.Signal();
  second.Signal();  // Both are fetched with one system call.
  runner_.RunUntil([&] { return calls != 0; });
  runner_.RunRounds(3);
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, LetsARemovedCallbacksDestructorUseTheLoop) {
  const base::EventFd event = MakeEvent();
  bool posted_ran = false;
  struct PostsAtItsEnd {
    EventLoop& loop;
    bool& ran;
    ~PostsAtItsEnd() {
      loop.Post([this_ran = &ran] { *this_ran = true; });
    }
  };
  auto captured = std::make_shared<PostsAtItsEnd>(PostsAtItsEnd{loop(), posted_ran});
  const EventLoop::WatchId watch =
      Watch(event, EPOLLIN, [captured = std::move(captured)](uint32_t) {});
  runner_.RunRounds(1);
  posted_ran = false;
  loop().RemoveWatch(watch);  // Would lock itself out if the loop's lock were held.
  runner_.RunUntil([&] { return posted_ran; });
}

TEST_F(EventLoopTest, RunsTimersInTheOrderOfTheirDeadlines) {
  std::vector<int> ran;
  const int64_t now_ns = EventLoop::NowNs();
  loop().RunAt(now_ns + 3'000'000, [&] { ran.push_back(3); });
  loop().RunAt(now_ns + 1'000'000, [&] { ran.push_back(1); });
  loop().RunAt(now_ns + 2'000'000, [&] { ran.push_back(2); });
  runner_.RunUntil([&] { return ran.size() == 3; });
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST_F(EventLoopTest, RunsNoTimerBeforeItsDeadline) {
  const int64_t deadline_ns = EventLoop::NowNs() + 5'000'000;
  int64_t ran_ns = 0;
  loop().RunAt(deadline_ns, [&] { ran_ns = EventLoop::NowNs(); });
  runner_.RunUntil([&] { return ran_ns != 0; });
  EXPECT_GE(ran_ns, deadline_ns);
}

TEST_F(EventLoopTest, RunsATimerOnceAndACancelledOneNever) {
  int due = 0;
  bool cancelled_ran = false;
  const int64_t now_ns = EventLoop::NowNs();
  const EventLoop::TimerId cancelled = loop().RunAt(now_ns, [&] { cancelled_ran = true; });
  const EventLoop::TimerId ran = loop().RunAt(now_ns, [&] { ++due; });
  loop().CancelTimer(cancelled);
  runner_.RunUntil([&] { return due != 0; });
  runner_.RunRounds(3);
  EXPECT_EQ(due, 1);
  EXPECT_FALSE(cancelled_ran);
  loop().CancelTimer(ran);  // Too late, and harmless.
}

TEST_F(EventLoopTest, WakesForAnEarlierTimerThatAnotherThreadAdds) {
  bool ran = false;
  loop().RunAt(EventLoop::NowNs() + 3'600'000'000'000, [] {});
  std::thread other([&] {
    loop().RunAt(EventLoop::NowNs() + 1'000'000, [&] {
      ran = true;
      loop().Stop();
    });
  });
  loop().Run();
  other.join();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, RunsWhatIsPostedInOrderAndOnItsOwnThread) {
  std::vector<int> ran;
  std::thread::id ran_on;
  std::thread other([&] {
    loop().Post([&] { ran.push_back(1); });
    loop().Post([&] { ran.push_back(2); });
    loop().Post([&] {
      ran_on = std::this_thread::get_id();
      loop().Stop();
    });
  });
  loop().Run();
  other.join();
  EXPECT_THAT(ran, ElementsAre(1, 2));
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(EventLoopTest, LetsDescriptorsHaveTheirTurnWhileSomebodyPostsForever) {
  const base::EventFd event = MakeEvent();
  bool heard = false;
  Watch(event, EPOLLIN, [&](uint32_t) { heard = true; });
  std::function<void()> post_again = [&] {
    if (!heard) loop().Post(post_again);
  };
  loop().Post(post_again);
  event.Signal();
  runner_.RunUntil([&] { return heard; });
}

TEST_F(EventLoopTest, ReturnsAtOnceWhenItWasStoppedBefore) {
  loop().Stop();
  loop().Run();
}

TEST_F(EventLoopTest, BearsWatchesThatOtherThreadsAddAndRemoveWhileItServes) {
  std::thread serving([&] { loop().Run(); });
  std::atomic<int> calls = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        // The callback keeps what it uses alive, because it may be under way at the removal.
        auto event = std::make_shared<base::EventFd>(MakeEvent());
        event->Signal();
        const int fd = event->fd().get();
        const EventLoop::WatchId watch = loop()
                                             .AddWatch(fd, EPOLLIN,
                                                       [event, &calls](uint32_t) {
                                                         event->Drain();
                                                         ++calls;
                                                       })
                                             .value();
        const EventLoop::TimerId timer = loop().RunAt(EventLoop::NowNs(), [] {});
        loop().RemoveWatch(watch);
        loop().CancelTimer(timer);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  loop().Stop();
  serving.join();
  EXPECT_LE(calls.load(), 1500);
}

}  // namespace
}  // namespace sysmem::server
