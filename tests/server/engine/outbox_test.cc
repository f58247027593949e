// SPDX-License-Identifier: Apache-2.0
//
// A client that does not read stalls itself and nobody else.
#include <sys/socket.h>
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
    const auto uid = static_cast<uid_t>(1000 + i % 2);  // one user gets no more than half
    idle.push_back(std::make_unique<TestClient>(engine, uid));
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
  // A session whose client reads when the test says so.
  struct Reader {
    Account account;
    std::shared_ptr<base::UniqueFd> channel;
    base::UniqueFd client;
    // A message that carries so many descriptors, as far as the budget knows.
    void Send(uint64_t descriptors, size_t bytes = 32) const {
      account->BeforeMessage();
      const std::string message(bytes, 'x');
      ASSERT_EQ(::write(channel->get(), message.data(), bytes), static_cast<ssize_t>(bytes));
      account->AfterMessage(descriptors);
    }
    void ReadOne() const {
      char byte = 0;
      ASSERT_EQ(::read(client.get(), &byte, 1), 1);
    }
  };
  Reader OpenReader(uid_t uid) {
    auto pair = base::SocketPair(SOCK_SEQPACKET);
    EXPECT_TRUE(pair.ok());
    auto channel = std::make_shared<base::UniqueFd>(std::move(pair->first));
    return {budget_->Open(uid, channel), channel, std::move(pair->second)};
  }
  std::shared_ptr<UnreadBudget> budget_ = std::make_shared<UnreadBudget>(1000, 100);
};

TEST_F(UnreadBudgetTest, GivesEachUserItsShareWhenSeveralHaveUnreadDescriptors) {
  const Account one = budget_->Open(1, nullptr);
  const Account two = budget_->Open(2, nullptr);
  EXPECT_TRUE(one->Take(90)) << "alone, one user may fill what is free";
  EXPECT_TRUE(two->Take(10));
  EXPECT_FALSE(one->Take(1)) << "above its half now";
  EXPECT_FALSE(two->Take(1)) << "nothing is left";
  one->GiveBack(80);
  EXPECT_TRUE(two->Take(40));
  EXPECT_FALSE(two->Take(1)) << "above its half";
  EXPECT_EQ(budget_->total(), 60u);
}

TEST_F(UnreadBudgetTest, LetsTheFirstMessageOfAUserGoBeyondTheLimitAndNoFurtherThanThreeTimes) {
  std::vector<Account> accounts;
  for (uid_t uid = 1; uid <= 4; ++uid) accounts.push_back(budget_->Open(uid, nullptr));
  EXPECT_TRUE(accounts[0]->Take(100));
  EXPECT_TRUE(accounts[1]->Take(100));
  EXPECT_FALSE(accounts[1]->Take(1)) << "not its first";
  EXPECT_TRUE(accounts[2]->Take(100));
  EXPECT_FALSE(accounts[3]->Take(1)) << "the kernel's own limit is near";
  accounts[0].reset();
  EXPECT_TRUE(accounts[3]->Take(1));
}

TEST_F(UnreadBudgetTest, NeverRefusesTheOnlyMessageThereIs) {
  const Account one = budget_->Open(1, nullptr);
  EXPECT_TRUE(one->Take(2000));
  EXPECT_FALSE(budget_->Open(2, nullptr)->Take(1));
  one->GiveBack(2000);
  EXPECT_TRUE(budget_->Open(2, nullptr)->Take(1));
}

TEST_F(UnreadBudgetTest, LeavesRoomForOtherSessionsOfTheSameUser) {
  budget_ = std::make_shared<UnreadBudget>(25, 100);
  const Account deaf = budget_->Open(1, nullptr);
  EXPECT_TRUE(deaf->Take(40)) << "one message always goes";
  EXPECT_FALSE(deaf->Take(1));
  EXPECT_TRUE(budget_->Open(1, nullptr)->Take(40));
}

TEST_F(UnreadBudgetTest, AsksTheKernelWhoHasReadBeforeItRefuses) {
  const Reader reader = OpenReader(1);
  ASSERT_TRUE(reader.account->Take(100));
  EXPECT_TRUE(budget_->Open(3, nullptr)->Take(200));  // a newcomer
  const Account other = budget_->Open(1, nullptr);
  EXPECT_FALSE(other->Take(50)) << "nothing of it was sent yet";
  reader.Send(100);
  EXPECT_FALSE(other->Take(50)) << "nobody has read it yet";
  reader.ReadOne();
  EXPECT_TRUE(other->Take(50));
}

TEST_F(UnreadBudgetTest, TakesNoUnreadClosureForDescriptors) {
  const Reader reader = OpenReader(1);
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(reader.account->Take(60)) << "round " << round;
    reader.Send(60);
    if (round > 0) reader.ReadOne();  // the closure of the round before
    reader.ReadOne();
    reader.Send(0, 32 + 700);
  }
}

TEST_F(UnreadBudgetTest, CountsWhatLiesBehindTheFirstUnreadMessage) {
  const Reader reader = OpenReader(1);
  const Account other = budget_->Open(1, nullptr);
  ASSERT_TRUE(reader.account->Take(90));
  for (const uint64_t descriptors : {20, 0, 30, 40}) reader.Send(descriptors);
  EXPECT_FALSE(other->Take(30));
  reader.ReadOne();
  EXPECT_FALSE(other->Take(31));
  reader.ReadOne();
  EXPECT_FALSE(other->Take(31)) << "a closure frees nothing";
  reader.ReadOne();
  EXPECT_FALSE(other->Take(61));
  EXPECT_TRUE(other->Take(60));
  EXPECT_EQ(budget_->total(), 100u);
  reader.ReadOne();
  EXPECT_TRUE(other->Take(40));
  EXPECT_EQ(budget_->total(), 100u);
}

// Only what was read since the last message was sent is missing from what a message seems to take.
TEST_F(UnreadBudgetTest, NeverLosesCountOfAReaderWhoIsAlwaysBehind) {
  const Reader reader = OpenReader(1);
  reader.Send(0);
  for (int round = 0; round < 1000; ++round) {
    ASSERT_TRUE(reader.account->Take(50)) << "round " << round;
    reader.Send(50);
    reader.ReadOne();
    EXPECT_LE(budget_->total(), 100u);
  }
}

}  // namespace
}  // namespace sysmem::server
