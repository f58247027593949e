// SPDX-License-Identifier: Apache-2.0
//
// A session's calls run in the order of their numbers, and a broken order ends only that session.
#include <algorithm>
#include <future>
#include <random>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

TEST(SessionOrder, CallsDeliveredInShuffledOrderAreCarriedOutInOrder) {
  TestEngine engine;
  TestClient client(engine);
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  // Each round makes a node, uses it and closes it: any other order is refused.
  for (int round = 0; round < 200; ++round) {
    std::vector<std::pair<uint64_t, AnyOperation>> calls;
    auto add = [&](AnyOperation operation) {
      calls.emplace_back(client.NextNumber(), std::move(operation));
    };
    const Handle root = client.NewHandle();
    const Handle child = client.NewHandle();
    add(op::AllocateSharedCollection{root, false});
    add(op::Duplicate{root, core::kSameRights, child, false});
    add(Sync(child));
    add(Release(child));
    add(op::CloseHandle{child});
    add(Sync(root));
    add(op::CloseHandle{root});
    std::shuffle(calls.begin(), calls.end(), random);
    std::vector<std::shared_ptr<TestPort>> ports;
    for (const auto& [number, operation] : calls) {
      ports.push_back(client.SendAs(number, {operation}));
    }
    for (auto& port : ports) {
      ASSERT_TRUE(port->Wait());
      ASSERT_EQ(port->abort_reason(), "");
      const core::Failure* failure = AsFailure(port->reply().results.at(0));
      ASSERT_EQ(failure, nullptr) << failure->message;
    }
  }
}

// Section 10, item 6. The loop's thread is held up, so only the call itself can look.
TEST(SessionOrder, WhatWasClosedBeforeACallIsGoneForIt) {
  TestEngine engine;
  TestClient maker(engine);
  TestClient other(engine, 2000);
  for (int round = 0; round < 20; ++round) {
    const Handle root = maker.NewHandle();
    ASSERT_OK(maker.Do(op::AllocateSharedCollection{root, false}));
    const OperationResult& copy =
        maker.Do(op::Duplicate{root, core::kSameRights, std::nullopt, true});
    ASSERT_TRUE(std::holds_alternative<ExportedNodes>(copy));
    base::UniqueFd end = maker.Take(std::get<ExportedNodes>(copy).descriptors.at(0));
    // Shared with the loop, which may still look at them when the next round has begun.
    const auto held = std::make_shared<std::promise<void>>();
    std::promise<void> go_on;
    engine.loop().Post([held, told = go_on.get_future().share()] {
      held->set_value();
      told.wait();
    });
    held->get_future().wait();
    end.reset();
    // Whoever asks: the daemon is one.
    ASSERT_OK(other.Do(op::Ping{}));
    const OperationResult& sync = maker.Do(Sync(root));
    go_on.set_value();
    ASSERT_NE(AsFailure(sync), nullptr);
    EXPECT_EQ(AsFailure(sync)->outcome, core::Outcome::kClosed);
  }
}

TEST(SessionOrder, RepliesBearARunningNumberWithoutHoles) {
  TestEngine engine;
  TestClient client(engine);
  std::vector<uint64_t> orders;
  for (int i = 0; i < 100; ++i) {
    auto port = client.Send({op::Ping{}});
    ASSERT_TRUE(port->Wait());
    orders.push_back(port->reply().order);
  }
  for (size_t i = 0; i < orders.size(); ++i) EXPECT_EQ(orders[i], i + 1);
}

TEST(SessionOrder, AHoleThatLastsTooLongEndsOnlyItsOwnSession) {
  EngineLimits limits = LimitsFor(1024);
  limits.hole_ns = 20'000'000;
  TestEngine engine(limits);
  TestClient guilty(engine);
  TestClient innocent(engine);
  auto port = guilty.SendAs(2, {op::Ping{}});
  ASSERT_TRUE(port->Wait());
  EXPECT_NE(port->abort_reason().find("SEQUENCE_GAP"), std::string::npos) << port->abort_reason();
  EXPECT_NE(port->abort_reason().find("call 1 never came"), std::string::npos);
  auto ended = guilty.Read();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->kind, base::HandleMessageKind::kSessionEnded);
  EXPECT_EQ(ended->body, "SEQUENCE_GAP");
  EXPECT_OK(innocent.Do(op::Ping{}));
}

