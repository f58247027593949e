// SPDX-License-Identifier: Apache-2.0
//
// What comes in: replies, events and descriptors, each on its own way, in one order.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/client/session_fixture.h"

namespace sysmem::client {
namespace {

using ::testing::HasSubstr;

class IncomingTest : public SessionTest {
 protected:
  static std::vector<base::UniqueFd> List(base::UniqueFd fd) {
    std::vector<base::UniqueFd> list;
    list.push_back(std::move(fd));
    return list;
  }
  static std::pair<base::UniqueFd, base::UniqueFd> Pipe() {
    int pipe[2];
    EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    return {base::UniqueFd(pipe[0]), base::UniqueFd(pipe[1])};
  }
  static uint64_t HandleOf(const FakeDaemon::Call& call) {
    return call.run.operations(0).allocate_non_shared_collection().collection_handle();
  }
  // A reply that hands out buffers under these descriptor numbers.
  static sysmem2::RunReply Buffers(std::initializer_list<uint64_t> numbers) {
    sysmem2::RunReply reply;
    auto* info = reply.mutable_last()
                     ->mutable_wait_for_all_buffers_allocated()
                     ->mutable_buffer_collection_info();
    for (const uint64_t number : numbers) info->add_buffers()->set_vmo(number);
    return reply;
  }
  // The daemon closes the only node that there is; next comes order 4.
  void CloseDuringACall(const std::string& why) {
    auto pinged = Async([&] { return client_->Roundtrip(); });
    const FakeDaemon::Call call = daemon_.NextCall();
    daemon_.SendNodeClosed(2, HandleOf(call), why);
    daemon_.Reply(call, 3);
    EXPECT_TRUE(pinged.get().ok());
  }
};

TEST_F(IncomingTest, AClosureIsNotSeenBeforeTheReplySentBeforeIt) {
  Collection collection = MakeCollection();
  auto checked = Async([&] { return collection.Check(); });
  const FakeDaemon::Call call = daemon_.NextCall();
  daemon_.SendNodeClosed(3, HandleOf(call), "out of memory");
  EXPECT_TRUE(client_->is_connected()) << "takes in what is there";
  EXPECT_FALSE(collection.is_closed()) << "the reply with order 2 is still to come";
  daemon_.Reply(call, 2, Failing(1, sysmem2::OUTCOME_ERROR));
  EXPECT_EQ(checked.get().failure().status, Status::kError);
  EXPECT_TRUE(collection.is_closed());
}

TEST_F(IncomingTest, AReplyIsNotGivenBeforeTheClosureSentBeforeIt) {
  Collection collection = MakeCollection();
  CloseDuringACall("out of memory");
  EXPECT_TRUE(collection.is_closed());
  EXPECT_THAT(collection.SetName(1, "x").failure().message, HasSubstr("out of memory"));
}

TEST_F(IncomingTest, HowTheAllocationEndedIsAskedOfTheDaemonAlthoughItHasClosedTheCollection) {
  Collection collection = MakeCollection();
  CloseDuringACall("out of memory");
  ASSERT_TRUE(collection.is_closed());
  AnswerEverything(
      [](const FakeDaemon::Call&) {
        sysmem2::RunReply reply = Failing(0, sysmem2::OUTCOME_CLOSED);
        reply.mutable_failures(0)->mutable_failure()->set_error(sysmem2::ERROR_NO_MEMORY);
        return reply;
      },
      4);
  EXPECT_EQ(collection.Wait(10s).failure().error, Error::kNoMemory);
  EXPECT_EQ(collection.Check().failure().error, Error::kNoMemory);
  EXPECT_EQ(collection.StartWait(10s)->Finish(10s).failure().error, Error::kNoMemory);
}

TEST_F(IncomingTest, ALongWaitReadsWhatTheDaemonSaysMeanwhile) {
  constexpr uint64_t kMoreThanTheSocketHolds = 600;
  Collection collection = MakeCollection();
  auto waited = Async([&] { return collection.Wait(600s); });
  const FakeDaemon::Call call = daemon_.NextCall();
  uint64_t order = 2;
  for (; order < 2 + kMoreThanTheSocketHolds; ++order) {
    daemon_.SendNodeClosed(order, 1'000'000 + order, "gone");
    if (HasFatalFailure()) break;
  }
  daemon_.Reply(call, order, Failing(1, sysmem2::OUTCOME_ERROR));
  EXPECT_EQ(waited.get().failure().status, Status::kError);
}

TEST_F(IncomingTest, RepliesToSeveralThreadsAreGivenInTheOrderTheyWereSent) {
  Collection collection = MakeCollection();
  auto first = Async([&] { return collection.Check(); });
  const FakeDaemon::Call first_call = daemon_.NextCall();
  auto second = Async([&] { return collection.Check(); });
  const FakeDaemon::Call second_call = daemon_.NextCall();
  daemon_.Reply(second_call, 3);
  EXPECT_EQ(second.wait_for(20ms), std::future_status::timeout) << "order 2 is missing";
  daemon_.Reply(first_call, 2);
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
}

TEST_F(IncomingTest, AReplyFillsTheGapLeftByACallWithoutResult) {
  Collection collection = MakeCollection();
  EXPECT_TRUE(client_->Flush().ok());
  const FakeDaemon::Call flushed = daemon_.NextCall();
  auto checked = Async([&] { return collection.Check(); });
  const FakeDaemon::Call call = daemon_.NextCall();
  daemon_.Reply(call, 3);
  EXPECT_EQ(checked.wait_for(20ms), std::future_status::timeout);
  daemon_.Reply(flushed, 2);
  EXPECT_TRUE(checked.get().ok());
}

TEST_F(IncomingTest, DescriptorsBelongToTheReplyThatNamesThem) {
  Collection collection = MakeCollection();
  auto waited = Async([&] { return collection.Wait(10s); });
  const FakeDaemon::Call call = daemon_.NextCall();
  std::vector<base::UniqueFd> two;
  struct stat sent[2] = {};
  for (auto& status : sent) {
    two.emplace_back(::memfd_create("test", MFD_CLOEXEC));
    ASSERT_EQ(::fstat(two.back().get(), &status), 0);
  }
  daemon_.SendDescriptors(1, std::move(two));
  daemon_.Reply(call, 2, Buffers({2, 1}));
  const auto buffers = waited.get();
  ASSERT_TRUE(buffers.ok()) << buffers.failure().ToString();
  ASSERT_EQ(buffers->count(), 2u);
  EXPECT_EQ((*buffers)[0].inode, sent[1].st_ino);
  EXPECT_EQ((*buffers)[1].inode, sent[0].st_ino);
  EXPECT_FALSE((*buffers)[0].is_dma_buf);
  EXPECT_EQ(::fcntl((*buffers)[0].fd, F_GETFD), FD_CLOEXEC);
}

TEST_F(IncomingTest, ADescriptorThatNeverCameIsAFailure) {
  Collection collection = MakeCollection();
  auto waited = Async([&] { return collection.Wait(10s); });
  daemon_.Reply(daemon_.NextCall(), 2, Buffers({1}));
  EXPECT_EQ(waited.get().failure().status, Status::kSystem);
}

TEST_F(IncomingTest, DescriptorsThatNobodyClaimsAreClosedWithTheClient) {
  auto [read_end, write_end] = Pipe();
  daemon_.SendDescriptors(1, List(std::move(write_end)));
  EXPECT_TRUE(client_->is_connected()) << "takes in what is there";
  AnswerEverything();
  client_.reset();
  char byte = 0;
  EXPECT_EQ(::read(read_end.get(), &byte, 1), 0);
}

TEST_F(IncomingTest, TheReasonOfTheEndReachesPendingAndLaterCalls) {
  Token token = MakeToken();
  auto pending = Async([&] { return token.Sync(); });
  daemon_.NextCall();
  daemon_.EndSession("number 7 never came");
  // The fake leaves the call unanswered: the library must break it by itself.
  token.SetListener({});
  while (client_->is_connected()) std::this_thread::yield();
  const auto outcome = pending.get();
  EXPECT_EQ(outcome.failure().status, Status::kDisconnected);
  EXPECT_THAT(outcome.failure().message, HasSubstr("SEQUENCE_GAP: number 7 never came"));
  EXPECT_THAT(token.Sync().failure().message, HasSubstr("number 7 never came"));
  EXPECT_THAT(client_->CreateToken().failure().message, HasSubstr("number 7 never came"));
  EXPECT_TRUE(token.is_closed());
}

TEST_F(IncomingTest, ADaemonThatDiesEndsEverything) {
  daemon_.HangUp();
  EXPECT_FALSE(client_->is_connected());
  EXPECT_EQ(client_->Flush().failure().status, Status::kDisconnected);
  EXPECT_EQ(client_->GetServerInfo().failure().status, Status::kDisconnected);
}

TEST_F(IncomingTest, AReplyThatCannotBeReadEndsTheSession) {
  for (const std::string& bytes : {std::string(), std::string("\x09\x02"),
                                   std::string("\x09\x02\0\0\0\0\0\0\0\xff\xff", 11)}) {
    FakeDaemon daemon;
    auto client = Client::Connect({.path = daemon.path()});
    ASSERT_TRUE(client.ok());
    auto pinged = Async([&] { return client->Roundtrip(); });
    daemon.ReplyBytes(daemon.NextCall(), bytes);
    EXPECT_EQ(pinged.get().failure().status, Status::kDisconnected);
    EXPECT_TRUE(daemon.SeesHangUp()) << "the daemon learns that it is over";
  }
}

TEST_F(IncomingTest, AnEventForANodeThatWasLeftIsForNobody) {
  Collection collection = MakeCollection();
  auto checked = Async([&] { return collection.Check(); });
  const FakeDaemon::Call call = daemon_.NextCall();
  daemon_.Reply(call, 2);
  EXPECT_TRUE(checked.get().ok());
  collection.Reset();
  daemon_.SendNodeClosed(3, HandleOf(call), "crossed");
  EXPECT_TRUE(client_->is_connected());
}

TEST_F(IncomingTest, ACollectionThatTheDaemonClosedIsNotReleased) {
  Collection collection = MakeCollection();
  auto checked = Async([&] { return collection.Check(); });
  const FakeDaemon::Call call = daemon_.NextCall();
  daemon_.SendNodeClosed(2, HandleOf(call), "gone");
  daemon_.Reply(call, 3);
  EXPECT_TRUE(checked.get().ok());
  collection.Reset();
  const FakeDaemon::Call left = daemon_.NextCall();
  ASSERT_EQ(left.run.operations_size(), 1);
  EXPECT_TRUE(left.run.operations(0).has_close_handle());
}

}  // namespace
}  // namespace sysmem::client
