// SPDX-License-Identifier: Apache-2.0
#include "server/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "server/deferred_turns.h"

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Mailbox, HandlesAnItemOnTheSpotWhenItIsIdle) {
  std::vector<int> handled;
  Mailbox<int> mailbox([&](int item) -> Mailbox<int>::After {
    handled.push_back(item);
    return nullptr;
  });
  mailbox.Post(1);
  EXPECT_THAT(handled, ElementsAre(1));
  mailbox.Post(2);
  EXPECT_THAT(handled, ElementsAre(1, 2));
}

TEST(Mailbox, HandlesWhatItsHandlerPostsAfterTheItemUnderWay) {
  std::vector<int> handled;
  Mailbox<int>* self = nullptr;
  Mailbox<int> mailbox([&](int item) -> Mailbox<int>::After {
    if (item == 1) self->Post(2);
    handled.push_back(item);
    return nullptr;
  });
  self = &mailbox;
  mailbox.Post(1);
  EXPECT_THAT(handled, ElementsAre(1, 2));
}

TEST(Mailbox, HandlesWhatWasLeftBeforeWhatIsPostedNext) {
  std::vector<int> handled;
  Mailbox<int> mailbox([&](int item) -> Mailbox<int>::After {
    handled.push_back(item);
    return nullptr;
  });
  mailbox.Leave(1);
  EXPECT_THAT(handled, IsEmpty());
  mailbox.Post(2);
  EXPECT_THAT(handled, ElementsAre(1, 2));
  mailbox.Leave(3);
  mailbox.TakeTurns();
  mailbox.TakeTurns();
  EXPECT_THAT(handled, ElementsAre(1, 2, 3));
}

TEST(DeferredTurns, AreTakenInOrderAtTheEndOfTheOutermost) {
  std::vector<int> taken;
  const auto take = [&taken](int turn) { return [&taken, turn] { taken.push_back(turn); }; };
  EXPECT_EQ(DeferredTurns::OfThisThread(), nullptr);
  {
    DeferredTurns outer;
    DeferredTurns::OfThisThread()->Add(take(1));
    {
      DeferredTurns inner;
      EXPECT_EQ(DeferredTurns::OfThisThread(), &inner);
      inner.Add(take(2));
      std::thread([] { EXPECT_EQ(DeferredTurns::OfThisThread(), nullptr); }).join();
    }
    EXPECT_EQ(DeferredTurns::OfThisThread(), &outer);
    outer.Add([&] {
      EXPECT_EQ(DeferredTurns::OfThisThread(), nullptr) << "what a turn posts is not put off";
    });
    EXPECT_THAT(taken, IsEmpty());
  }
  EXPECT_THAT(taken, ElementsAre(1, 2));
}

TEST(Mailbox, GivesTheTurnBackBeforeWhatIsToHappenOutsideOfIt) {
  std::vector<int> handled;
  Mailbox<int>* self = nullptr;
  Mailbox<int> mailbox([&](int item) -> Mailbox<int>::After {
    handled.push_back(item);
    if (item != 1) return nullptr;
    // Were the turn still taken, the item would only be left in the mailbox.
    return [&] {
      self->Post(2);
      EXPECT_THAT(handled, ElementsAre(1, 2));
    };
  });
  self = &mailbox;
  mailbox.Post(1);
  EXPECT_THAT(handled, ElementsAre(1, 2));
}

TEST(Mailbox, LetsAnotherThreadTakeTheTurnWhileTheFirstIsOutsideOfIt) {
  std::latch first_is_outside(1);
  std::latch second_was_handled(1);
  Mailbox<int> mailbox([&](int item) -> Mailbox<int>::After {
    if (item == 2) second_was_handled.count_down();
    if (item != 1) return nullptr;
    return [&] {
      first_is_outside.count_down();
      second_was_handled.wait();
    };
  });
  std::thread other([&] {
    first_is_outside.wait();
    mailbox.Post(2);
  });
  mailbox.Post(1);
  other.join();
}

TEST(Mailbox, LeavesAnItemToTheThreadThatHasTheTurn) {
  std::latch inside(1);
  std::latch posted(1);
  std::vector<std::thread::id> handled_on;
  Mailbox<int> mailbox([&](int item) -> Mailbox<int>::After {
    handled_on.push_back(std::this_thread::get_id());
    if (item == 1) {
      inside.count_down();
      posted.wait();
    }
    return nullptr;
  });
  std::thread other([&] {
    inside.wait();
    mailbox.Post(2);  // Returns although the first item is still being handled.
    posted.count_down();
  });
  mailbox.Post(1);
  other.join();
  EXPECT_THAT(handled_on, ElementsAre(std::this_thread::get_id(), std::this_thread::get_id()));
}

TEST(Mailbox, WaitsWithTheOtherItemsWhileATurnIsKept) {
  std::vector<int> handled;
  bool was_outside = false;
  Mailbox<int> mailbox([&](int item) -> std::optional<Mailbox<int>::After> {
    handled.push_back(item);
    if (item == 1) return std::nullopt;
    return nullptr;
  });
  mailbox.Post(1);
  mailbox.Post(2);
  mailbox.Post(3);
  EXPECT_THAT(handled, ElementsAre(1));
  mailbox.GiveBack([&] {
    was_outside = true;
    EXPECT_THAT(handled, ElementsAre(1)) << "what follows the turn comes before the next one";
  });
  EXPECT_TRUE(was_outside);
  EXPECT_THAT(handled, ElementsAre(1, 2, 3));
}

TEST(Mailbox, TakesATurnBackThatWasGivenBackBeforeTheHandlerReturned) {
  std::vector<int> handled;
  Mailbox<int>* self = nullptr;
  Mailbox<int> mailbox([&](int item) -> std::optional<Mailbox<int>::After> {
    handled.push_back(item);
    if (item != 1) return nullptr;
    std::thread([&] { self->GiveBack(nullptr); }).join();
    return std::nullopt;
  });
  self = &mailbox;
  mailbox.Post(1);
  mailbox.Post(2);
  EXPECT_THAT(handled, ElementsAre(1, 2));
}

TEST(Mailbox, HandlesOneItemAtATimeAndEachThreadsItemsInOrder) {
  constexpr int kThreads = 4;
  constexpr int kItemsPerThread = 5'000;
  struct Item {
    int thread;
    int number;
  };
  std::atomic<int> inside = 0;
  std::vector<int> last_of(kThreads, 0);  // Unguarded: the turn is what guards it.
  int handled = 0;
  Mailbox<Item> mailbox([&](Item item) -> Mailbox<Item>::After {
    EXPECT_EQ(inside.fetch_add(1), 0);
    EXPECT_EQ(item.number, last_of[static_cast<size_t>(item.thread)] + 1);
    last_of[static_cast<size_t>(item.thread)] = item.number;
    ++handled;
    inside.fetch_sub(1);
    if (item.number % 3 == 0) return nullptr;
    return [] {};
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&mailbox, thread] {
      for (int number = 1; number <= kItemsPerThread; ++number) mailbox.Post({thread, number});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(handled, kThreads * kItemsPerThread);
}

}  // namespace
}  // namespace sysmem::server
