// SPDX-License-Identifier: Apache-2.0
//
// How calls leave, and what their callers get.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/unix_socket.h"
#include "tests/client/session_fixture.h"

namespace sysmem::client {
namespace {

using ::testing::HasSubstr;
using Request = sysmem2::Operation::RequestCase;

class CallsTest : public SessionTest {
 protected:
  static std::vector<Request> Kinds(const FakeDaemon::Call& call) {
    std::vector<Request> kinds;
    for (const auto& operation : call.run.operations()) kinds.push_back(operation.request_case());
    return kinds;
  }
};

TEST_F(CallsTest, WithoutResultAreSentWithTheNextCallThatHasOne) {
  Token token = MakeToken();
  EXPECT_TRUE(token.SetName(3, "name").ok());
  EXPECT_EQ(daemon_.waiting_calls(), 0u);
  auto synced = Async([&] { return token.Sync(); });
  const FakeDaemon::Call call = daemon_.NextCall();
  EXPECT_THAT(Kinds(call), testing::ElementsAre(Request::kAllocateSharedCollection,
                                                Request::kSetName, Request::kSync));
  EXPECT_EQ(call.number, 2u);
  const uint64_t handle = call.run.operations(0).allocate_shared_collection().token_handle();
  EXPECT_NE(handle, 0u);
  EXPECT_EQ(call.run.operations(1).set_name().handle(), handle);
  EXPECT_EQ(call.run.operations(2).sync().handle(), handle);
  daemon_.Reply(call, 2);
  EXPECT_TRUE(synced.get().ok());
}

TEST_F(CallsTest, AreSentByFlushWithoutWaiting) {
  Token token = MakeToken();
  EXPECT_TRUE(client_->Flush().ok());
  EXPECT_THAT(Kinds(daemon_.NextCall()), testing::ElementsAre(Request::kAllocateSharedCollection));
}

TEST_F(CallsTest, AreSentByThemselvesWhenManyHaveComeTogether) {
  Token token = MakeToken();
  for (int i = 0; i < 999; ++i) EXPECT_TRUE(token.SetVerboseLogging().ok());
  EXPECT_EQ(daemon_.NextCall().run.operations_size(), 1000);
}

TEST_F(CallsTest, AreNumberedWithoutGapsWhoeverMakesThem) {
  AnswerEverything();  // answers in the order of numbers only: a gap would stop it
  Token token = MakeToken();
  std::vector<std::future<bool>> threads;
  for (int t = 0; t < 4; ++t) {
    threads.push_back(Async([&] {
      bool all = true;
      for (int i = 0; i < 100; ++i) {
        all &= token.SetVerboseLogging().ok();
        if (i % 10 == 0) all &= client_->Flush().ok();
        all &= token.Sync().ok();
      }
      return all;
    }));
  }
  for (auto& thread : threads) EXPECT_TRUE(thread.get());
}

TEST_F(CallsTest, BringTheirResult) {
  Token token = MakeToken();
  auto id = Async([&] { return token.GetBufferCollectionId(); });
  daemon_.Reply(daemon_.NextCall(), 2, WithId(4711));
  ASSERT_TRUE(id.get().ok());
}

TEST_F(CallsTest, BringTheFailureThatTookTheResultsPlace) {
  Token token = MakeToken();
  auto id = Async([&] { return token.GetBufferCollectionId(); });
  daemon_.Reply(daemon_.NextCall(), 2, Failing(1, sysmem2::OUTCOME_UNIMPLEMENTED, "not yet"));
  const auto outcome = id.get();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.failure().status, Status::kUnimplemented);
  EXPECT_EQ(outcome.failure().message, "not yet");
}

TEST_F(CallsTest, AreAllToldWhenTheirBatchIsRefused) {
  Token token = MakeToken();
  auto synced = Async([&] { return token.Sync(); });
  sysmem2::RunReply reply;
  reply.mutable_failure()->set_outcome(sysmem2::OUTCOME_REFUSED);
  reply.mutable_failure()->set_message("too large");
  daemon_.Reply(daemon_.NextCall(), 2, reply);
  EXPECT_EQ(synced.get().failure().message, "too large");
  EXPECT_TRUE(token.is_closed()) << "it was never made";
}

TEST_F(CallsTest, ThatWereRefusedAreReportedByTheNextRoundtripOnce) {
  Token token = MakeToken();
  EXPECT_TRUE(token.SetWeak().ok());
  auto first = Async([&] { return client_->Roundtrip(); });
  daemon_.Reply(daemon_.NextCall(), 2, Failing(1, sysmem2::OUTCOME_UNIMPLEMENTED, "SetWeak"));
  EXPECT_EQ(first.get().failure().message, "SetWeak");
  auto second = Async([&] { return client_->Roundtrip(); });
  daemon_.Reply(daemon_.NextCall(), 3);
  EXPECT_TRUE(second.get().ok());
}

// Sent, it would end the session: the kernel takes no such descriptor.
TEST_F(CallsTest, DoNotSendADescriptorThatIsNotOpen) {
  AnswerEverything();
  Token token = MakeToken();
  for (const int fd : {-1, INT_MAX}) {
    const std::vector<Failure> failures = {
        token.AttachNodeTracking(UniqueFd(fd)).failure(),
        client_->ImportToken(UniqueFd(fd)).failure(),
        client_->ImportGroup(UniqueFd(fd)).failure(),
        client_->ImportCollection(UniqueFd(fd)).failure(),
        client_->BindToken(UniqueFd(fd)).failure(),
        client_->Join(UniqueFd(fd), std::nullopt, 10s).failure(),
        MakeCollection().AttachLifetimeTracking(UniqueFd(fd), 1).failure(),
    };
    for (const Failure& failure : failures) {
      EXPECT_EQ(failure.status, Status::kInvalidArgument);
      EXPECT_EQ(failure.field, "owned_fd") << failure.text;
    }
  }
  EXPECT_TRUE(token.Sync().ok());
}

TEST_F(CallsTest, OnANodeThatWasNeverMadeSayWhy) {
  auto collection = client_->BindToken(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  ASSERT_TRUE(collection.ok());
  auto waited = Async([&] { return collection->Wait(10s); });
  auto reply = Failing(0, sysmem2::OUTCOME_REFUSED, "no token");
  reply.mutable_failures(0)->mutable_failure()->set_field("token_descriptor");
  reply.mutable_failures(0)->mutable_failure()->set_error(sysmem2::ERROR_NOT_FOUND);
  auto* second = reply.add_failures();
  second->set_index(1);
  second->mutable_failure()->set_outcome(sysmem2::OUTCOME_REFUSED);
  second->mutable_failure()->set_error(sysmem2::ERROR_NOT_FOUND);
  second->mutable_failure()->set_field("handle");
  daemon_.Reply(daemon_.NextCall(), 2, reply);
  const auto outcome = waited.get();
  EXPECT_EQ(outcome.failure().status, Status::kRefused);
  EXPECT_EQ(outcome.failure().field, "token_descriptor");
  // The library knows by itself from now on, and has said so.
  EXPECT_EQ(collection->Check().failure().field, "token_descriptor");
  auto pinged = Async([&] { return client_->Roundtrip(); });
  daemon_.Reply(daemon_.NextCall(), 3);
  EXPECT_TRUE(pinged.get().ok());
  // Only the handle is left to be given up.
  collection->Reset();
  EXPECT_THAT(Kinds(daemon_.NextCall()), testing::ElementsAre(Request::kCloseHandle));
}

TEST_F(CallsTest, ThatBrokeTheirNodeExplainItsClosure) {
  Collection collection = MakeCollection();
  EXPECT_TRUE(collection.SetConstraints(std::nullopt).ok());
  EXPECT_TRUE(collection.SetConstraints(std::nullopt).ok());
  auto waited = Async([&] { return collection.Wait(10s); });
  auto reply = Failing(2, sysmem2::OUTCOME_REFUSED, "constraints were set before");
  reply.mutable_failures(0)->mutable_failure()->set_rule("2.7");
  auto* second = reply.add_failures();
  second->set_index(3);
  second->mutable_failure()->set_outcome(sysmem2::OUTCOME_CLOSED);
  daemon_.Reply(daemon_.NextCall(), 2, reply);
  const auto outcome = waited.get();
  EXPECT_EQ(outcome.failure().status, Status::kClosed);
  EXPECT_EQ(outcome.failure().rule, "2.7");
  EXPECT_THAT(outcome.failure().message, HasSubstr("constraints were set before"));
}

TEST_F(CallsTest, SendTheirDescriptorsFirst) {
  auto pair = base::SocketPair(SOCK_STREAM);
  ASSERT_TRUE(pair.ok());
  const uint64_t identity = *base::SocketCookie(pair->first);
  auto token = client_->ImportToken(UniqueFd(pair->first.release()));
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(client_->Flush().ok());
  const FakeDaemon::Call call = daemon_.NextCall();
  const base::HandleMessage message = daemon_.ReceiveFromClient();
  EXPECT_EQ(message.kind, base::HandleMessageKind::kDescriptors);
  EXPECT_EQ(message.first, 1u);
  ASSERT_EQ(message.descriptors.size(), 1u);
  EXPECT_EQ(*base::SocketCookie(message.descriptors[0]), identity);
  EXPECT_EQ(call.run.operations(0).import_node().descriptor_number(), 1u);
}

TEST_F(CallsTest, TakeOwnershipOfADescriptorEvenWhenTheyFail) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const base::UniqueFd read_end(pipe[0]);
  daemon_.HangUp();
  EXPECT_FALSE(client_->is_connected());
  EXPECT_FALSE(client_->ImportToken(UniqueFd(pipe[1])).ok());
  char byte = 0;
  EXPECT_EQ(::read(read_end.get(), &byte, 1), 0) << "the write end is closed";
}

TEST_F(CallsTest, ThatAreGivenUpDoNotStopTheOthers) {
  Token token = MakeToken();
  EXPECT_EQ(token.Sync(1ms).failure().status, Status::kTimeout);
  const FakeDaemon::Call late = daemon_.NextCall();
  auto id = Async([&] { return token.GetBufferCollectionId(); });
  const FakeDaemon::Call prompt = daemon_.NextCall();
  daemon_.Reply(late, 2);
  daemon_.Reply(prompt, 3, WithId(5));
  ASSERT_TRUE(id.get().ok());
}

TEST_F(CallsTest, ThatAreGivenUpGiveTokensBackCleanly) {
  Token token = MakeToken();
  const uint32_t masks[] = {SYSMEM_SAME_RIGHTS};
  EXPECT_EQ(token.DuplicateSync(masks, 1ms).failure().status, Status::kTimeout);
  const FakeDaemon::Call late = daemon_.NextCall();
  const uint64_t made = late.run.operations(1).duplicate_sync().token_handles(0);
  daemon_.Reply(late, 2);
  const FakeDaemon::Call call = daemon_.NextCall();
  ASSERT_THAT(Kinds(call), testing::ElementsAre(Request::kRelease, Request::kCloseHandle));
  EXPECT_EQ(call.run.operations(0).release().handle(), made);
  EXPECT_EQ(call.run.operations(1).close_handle().handle(), made);
}

TEST_F(CallsTest, ThatAreGivenUpGiveExportedTokensBackCleanly) {
  Token token = MakeToken();
  EXPECT_EQ(token.DuplicateExported(SYSMEM_SAME_RIGHTS, 1ms).failure().status, Status::kTimeout);
  const FakeDaemon::Call late = daemon_.NextCall();
  auto pair = base::SocketPair(SOCK_STREAM);
  std::vector<base::UniqueFd> descriptors;
  descriptors.push_back(std::move(pair->first));
  daemon_.SendDescriptors(1, std::move(descriptors));
  sysmem2::RunReply reply;
  reply.mutable_last()->mutable_duplicate()->set_descriptor_number(1);
  daemon_.Reply(late, 2, reply);
  EXPECT_THAT(Kinds(daemon_.NextCall()),
              testing::ElementsAre(Request::kImportNode, Request::kRelease, Request::kCloseHandle));
}

TEST_F(CallsTest, AnExportThatIsGivenUpLeavesTheNodeWhereItWas) {
  Token token = MakeToken();
  EXPECT_EQ(std::move(token).Export(1ms).failure().status, Status::kTimeout);
  ASSERT_TRUE(token) << "the program keeps its object";
  const FakeDaemon::Call late = daemon_.NextCall();
  auto pair = base::SocketPair(SOCK_STREAM);
  std::vector<base::UniqueFd> descriptors;
  descriptors.push_back(std::move(pair->first));
  daemon_.SendDescriptors(1, std::move(descriptors));
  sysmem2::RunReply reply;
  reply.mutable_last()->mutable_export_node()->set_descriptor_number(1);
  daemon_.Reply(late, 2, reply);
  EXPECT_EQ(daemon_.ReceiveFromClient().descriptors.size(), 1u);
  const FakeDaemon::Call back = daemon_.NextCall();
  ASSERT_THAT(Kinds(back), testing::ElementsAre(Request::kImportNode));
  EXPECT_EQ(back.run.operations(0).import_node().handle(),
            late.run.operations(1).export_node().handle());
  daemon_.Reply(back, 3);
  auto synced = Async([&] { return token.Sync(); });
  daemon_.Reply(daemon_.NextCall(), 4);
  EXPECT_TRUE(synced.get().ok());
}

TEST_F(CallsTest, AWaitIsTakenBackAtItsDeadline) {
  Collection collection = MakeCollection();
  auto waited = Async([&] { return collection.Wait(1ms); });
  const FakeDaemon::Call wait = daemon_.NextCall();
  const FakeDaemon::Call cancel = daemon_.NextCall();
  ASSERT_THAT(Kinds(cancel), testing::ElementsAre(Request::kCancelWait));
  EXPECT_EQ(cancel.run.operations(0).cancel_wait().wait_number(), wait.number);
  daemon_.Reply(wait, 2, Failing(1, sysmem2::OUTCOME_CANCELLED));
  daemon_.Reply(cancel, 3);
  EXPECT_EQ(waited.get().failure().status, Status::kTimeout);
  EXPECT_FALSE(collection.is_closed());
}

TEST_F(CallsTest, AWaitThatWasAnsweredWhileItWasTakenBackKeepsItsAnswer) {
  Collection collection = MakeCollection();
  auto waited = Async([&] { return collection.Wait(1ms); });
  const FakeDaemon::Call wait = daemon_.NextCall();
  const FakeDaemon::Call cancel = daemon_.NextCall();
  sysmem2::RunReply reply;
  reply.mutable_last()->mutable_wait_for_all_buffers_allocated()->mutable_buffer_collection_info();
  daemon_.Reply(wait, 2, reply);
  daemon_.Reply(cancel, 3);
  EXPECT_TRUE(waited.get().ok());
}

TEST_F(CallsTest, JoiningIsOneMessage) {
  auto joined = Async([&] {
    return client_->Join(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
                         Constraints{.min_buffer_count = 2}, 10s);
  });
  const FakeDaemon::Call call = daemon_.NextCall();
  ASSERT_THAT(Kinds(call),
              testing::ElementsAre(Request::kBindSharedCollection, Request::kSetConstraints,
                                   Request::kWaitForAllBuffersAllocated));
  EXPECT_EQ(call.run.operations(1).set_constraints().constraints().min_buffer_count(), 2u);
  sysmem2::RunReply reply;
  auto* info = reply.mutable_last()
                   ->mutable_wait_for_all_buffers_allocated()
                   ->mutable_buffer_collection_info();
  info->add_buffers();
  info->add_buffers();
  info->set_buffer_collection_id(9);
  daemon_.Reply(call, 2, reply);
  const auto outcome = joined.get();
  ASSERT_TRUE(outcome.ok()) << outcome.failure().ToString();
  EXPECT_EQ(outcome->buffers.count(), 2u);
  EXPECT_EQ(outcome->buffers.collection_id(), 9u);
}

TEST_F(CallsTest, DestroyingANodeReleasesAndClosesItInOneMessage) {
  Token token = MakeToken();
  token.Reset();
  EXPECT_THAT(Kinds(daemon_.NextCall()),
              testing::ElementsAre(Request::kAllocateSharedCollection, Request::kRelease,
                                   Request::kCloseHandle));
}

TEST_F(CallsTest, ClosingANodeDoesNotReleaseIt) {
  Token token = MakeToken();
  token.Close();
  EXPECT_THAT(Kinds(daemon_.NextCall()),
              testing::ElementsAre(Request::kAllocateSharedCollection, Request::kCloseHandle));
}

TEST_F(CallsTest, ANodeIsReleasedOnce) {
  Token token = MakeToken();
  EXPECT_TRUE(token.Release().ok());
  token.Reset();
  EXPECT_THAT(Kinds(daemon_.NextCall()),
              testing::ElementsAre(Request::kAllocateSharedCollection, Request::kRelease,
                                   Request::kCloseHandle));
}

TEST_F(CallsTest, ManyWithoutResultNeedNobodyToFetchTheirAnswers) {
  AnswerEverything();
  for (int i = 0; i < 3000; ++i) MakeToken().Reset();
  EXPECT_TRUE(client_->Roundtrip().ok());
}

TEST_F(CallsTest, TextThatTheWireCannotCarryIsRefusedAtOnce) {
  Token token = MakeToken();
  EXPECT_EQ(token.SetName(1, std::string(65, 'x')).failure().status, Status::kInvalidArgument);
  EXPECT_EQ(token.SetName(1, "\xff").failure().field, "name");
  EXPECT_EQ(token.SetDebugClientInfo(std::string(257, 'x'), 1).failure().status,
            Status::kInvalidArgument);
  const std::vector<uint32_t> masks(65, SYSMEM_SAME_RIGHTS);
  EXPECT_EQ(token.DuplicateSync(masks).failure().status, Status::kInvalidArgument);
}

TEST_F(CallsTest, TheLastOnesAreWaitedForWhenTheClientGoes) {
  Token token = MakeToken();
  token.Reset();
  const FakeDaemon::Call leaving = daemon_.NextCall();
  auto destroyed = Async([&] { client_.reset(); });
  const FakeDaemon::Call last = daemon_.NextCall();
  EXPECT_EQ(destroyed.wait_for(20ms), std::future_status::timeout);
  daemon_.Reply(leaving, 2);
  daemon_.Reply(last, 3);
  destroyed.get();
  EXPECT_TRUE(daemon_.SeesHangUp());
}

TEST_F(CallsTest, TheLastOnesAreNotWaitedForForEver) {
  auto impatient = Client::Connect({.path = daemon_.path(), .close_timeout = 1ms});
  ASSERT_TRUE(impatient.ok());
  auto destroyed = Async([client = std::move(*impatient)]() mutable {
    { const Client gone = std::move(client); }
    return true;
  });
  EXPECT_TRUE(destroyed.get());
}

}  // namespace
}  // namespace sysmem::client
