// SPDX-License-Identifier: Apache-2.0
//
// Negotiations that take long: made on a thread of their own, with the same outcome.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

// Every attempt counts as one that may take long.
EngineLimits NothingInline() {
  EngineLimits limits = LimitsFor(1024);
  limits.inline_attempt_formats = 0;
  return limits;
}

// Two participants of one collection in sessions of their own. The first one waits; the second one
// is about to say the last thing that is missing. (In one session the caller's thread might
// answer.)
class TwoParticipants {
 public:
  explicit TwoParticipants(EngineLimits limits) : engine_(limits), first_(engine_), last_(engine_) {
    EXPECT_OK(first_.Do(op::AllocateSharedCollection{kRoot}));
    const OperationResult& made =
        first_.Do(op::Duplicate{kRoot, core::kSameRights, std::nullopt, /*export_node=*/true});
    const auto* exported = std::get_if<ExportedNodes>(&made);
    if (exported == nullptr) return;
    const DescriptorNumber token = last_.Push(first_.Take(exported->descriptors.at(0)));
    EXPECT_OK(last_.Do(op::BindSharedCollection{std::nullopt, token, kRoot}));
    EXPECT_OK(first_.Do(op::BindSharedCollection{kRoot, std::nullopt, kBound}));
    EXPECT_OK(first_.Do(SetConstraints(kBound, CpuConstraints(1))));
    wait_ = first_.Send({Wait(kBound)});
  }
  // Says it, and gives the answer to the first one's wait.
  TestPort& Finish(core::Constraints last) {
    EXPECT_OK(last_.Do(SetConstraints(kRoot, std::move(last))));
    EXPECT_TRUE(wait_->Wait());
    return *wait_;
  }

 private:
  static constexpr Handle kRoot = 1;
  static constexpr Handle kBound = 2;
  TestEngine engine_;
  TestClient first_;
  TestClient last_;
  std::shared_ptr<TestPort> wait_;
};

TEST(DearAttempts, AreMadeOnAnotherThreadThanTheOneThatBroughtTheConstraints) {
  TwoParticipants participants(NothingInline());
  const TestPort& wait = participants.Finish(CpuConstraints(1));
  EXPECT_EQ(wait.answered_by(), "sysmemd-plan");
  EXPECT_TRUE(std::holds_alternative<GrantedBuffers>(wait.reply().results.at(0)));
}

TEST(DearAttempts, AreTheOnlyOnesThatAre) {
  TwoParticipants participants(LimitsFor(1024));
  EXPECT_NE(participants.Finish(CpuConstraints(1)).answered_by(), "sysmemd-plan");
}

TEST(DearAttempts, TellOfConflictsAsOthersDo) {
  TwoParticipants participants(NothingInline());
  core::Constraints impossible = CpuConstraints(1);
  impossible.max_buffer_count = 0;
  const TestPort& wait = participants.Finish(impossible);
  const core::Failure* why = AsFailure(wait.reply().results.at(0));
  ASSERT_NE(why, nullptr);
  EXPECT_EQ(why->rule, "C4");
}

TEST(DearAttempts, KeepWhatIsSentBehindThemInOrder) {
  TestEngine engine(NothingInline());
  TestClient client(engine);
  for (int round = 0; round < 30; ++round) {
    const Handle handle = 1 + static_cast<Handle>(round);
    auto made = client.Send({op::AllocateNonSharedCollection{handle}});
    auto set = client.Send({SetConstraints(handle, CpuConstraints(1)), Wait(handle)});
    // Two-way and later: answered from what the attempt has decided.
    auto check = client.Send({Message<core::event::Check>(handle)});
    auto closed = client.Send({op::CloseHandle{handle}});
    ASSERT_TRUE(closed->Wait());
    ASSERT_TRUE(check->Wait());
    EXPECT_OK(check->reply().results.at(0));
    EXPECT_OK(closed->reply().results.at(0));
  }
}

TEST(DearAttempts, AreFinishedWhenTheDaemonEnds) {
  TestEngine engine(NothingInline());
  TestClient client(engine);
  std::vector<std::shared_ptr<TestPort>> ports;
  for (Handle handle = 1; handle <= 50; ++handle) {
    ports.push_back(client.Send({op::AllocateNonSharedCollection{handle},
                                 SetConstraints(handle, CpuConstraints(1)), Wait(handle)}));
  }
  engine.engine().Shutdown();
  for (const auto& port : ports) EXPECT_TRUE(port->Wait());
}

}  // namespace
}  // namespace sysmem::server
