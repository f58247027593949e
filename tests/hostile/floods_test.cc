// SPDX-License-Identifier: Apache-2.0
//
// Clients that want more than their share, or that stop half way: they lose what they have, others
// nothing.
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/token.pb.h"
#include "tests/hostile/hostile_fixture.h"
#include "tests/support/eventually.h"

namespace sysmem::testing {
namespace {

// With 1024 descriptors: a sixteenth of them in all, half of that per uid.
constexpr size_t kSessionsPerUid = 32;
constexpr size_t kUnheardPerUid = 16;
constexpr uint32_t kBuffersOfACollection = 128;

class Floods : public HostileTest {};

// ---- Connections
// ---------------------------------------------------------------------------------

TEST_F(Floods, OneUserCannotTakeAllSessions) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  std::vector<std::unique_ptr<RawClient>> clients;
  while (clients.size() < kSessionsPerUid) clients.push_back(Connect());
  const RawClient refused(path(), As(kClientUid));
  EXPECT_FALSE(refused.open());
  ASSERT_TRUE(refused.refusal().has_value());
  EXPECT_EQ(refused.refusal()->reason(), sysmem2::SESSION_END_REASON_LIMIT);
  EXPECT_NE(refused.refusal()->message().find("32"), std::string::npos)
      << refused.refusal()->message();
  // Others still get in, and one who leaves makes room.
  ExpectServed(*Connect(kOtherClientUid));
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return RawClient(path(), As(kClientUid)).open(); }));
  clients.clear();
  ExpectBackToBaseline();
}

TEST_F(Floods, SilentConnectionsPushOutEachOtherAndNobodyElse) {
  std::vector<base::UniqueFd> silent;
  for (size_t i = 0; i < 10 * kUnheardPerUid; ++i) {
    silent.push_back(ConnectSilently(path(), As(kClientUid)));
  }
  ExpectServed(*Connect());  // the very same user
  const auto end = AwaitEnd(silent.front());
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason(), sysmem2::SESSION_END_REASON_NO_HELLO);
  EXPECT_LT(daemon().process().DescriptorCount(), 200u);
  silent.clear();
  ExpectBackToBaseline();
}

TEST_F(Floods, AThousandShortLivesLeaveNothing) {
  for (int i = 0; i < 1000; ++i) {
    ConnectSilently(path(), As(kClientUid)).reset();
    if (i % 10 == 0) {
      RawClient client(path(), As(kClientUid));
      ASSERT_TRUE(client.open() || client.refusal().has_value());
    }
  }
  ExpectBackToBaseline();
}

TEST_F(Floods, GarbageOnTheCallChannelEndsOnlyItsSession) {
  auto guilty = Connect();
  const base::UniqueFd wire = guilty->TakeWire();
  const std::string garbage(4096, '\xee');
  ASSERT_GT(::send(wire.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL), 0);
  ExpectServed(bystander());
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Floods, ACallChannelThatIsClosedEndsItsSession) {
  auto guilty = Connect();
  guilty->TakeWire().reset();
  const sysmem2::SessionInfo ended = AwaitEnded(guilty->session_id());
  EXPECT_EQ(ended.ended().reason(), sysmem2::SESSION_END_REASON_HANG_UP);
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Floods, AHandleChannelHalfClosedEndsItsSession) {
  auto guilty = Connect();
  EXPECT_TRUE(guilty->Run({CreateToken(1)}).failures().empty());
  ::shutdown(guilty->channel().get(), SHUT_WR);
  AwaitEnded(guilty->session_id());
  guilty.reset();
  ExpectBackToBaseline();
}

// ---- Shares
// --------------------------------------------------------------------------------------

