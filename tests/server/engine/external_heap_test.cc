// SPDX-License-Identifier: Apache-2.0
//
// Heaps that other processes serve (server-behaviour.md 8.1), served well.
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>

#include <array>
#include <future>
#include <thread>

#include "base/process_info.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/internals.h"
#include "tests/server/engine/provider_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using ::sysmem::testing::Eventually;
using ::testing::HasSubstr;

constexpr Handle kFirst = 1;
constexpr Handle kSecond = 2;
constexpr uint32_t kHwDecoder = 1;  // of BufferUsage::video

class ExternalHeaps : public ::testing::Test {
 protected:
  // A collection with one buffer of the provider's empty memory.
  base::UniqueFd HaveOne(Handle handle) {
    auto wait = WantBuffers(client_, handle, Provided());
    provider_.GiveWhatWasOffered();
    base::UniqueFd buffer = FirstBuffer(client_, *wait);
    EXPECT_TRUE(buffer);
    return buffer;
  }
  bool NothingIsLeft() {
    const BufferLedger& ledger = *engine_.engine().internals().ledger;
    return ledger.totals().buffers == 0 && engine_.engine().internals().Collections().empty();
  }

  TestEngine engine_;
  TestProvider provider_{engine_};
  TestClient client_{engine_};
};

TEST_F(ExternalHeaps, AreThereOnceTheyHaveSaidWhatTheyCan_EXT_2_EXT_5) {
  ASSERT_OK(provider_.Register());
  EXPECT_NE(Refusal(*WantBuffers(client_, kFirst, Provided())), nullptr) << "not before";
  client_.Send({op::AllocateNonSharedCollection{kSecond}});
  ASSERT_OK(client_.Do(Sync(kSecond)));
  ASSERT_OK(provider_.SayProperties(CpuMemory()));
  auto wait = client_.Send({SetConstraints(kSecond, Provided()), Wait(kSecond)});
  provider_.GiveWhatWasOffered();
  EXPECT_NE(Granted(*wait), nullptr) << "also for collections that were there before";
}

TEST_F(ExternalHeaps, AreToldEverythingAboutEachBuffer_EXT_6) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided(2));
  std::array<TakenCall, 2> calls{provider_.NextCall(), provider_.NextCall()};
  const OperationResult& id = client_.Do(Message<core::event::GetBufferCollectionId>(kFirst));
  for (uint64_t i = 0; i < calls.size(); ++i) {
    const AllocateVmoCall& call = calls.at(i).make();
    EXPECT_EQ(call.size_bytes, kPage);
    EXPECT_EQ(call.buffer_collection_id, std::get<uint64_t>(id));
    EXPECT_EQ(call.buffer_index, i);
    EXPECT_EQ(call.settings->buffer.heap.type, kProvided);
    EXPECT_EQ(call.settings->buffer.size_bytes, kPage);
  }
  // In any order.
  ASSERT_OK(provider_.Give(calls[1].id, std::move(calls[1].fd)));
  EXPECT_FALSE(wait->answered());
  ASSERT_OK(provider_.Give(calls[0].id, std::move(calls[0].fd)));
  const GrantedBuffers* granted = Granted(*wait);
  ASSERT_NE(granted, nullptr);
  EXPECT_EQ(granted->descriptors.size(), 2u);
}

TEST_F(ExternalHeaps, FillTheMemoryThatTheyAreOffered) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided());
  TakenCall call = provider_.NextCall();
  const char written[] = "from the provider";
  ASSERT_EQ(::pwrite(call.fd.get(), written, sizeof(written), 0), ssize_t{sizeof(written)});
  ASSERT_OK(provider_.Give(call.id, std::move(call.fd)));
  const GrantedBuffers* granted = Granted(*wait);
  ASSERT_NE(granted, nullptr);
  const base::UniqueFd buffer = client_.Take(granted->descriptors.front());
  char read[sizeof(written)] = {};
  ASSERT_EQ(::pread(buffer.get(), read, sizeof(read), 0), ssize_t{sizeof(read)});
  EXPECT_STREQ(read, written);
}

TEST_F(ExternalHeaps, AreClearedWhereTheySaySo_BUF_4) {
  provider_.Serve(CpuMemory(/*need_clear=*/true));
  auto wait = WantBuffers(client_, kFirst, Provided());
  TakenCall call = provider_.NextCall();
  ASSERT_EQ(::pwrite(call.fd.get(), "secret", 6, 100), 6);
  ASSERT_OK(provider_.Give(call.id, std::move(call.fd)));
  const GrantedBuffers* granted = Granted(*wait);
  ASSERT_NE(granted, nullptr);
  const base::UniqueFd buffer = client_.Take(granted->descriptors.front());
  std::array<char, kPage> read{};
  ASSERT_EQ(::pread(buffer.get(), read.data(), read.size(), 0), ssize_t{kPage});
  EXPECT_THAT(read, ::testing::Each('\0'));
}

