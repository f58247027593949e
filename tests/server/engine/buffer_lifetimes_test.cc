// SPDX-License-Identifier: Apache-2.0
//
// The ends of buffers through sessions: hand-outs, signals, lifetime tracking (5.3 to 5.5), and
// what the ledger says of them.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/collection_host.h"
#include "server/internals.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using ::sysmem::testing::Eventually;

constexpr Handle kStrong = 1;
constexpr Handle kWeak = 2;
constexpr uint64_t kSize = 4096;

AnyOperation SetWeak(Handle handle) { return Message<core::event::SetWeak>(handle); }

AnyOperation TrackLifetime(Handle handle, std::optional<DescriptorNumber> server_end,
                           std::optional<uint32_t> remaining) {
  return Message<core::event::AttachLifetimeTracking>(handle, {.buffers_remaining = remaining},
                                                      server_end, core::NodeKind::kCollection);
}

// The peer of an end: hangs up when the last copy of the end is closed.
class Peer {
 public:
  base::UniqueFd MakeEnd() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    mine_ = base::UniqueFd(ends[0]);
    return base::UniqueFd(ends[1]);
  }
  const base::UniqueFd& mine() const { return mine_; }

 private:
  base::UniqueFd mine_;
};

bool HungUp(const base::UniqueFd& fd, std::chrono::milliseconds patience) {
  pollfd poll{.fd = fd.get(), .events = 0, .revents = 0};
  return ::poll(&poll, 1, static_cast<int>(patience.count())) == 1 && (poll.revents & POLLHUP) != 0;
}
bool HangsUp(const base::UniqueFd& fd) { return HungUp(fd, kPatience); }
bool HasHungUp(const base::UniqueFd& fd) { return HungUp(fd, std::chrono::milliseconds(0)); }

struct Received {
  std::vector<base::UniqueFd> vmos;
  std::vector<base::UniqueFd> signals;
};

Received WaitFor(TestClient& client, Handle handle) {
  const OperationResult& result = client.Do(Wait(handle));
  const auto* granted = std::get_if<GrantedBuffers>(&result);
  Received received;
  if (granted == nullptr) {
    ADD_FAILURE() << "no buffers: " << AsFailure(result)->message;
    return received;
  }
  for (DescriptorNumber number : granted->descriptors) {
    received.vmos.push_back(number == 0 ? base::UniqueFd() : client.Take(number));
  }
  for (DescriptorNumber number : granted->close_weak_asap) {
    received.signals.push_back(number == 0 ? base::UniqueFd() : client.Take(number));
  }
  return received;
}

// A strong and a weak collection, `count` buffers.
void MakeStrongAndWeak(TestClient& client, uint32_t count) {
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kStrong, false}));
  ASSERT_OK(client.Do(op::Duplicate{kStrong, core::kSameRights, kWeak, false}));
  ASSERT_OK(client.Do(SetWeak(kWeak)));
  for (Handle handle : {kStrong, kWeak}) {
    ASSERT_OK(client.Do(op::BindSharedCollection{handle, std::nullopt, handle}));
    ASSERT_OK(
        client.Do(SetConstraints(handle, CpuConstraints(handle == kStrong ? count : 0, kSize))));
  }
}

class BufferLifetimes : public ::testing::Test {
 protected:
  uint64_t LiveBuffers() { return engine_.engine().internals().ledger->totals().buffers; }
  bool IsBackToNothing() {
    const BufferLedger& ledger = *engine_.engine().internals().ledger;
    return ledger.descriptors() == 0 && ledger.totals().bytes == 0 &&
           engine_.engine().internals().Collections().empty();
  }
  // A collection of one node that has its buffers.
  Received MakeAlone(TestClient& client, uint32_t count) {
    MakeBuffers(client, kStrong, count);
    return WaitFor(client, kStrong);
  }
  TestEngine engine_;
};

