// SPDX-License-Identifier: Apache-2.0
//
// AttachToken through sessions: handles, exported ends, and the same memory for those who come
// late.
#include <sys/stat.h>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

constexpr Handle kRoot = 1;
constexpr Handle kAttached = 2;
constexpr Handle kLate = 3;

// A collection with two buffers, of which its one participant camps with one.
void AllocateTwo(TestClient& client) {
  core::Constraints constraints = CpuConstraints(1);
  constraints.min_buffer_count = 2;
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kRoot}));
  ASSERT_OK(client.Do(SetConstraints(kRoot, constraints)));
  ASSERT_OK(client.Do(Wait(kRoot)));
}

op::AttachToken Attach(std::optional<Handle> new_token, bool exported = false) {
  return op::AttachToken{kRoot, core::kSameRights, new_token, exported};
}

// Inodes of the buffers in a reply to Wait.
std::vector<ino_t> InodesOf(TestClient& client, const OperationResult& result) {
  std::vector<ino_t> inodes;
  const auto* granted = std::get_if<GrantedBuffers>(&result);
  if (granted == nullptr) {
    ADD_FAILURE() << (AsFailure(result) != nullptr ? AsFailure(result)->message : "no buffers");
    return inodes;
  }
  for (const DescriptorNumber number : granted->descriptors) {
    struct stat about {};
    EXPECT_EQ(::fstat(client.Take(number).get(), &about), 0);
    inodes.push_back(about.st_ino);
  }
  return inodes;
}

TEST(Attach, GivesALateParticipantTheSameBuffersInOneBatch) {
  TestEngine engine;
  TestClient client(engine);
  AllocateTwo(client);
  auto batch =
      client.Send({Attach(kAttached), op::BindSharedCollection{kAttached, std::nullopt, kLate},
                   SetConstraints(kLate, CpuConstraints(1)), Wait(kLate)});
  ASSERT_TRUE(batch->Wait());
  ASSERT_EQ(batch->reply().results.size(), 4u);
  for (size_t i = 0; i < 3; ++i) EXPECT_OK(batch->reply().results[i]);
  const std::vector<ino_t> late = InodesOf(client, batch->reply().results[3]);
  EXPECT_EQ(late.size(), 2u);
  EXPECT_EQ(late, InodesOf(client, client.Do(Wait(kRoot))));
}

TEST(Attach, ExportsTheTokenForAnotherSession) {
  TestEngine engine;
  TestClient maker(engine);
  TestClient user(engine);
  AllocateTwo(maker);
  const OperationResult& result = maker.Do(Attach(std::nullopt, true));
  const auto* exported = std::get_if<ExportedNodes>(&result);
  ASSERT_NE(exported, nullptr);
  const DescriptorNumber number = user.Push(maker.Take(exported->descriptors.at(0)));
  ASSERT_OK(user.Do(op::BindSharedCollection{std::nullopt, number, kLate}));
  ASSERT_OK(user.Do(SetConstraints(kLate, CpuConstraints(1))));
  EXPECT_EQ(InodesOf(user, user.Do(Wait(kLate))), InodesOf(maker, maker.Do(Wait(kRoot))));
}

TEST(Attach, TheDeathOfALateSessionHarmsNobody) {
  TestEngine engine;
  TestClient maker(engine);
  AllocateTwo(maker);
  for (int i = 0; i < 20; ++i) {
    TestClient user(engine);
    const OperationResult& result = maker.Do(Attach(std::nullopt, true));
    ASSERT_TRUE(std::holds_alternative<ExportedNodes>(result));
    base::UniqueFd end = maker.Take(std::get<ExportedNodes>(result).descriptors.at(0));
    ASSERT_OK(user.Do(op::BindSharedCollection{std::nullopt, user.Push(std::move(end)), kLate}));
  }
  EXPECT_OK(maker.Do(Sync(kRoot)));
  EXPECT_OK(maker.Do(Wait(kRoot)));
}

TEST(Attach, AnExportedEndThatIsDroppedHarmsNobody) {
  TestEngine engine;
  TestClient client(engine);
  AllocateTwo(client);
  const OperationResult& result = client.Do(Attach(std::nullopt, true));
  ASSERT_TRUE(std::holds_alternative<ExportedNodes>(result));
  client.Take(std::get<ExportedNodes>(result).descriptors.at(0)).reset();
  EXPECT_OK(client.Do(Sync(kRoot)));
}

TEST(Attach, TellsALateParticipantThatItDoesNotFitAndClosesItAlone) {
  TestEngine engine;
  TestClient client(engine);
  AllocateTwo(client);
  ASSERT_OK(client.Do(Attach(kAttached)));
  ASSERT_OK(client.Do(op::BindSharedCollection{kAttached, std::nullopt, kLate}));
  auto batch = client.Send({SetConstraints(kLate, CpuConstraints(2))});
  ASSERT_TRUE(batch->Wait());
  auto closed = client.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, kLate);
  EXPECT_OK(client.Do(Sync(kRoot)));
}

TEST(Attach, AnswersAWaitWithTheReasonFirst) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kRoot}));
  ASSERT_OK(client.Do(Attach(kAttached)));
  ASSERT_OK(client.Do(op::BindSharedCollection{kAttached, std::nullopt, kLate}));
  ASSERT_OK(client.Do(SetConstraints(kLate, CpuConstraints(5))));
  auto wait = client.Send({Wait(kLate)});
  ASSERT_OK(client.Do(SetConstraints(kRoot, CpuConstraints(1))));
  ASSERT_TRUE(wait->Wait());
  const core::Failure* failure = AsFailure(wait->reply().results.at(0));
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->error, core::Error::kConstraintsIntersectionEmpty);
  EXPECT_OK(client.Do(Wait(kRoot)));
}

TEST(Attach, RefusesAHandleInUseAndHarmsNobody) {
  TestEngine engine;
  TestClient client(engine);
  AllocateTwo(client);
  const OperationResult& result = client.Do(Attach(kRoot));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->field, "token_handle");
  EXPECT_OK(client.Do(Sync(kRoot)));
}

TEST(Attach, IsNotForTokens) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kRoot, false}));
  const OperationResult& result = client.Do(Attach(kAttached));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->rule, "WIRE-HANDLE");
  EXPECT_OK(client.Do(Sync(kRoot)));
}

TEST(Attach, FailsTheCollectionThatBreaksItsRules) {
  TestEngine engine;
  TestClient client(engine);
  AllocateTwo(client);
  const OperationResult& result = client.Do(op::AttachToken{kRoot, 0, kAttached, false});
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->field, "rights_attenuation_mask");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(client.NextClosed()) << "the token that never was, too";
}

TEST(Attach, ShowsInTheInspectorWhoMayFailAlone) {
  TestEngine engine;
  TestClient client(engine);
  AllocateTwo(client);
  ASSERT_OK(client.Do(Attach(kAttached)));
  const OperationResult& id = client.Do(Message<core::event::GetBufferCollectionId>(kRoot));
  const OperationResult& detail = client.Do(op::InspectCollection{std::get<uint64_t>(id)});
  const auto& nodes = std::get<CollectionDetail>(detail).snapshot.nodes;
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].failure_mode, core::FailureMode::kPropagate);
  EXPECT_EQ(nodes[1].failure_mode, core::FailureMode::kDoNotPropagate);
}

}  // namespace
}  // namespace sysmem::server
