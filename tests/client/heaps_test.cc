// SPDX-License-Identifier: Apache-2.0
//
// Heaps that the program serves.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/client/session_fixture.h"

namespace sysmem::client {
namespace {

using ::testing::HasSubstr;

constexpr char kName[] = "linux.test.sysmem.heap.HEAP_TYPE.POOL";
constexpr size_t kFetchedAhead = 4;

// A descriptor to send, and what tells when no copy of it is left.
struct WatchedFd {
  WatchedFd() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    watcher.reset(ends[0]);
    fd.reset(ends[1]);
  }
  bool IsClosed() const {
    char byte = 0;
    return ::read(watcher.get(), &byte, 1) == 0;
  }
  base::UniqueFd watcher;
  base::UniqueFd fd;
};

uint64_t InodeOf(int fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status.st_ino;
}

class HeapsTest : public SessionTest {
 protected:
  // What a program might do with its calls: keep them.
  HeapListener Keeping() {
    return {.allocate = [this](HeapAllocation call) { allocations_.push_back(std::move(call)); },
            .take_back = [this](HeapDeletion call) { deletions_.push_back(std::move(call)); },
            .closed = [this](const sysmem::Failure& why) { closed_.push_back(why); },
            .refused = [this](const sysmem::Failure& why) { refused_.push_back(why); }};
  }
  // Registered, with calls fetched: fetches_ has them. Orders up to 2 are used.
  void Serve(HeapListener listener) {
    auto serving = Async([&] {
      return client_->ServeHeap(kName, 7, {.cpu_domain = true}, std::move(listener), 20s);
    });
    daemon_.Reply(daemon_.NextCall(), 2);
    auto served = serving.get();
    ASSERT_TRUE(served.ok()) << served.failure().ToString();
    heap_.emplace(std::move(*served));
    for (size_t i = 0; i < kFetchedAhead; ++i) fetches_.push_back(daemon_.NextCall());
  }
  FakeDaemon::Call NextFetch() {
    FakeDaemon::Call call = fetches_.front();
    fetches_.pop_front();
    return call;
  }
  uint64_t handle() const {
    return fetches_.back().run.operations(0).take_provider_call().handle();
  }

  // The daemon's calls, as answers to fetches.
  static sysmem2::RunReply Allocate(uint64_t call_id, std::optional<uint64_t> offered = {}) {
    sysmem2::RunReply reply;
    auto* call = reply.mutable_last()->mutable_take_provider_call();
    call->set_call_id(call_id);
    auto* what = call->mutable_allocate_vmo();
    what->set_size(8192);
    what->set_buffer_collection_id(11);
    what->set_buffer_index(3);
    auto* memory = what->mutable_settings()->mutable_buffer_settings();
    memory->set_size_bytes(5000);
    memory->mutable_heap()->set_heap_type(kName);
    if (offered) what->set_offered_vmo(*offered);
    return reply;
  }
  static sysmem2::RunReply Delete(uint64_t call_id, uint64_t vmo) {
    sysmem2::RunReply reply;
    auto* call = reply.mutable_last()->mutable_take_provider_call();
    call->set_call_id(call_id);
    call->mutable_delete_vmo()->set_buffer_collection_id(11);
    call->mutable_delete_vmo()->set_buffer_index(3);
    call->mutable_delete_vmo()->set_vmo(vmo);
    return reply;
  }
  void Send(uint64_t number, base::UniqueFd fd) {
    std::vector<base::UniqueFd> descriptors;
    descriptors.push_back(std::move(fd));
    daemon_.SendDescriptors(number, std::move(descriptors));
  }
  // Brings one call to the program.
  void DispatchOne() { EXPECT_EQ(*client_->Dispatch(20s), 1u); }