TEST_F(BufferLifetimes, TrackingEndsWithTheLastDescriptorNotBefore_LIFE_2) {
  TestClient client(engine_);
  Received received = MakeAlone(client, 2);
  Peer two;
  Peer one;
  Peer none;
  ASSERT_OK(client.Do(TrackLifetime(kStrong, client.Push(two.MakeEnd()), 2)));
  ASSERT_OK(client.Do(TrackLifetime(kStrong, client.Push(one.MakeEnd()), 1)));
  ASSERT_OK(client.Do(TrackLifetime(kStrong, client.Push(none.MakeEnd()), 0)));
  EXPECT_TRUE(HangsUp(two.mine())) << "as many as there are";
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  EXPECT_FALSE(HasHungUp(one.mine()));
  base::UniqueFd copy = base::Dup(received.vmos[0]);
  received.vmos[0].reset();
  EXPECT_FALSE(HasHungUp(one.mine()));
  copy.reset();
  EXPECT_TRUE(HangsUp(one.mine()));
  EXPECT_FALSE(HasHungUp(none.mine()));
  void* mapping = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, received.vmos[1].get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  received.vmos[1].reset();
  ASSERT_OK(client.Do(op::Ping{}));
  EXPECT_FALSE(HasHungUp(none.mine())) << "a mapping holds it as well";
  ::munmap(mapping, kSize);
  EXPECT_TRUE(HangsUp(none.mine()));
  EXPECT_TRUE(Eventually([&] { return IsBackToNothing(); }));
}

// The kernel announces a close before it can be seen; here the first look is always too early.
TEST(EarlyLooks, AreRepeatedUntilTheEndIsSeenWithoutAnotherAnnouncement) {
  constexpr uint64_t kEnds = 1000;
  TestEngine engine(LimitsFor(1024), [](TestEngine::Heap heap) { return heap; },
                    {.first_probe_is_early = [] { return true; }});
  const LastClose& last_close = *engine.engine().internals().last_close;
  TestClient client(engine);
  for (uint64_t ends = 1; ends <= kEnds; ++ends) {
    MakeBuffers(client, kStrong, 1);
    Received received = WaitFor(client, kStrong);
    Peer peer;
    ASSERT_OK(client.Do(TrackLifetime(kStrong, client.Push(peer.MakeEnd()), 0)));
    ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
    ASSERT_FALSE(HasHungUp(peer.mine()));
    received.vmos.clear();  // nothing is sent afterwards
    ASSERT_TRUE(HangsUp(peer.mine())) << "end " << ends;
  }
  EXPECT_TRUE(Eventually([&] { return last_close.counts().late_ends == kEnds; }))
      << last_close.counts().late_ends;
}

TEST_F(BufferLifetimes, MemoryOutlivesItsCollectionAndIsCountedUntilItGoes_GONE_5) {
  TestClient client(engine_);
  Received received = MakeAlone(client, 3);
  EXPECT_EQ(LiveBuffers(), 3u);
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  EXPECT_EQ(engine_.engine().internals().Collections().size(), 1u) << "it is outlived";
  received.vmos[1].reset();
  EXPECT_TRUE(Eventually([&] { return LiveBuffers() == 2; })) << "each for itself (END-7)";
  const char byte = 1;
  EXPECT_EQ(::pwrite(received.vmos[0].get(), &byte, 1, 0), 1) << "the others are as good as ever";
  received.vmos.clear();
  EXPECT_TRUE(Eventually([&] { return IsBackToNothing(); }));
}

TEST_F(BufferLifetimes, BuffersThatNobodyWasGivenGoWithTheirCollection) {
  TestClient client(engine_);
  MakeBuffers(client, kStrong, 3);
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  EXPECT_TRUE(Eventually([&] { return IsBackToNothing(); }));
}