TEST(SessionOrder, AHoleThatIsFilledInTimeHurtsNobody) {
  EngineLimits limits = LimitsFor(1024);
  limits.hole_ns = kPatience.count() * 1'000'000'000;
  TestEngine engine(limits);
  TestClient client(engine);
  auto second = client.SendAs(2, {op::Ping{}});
  auto third = client.SendAs(3, {op::Ping{}});
  EXPECT_FALSE(second->answered());
  auto first = client.SendAs(1, {op::Ping{}});
  for (auto& port : {first, second, third}) {
    ASSERT_TRUE(port->Wait());
    EXPECT_EQ(port->abort_reason(), "");
  }
}

TEST(SessionOrder, ANumberThatComesTwiceEndsTheSession) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::Ping{}));
  auto port = client.SendAs(1, {op::Ping{}});
  ASSERT_TRUE(port->Wait());
  EXPECT_NE(port->abort_reason().find("came again"), std::string::npos) << port->abort_reason();
  auto later = client.SendAs(2, {op::Ping{}});
  ASSERT_TRUE(later->Wait());
  EXPECT_NE(later->abort_reason().find("SEQUENCE_GAP"), std::string::npos);
}

TEST(SessionOrder, TooManyCallsBehindAHoleEndTheSession) {
  EngineLimits limits = LimitsFor(1024);
  limits.held_calls_per_session = 16;
  TestEngine engine(limits);
  TestClient client(engine);
  std::vector<std::shared_ptr<TestPort>> ports;
  for (uint64_t number = 2; number < 2 + 17; ++number) {
    ports.push_back(client.SendAs(number, {op::Ping{}}));
  }
  for (auto& port : ports) {
    ASSERT_TRUE(port->Wait());
    EXPECT_NE(port->abort_reason().find("never came"), std::string::npos) << port->abort_reason();
    EXPECT_EQ(port->answers(), 1);
  }
}

TEST(SessionOrder, AnUnnumberedCallEndsTheSession) {
  TestEngine engine;
  TestClient client(engine);
  auto port = std::make_shared<TestPort>();
  client.session().SubmitUnnumbered("Ping", port);
  ASSERT_TRUE(port->Wait());
  EXPECT_NE(port->abort_reason().find("Ping"), std::string::npos);
  auto ended = client.Read();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->body, "BAD_MESSAGE");
}

TEST(SessionOrder, ReleaseAndCloseSentTogetherNeverFailTheCollection) {
  TestEngine engine;
  TestClient client(engine);
  const Handle root = client.NewHandle();
  ASSERT_OK(client.Do(op::AllocateSharedCollection{root, false}));
  for (int i = 0; i < 10'000; ++i) {
    const Handle child = client.NewHandle();
    auto make = client.Send({op::Duplicate{root, core::kSameRights, child, false}});
    auto release = client.Send({Release(child)});
    auto close = client.Send({op::CloseHandle{child}});
    ASSERT_TRUE(close->Wait());
    ASSERT_EQ(close->abort_reason(), "");
    ASSERT_OK(make->reply().results.at(0));
    ASSERT_OK(release->reply().results.at(0));
    ASSERT_OK(close->reply().results.at(0));
  }
  EXPECT_OK(client.Do(Sync(root)));
}

TEST(SessionOrder, ABatchGivesOneResultPerOperationInOrder) {
  TestEngine engine;
  TestClient client(engine);
  const Handle root = client.NewHandle();
  const Handle collection = client.NewHandle();
  auto port = client.Send({op::AllocateSharedCollection{root, false}, Sync(999),
                           op::BindSharedCollection{root, std::nullopt, collection},
                           SetConstraints(collection, CpuConstraints(2)), Wait(collection)});
  ASSERT_TRUE(port->Wait());
  const auto& results = port->reply().results;
  ASSERT_EQ(results.size(), 5u);
  EXPECT_OK(results[0]);
  ASSERT_NE(AsFailure(results[1]), nullptr);
  EXPECT_EQ(AsFailure(results[1])->error, core::Error::kNotFound);
  EXPECT_OK(results[2]);
  EXPECT_OK(results[3]);
  const auto* granted = std::get_if<GrantedBuffers>(&results[4]);
  ASSERT_NE(granted, nullptr) << AsFailure(results[4])->message;
  EXPECT_EQ(granted->descriptors.size(), 2u);
}

}  // namespace
}  // namespace sysmem::server
