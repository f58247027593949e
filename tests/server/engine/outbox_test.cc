// SPDX-License-Identifier: Apache-2.0
//
// A client that does not read stalls itself and nobody else.
#include <unistd.h>

#include <memory>
#include <vector>

#include "base/process_info.h"
#include "base/unix_socket.h"
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

TEST(Outbox, AnswersABatchBeforeItAnnouncesTheClosureThatTheBatchBroughtAbout) {
  TestEngine engine;
  TestClient client(engine);
  client.Send({op::AllocateNonSharedCollection{1}});
  // The second SetConstraints breaks a rule; the wait behind it finds the collection closed.
  auto batch = client.Send(
      {SetConstraints(1, CpuConstraints()), SetConstraints(1, CpuConstraints()), Wait(1)});
  ASSERT_TRUE(batch->Wait());
  const core::Failure* failure = AsFailure(batch->reply().results.at(1));
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->outcome, core::Outcome::kRefused);
  auto closed = client.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_GT(closed->order, batch->reply().order);
}

TEST(Outbox, DoesNotWaitForThoseWhoHaveReadAndSitIdle) {
  TestEngine engine;  // 256 in all
  std::vector<std::unique_ptr<TestClient>> idle;
  for (int i = 0; i < 10; ++i) {
    idle.push_back(std::make_unique<TestClient>(engine));
    MakeBuffers(*idle.back(), 1, 40);
    auto wait = idle.back()->Send({Wait(1)});
    ASSERT_TRUE(wait->Wait());
    ASSERT_EQ(wait->abort_reason(), "") << "client " << i;
    const auto& granted = std::get<GrantedBuffers>(wait->reply().results.at(0));
    for (DescriptorNumber number : granted.descriptors) EXPECT_TRUE(idle.back()->Take(number));
  }
}

TEST(Outbox, OpensNoDescriptorsForThoseWhoDoNotRead) {
  TestEngine engine;
  TestClient owner(engine, 1000);
  MakeBuffers(owner, 1, 60);
  auto count = [] { return base::OwnDescriptorCount().value_or(0); };
  auto first = owner.Send({Wait(1)});
  ASSERT_TRUE(first->Wait());
  const uint64_t before = count();
  std::vector<std::shared_ptr<TestPort>> waits;
  for (int i = 0; i < 3; ++i) waits.push_back(owner.Send({Wait(1)}));
  ASSERT_OK(TestClient(engine, 1001).Do(op::Ping{}));
  EXPECT_FALSE(waits[0]->answered());
  EXPECT_LT(count(), before + 10);
}

class UnreadBudgetTest : public ::testing::Test {
 protected:
  using Account = std::shared_ptr<UnreadBudget::Account>;
  // Takes and pushes.
  static bool Push(const Account& account, uint64_t count) {
    if (!account->Take(count)) return false;
    account->Sent();
    return true;
  }
  std::shared_ptr<UnreadBudget> budget_ = std::make_shared<UnreadBudget>(1000, 100);
};

TEST_F(UnreadBudgetTest, GivesEachUserItsShareWhenSeveralHaveUnreadDescriptors) {
  const Account one = budget_->Open(1, nullptr);
  const Account two = budget_->Open(2, nullptr);
  EXPECT_TRUE(Push(one, 90)) << "alone, one user may fill what is free";
  EXPECT_TRUE(Push(two, 10));
  EXPECT_FALSE(Push(one, 1)) << "above its half now";
  EXPECT_FALSE(Push(two, 1)) << "nothing is left";
  one->GiveBack(80);
  EXPECT_TRUE(Push(two, 40));
  EXPECT_FALSE(Push(two, 1)) << "above its half";
  EXPECT_EQ(budget_->total(), 60u);
}

TEST_F(UnreadBudgetTest, LetsTheFirstMessageOfAUserGoBeyondTheLimitAndNoFurtherThanThreeTimes) {
  std::vector<Account> accounts;
  for (uid_t uid = 1; uid <= 4; ++uid) accounts.push_back(budget_->Open(uid, nullptr));
  EXPECT_TRUE(Push(accounts[0], 100));
  EXPECT_TRUE(Push(accounts[1], 100));
  EXPECT_FALSE(Push(accounts[1], 1)) << "not its first";
  EXPECT_TRUE(Push(accounts[2], 100));
  EXPECT_FALSE(Push(accounts[3], 1)) << "the kernel's own limit is near";
  accounts[0].reset();
  EXPECT_TRUE(Push(accounts[3], 1));
}

TEST_F(UnreadBudgetTest, NeverRefusesTheOnlyMessageThereIs) {
  const Account one = budget_->Open(1, nullptr);
  EXPECT_TRUE(Push(one, 2000));
  EXPECT_FALSE(Push(budget_->Open(2, nullptr), 1));
  one->GiveBack(2000);
  EXPECT_TRUE(Push(budget_->Open(2, nullptr), 1));
}

TEST_F(UnreadBudgetTest, LeavesRoomForOtherSessionsOfTheSameUser) {
  budget_ = std::make_shared<UnreadBudget>(25, 100);
  const Account deaf = budget_->Open(1, nullptr);
  EXPECT_TRUE(Push(deaf, 40)) << "one message always goes";
  EXPECT_FALSE(Push(deaf, 1));
  EXPECT_TRUE(Push(budget_->Open(1, nullptr), 40));
}

TEST_F(UnreadBudgetTest, AsksTheKernelWhoHasReadBeforeItRefuses) {
  auto pair = base::SocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  auto channel = std::make_shared<base::UniqueFd>(std::move(pair->first));
  const Account reader = budget_->Open(1, channel);
  ASSERT_TRUE(reader->Take(100));
  ASSERT_EQ(::write(channel->get(), "x", 1), 1);
  EXPECT_TRUE(budget_->Open(3, nullptr)->Take(200));  // a newcomer
  const Account other = budget_->Open(1, nullptr);
  EXPECT_FALSE(other->Take(50)) << "what is being sent is not asked about";
  reader->Sent();
  EXPECT_FALSE(other->Take(50)) << "nobody has read it yet";
  char byte = 0;
  ASSERT_EQ(::read(pair->second.get(), &byte, 1), 1);
  EXPECT_TRUE(other->Take(50));
}

}  // namespace
}  // namespace sysmem::server