TEST(ManyHandOuts, OfOneBufferAreRefusedBeyondTheLimitUntilOneIsClosed) {
  EngineLimits limits = LimitsFor(1024);
  limits.hand_outs_per_buffer = 2;
  TestEngine engine(limits);
  TestClient client(engine);
  MakeBuffers(client, kStrong, 1);
  Received first = WaitFor(client, kStrong);
  Received second = WaitFor(client, kStrong);
  for (int i = 0; i < 3; ++i) {
    const OperationResult& refused = client.Do(Wait(kStrong));
    const core::Failure* failure = AsFailure(refused);
    ASSERT_NE(failure, nullptr);
    EXPECT_EQ(failure->error, core::Error::kNoMemory);
    EXPECT_EQ(failure->rule, "RES-4");
    EXPECT_THAT(failure->message, ::testing::HasSubstr("2 descriptors of buffer 0"));
    EXPECT_THAT(failure->message, ::testing::HasSubstr("limit hand_outs_per_buffer"));
  }
  first.vmos.clear();
  EXPECT_TRUE(Eventually([&] {
    const OperationResult& result = client.Do(Wait(kStrong));
    return std::holds_alternative<GrantedBuffers>(result);
  }));
}

TEST_F(BufferLifetimes, RepliesThatNeverLeaveHoldNothing) {
  TestClient maker(engine_);
  auto dying = std::make_unique<TestClient>(engine_);
  ASSERT_OK(dying->Do(op::AllocateSharedCollection{kStrong, false}));
  MakeBuffers(*dying, kWeak, 5);
  for (int i = 0; i < 40; ++i) dying->Send({Wait(kWeak)});  // more than may be unread
  dying.reset();
  EXPECT_TRUE(Eventually([&] { return IsBackToNothing(); }));
}

TEST_F(BufferLifetimes, WeakHoldersAreToldWhenTheLastStrongOneGoes_END_1_WEAK_4) {
  TestClient client(engine_);
  MakeStrongAndWeak(client, 2);
  Received strong = WaitFor(client, kStrong);
  Received weak = WaitFor(client, kWeak);
  ASSERT_EQ(strong.signals.size(), 0u) << "RES-4";
  ASSERT_EQ(weak.signals.size(), 2u);
  ASSERT_OK(client.Do(Release(kStrong)));
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  strong.vmos[0].reset();
  EXPECT_TRUE(HangsUp(weak.signals[0]));
  EXPECT_FALSE(HasHungUp(weak.signals[1]));

  Received later = WaitFor(client, kWeak);  // row 28
  EXPECT_FALSE(later.vmos[0]);
  EXPECT_TRUE(HasHungUp(later.signals[0])) << "already signalled";
  EXPECT_TRUE(later.vmos[1]);
  EXPECT_FALSE(HasHungUp(later.signals[1]));

  strong.vmos[1].reset();  // row 29
  EXPECT_TRUE(HangsUp(weak.signals[1]));
  EXPECT_TRUE(HangsUp(later.signals[1]));
  auto closed = client.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, kWeak);
  weak.vmos.clear();
  later.vmos.clear();
  EXPECT_TRUE(Eventually([&] { return IsBackToNothing(); }));
}

TEST_F(BufferLifetimes, WeakHandlesAloneKeepMemoryButNoBufferStrong) {
  TestClient client(engine_);
  MakeStrongAndWeak(client, 1);
  Received weak = WaitFor(client, kWeak);
  ASSERT_OK(client.Do(Release(kStrong)));
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  EXPECT_TRUE(HangsUp(weak.signals[0]));
  EXPECT_EQ(LiveBuffers(), 1u);
  const char byte = 1;
  EXPECT_EQ(::pwrite(weak.vmos[0].get(), &byte, 1, 0), 1);
  weak.vmos.clear();
  EXPECT_TRUE(Eventually([&] { return IsBackToNothing(); }));
}

TEST_F(BufferLifetimes, LeaksAreReportedWithClientAndProcess_END_6) {
  TestClient client(engine_, 4321);
  MakeStrongAndWeak(client, 1);
  ASSERT_OK(client.Do(Message(kWeak, core::event::SetDebugClientInfo{.name = "hoarder", .id = 8})));
  Received weak = WaitFor(client, kWeak);
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  ASSERT_TRUE(Eventually([&] { return !engine_.Logged("END-6").empty(); }));
  const std::string line = engine_.Logged("END-6").front();
  EXPECT_THAT(line, ::testing::HasSubstr("\"hoarder\" (id 8"));
  EXPECT_THAT(line, ::testing::HasSubstr("process " + std::to_string(::getpid())));
  EXPECT_THAT(line, ::testing::HasSubstr("user 4321"));
}