TEST_F(ExternalHeaps, AreClearedWhereTheySaySoAlsoWhereNobodyIsToSeeThem_BUF_4) {
  provider_.Serve({.inaccessible_domain = true, .need_clear = true});
  core::Constraints needs = Provided();
  needs.usage->cpu = 0;
  needs.usage->video = kHwDecoder;
  needs.memory->cpu_domain_supported = false;
  needs.memory->inaccessible_domain_supported = true;
  auto wait = WantBuffers(client_, kFirst, needs);
  const TakenCall call = provider_.NextCall();
  base::UniqueFd own = Memfd(kPage);
  const base::UniqueFd kept = base::Dup(own);
  ASSERT_EQ(::pwrite(own.get(), "secret", 6, 100), 6);
  ASSERT_OK(provider_.Give(call.id, std::move(own)));
  ASSERT_NE(Granted(*wait), nullptr);
  std::array<char, kPage> read{};
  ASSERT_EQ(::pread(kept.get(), read.data(), read.size(), 0), ssize_t{kPage});
  EXPECT_THAT(read, ::testing::Each('\0'));
}

TEST_F(ExternalHeaps, OfTrustedProvidersMayBeMemoryOfTheirOwn) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided());
  const TakenCall call = provider_.NextCall();
  base::UniqueFd own = Memfd(kPage);
  ASSERT_EQ(::pwrite(own.get(), "own", 3, 0), 3);
  ASSERT_OK(provider_.Give(call.id, std::move(own)));
  const GrantedBuffers* granted = Granted(*wait);
  ASSERT_NE(granted, nullptr);
  const base::UniqueFd buffer = client_.Take(granted->descriptors.front());
  char read[4] = {};
  ASSERT_EQ(::pread(buffer.get(), read, 3, 0), 3);
  EXPECT_STREQ(read, "own");
  EXPECT_NE(::ftruncate(buffer.get(), 0), 0) << "of fixed size from now on";
}

TEST_F(ExternalHeaps, GetBackTheLastDescriptorBeforeTrackingEnds_EXT_7_LIFE_4) {
  provider_.Serve();
  base::UniqueFd buffer = HaveOne(kFirst);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd mine(ends[0]);
  ASSERT_OK(client_.Do(Message<core::event::AttachLifetimeTracking>(
      kFirst, {.buffers_remaining = 0}, client_.Push(base::UniqueFd(ends[1])),
      core::NodeKind::kCollection)));
  ASSERT_OK(client_.Do(Release(kFirst)));
  ASSERT_OK(client_.Do(op::CloseHandle{kFirst}));
  buffer.reset();
  TakenCall call = provider_.NextCall();
  ASSERT_TRUE(call.is_deletion());
  EXPECT_EQ(std::get<DeleteVmoCall>(call.what).buffer_index, 0u);
  EXPECT_EQ(::fcntl(call.fd.get(), F_SETLEASE, F_WRLCK), 0) << "nobody else has it open";
  pollfd poll{.fd = mine.get(), .events = 0, .revents = 0};
  EXPECT_EQ(::poll(&poll, 1, 0), 0) << "not before the provider has taken it back";
  call.fd.reset();
  ASSERT_OK(provider_.Say(call.id));
  EXPECT_EQ(::poll(&poll, 1, 30'000), 1);
  EXPECT_TRUE(Eventually([&] { return NothingIsLeft(); }));
}

TEST_F(ExternalHeaps, ThatCannotTakeABufferBackAreComplainedAboutAndItIsGone_EXT_7) {
  provider_.Serve();
  base::UniqueFd buffer = HaveOne(kFirst);
  ASSERT_OK(client_.Do(op::CloseHandle{kFirst}));
  buffer.reset();
  const TakenCall call = provider_.NextCall();
  ASSERT_TRUE(call.is_deletion());
  ASSERT_OK(provider_.Refuse(call.id, "the slot is stuck"));
  EXPECT_TRUE(Eventually([&] { return NothingIsLeft(); }));
  EXPECT_EQ(engine_.Logged("the slot is stuck").size(), 1u);
}

// As when the kernel announces that a file which was watched is no more.
TEST_F(ExternalHeaps, MayBeAskedToWatchABufferThatWasGivenBack) {
  provider_.Serve();
  const auto heap = engine_.engine().internals().heaps->Find({.type = kProvided});
  ASSERT_TRUE(heap);
  std::promise<heaps::MadeBuffers> promise;
  heap->AllocateAll({{.size_bytes = kPage, .name = "", .collection_id = 1}},
                    std::make_shared<const core::SingleBufferSettings>(),
                    [&](heaps::MadeBuffers made) { promise.set_value(std::move(made)); });
  provider_.GiveWhatWasOffered();
  const heaps::MadeBuffers made = promise.get_future().get();
  ASSERT_TRUE(made.ok()) << made.status();
  const base::UniqueFd inotify(::inotify_init1(IN_CLOEXEC));
  EXPECT_TRUE(made->front()->WatchCloses(inotify).ok());
  std::promise<void> gone;
  made->front()->GiveBack([&] { gone.set_value(); });
  EXPECT_FALSE(made->front()->WatchCloses(inotify).ok());
  const TakenCall call = provider_.NextCall();
  ASSERT_OK(provider_.Say(call.id));
  gone.get_future().get();
}

TEST_F(ExternalHeaps, FailTheirCollectionsFromTheRootWhenTheyGo_EXT_4_EXT_H1_row_50) {
  provider_.Serve();
  base::UniqueFd buffer = HaveOne(kFirst);
  MakeBuffers(client_, kSecond, 1);
  ASSERT_OK(provider_.CloseRegistration());
  auto closed = client_.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, kFirst);
  EXPECT_THAT(std::string(closed->body), HasSubstr("is gone"));
  EXPECT_TRUE(FirstBuffer(client_, *client_.Send({Wait(kSecond)}))) << "memory of another heap";
  EXPECT_EQ(::pwrite(buffer.get(), "x", 1, 0), 1) << "who has it keeps it";
  buffer.reset();
  ASSERT_OK(client_.Do(op::CloseHandle{kSecond}));
  EXPECT_TRUE(Eventually([&] { return NothingIsLeft(); })) << "without DeleteVmo";
}

TEST_F(ExternalHeaps, GoWithTheSessionThatServesThem) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided());
  const TakenCall call = provider_.NextCall();
  provider_.Die();
  const core::Failure* failure = Refusal(*wait);
  ASSERT_NE(failure, nullptr);
  EXPECT_FALSE(engine_.engine().internals().heaps->Find({.type = kProvided}));
  EXPECT_NE(Refusal(*WantBuffers(client_, kSecond, Provided())), nullptr);
}

