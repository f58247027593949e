// SPDX-License-Identifier: Apache-2.0
//
// Programs with an event loop: one descriptor to poll, one call to dispatch, callbacks that may do
// everything.
#include <poll.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/library_fixture.h"

namespace sysmem::testing {
namespace {

class EventLoop : public LibraryTest {
 protected:
  // Polls and dispatches, as a program would, until `done`. False when that does not come.
  static bool RunUntil(sysmem::Client& client, const std::function<bool()>& done) {
    while (!done()) {
      (void)client.Flush();  // fails when the session is over, which Dispatch tells as well
      if (!AwaitReadable(client.fd())) return false;
      auto dispatched = client.Dispatch();
      if (!dispatched.ok()) return done();
    }
    return true;
  }

  // A collection that waits for somebody who holds `other`.
  struct Half {
    sysmem::Collection collection;
    sysmem::Token other;
  };
  Half Begin(uint32_t buffers = 1) {
    auto root = client().CreateToken();
    auto child = root->Duplicate();
    auto collection = std::move(*child).Bind();
    EXPECT_TRUE(collection.ok());
    SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(buffers, 4096)));
    return {*std::move(collection), *std::move(root)};
  }
  // A collection that waits for nobody.
  sysmem::Collection Alone(const sysmem::Constraints& constraints) {
    auto token = client().CreateToken();
    auto collection = std::move(*token).Bind();
    EXPECT_TRUE(collection.ok());
    SYSMEM_EXPECT_OK(collection->SetConstraints(constraints));
    return *std::move(collection);
  }
};

TEST_F(EventLoop, DeliversTheOutcomeOfAWaitToItsCallback) {
  Half half = Begin();
  std::optional<sysmem::Buffers> received;
  auto wait = half.collection.StartWait(Patience(), [&](sysmem::Result<sysmem::Buffers> outcome) {
    SYSMEM_ASSERT_OK(outcome);
    received.emplace(*std::move(outcome));
  });
  SYSMEM_ASSERT_OK(wait);
  auto dispatched = client().Dispatch();
  SYSMEM_ASSERT_OK(dispatched);
  EXPECT_EQ(*dispatched, 0u);
  half.other.Reset();
  EXPECT_TRUE(RunUntil(client(), [&] { return received.has_value(); }));
  ASSERT_TRUE(received);
  EXPECT_EQ(received->count(), 1u);
}

TEST_F(EventLoop, TellsOfClosedNodesEachOnce) {
  Half half = Begin();
  int collection_closed = 0;
  int token_closed = 0;
  half.collection.SetListener({.closed = [&](const sysmem::Failure&) { ++collection_closed; }});
  half.other.SetListener({.closed = [&](const sysmem::Failure&) { ++token_closed; }});
  auto third = half.other.Duplicate();
  SYSMEM_ASSERT_OK(third);
  third->Close();  // fails the domain
  EXPECT_TRUE(RunUntil(client(), [&] { return collection_closed + token_closed == 2; }));
  EXPECT_EQ(collection_closed, 1);
  EXPECT_EQ(token_closed, 1);
}

TEST_F(EventLoop, TellsOfARefusedCallAndThenOfTheClosure) {
  auto token = client().CreateToken();
  SYSMEM_ASSERT_OK(token);
  std::vector<std::string> events;
  token->SetListener({.closed = [&](const sysmem::Failure&) { events.push_back("closed"); },
                      .refused =
                          [&](const sysmem::Failure& why) {
                            events.push_back("refused");
                            EXPECT_EQ(why.status, sysmem::Status::kRefused);
                            EXPECT_FALSE(why.message.empty());
                          }});
  SYSMEM_EXPECT_OK(token->Release());
  SYSMEM_EXPECT_OK(token->SetName(1, "after Release"));
  EXPECT_TRUE(RunUntil(client(), [&] { return events.size() == 2; }));
  EXPECT_EQ(events, (std::vector<std::string>{"refused", "closed"}));
}