TEST_F(BufferLifetimes, TrackingOfAFailedAllocationEndsAtOnce_LIFE_1) {
  TestClient client(engine_);
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kStrong}));
  Peer peer;
  ASSERT_OK(client.Do(TrackLifetime(kStrong, client.Push(peer.MakeEnd()), 7)));
  EXPECT_FALSE(HasHungUp(peer.mine()));
  core::Constraints impossible = CpuConstraints(1, 4096);
  impossible.memory->max_size_bytes = 1;
  ASSERT_OK(client.Do(SetConstraints(kStrong, impossible)));
  EXPECT_TRUE(HangsUp(peer.mine()));
}

TEST_F(BufferLifetimes, TrackingThatIsRefusedEndsAtOnce_2_7) {
  TestClient client(engine_);
  MakeBuffers(client, kStrong, 1);
  Peer peer;
  EXPECT_EQ(AsFailure(client.Do(TrackLifetime(kStrong, client.Push(peer.MakeEnd()), std::nullopt)))
                ->field,
            "buffers_remaining");
  EXPECT_TRUE(HangsUp(peer.mine()));
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kWeak}));
  EXPECT_EQ(AsFailure(client.Do(TrackLifetime(kWeak, std::nullopt, 1)))->field, "server_end");
}

TEST_F(BufferLifetimes, OneUserGetsHalfOfTheDescriptorsForBuffers) {
  TestClient greedy(engine_, 1000);
  TestClient other(engine_, 1001);
  const uint32_t half = engine_.engine().options().limits.buffers_per_uid;
  std::vector<base::UniqueFd> kept;
  Handle handle = 10;
  const core::Failure* refused = nullptr;
  for (uint32_t made = 0; made <= half; made += 64) {
    ASSERT_OK(greedy.Do(op::AllocateNonSharedCollection{++handle}));
    ASSERT_OK(greedy.Do(SetConstraints(handle, CpuConstraints(64, kSize))));
    refused = AsFailure(greedy.Do(Message<core::event::Check>(handle)));
  }
  ASSERT_NE(refused, nullptr);
  EXPECT_TRUE(!engine_.Logged("buffers_per_uid").empty());
  MakeBuffers(other, kStrong, 64);
  EXPECT_EQ(WaitFor(other, kStrong).vmos.size(), 64u);
}

TEST_F(BufferLifetimes, TheInspectorNamesEveryHolder) {
  TestClient client(engine_, 1000);
  MakeStrongAndWeak(client, 1);
  Received strong = WaitFor(client, kStrong);
  Received weak = WaitFor(client, kWeak);
  const uint64_t id = engine_.engine().internals().Collections().front()->id();
  const auto look = [&] {
    return std::get<CollectionDetail>(client.Do(op::InspectCollection{id}));
  };
  const BufferInfo buffer = look().buffers.at(0);
  EXPECT_EQ(buffer.state, core::BufferState::kStrong);
  ASSERT_EQ(buffer.holders.size(), 2u);
  EXPECT_FALSE(buffer.holders[0].weak);
  EXPECT_TRUE(buffer.holders[1].weak);
  EXPECT_EQ(buffer.holders[1].peer.uid, 1000u);
  EXPECT_EQ(buffer.holders[1].peer.pid, ::getpid());
  EXPECT_NE(buffer.holders[0].node, buffer.holders[1].node);
  strong.vmos.clear();
  EXPECT_TRUE(Eventually([&] { return look().buffers.at(0).holders.size() == 1; }));
  ASSERT_OK(client.Do(Release(kStrong)));
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  EXPECT_TRUE(HangsUp(weak.signals[0]));
  EXPECT_TRUE(Eventually([&] {
    const CollectionDetail detail = look();
    return detail.summary.state == core::CollectionState::kOutlived &&
           detail.buffers.at(0).state == core::BufferState::kWeakOnly;
  }));
}

}  // namespace
}  // namespace sysmem::server