  std::optional<ServedHeap> heap_;
  std::deque<FakeDaemon::Call> fetches_;
  std::vector<HeapAllocation> allocations_;
  std::vector<HeapDeletion> deletions_;
  std::vector<sysmem::Failure> closed_;
  std::vector<sysmem::Failure> refused_;
};

TEST_F(HeapsTest, SayWhatTheyAreBeforeAnythingElse_EXT_2) {
  auto serving = Async([&] {
    return client_->ServeHeap(
        kName, 7, {.ram_domain = true, .need_flush = true, .gives_dma_bufs = true}, Keeping(), 20s);
  });
  const FakeDaemon::Call call = daemon_.NextCall();
  ASSERT_EQ(call.run.operations_size(), 3);
  const auto& registration = call.run.operations(0).register_heap();
  EXPECT_EQ(registration.heap().heap_type(), kName);
  EXPECT_EQ(registration.heap().id(), 7u);
  const auto& said = call.run.operations(1).on_register();
  EXPECT_EQ(said.handle(), registration.handle());
  const auto& domains = said.properties().coherency_domain_support();
  EXPECT_TRUE(domains.has_cpu_supported() && !domains.cpu_supported());
  EXPECT_TRUE(domains.ram_supported());
  EXPECT_TRUE(domains.has_inaccessible_supported() && !domains.inaccessible_supported());
  EXPECT_TRUE(said.properties().has_need_clear() && !said.properties().need_clear());
  EXPECT_TRUE(said.properties().need_flush());
  EXPECT_TRUE(said.properties().gives_dma_bufs());
  EXPECT_TRUE(call.run.operations(2).has_ping());
  daemon_.Reply(call, 2);
  EXPECT_TRUE(serving.get().ok());
}

TEST_F(HeapsTest, ThatAreRefusedSayWhyAndAreOver) {
  auto serving = Async([&] { return client_->ServeHeap(kName, 7, {}, Keeping(), 20s); });
  const FakeDaemon::Call call = daemon_.NextCall();
  sysmem2::RunReply reply = Failing(0, sysmem2::OUTCOME_REFUSED, "you may not");
  reply.mutable_failures(0)->mutable_failure()->set_error(
      static_cast<sysmem2::Error>(SYSMEM_ERROR_HANDLE_ACCESS_DENIED));
  *reply.add_failures() = Failing(1, sysmem2::OUTCOME_REFUSED, "no such handle").failures(0);
  daemon_.Reply(call, 2, reply);
  const auto served = serving.get();
  ASSERT_FALSE(served.ok());
  EXPECT_EQ(served.failure().status, Status::kRefused);
  EXPECT_EQ(served.failure().error, Error::kHandleAccessDenied);
  EXPECT_THAT(served.failure().message, HasSubstr("you may not"));
  EXPECT_EQ(daemon_.NextCall().run.operations(0).close_handle().handle(),
            call.run.operations(0).register_heap().handle());
}

TEST_F(HeapsTest, WhoseRefusalWasToldAreNotToldOfAgain) {
  auto serving = Async([&] { return client_->ServeHeap(kName, 7, {}, Keeping(), 20s); });
  daemon_.Reply(daemon_.NextCall(), 2, Failing(1, sysmem2::OUTCOME_REFUSED, "too many heaps"));
  EXPECT_THAT(serving.get().failure().message, HasSubstr("too many heaps"));
  AnswerEverything(nullptr, 3);
  EXPECT_TRUE(client_->Roundtrip(20s).ok());
}

TEST_F(HeapsTest, ThatTheDaemonDoesNotConfirmInTimeAreTakenBack) {
  EXPECT_EQ(client_->ServeHeap(kName, 7, {}, Keeping(), 1ms).failure().status, Status::kTimeout);
  const FakeDaemon::Call call = daemon_.NextCall();
  EXPECT_EQ(daemon_.NextCall().run.operations(0).close_handle().handle(),
            call.run.operations(0).register_heap().handle());
}

TEST_F(HeapsTest, NeedANameAndBothCallbacks) {
  EXPECT_EQ(client_->ServeHeap("", 0, {}, Keeping()).failure().status, Status::kInvalidArgument);
  EXPECT_EQ(client_->ServeHeap(std::string(129, 'x'), 0, {}, Keeping()).failure().status,
            Status::kInvalidArgument);
  HeapListener half = Keeping();
  half.take_back = nullptr;
  EXPECT_EQ(client_->ServeHeap(kName, 0, {}, std::move(half)).failure().status,
            Status::kInvalidArgument);
}

TEST_F(HeapsTest, TellEverythingAboutABuffer) {
  Serve(Keeping());
  const base::UniqueFd offered(::memfd_create("offered", MFD_CLOEXEC));
  Send(1, base::Dup(offered));
  daemon_.Reply(NextFetch(), 3, Allocate(100, 1));
  DispatchOne();
  ASSERT_EQ(allocations_.size(), 1u);
  const HeapAllocation& call = allocations_[0];
  EXPECT_EQ(call.size_bytes(), 8192u);
  EXPECT_EQ(call.settings().size_bytes, 5000u);
  EXPECT_STREQ(call.settings().heap_type, kName);
  EXPECT_EQ(call.settings().image, nullptr);
  EXPECT_EQ(call.buffer_collection_id(), 11u);
  EXPECT_EQ(call.buffer_index(), 3u);
  EXPECT_EQ(InodeOf(call.offered_fd()), InodeOf(offered.get()));
}

TEST_F(HeapsTest, AnswerInTheCallbackTogetherWithTheNextFetch) {
  HeapListener listener = Keeping();
  listener.allocate = [](HeapAllocation call) { EXPECT_TRUE(std::move(call).GiveOffered().ok()); };
  Serve(std::move(listener));
  WatchedFd offered;
  Send(1, std::move(offered.fd));
  daemon_.Reply(NextFetch(), 3, Allocate(100, 1));
  DispatchOne();
  const base::HandleMessage sent = daemon_.ReceiveFromClient();
  const FakeDaemon::Call call = daemon_.NextCall();
  ASSERT_EQ(call.run.operations_size(), 2);
  const auto& answer = call.run.operations(0).answer_provider_call();
  EXPECT_EQ(answer.handle(), handle());
  EXPECT_EQ(answer.call_id(), 100u);
  EXPECT_EQ(answer.allocate_vmo().vmo(), sent.first);
  EXPECT_EQ(call.run.operations(1).take_provider_call().handle(), handle());
  EXPECT_FALSE(offered.IsClosed()) << "the daemon has it";
}

TEST_F(HeapsTest, KeepNothingOfWhatTheyGive) {
  Serve(Keeping());
  WatchedFd memory;
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  EXPECT_EQ(allocations_[0].offered_fd(), -1);
  EXPECT_TRUE(std::move(allocations_[0]).Give(sysmem::UniqueFd(memory.fd.release())).ok());
  daemon_.NextCall();  // the next fetch
  daemon_.NextCall();  // the answer
  daemon_.ReceiveFromClient();
  EXPECT_TRUE(memory.IsClosed());
}

TEST_F(HeapsTest, MayAnswerLaterInAnyOrderAndOnAnyThread) {
  Serve(Keeping());
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  daemon_.Reply(NextFetch(), 4, Allocate(101));
  while (allocations_.size() < 2) ASSERT_TRUE(client_->Dispatch(20s).ok());
  daemon_.NextCall();
  daemon_.NextCall();
  for (const size_t which : {size_t{1}, size_t{0}}) {
    EXPECT_TRUE(Async([&] { return std::move(allocations_[which]).Refuse("full"); }).get().ok());
    const FakeDaemon::Call call = daemon_.NextCall();
    ASSERT_EQ(call.run.operations_size(), 1) << "at once";
    EXPECT_EQ(call.run.operations(0).answer_provider_call().call_id(), 100 + which);
    EXPECT_EQ(call.run.operations(0).answer_provider_call().failure().message(), "full");
  }
}

TEST_F(HeapsTest, CloseTheLastDescriptorBeforeTheySayThatABufferIsGone_EXT_7) {
  Serve(Keeping());
  WatchedFd last;
  Send(1, std::move(last.fd));
  daemon_.Reply(NextFetch(), 3, Delete(100, 1));
  DispatchOne();
  daemon_.NextCall();
  ASSERT_EQ(deletions_.size(), 1u);
  EXPECT_EQ(deletions_[0].buffer_collection_id(), 11u);
  EXPECT_EQ(deletions_[0].buffer_index(), 3u);
  EXPECT_GE(deletions_[0].fd(), 0);
  EXPECT_FALSE(last.IsClosed());
  EXPECT_TRUE(std::move(deletions_[0]).Finish().ok());
  EXPECT_TRUE(last.IsClosed());
  EXPECT_TRUE(daemon_.NextCall().run.operations(0).answer_provider_call().has_delete_vmo());
}

TEST_F(HeapsTest, RefuseForAProgramThatDropsItsCalls) {
  Serve(Keeping());
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  daemon_.NextCall();
  allocations_.clear();
  const FakeDaemon::Call call = daemon_.NextCall();
  EXPECT_THAT(call.run.operations(0).answer_provider_call().failure().message(),
              HasSubstr("dropped"));
}

TEST_F(HeapsTest, DoNotSendWhatWouldEndTheSession) {
  Serve(Keeping());
  uint64_t order = 3;
  for (const char* path : {"/dev/null", "/does/not/exist"}) {
    daemon_.Reply(NextFetch(), order++, Allocate(100));
    DispatchOne();
    daemon_.NextCall();
    auto given =
        std::move(allocations_.back()).Give(sysmem::UniqueFd(::open(path, O_RDWR | O_CLOEXEC)));
    EXPECT_EQ(given.failure().status, Status::kInvalidArgument);
    EXPECT_EQ(given.failure().field, "owned_fd");
    EXPECT_TRUE(daemon_.NextCall().run.operations(0).answer_provider_call().has_failure());
  }
}

TEST_F(HeapsTest, TellReasonsInUtf8AndShort) {
  Serve(Keeping());
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  daemon_.NextCall();
  std::string reason = "\xff";
  for (int i = 0; i < 1000; ++i) reason += "é";
  EXPECT_TRUE(std::move(allocations_[0]).Refuse(reason).ok());
  const FakeDaemon::Call call = daemon_.NextCall();
  const std::string& told = call.run.operations(0).answer_provider_call().failure().message();
  EXPECT_EQ(told.size(), 999u) << "whole characters";
  EXPECT_EQ(told.substr(0, 3), "?é");
}

TEST_F(HeapsTest, FetchAFewCallsAheadAndNoMoreUntilTheProgramHasSeenThem) {
  Serve(Keeping());
  for (uint64_t i = 0; i < kFetchedAhead; ++i) {
    daemon_.Reply(NextFetch(), 3 + i, Allocate(100 + i));
  }
  auto pinged = Async([&] { return client_->Roundtrip(20s); });
  const FakeDaemon::Call ping = daemon_.NextCall();
  EXPECT_TRUE(ping.run.operations(0).has_ping()) << "not a fetch";
  daemon_.Reply(ping, 3 + kFetchedAhead);
  EXPECT_TRUE(pinged.get().ok());
  while (allocations_.size() < kFetchedAhead) ASSERT_TRUE(client_->Dispatch(20s).ok());
  for (uint64_t i = 0; i < kFetchedAhead; ++i) {
    EXPECT_TRUE(daemon_.NextCall().run.operations(0).has_take_provider_call());
  }
}

TEST_F(HeapsTest, EndWhenTheProgramDestroysThem) {
  auto data = std::make_shared<int>();
  HeapListener listener = Keeping();
  listener.closed = [this, data](const sysmem::Failure& why) { closed_.push_back(why); };
  Serve(std::move(listener));
  WatchedFd unseen;
  Send(1, std::move(unseen.fd));
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  daemon_.NextCall();
  daemon_.Reply(NextFetch(), 4, Allocate(101, 1));
  heap_->Reset();
  EXPECT_EQ(data.use_count(), 1) << "freed";
  const FakeDaemon::Call close = daemon_.NextCall();
  EXPECT_EQ(close.run.operations(0).close_handle().handle(), handle());
  EXPECT_EQ(std::move(allocations_[0]).Refuse("late").failure().status, Status::kClosed);
  uint64_t order = 5;
  while (!fetches_.empty()) {
    daemon_.Reply(NextFetch(), order++, Failing(0, sysmem2::OUTCOME_CLOSED));
  }
  daemon_.Reply(close, order++);
  AnswerEverything(nullptr, order);
  EXPECT_TRUE(client_->Roundtrip(20s).ok());
  while (*client_->Dispatch() > 0) continue;
  EXPECT_EQ(allocations_.size(), 1u) << "no callback any more";
  EXPECT_TRUE(closed_.empty());
  EXPECT_TRUE(unseen.IsClosed());
}

TEST_F(HeapsTest, MayBeDestroyedInTheirCallback) {
  HeapListener listener = Keeping();
  listener.allocate = [this](HeapAllocation call) {
    EXPECT_TRUE(std::move(call).Refuse("enough").ok());
    heap_->Reset();
  };
  Serve(std::move(listener));
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  const FakeDaemon::Call call = daemon_.NextCall();
  ASSERT_EQ(call.run.operations_size(), 2);
  EXPECT_EQ(call.run.operations(0).answer_provider_call().failure().message(), "enough");
  EXPECT_EQ(call.run.operations(1).close_handle().handle(), handle());
}

TEST_F(HeapsTest, EndWithTheSession) {
  Serve(Keeping());
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  daemon_.EndSession("enough");
  while (client_->Dispatch(20s).ok()) continue;
  ASSERT_EQ(closed_.size(), 1u);
  EXPECT_EQ(closed_[0].status, Status::kDisconnected);
  EXPECT_EQ(std::move(allocations_[0]).Refuse("late").failure().status, Status::kDisconnected);
}

TEST_F(HeapsTest, CallsMayOutliveTheClient) {
  Serve(Keeping());
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  daemon_.HangUp();
  client_.reset();
  EXPECT_EQ(std::move(allocations_[0]).Refuse("late").failure().status, Status::kDisconnected);
  heap_.reset();
}

TEST_F(HeapsTest, ThatGetNoMoreCallsAreGivenUp) {
  Serve(Keeping());
  daemon_.Reply(NextFetch(), 3, Failing(0, sysmem2::OUTCOME_REFUSED, "too many waits"));
  DispatchOne();
  ASSERT_EQ(closed_.size(), 1u);
  EXPECT_THAT(closed_[0].message, HasSubstr("too many waits"));
  EXPECT_EQ(daemon_.NextCall().run.operations(0).close_handle().handle(), handle())
      << "the daemon waits for nobody";
}

TEST_F(HeapsTest, HearThatAnAnswerCameTooLate) {
  Serve(Keeping());
  daemon_.Reply(NextFetch(), 3, Allocate(100));
  DispatchOne();
  daemon_.NextCall();
  EXPECT_TRUE(std::move(allocations_[0]).Refuse("late").ok());
  daemon_.Reply(daemon_.NextCall(), 4, Failing(0, sysmem2::OUTCOME_REFUSED, "took too long"));
  DispatchOne();
  ASSERT_EQ(refused_.size(), 1u);
  EXPECT_THAT(refused_[0].message, HasSubstr("took too long"));
  EXPECT_TRUE(closed_.empty());
}

TEST_F(HeapsTest, AnswerCallsOfALaterDaemonAsFailed) {
  Serve(Keeping());
  sysmem2::RunReply reply;
  reply.mutable_last()->mutable_take_provider_call()->set_call_id(100);
  daemon_.Reply(NextFetch(), 3, reply);
  DispatchOne();
  const FakeDaemon::Call call = daemon_.NextCall();
  EXPECT_THAT(call.run.operations(0).answer_provider_call().failure().message(),
              HasSubstr("does not know"));
}

}  // namespace
}  // namespace sysmem::client