TEST_F(EventLoop, LetsACallbackDestroyItsObjectAndCallTheLibrary) {
  auto first = client().CreateToken();
  SYSMEM_ASSERT_OK(first);
  auto child = first->Duplicate();
  SYSMEM_ASSERT_OK(child);
  std::optional<sysmem::Token> doomed(*std::move(first));
  std::optional<sysmem::Token> replacement;
  doomed->SetListener({.closed = [&](const sysmem::Failure&) {
    doomed.reset();  // the object this very callback belongs to
    auto made = client().CreateToken();
    SYSMEM_ASSERT_OK(made);
    replacement.emplace(*std::move(made));
    SYSMEM_EXPECT_OK(replacement->Sync());
    ExpectServed(client());
  }});
  child->Close();
  EXPECT_TRUE(RunUntil(client(), [&] { return replacement.has_value(); }));
  EXPECT_FALSE(doomed);
}

TEST_F(EventLoop, LetsAWaitsCallbackDestroyWaitAndCollection) {
  Half half = Begin();
  std::optional<sysmem::Collection> collection(std::move(half.collection));
  std::optional<sysmem::PendingWait> wait;
  bool called = false;
  auto started = collection->StartWait(Patience(), [&](sysmem::Result<sysmem::Buffers> outcome) {
    SYSMEM_EXPECT_OK(outcome);
    wait.reset();
    collection.reset();
    called = true;
  });
  SYSMEM_ASSERT_OK(started);
  wait.emplace(*std::move(started));
  half.other.Reset();
  EXPECT_TRUE(RunUntil(client(), [&] { return called; }));
}

TEST_F(EventLoop, DoesNotCallBackForAWaitThatWasDestroyed) {
  Half half = Begin();
  auto wait = std::make_optional(half.collection.StartWait(
      Patience(), [](const sysmem::Result<sysmem::Buffers>&) { ADD_FAILURE() << "called back"; }));
  SYSMEM_ASSERT_OK(*wait);
  wait.reset();
  half.other.Reset();
  SYSMEM_EXPECT_OK(half.collection.Wait(Patience()));
  SYSMEM_EXPECT_OK(client().Dispatch());
}

TEST_F(EventLoop, TellsACancelledWaitSo) {
  Half half = Begin();
  auto wait = half.collection.StartWait(Patience());
  SYSMEM_ASSERT_OK(wait);
  wait->Cancel();
  EXPECT_TRUE(AwaitReadable(wait->fd()));
  SYSMEM_EXPECT_STATUS(wait->Finish(Patience()), sysmem::Status::kCancelled);
  half.other.Reset();
  SYSMEM_EXPECT_OK(half.collection.Wait(Patience()));
}

TEST_F(EventLoop, HasAnEventfdForEachObjectThatNeedsNoDispatch) {
  Half half = Begin();
  auto wait = half.collection.StartWait(Patience());
  SYSMEM_ASSERT_OK(wait);
  auto collection_closed = half.collection.ClosedFd();
  SYSMEM_ASSERT_OK(collection_closed);
  auto token_closed = half.other.ClosedFd();
  SYSMEM_ASSERT_OK(token_closed);
  auto is_readable = [](int fd) {
    pollfd poll_one{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&poll_one, 1, 0) == 1;
  };
  SYSMEM_EXPECT_OK(client().Roundtrip());
  EXPECT_FALSE(is_readable(wait->fd()));
  EXPECT_FALSE(is_readable(collection_closed->get()));
  half.other.Close();
  EXPECT_TRUE(AwaitReadable(wait->fd()));
  EXPECT_TRUE(AwaitReadable(collection_closed->get()));
  SYSMEM_EXPECT_STATUS(wait->Finish(Patience()), sysmem::Status::kClosed);
}

// No call of the program reads what the daemon sends while it sleeps on a wait's eventfd, and the
// daemon leaves only so much unread.
TEST_F(EventLoop, NeedsNoDispatchForTheLastOfManyWaits) {
  Half half = Begin(16);
  std::vector<sysmem::PendingWait> waits;
  for (int i = 0; i < 10; ++i) {
    auto wait = half.collection.StartWait(Patience());
    SYSMEM_ASSERT_OK(wait);
    waits.push_back(*std::move(wait));
  }
  half.other.Reset();
  EXPECT_TRUE(AwaitReadable(waits.back().fd()));
  for (; !waits.empty(); waits.pop_back()) {
    auto buffers = waits.back().Finish(Patience());
    SYSMEM_ASSERT_OK(buffers);
    EXPECT_EQ(buffers->count(), 16u);
  }
}