TEST_F(Floods, WaitsBeyondTheLimitAreRefusedAndTheSessionGoesOn) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1), Duplicate(1, 2), Bind(2, 3), SetConstraints(3)})
                  .failures()
                  .empty());
  sysmem2::WaitForAllBuffersAllocatedRequest wait;
  wait.set_handle(3);
  std::vector<RawCall*> parked;
  for (int i = 0; i < 512; ++i) {
    parked.push_back(&client->Send("BufferCollection.WaitForAllBuffersAllocated", wait));
    if (i % 128 != 127) continue;
    EXPECT_TRUE(client->Run({Sync(3)}).failures().empty());
  }
  const auto refused = client->Do<sysmem2::WaitForAllBuffersAllocatedReply>(
      "BufferCollection.WaitForAllBuffersAllocated", wait);
  EXPECT_EQ(refused.failure().outcome(), sysmem2::OUTCOME_REFUSED) << refused.ShortDebugString();
  EXPECT_NE(refused.failure().message().find("512"), std::string::npos)
      << refused.failure().message();
  // Closing the collection answers every one of them.
  EXPECT_TRUE(client->Run({Close(3)}).failures().empty());
  for (RawCall* call : parked) {
    ASSERT_TRUE(client->Await(*call));
    EXPECT_EQ(call->As<sysmem2::WaitForAllBuffersAllocatedReply>().failure().outcome(),
              sysmem2::OUTCOME_CLOSED);
  }
  ExpectServed(*client);
  client.reset();
  ExpectBackToBaseline();
}

// Takes one handle after the other until the daemon says no.
void TakeAllHandles(RawClient& client) {
  constexpr uint64_t kHandles = 16384;
  bool refused = false;
  for (uint64_t handle = 1; handle <= kHandles + 1000 && !refused;) {
    std::vector<sysmem2::Operation> operations;
    for (int i = 0; i < 1000; ++i) operations.push_back(CreateToken(handle++));
    const sysmem2::RunReply reply = client.Run(operations);
    for (const auto& each : reply.failures()) {
      refused = true;
      ASSERT_EQ(each.failure().outcome(), sysmem2::OUTCOME_REFUSED);
      ASSERT_NE(each.failure().message().find("16384"), std::string::npos)
          << each.failure().message();
    }
  }
  EXPECT_TRUE(refused);
  EXPECT_TRUE(client.Run({Sync(1)}).failures().empty());
}

TEST_F(Floods, HandlesBeyondTheLimitAreRefusedAndTheSessionGoesOn) {
  // The allocator keeps the memory of the first sixteen thousand collections, for the next ones.
  TakeAllHandles(*Connect());
  TakeBaseline();
  for (int i = 0; i < 3; ++i) {
    auto client = Connect();
    TakeAllHandles(*client);
    ExpectServed(bystander());
    client.reset();
    ExpectBackToBaseline();
  }
}

TEST_F(Floods, BuffersBeyondWhatOneUserGetsAreRefusedWithTheFiguresAndOthersGoOn) {
  auto client = Connect();
  sysmem2::Failure refusal;
  for (int i = 0; i < 8 && refusal.error() == 0; ++i) {
    const uint64_t root = client->NewHandle();
    const uint64_t child = client->NewHandle();
    EXPECT_TRUE(client
                    ->Run({CreateToken(root), Duplicate(root, child), Bind(child, child),
                           SetConstraints(child, kBuffersOfACollection)})
                    .failures()
                    .empty());
    sysmem2::WaitForAllBuffersAllocatedRequest wait;
    wait.set_handle(child);
    RawCall& call = client->Send("BufferCollection.WaitForAllBuffersAllocated", wait);
    EXPECT_TRUE(client->Run({Release(root), Close(root)}).failures().empty());
    ASSERT_TRUE(client->Await(call));
    const auto reply = call.As<sysmem2::WaitForAllBuffersAllocatedReply>();
    for (const auto& buffer : reply.result().buffer_collection_info().buffers()) {
      EXPECT_TRUE(client->Take(buffer.vmo()));
    }
    refusal = reply.failure();
  }
  EXPECT_EQ(refusal.error(), sysmem2::ERROR_NO_MEMORY) << refusal.ShortDebugString();
  EXPECT_NE(refusal.message().find("buffers_per_uid"), std::string::npos) << refusal.message();
  EXPECT_NE(refusal.message().find("256"), std::string::npos) << refusal.message();
  ExpectServed(bystander());
  client.reset();
  ExpectBackToBaseline();
}

