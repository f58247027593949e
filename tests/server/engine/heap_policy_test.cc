// SPDX-License-Identifier: Apache-2.0
//
// What the machine's owner says about heaps: who may use them, and how much of them.
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "server/internals.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 2000;
constexpr Handle kToken = 1;
constexpr Handle kCollection = 2;
const char kRam[] = "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM";

class HeapPolicyTest : public ::testing::Test {
 protected:
  // An engine whose only heap has this policy.
  explicit HeapPolicyTest(const HeapPolicy& policy = {.users = std::set{kAlice}})
      : engine_(
            LimitsFor(1024), [](TestEngine::Heap heap) { return heap; }, {}, {},
            [&](EngineOptions& options) {
              options.heap_policies = {{kRam, policy}};
            }) {}

  // What a collection of the client's own comes to; empty: its buffers.
  static std::optional<core::Failure> Refusal(TestClient& client, Handle handle, uint32_t count,
                                              uint64_t bytes = 4096) {
    client.Send({op::AllocateNonSharedCollection{handle}});
    client.Send({SetConstraints(handle, CpuConstraints(count, bytes))});
    const OperationResult result = client.Do(Wait(handle));
    const core::Failure* const failure = AsFailure(result);
    return failure != nullptr ? std::optional(*failure) : std::nullopt;
  }

  TestEngine engine_;
};

class CapsTest : public HeapPolicyTest {
 protected:
  CapsTest()
      : HeapPolicyTest({.max_buffers = 4, .max_bytes = 10 * 4096, .max_bytes_per_user = 6 * 4096}) {
  }
};

TEST_F(HeapPolicyTest, LetsThoseUseAHeapWhoAreNamedAndRootAndTheDaemonsUser) {
  for (const uid_t uid : {kAlice, uid_t{0}, ::geteuid()}) {
    TestClient client(engine_, uid);
    EXPECT_EQ(Refusal(client, 1, 1), std::nullopt) << "user " << uid;
  }
  TestClient bob(engine_, kBob);
  const auto refusal = Refusal(bob, 1, 1);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error, core::Error::kConstraintsIntersectionEmpty);
  EXPECT_EQ(refusal->rule, "HEAP-ACCESS");
  EXPECT_THAT(refusal->message, HasSubstr(kRam));
}

TEST_F(HeapPolicyTest, NamesTheProcessOfWhoMayNotUseItToWhoMayKnow) {
  TestClient root(engine_, 0);
  TestClient bob(engine_, kBob);
  EXPECT_OK(root.Do(op::AllocateSharedCollection{kToken, false}));
  OperationResult copy = root.Do(op::Duplicate{kToken, core::kSameRights, std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&copy);
  ASSERT_NE(exported, nullptr);
  const DescriptorNumber end = bob.Push(root.Take(exported->descriptors.at(0)));
  EXPECT_OK(bob.Do(op::BindSharedCollection{std::nullopt, end, kCollection}));
  EXPECT_OK(root.Do(op::BindSharedCollection{kToken, std::nullopt, kCollection}));
  EXPECT_OK(root.Do(SetConstraints(kCollection, CpuConstraints())));
  auto waiting = root.Send({Wait(kCollection)});
  EXPECT_OK(bob.Do(SetConstraints(kCollection, CpuConstraints())));
  ASSERT_TRUE(waiting->Wait());
  const core::Failure* const failure = AsFailure(waiting->reply().results.at(0));
  ASSERT_NE(failure, nullptr);
  ASSERT_EQ(failure->participants.size(), 1u);
  ASSERT_TRUE(failure->participants[0].holder);
  EXPECT_EQ(failure->participants[0].holder->uid, kBob);
  EXPECT_THAT(failure->participants[0].value, HasSubstr("access denied to"));
}

TEST_F(HeapPolicyTest, IsShownToEverybodyButWhoElseIsNamedOnlyToThoseWhoSeeAll) {
  const auto info_for = [this](uid_t uid) {
    TestClient client(engine_, uid);
    const OperationResult result = client.Do(op::InspectHeaps{});
    return std::get<std::vector<HeapInfo>>(result).at(0);
  };
  const HeapInfo to_root = info_for(0);
  EXPECT_TRUE(to_root.may_use);
  EXPECT_EQ(to_root.policy, (HeapPolicy{.users = std::set{kAlice}}));
  const HeapInfo to_bob = info_for(kBob);
  EXPECT_FALSE(to_bob.may_use);
  ASSERT_TRUE(to_bob.policy);
  EXPECT_THAT(to_bob.policy->users, Optional(IsEmpty()));
}

TEST_F(CapsTest, OfBuffersHoldForAllUsersTogetherAndEndWithTheBuffers) {
  TestClient alice(engine_, kAlice);
  TestClient bob(engine_, kBob);
  ASSERT_EQ(Refusal(alice, 1, 3), std::nullopt);
  const auto refusal = Refusal(bob, 1, 2);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error, core::Error::kNoMemory);
  EXPECT_THAT(refusal->message,
              AllOf(HasSubstr(kRam), HasSubstr("user 2000 asks for 2 buffers of 4096 bytes"),
                    HasSubstr("max_buffers is 4 (heap_policies of the daemon's configuration)"),
                    HasSubstr("3 buffers of 12288 bytes live")));
  EXPECT_EQ(Refusal(bob, 2, 1), std::nullopt);
}

TEST_F(CapsTest, OfBytesForOneUserLeaveRoomForOthers) {
  TestClient alice(engine_, kAlice);
  TestClient bob(engine_, kBob);
  ASSERT_EQ(Refusal(alice, 1, 1, 5 * 4096), std::nullopt);
  const auto refusal = Refusal(alice, 2, 1, 2 * 4096);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->error, core::Error::kNoMemory);
  EXPECT_THAT(refusal->message, HasSubstr("max_bytes_per_user is 24576"));
  EXPECT_EQ(Refusal(bob, 1, 1, 5 * 4096), std::nullopt);
  const auto full = Refusal(bob, 2, 1);
  ASSERT_TRUE(full);
  EXPECT_THAT(full->message, HasSubstr("max_bytes is 40960"));
}

TEST_F(CapsTest, AreFreeAgainWhenTheBuffersAreGone) {
  TestClient bob(engine_, kBob);
  {
    auto alice = std::make_unique<TestClient>(engine_, kAlice);
    ASSERT_EQ(Refusal(*alice, 1, 4), std::nullopt);
    alice->session().End(SessionEnd{EndReason::kShutdown, "the test ends it"});
  }
  const BufferLedger& ledger = *engine_.engine().internals().ledger;
  ASSERT_TRUE(sysmem::testing::Eventually([&] { return ledger.totals().buffers == 0; }));
  EXPECT_EQ(Refusal(bob, 1, 4), std::nullopt);
}

}  // namespace
}  // namespace sysmem::server