// What lies unread at the end of each round is a closure, never a descriptor.
TEST_F(EventLoop, NeedsNoDispatchForWaitsAmongClosures) {
  sysmem::Constraints impossible = WriterNeeds(1, 4096);
  impossible.memory->max_size_bytes = 1;
  for (int i = 0; i < 10; ++i) {
    sysmem::Collection failing = Alone(impossible);
    auto refused = failing.StartWait(Patience());
    SYSMEM_ASSERT_OK(refused);
    EXPECT_FALSE(refused->Finish(Patience()).ok());
    sysmem::Collection collection = Alone(WriterNeeds(16, 4096));
    auto wait = collection.StartWait(Patience());
    SYSMEM_ASSERT_OK(wait);
    SYSMEM_EXPECT_OK(wait->Finish(Patience()));
  }
}

// More closures than the socket holds, and the outcome behind them.
TEST_F(EventLoop, NeedsNoDispatchForAWaitBehindManyClosures) {
  Half half = Begin();
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  std::vector<sysmem::Token> doomed;
  for (int i = 0; i < 400; ++i) {
    auto token = root->Duplicate();
    SYSMEM_ASSERT_OK(token);
    doomed.push_back(*std::move(token));
  }
  SYSMEM_EXPECT_OK(client().Roundtrip());
  auto wait = half.collection.StartWait(Patience());
  SYSMEM_ASSERT_OK(wait);
  doomed.back().Close();
  half.other.Reset();
  EXPECT_TRUE(AwaitReadable(wait->fd()));
  SYSMEM_EXPECT_OK(wait->Finish(Patience()));
}

TEST_F(EventLoop, DeliversTheReplyBeforeTheClosureThatCameAfterIt) {
  for (int round = 0; round < 50; ++round) {
    Half half = Begin();
    std::vector<std::string> events;
    half.collection.SetListener(
        {.closed = [&](const sysmem::Failure&) { events.push_back("closed"); }});
    auto wait = half.collection.StartWait(Patience(), [&](sysmem::Result<sysmem::Buffers> outcome) {
      events.push_back(outcome.ok() ? "buffers" : outcome.failure().text);
    });
    SYSMEM_ASSERT_OK(wait);
    // The other takes part, so that there are buffers, and drops out without a word.
    auto other = std::move(half.other).Bind();
    SYSMEM_ASSERT_OK(other);
    SYSMEM_EXPECT_OK(other->SetConstraints(ReaderNeeds()));
    other->Close();
    EXPECT_TRUE(RunUntil(client(), [&] { return events.size() == 2; }));
    // SetConstraints came before the close, so that the buffers were there first.
    EXPECT_EQ(events, (std::vector<std::string>{"buffers", "closed"}));
  }
}

TEST_F(EventLoop, SaysWhenTheSessionIsOverAfterEverythingElse) {
  Half half = Begin();
  std::vector<std::string> events;
  half.collection.SetListener(
      {.closed = [&](const sysmem::Failure&) { events.push_back("closed"); }});
  auto wait = half.collection.StartWait(Patience(), [&](sysmem::Result<sysmem::Buffers> outcome) {
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.failure().status, sysmem::Status::kDisconnected);
    events.push_back("wait");
  });
  SYSMEM_ASSERT_OK(wait);
  client().OnEnded([&](const sysmem::Failure&) { events.push_back("ended"); });
  SYSMEM_EXPECT_OK(client().Roundtrip());
  daemon().Kill();
  EXPECT_TRUE(RunUntil(client(), [&] { return !events.empty() && events.back() == "ended"; }));
  EXPECT_GE(events.size(), 2u);
  SYSMEM_EXPECT_STATUS(client().Dispatch(), sysmem::Status::kDisconnected);
}

}  // namespace
}  // namespace sysmem::testing
