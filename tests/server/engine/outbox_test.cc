// SPDX-License-Identifier: Apache-2.0
//
// A client that does not read stalls itself and nobody else.
#include "gtest/gtest.h"
#include "server/unread_budget.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

// Makes a collection of `count` buffers under `handle`.
void MakeBuffers(TestClient& client, Handle handle, uint32_t count) {
  client.Send({op::AllocateNonSharedCollection{handle}});
  ASSERT_OK(client.Do(SetConstraints(handle, CpuConstraints(count))));
}

TEST(Outbox, HoldsRepliesBackWhileTooManyDescriptorsLieUnread) {
  EngineLimits limits = LimitsFor(1024);
  limits.unread_descriptors = 32;
  TestEngine engine(limits);
  TestClient client(engine);
  MakeBuffers(client, 1, 16);
  std::vector<std::shared_ptr<TestPort>> waits;
  for (int i = 0; i < 5; ++i) waits.push_back(client.Send({Wait(1)}));
  ASSERT_TRUE(waits[0]->Wait());
  ASSERT_TRUE(waits[1]->Wait());
  EXPECT_FALSE(waits[2]->answered());
  // Reading lets the rest through.
  for (auto& wait : waits) {
    while (!wait->Wait(std::chrono::milliseconds(1))) client.ReadIfAny();
    EXPECT_OK(wait->reply().results.at(0));
  }
}

TEST(Outbox, EndsASessionThatNeverReadsAndNotItsNeighbour) {
  EngineLimits limits = LimitsFor(1024);
  limits.unread_descriptors = 16;
  limits.outbox_stall_ns = 50'000'000;
  TestEngine engine(limits);
  TestClient deaf(engine, 1000);
  TestClient neighbour(engine, 1001);
  MakeBuffers(deaf, 1, 16);
  auto first = deaf.Send({Wait(1)});
  auto second = deaf.Send({Wait(1)});
  ASSERT_TRUE(first->Wait());
  EXPECT_EQ(first->abort_reason(), "");
  ASSERT_TRUE(second->Wait());
  EXPECT_NE(second->abort_reason().find("UNREAD_DESCRIPTORS"), std::string::npos)
      << second->abort_reason();
  MakeBuffers(neighbour, 1, 16);
  auto wait = neighbour.Send({Wait(1)});
  ASSERT_TRUE(wait->Wait());
  EXPECT_EQ(wait->abort_reason(), "");
}

TEST(Outbox, AnswersBeforeItAnnouncesTheClosure) {
  TestEngine engine;
  TestClient client(engine);
  client.Send({op::AllocateSharedCollection{1, false}});
  client.Send({op::Duplicate{1, core::kSameRights, 2, false}});
  client.Send({op::BindSharedCollection{1, std::nullopt, 3}});
  client.Send({op::BindSharedCollection{2, std::nullopt, 4}});
  core::Constraints impossible = CpuConstraints();
  impossible.memory->max_size_bytes = 1;
  client.Send({SetConstraints(3, CpuConstraints())});
  auto wait = client.Send({Wait(3)});
  client.Send({SetConstraints(4, impossible)});
  ASSERT_TRUE(wait->Wait());
  const core::Failure* failure = AsFailure(wait->reply().results.at(0));
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->error, core::Error::kConstraintsIntersectionEmpty);
  for (int i = 0; i < 2; ++i) {
    auto closed = client.NextClosed();
    ASSERT_TRUE(closed);
    EXPECT_GT(closed->order, wait->reply().order);
  }
}

TEST(UnreadBudget, GivesEachUserItsShareWhenSeveralHaveUnreadDescriptors) {
  UnreadBudget budget(100);
  EXPECT_TRUE(budget.Take(1, 90)) << "alone, one user may fill what is free";
  EXPECT_TRUE(budget.Take(2, 10));
  EXPECT_FALSE(budget.Take(1, 1)) << "above its half now";
  EXPECT_FALSE(budget.Take(2, 1)) << "nothing is left";
  budget.GiveBack(1, 80);
  EXPECT_TRUE(budget.Take(2, 40));
  EXPECT_FALSE(budget.Take(2, 1)) << "above its half";
  EXPECT_EQ(budget.total(), 60u);
}

TEST(UnreadBudget, NeverRefusesTheOnlyMessageThereIs) {
  UnreadBudget budget(10);
  EXPECT_TRUE(budget.Take(1, 253));
  EXPECT_FALSE(budget.Take(2, 1));
  budget.GiveBack(1, 253);
  EXPECT_TRUE(budget.Take(2, 1));
}

}  // namespace
}  // namespace sysmem::server