TEST_F(Floods, ExportedNodesBeyondTheLimitAreRefusedAndOthersGoOn) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1)}).failures().empty());
  std::vector<base::UniqueFd> tokens;
  sysmem2::DuplicateRequest duplicate;
  duplicate.set_handle(1);
  duplicate.set_rights_attenuation_mask(0x80000000);
  duplicate.set_exported(true);
  sysmem2::Failure refusal;
  while (tokens.size() < 200 && refusal.outcome() == sysmem2::OUTCOME_UNSPECIFIED) {
    const auto reply =
        client->Do<sysmem2::CreateReply>("BufferCollectionToken.Duplicate", duplicate);
    if (reply.has_failure()) {
      refusal = reply.failure();
    } else {
      tokens.push_back(client->Take(reply.result().descriptor_number()));
    }
  }
  EXPECT_EQ(refusal.outcome(), sysmem2::OUTCOME_ERROR) << "after " << tokens.size();
  EXPECT_EQ(refusal.error(), sysmem2::ERROR_NO_MEMORY);
  EXPECT_NE(refusal.message().find("128"), std::string::npos) << refusal.message();
  ExpectServed(bystander());
  tokens.clear();
  client.reset();
  ExpectBackToBaseline();
}

// ---- Those who do not read
// -------------------------------------------------------------------------

TEST_F(Floods, OneThatNeverReadsItsHandleChannelLosesItsSession) {
  auto deaf = Connect();
  EXPECT_TRUE(
      deaf->Run({CreateAlone(1), SetConstraints(1, kBuffersOfACollection)}).failures().empty());
  sysmem2::WaitForAllBuffersAllocatedRequest wait;
  wait.set_handle(1);
  for (int i = 0; i < 10; ++i) deaf->Send("BufferCollection.WaitForAllBuffersAllocated", wait);
  ExpectServed(bystander());
  const sysmem2::SessionInfo ended = AwaitEnded(deaf->session_id());
  EXPECT_EQ(ended.ended().reason(), sysmem2::SESSION_END_REASON_UNREAD_DESCRIPTORS)
      << ended.ShortDebugString();
  ExpectServed(bystander());
  deaf.reset();
  ExpectBackToBaseline();
}

TEST_F(Floods, ManyThatNeverReadCannotKeepDescriptorsFromTheOthers) {
  std::vector<std::unique_ptr<RawClient>> deaf;
  for (int i = 0; i < 8; ++i) {
    deaf.push_back(Connect());
    EXPECT_TRUE(deaf.back()->Run({CreateAlone(1), SetConstraints(1, 40)}).failures().empty());
    sysmem2::WaitForAllBuffersAllocatedRequest wait;
    wait.set_handle(1);
    for (int j = 0; j < 20; ++j) {
      deaf.back()->Send("BufferCollection.WaitForAllBuffersAllocated", wait);
    }
  }
  for (int i = 0; i < 50; ++i) ExpectServed(bystander());
  deaf.clear();
  ExpectBackToBaseline();
}

// Thirty sessions wait for the hand-outs of one collection and take none of them: what is made for
// them must not use up the daemon's own descriptors.
TEST_F(Floods, ManyThatNeverReadTheBuffersOfOneCollectionCostTheDaemonNoDescriptors) {
  auto owner = Connect();
  constexpr uint64_t kRoot = 1;
  EXPECT_TRUE(owner->Run({CreateToken(kRoot)}).failures().empty());
  std::vector<std::unique_ptr<RawClient>> deaf;
  sysmem2::DuplicateRequest duplicate;
  duplicate.set_handle(kRoot);
  duplicate.set_rights_attenuation_mask(0x80000000);
  duplicate.set_exported(true);
  for (int i = 0; i < 28; ++i) {
    const auto exported =
        owner->Do<sysmem2::CreateReply>("BufferCollectionToken.Duplicate", duplicate);
    deaf.push_back(Connect());
    const uint64_t number = deaf.back()->Push(owner->Take(exported.result().descriptor_number()));
    EXPECT_TRUE(
        deaf.back()->Run({BindDescriptor(number, 1), SetConstraints(1, 4)}).failures().empty());
    sysmem2::WaitForAllBuffersAllocatedRequest wait;
    wait.set_handle(1);
    for (int j = 0; j < 5; ++j) {
      deaf.back()->Send("BufferCollection.WaitForAllBuffersAllocated", wait);
    }
    EXPECT_TRUE(deaf.back()->Run({Sync(1)}).failures().empty());
  }
  // The owner lets it begin: 112 buffers, five times for 28 sessions.
  EXPECT_TRUE(owner->Run({Release(kRoot), Close(kRoot)}).failures().empty());
  for (int i = 0; i < 20; ++i) ExpectServed(bystander());
  EXPECT_LT(daemon().process().DescriptorCount(), 600u);
  deaf.clear();
  owner.reset();
  ExpectBackToBaseline();
}

}  // namespace
}  // namespace sysmem::testing
