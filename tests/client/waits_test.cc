// SPDX-License-Identifier: Apache-2.0
//
// Waits that go on while the program does other things.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tests/client/session_fixture.h"

namespace sysmem::client {
namespace {

class WaitsTest : public SessionTest {
 protected:
  WaitsTest() : collection_(MakeCollection()) {}

  static bool Readable(int fd, std::chrono::milliseconds timeout = 0ms) {
    pollfd polled{fd, POLLIN, 0};
    return ::poll(&polled, 1, static_cast<int>(timeout.count())) == 1;
  }
  static sysmem2::RunReply OneBuffer(std::optional<uint64_t> descriptor = std::nullopt) {
    sysmem2::RunReply reply;
    auto* buffer = reply.mutable_last()
                       ->mutable_wait_for_all_buffers_allocated()
                       ->mutable_buffer_collection_info()
                       ->add_buffers();
    if (descriptor) buffer->set_vmo(*descriptor);
    return reply;
  }

  Collection collection_;
};

TEST_F(WaitsTest, MakeTheirDescriptorReadableWhenTheyAreOver) {
  auto wait = collection_.StartWait(Deadline::Never());
  ASSERT_TRUE(wait.ok());
  EXPECT_FALSE(Readable(wait->fd()));
  EXPECT_EQ(wait->Finish(Deadline::Passed()).failure().status, Status::kTimeout);
  daemon_.Reply(daemon_.NextCall(), 2, OneBuffer());
  EXPECT_TRUE(Readable(wait->fd(), 10s));
  auto buffers = wait->Finish(Deadline::Passed());
  ASSERT_TRUE(buffers.ok()) << buffers.failure().ToString();
  EXPECT_EQ(buffers->count(), 1u);
  EXPECT_EQ(wait->Finish(Deadline::Passed()).failure().status, Status::kInvalidArgument)
      << "taken once";
}

TEST_F(WaitsTest, GiveTheirOutcomeToTheirCallbackInDispatch) {
  std::optional<size_t> count;
  auto wait = collection_.StartWait(Deadline::Never(), [&](Result<Buffers> outcome) {
    count = outcome.ok() ? outcome->count() : 0;
  });
  ASSERT_TRUE(wait.ok());
  daemon_.Reply(daemon_.NextCall(), 2, OneBuffer());
  EXPECT_TRUE(Readable(client_->fd(), 10s));
  EXPECT_FALSE(count);
  EXPECT_EQ(*client_->Dispatch(), 1u);
  EXPECT_EQ(count, 1u);
}

TEST_F(WaitsTest, ACallbackMayDestroyItsWait) {
  std::optional<PendingWait> wait;
  bool called = false;
  auto started = collection_.StartWait(Deadline::Never(), [&](const Result<Buffers>&) {
    wait.reset();
    called = true;
  });
  wait.emplace(std::move(*started));
  daemon_.Reply(daemon_.NextCall(), 2, Failing(1, sysmem2::OUTCOME_ERROR));
  EXPECT_EQ(*client_->Dispatch(10s), 1u);
  EXPECT_TRUE(called);
}

TEST_F(WaitsTest, AreTakenBackAtTheirDeadline) {
  auto wait = collection_.StartWait(1ms);
  const FakeDaemon::Call call = daemon_.NextCall();
  const FakeDaemon::Call cancel = daemon_.NextCall();
  EXPECT_EQ(cancel.run.operations(0).cancel_wait().wait_number(), call.number);
  daemon_.Reply(call, 2, Failing(1, sysmem2::OUTCOME_CANCELLED));
  daemon_.Reply(cancel, 3);
  EXPECT_EQ(wait->Finish(10s).failure().status, Status::kTimeout);
  EXPECT_EQ(wait->Finish(Deadline::Passed()).failure().status, Status::kInvalidArgument);
}

TEST_F(WaitsTest, CanBeTakenBackByTheProgram) {
  auto wait = collection_.StartWait(Deadline::Never());
  const FakeDaemon::Call call = daemon_.NextCall();
  wait->Cancel();
  const FakeDaemon::Call cancel = daemon_.NextCall();
  EXPECT_EQ(cancel.run.operations(0).cancel_wait().wait_number(), call.number);
  daemon_.Reply(call, 2, Failing(1, sysmem2::OUTCOME_CANCELLED));
  daemon_.Reply(cancel, 3);
  EXPECT_EQ(wait->Finish(10s).failure().status, Status::kCancelled);
}

TEST_F(WaitsTest, ThatAreDestroyedLeaveNoDescriptorBehind) {
  auto wait = collection_.StartWait(Deadline::Never());
  const FakeDaemon::Call call = daemon_.NextCall();
  { const PendingWait gone = std::move(*wait); }
  daemon_.NextCall();  // the wait is taken back, but the answer is on its way
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const base::UniqueFd read_end(pipe[0]);
  std::vector<base::UniqueFd> descriptors;
  descriptors.emplace_back(pipe[1]);
  daemon_.SendDescriptors(1, std::move(descriptors));
  daemon_.Reply(call, 2, OneBuffer(1));
  char byte = 0;
  EXPECT_EQ(::read(read_end.get(), &byte, 1), 0) << "closed by the library";
}

TEST_F(WaitsTest, SeveralOfOneCollectionAreAnsweredEach) {
  auto first = collection_.StartWait(Deadline::Never());
  auto second = collection_.StartWait(Deadline::Never());
  const FakeDaemon::Call first_call = daemon_.NextCall();
  const FakeDaemon::Call second_call = daemon_.NextCall();
  daemon_.Reply(first_call, 2, OneBuffer());
  daemon_.Reply(second_call, 3, OneBuffer());
  EXPECT_TRUE(first->Finish(10s).ok());
  EXPECT_TRUE(second->Finish(10s).ok());
}

TEST_F(WaitsTest, EndWithTheSession) {
  auto wait = collection_.StartWait(Deadline::Never());
  daemon_.NextCall();
  daemon_.EndSession("enough");
  EXPECT_EQ(client_->Dispatch(10s).failure().status, Status::kDisconnected);
  EXPECT_EQ(wait->Finish(10s).failure().status, Status::kDisconnected);
}

TEST_F(WaitsTest, MayOutliveTheClient) {
  auto wait = collection_.StartWait(Deadline::Never());
  daemon_.NextCall();
  daemon_.HangUp();
  client_.reset();
  EXPECT_TRUE(Readable(wait->fd()));
  EXPECT_EQ(wait->Finish(Deadline::Passed()).failure().status, Status::kDisconnected);
}

TEST_F(WaitsTest, BlockingCallsGoOnBesideThem) {
  auto wait = collection_.StartWait(Deadline::Never());
  const FakeDaemon::Call call = daemon_.NextCall();
  auto checked = Async([&] { return collection_.Check(); });
  daemon_.Reply(daemon_.NextCall(), 2, Failing(0, sysmem2::OUTCOME_ERROR, "pending"));
  EXPECT_EQ(checked.get().failure().message, "pending");
  daemon_.Reply(call, 3, OneBuffer());
  EXPECT_TRUE(wait->Finish(10s).ok());
}

}  // namespace
}  // namespace sysmem::client