TEST_F(ExternalHeaps, TakeThePlaceOfAnEarlierProvider_EXT_3_EXT_4) {
  provider_.Serve();
  const base::UniqueFd buffer = HaveOne(kFirst);
  TestProvider second(engine_);
  second.Serve();
  auto closed = client_.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, kFirst) << "of the one that was replaced";
  ASSERT_OK(provider_.CloseRegistration());
  auto wait = WantBuffers(client_, kSecond, Provided());
  second.GiveWhatWasOffered();
  EXPECT_NE(Granted(*wait), nullptr) << "the late end of the first one is nothing to the second";
}

TEST_F(ExternalHeaps, AreShownWithWhoServesThem) {
  provider_.Serve();
  const base::UniqueFd buffer = HaveOne(kFirst);
  const OperationResult& result = client_.Do(op::InspectHeaps{});
  const auto& heaps = std::get<std::vector<HeapInfo>>(result);
  const auto found = std::find_if(heaps.begin(), heaps.end(), [](const HeapInfo& info) {
    return info.properties.heap.type == kProvided;
  });
  ASSERT_NE(found, heaps.end());
  EXPECT_THAT(found->backing, HasSubstr("provider pid " + std::to_string(::getpid())));
  EXPECT_EQ(found->live_buffers, 1u);
}

TEST_F(ExternalHeaps, MayBeAskedToTakeBackACallThatWaits) {
  provider_.Serve();
  auto parked = provider_.AskForCall();
  const uint64_t number = provider_.client().last_number();
  EXPECT_FALSE(parked->answered());
  ASSERT_OK(provider_.client().Do(op::CancelWait{number}));
  const core::Failure* failure = Refusal(*parked);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->outcome, core::Outcome::kCancelled);
  auto wait = WantBuffers(client_, kFirst, Provided());
  provider_.GiveWhatWasOffered();
  EXPECT_NE(Granted(*wait), nullptr) << "the call went to one that still waits";
}

TEST_F(ExternalHeaps, HandCallsToThoseThatWaitAlready) {
  provider_.Serve();
  auto parked = provider_.AskForCall();
  auto wait = WantBuffers(client_, kFirst, Provided());
  auto call = provider_.Taken(*parked);
  ASSERT_TRUE(call);
  ASSERT_OK(provider_.Give(call->id, std::move(call->fd)));
  EXPECT_NE(Granted(*wait), nullptr);
}

TEST_F(ExternalHeaps, CostTheDaemonNoMoreDescriptorsThanBuffersForCallsThatNobodyTakes) {
  provider_.Serve();
  const auto count = [] { return base::OwnDescriptorCount().value_or(0); };
  const auto before = count();
  auto wait = WantBuffers(client_, kFirst, Provided(20));
  ASSERT_OK(client_.Do(op::Ping{}));
  EXPECT_EQ(count(), before + 20);
  EXPECT_FALSE(wait->answered());
}

TEST_F(ExternalHeaps, KeepNobodyElseWaiting) {
  provider_.Serve();
  auto stuck = WantBuffers(client_, kFirst, Provided());
  (void)provider_.NextCall();  // and no answer
  TestClient other(engine_);
  for (Handle handle = 1; handle <= 100; ++handle) {
    EXPECT_TRUE(FirstBuffer(other, *WantBuffers(other, handle, CpuConstraints())));
  }
  EXPECT_NE(Granted(*WantBuffers(client_, kSecond, CpuConstraints())), nullptr)
      << "of the same client";
  EXPECT_FALSE(stuck->answered());
}

}  // namespace
}  // namespace sysmem::server
