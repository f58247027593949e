// SPDX-License-Identifier: Apache-2.0
//
// Failures name those who caused them, to whom may know.
#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 2000;
constexpr Handle kToken = 1;
constexpr Handle kCollection = 2;

const core::ParticipantValue* WithValue(const core::Failure& failure, const std::string& value) {
  for (const core::ParticipantValue& participant : failure.participants) {
    if (participant.value.find(value) != std::string::npos) return &participant;
  }
  return nullptr;
}

// `alice` wants at most a page, `bob` at least two. The failure that `alice` is answered with.
core::Failure Quarrel(TestClient& alice, TestClient& bob) {
  EXPECT_OK(alice.Do(op::AllocateSharedCollection{kToken, false}));
  const OperationResult& copy =
      alice.Do(op::Duplicate{kToken, core::kSameRights, std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&copy);
  if (exported == nullptr) return {};
  const DescriptorNumber end = bob.Push(alice.Take(exported->descriptors.at(0)));
  EXPECT_OK(bob.Do(op::BindSharedCollection{std::nullopt, end, kCollection}));
  EXPECT_OK(alice.Do(op::BindSharedCollection{kToken, std::nullopt, kCollection}));
  core::Constraints small = CpuConstraints(1);
  small.memory->max_size_bytes = 4096;
  EXPECT_OK(alice.Do(SetConstraints(kCollection, small)));
  auto waiting = alice.Send({Wait(kCollection)});
  EXPECT_OK(bob.Do(SetConstraints(kCollection, CpuConstraints(1, 8192))));
  EXPECT_TRUE(waiting->Wait());
  const core::Failure* failure = AsFailure(waiting->reply().results.at(0));
  EXPECT_NE(failure, nullptr);
  return failure != nullptr ? *failure : core::Failure{};
}

TEST(Culprits, AreNamedByProcessWithinOneUser) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient too(engine, kAlice);
  const core::Failure failure = Quarrel(alice, too);
  const core::ParticipantValue* greedy = WithValue(failure, "8192");
  ASSERT_NE(greedy, nullptr);
  ASSERT_TRUE(greedy->holder.has_value());
  EXPECT_EQ(greedy->holder->pid, static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(greedy->holder->uid, kAlice);
}

TEST(Culprits, OfAnotherUserAreNamedByNameAndValueOnly) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  const core::Failure failure = Quarrel(alice, bob);
  const core::ParticipantValue* greedy = WithValue(failure, "8192");
  ASSERT_NE(greedy, nullptr);
  EXPECT_FALSE(greedy->holder.has_value());
  const core::ParticipantValue* own = WithValue(failure, "4096");
  ASSERT_NE(own, nullptr);
  EXPECT_TRUE(own->holder.has_value()) << "one's own process is no secret";
}

TEST(Culprits, AreNamedByProcessToRoot) {
  TestEngine engine;
  TestClient root(engine, 0);
  TestClient bob(engine, kBob);
  const core::Failure failure = Quarrel(root, bob);
  const core::ParticipantValue* greedy = WithValue(failure, "8192");
  ASSERT_NE(greedy, nullptr);
  ASSERT_TRUE(greedy->holder.has_value());
  EXPECT_EQ(greedy->holder->uid, kBob);
}

TEST(Grants, StateTheRightsOfUsageAndMasks) {
  TestEngine engine;
  TestClient client(engine, kAlice);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kToken, false}));
  constexpr Handle kChild = 3;
  constexpr Handle kReader = 4;
  constexpr uint32_t kNoMap = ~0x20u & 0x7fffffffu;
  ASSERT_OK(client.Do(op::Duplicate{kToken, kNoMap, kChild, false}));
  ASSERT_OK(client.Do(op::BindSharedCollection{kToken, std::nullopt, kCollection}));
  ASSERT_OK(client.Do(op::BindSharedCollection{kChild, std::nullopt, kReader}));
  core::Constraints reads = CpuConstraints(1);
  reads.usage->cpu = core::kCpuUsageRead;
  ASSERT_OK(client.Do(SetConstraints(kCollection, CpuConstraints(1))));
  ASSERT_OK(client.Do(SetConstraints(kReader, reads)));
  const OperationResult& writer = client.Do(Wait(kCollection));
  const OperationResult& reader = client.Do(Wait(kReader));
  ASSERT_TRUE(std::holds_alternative<GrantedBuffers>(writer));
  ASSERT_TRUE(std::holds_alternative<GrantedBuffers>(reader));
  EXPECT_EQ(std::get<GrantedBuffers>(writer).hand_out.rights, core::kHandOutRights);
  EXPECT_EQ(std::get<GrantedBuffers>(reader).hand_out.rights,
            core::kHandOutRights & ~core::kRightWrite & kNoMap);
}

}  // namespace
}  // namespace sysmem::server
