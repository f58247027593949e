// SPDX-License-Identifier: Apache-2.0
//
// Groups, dispensable and weak nodes through sessions: handles, exported ends, and who is told what
// in which order. What the rules say is the core's tests' business.
#include <poll.h>

#include <set>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

constexpr Handle kRoot = 1;
constexpr Handle kGroup = 2;
constexpr Handle kFirst = 3;
constexpr Handle kSecond = 4;
constexpr uint64_t kPage = 4096;

core::Constraints Exactly(uint64_t bytes) {
  core::Constraints constraints = CpuConstraints(1, bytes);
  constraints.memory->max_size_bytes = bytes;
  return constraints;
}

AnyOperation AllChildrenPresent() { return Message<core::event::AllChildrenPresent>(kGroup); }
op::BindSharedCollection BindInPlace(Handle token) {
  return op::BindSharedCollection{token, std::nullopt, token};
}

// A root with a group of two children, nothing bound.
void MakeTree(TestClient& client) {
  auto batch = client.Send({op::AllocateSharedCollection{kRoot, false},
                            op::CreateTokenGroup{kRoot, kGroup, false},
                            op::CreateChild{kGroup, std::nullopt, kFirst, false},
                            op::CreateChild{kGroup, core::kSameRights, kSecond, false}});
  ASSERT_TRUE(batch->Wait());
  for (const OperationResult& result : batch->reply().results) ASSERT_OK(result);
}

bool HangsUp(const base::UniqueFd& end) {
  pollfd poller{end.get(), 0, 0};
  const int patience = static_cast<int>(kPatience.count()) * 1000;
  return ::poll(&poller, 1, patience) == 1 && (poller.revents & POLLHUP) != 0;
}

TEST(Groups, AllocateWithTheFirstChildThatFitsAndCloseTheOther) {
  TestEngine engine;
  TestClient client(engine);
  MakeTree(client);
  auto batch =
      client.Send({BindInPlace(kRoot), BindInPlace(kFirst), BindInPlace(kSecond),
                   SetConstraints(kRoot, CpuConstraints(1, 4 * kPage)),
                   SetConstraints(kFirst, Exactly(2 * kPage)),
                   SetConstraints(kSecond, Exactly(8 * kPage)), AllChildrenPresent(), Wait(kRoot)});
  ASSERT_TRUE(batch->Wait());
  const auto* granted = std::get_if<GrantedBuffers>(&batch->reply().results.back());
  ASSERT_NE(granted, nullptr);
  EXPECT_EQ(granted->plan.settings.buffer.size_bytes, 8 * kPage);
  auto closed = client.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, kFirst);
  EXPECT_OK(client.Do(Wait(kSecond)));
  const OperationResult& late = client.Do(Wait(kFirst));
  ASSERT_NE(AsFailure(late), nullptr);
  EXPECT_EQ(AsFailure(late)->outcome, core::Outcome::kClosed);
}

TEST(Groups, MakeChildrenForOtherSessionsAllAtOnce) {
  TestEngine engine;
  TestClient maker(engine);
  ASSERT_OK(maker.Do(op::AllocateSharedCollection{kRoot, false}));
  ASSERT_OK(maker.Do(op::CreateTokenGroup{kRoot, kGroup, false}));
  const OperationResult& result = maker.Do(op::CreateChildrenSync{
      kGroup, std::vector<uint32_t>{core::kSameRights, core::kSameRights}, {}, true});
  const auto* exported = std::get_if<ExportedNodes>(&result);
  ASSERT_NE(exported, nullptr) << AsFailure(result)->message;
  ASSERT_EQ(exported->descriptors.size(), 2u);
  ASSERT_OK(maker.Do(AllChildrenPresent()));
  ASSERT_OK(maker.Do(BindInPlace(kRoot)));
  ASSERT_OK(maker.Do(SetConstraints(kRoot, CpuConstraints())));
  TestClient first(engine);
  TestClient second(engine);
  TestClient* users[] = {&first, &second};
  std::shared_ptr<TestPort> waits[2];
  for (size_t i = 0; i < 2; ++i) {
    const DescriptorNumber number = users[i]->Push(maker.Take(exported->descriptors[i]));
    waits[i] = users[i]->Send({op::BindSharedCollection{std::nullopt, number, kRoot},
                               SetConstraints(kRoot, Exactly((i + 1) * kPage)), Wait(kRoot)});
  }
  ASSERT_TRUE(waits[0]->Wait());
  EXPECT_OK(waits[0]->reply().results.back());
  ASSERT_TRUE(waits[1]->Wait());
  ASSERT_NE(AsFailure(waits[1]->reply().results.back()), nullptr);
  EXPECT_EQ(AsFailure(waits[1]->reply().results.back())->outcome, core::Outcome::kClosed);
}

TEST(Groups, TravelAndAreWhatTheImporterExpects) {
  TestEngine engine;
  TestClient maker(engine);
  TestClient user(engine);
  ASSERT_OK(maker.Do(op::AllocateSharedCollection{kRoot, false}));
  const OperationResult& result = maker.Do(op::CreateTokenGroup{kRoot, std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&result);
  ASSERT_NE(exported, nullptr);
  base::UniqueFd end = maker.Take(exported->descriptors.at(0));
  base::UniqueFd copy = base::Dup(end);
  const OperationResult& as_token =
      user.Do(op::BindSharedCollection{std::nullopt, user.Push(std::move(copy)), Handle{9}});
  ASSERT_NE(AsFailure(as_token), nullptr);
  EXPECT_EQ(AsFailure(as_token)->field, "token_descriptor");
  EXPECT_NE(AsFailure(as_token)->message.find("group"), std::string::npos);
  ASSERT_OK(user.Do(op::Import{user.Push(std::move(end)), kGroup, core::NodeKind::kGroup}));
  EXPECT_OK(user.Do(op::CreateChild{kGroup, std::nullopt, kFirst, false}));
  EXPECT_OK(user.Do(AllChildrenPresent()));
}

TEST(Groups, ThatBreakARuleTakeTheirChildrenAndTheRootAlong) {
  TestEngine engine;
  TestClient client(engine);
  MakeTree(client);
  const OperationResult& exported =
      client.Do(op::CreateChild{kGroup, std::nullopt, std::nullopt, true});
  ASSERT_OK(exported);
  base::UniqueFd end = client.Take(std::get<ExportedNodes>(exported).descriptors.at(0));
  const OperationResult& result = client.Do(op::CreateChild{kGroup, 0, Handle{5}, false});
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->field, "rights_attenuation_mask");
  EXPECT_EQ(AsFailure(result)->rule, "2.6");
  std::set<Handle> closed;
  for (int i = 0; i < 5; ++i) {
    auto message = client.NextClosed();
    ASSERT_TRUE(message);
    closed.insert(message->first);
  }
  EXPECT_EQ(closed, (std::set<Handle>{kRoot, kGroup, kFirst, kSecond, 5}));
  EXPECT_TRUE(HangsUp(end));
}

TEST(Groups, RefuseHandlesByTheNameOfTheFieldAndLiveOn) {
  TestEngine engine;
  TestClient client(engine);
  MakeTree(client);
  const struct {
    AnyOperation operation;
    const char* field;
  } bad[] = {
      {op::CreateTokenGroup{kRoot, std::nullopt, false}, "group_handle"},
      {op::CreateTokenGroup{kRoot, kGroup, false}, "group_handle"},
      {op::CreateTokenGroup{kGroup, Handle{9}, false}, "handle"},
      {op::CreateChild{kGroup, std::nullopt, kFirst, false}, "token_handle"},
      {op::CreateChild{kRoot, std::nullopt, Handle{9}, false}, "handle"},
      {op::CreateChildrenSync{kGroup, std::vector<uint32_t>{1, 1}, {9}, false}, "token_handles"},
      {op::CreateChildrenSync{kGroup, std::vector<uint32_t>{1, 1}, {9, 9}, false}, "token_handles"},
      {op::CreateChildrenSync{kRoot, std::vector<uint32_t>{1}, {9}, false}, "handle"},
  };
  for (const auto& each : bad) {
    const OperationResult& result = client.Do(each.operation);
    ASSERT_NE(AsFailure(result), nullptr) << each.field;
    EXPECT_EQ(AsFailure(result)->outcome, core::Outcome::kRefused);
    EXPECT_EQ(AsFailure(result)->field, each.field);
  }
  EXPECT_OK(client.Do(Sync(kGroup)));
  EXPECT_OK(client.Do(Sync(kRoot)));
}

TEST(Groups, OutOfExportsMakeNoChildAndLiveOn) {
  EngineLimits limits = LimitsFor(1024);
  limits.exported_nodes = 2;
  TestEngine engine(limits);
  TestClient client(engine);
  MakeTree(client);
  const std::vector<uint32_t> masks(3, core::kSameRights);
  const OperationResult& result = client.Do(op::CreateChildrenSync{kGroup, masks, {}, true});
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->rule, "LIMIT-EXPORTS");
  EXPECT_EQ(AsFailure(result)->error, core::Error::kNoMemory);
  // Nothing of it is left: two fit.
  EXPECT_OK(client.Do(op::CreateChildrenSync{kGroup, std::vector<uint32_t>{1, 1}, {}, true}));
}

TEST(Dispensable, NodesLeaveAloneOnceTheyAreAllocated) {
  TestEngine engine;
  TestClient client(engine);
  TestClient other(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kRoot, false}));
  const OperationResult& exported =
      client.Do(op::Duplicate{kRoot, core::kSameRights, std::nullopt, true});
  ASSERT_OK(exported);
  base::UniqueFd end = client.Take(std::get<ExportedNodes>(exported).descriptors.at(0));
  ASSERT_OK(other.Do(op::Import{other.Push(std::move(end)), kRoot, {}}));
  ASSERT_OK(other.Do(Message<core::event::SetDispensable>(kRoot)));
  ASSERT_OK(client.Do(BindInPlace(kRoot)));
  ASSERT_OK(other.Do(BindInPlace(kRoot)));
  ASSERT_OK(other.Do(SetConstraints(kRoot, CpuConstraints())));
  ASSERT_OK(client.Do(SetConstraints(kRoot, CpuConstraints())));
  ASSERT_OK(client.Do(Wait(kRoot)));
  other.Do(op::CloseHandle{kRoot});
  EXPECT_OK(client.Do(Sync(kRoot)));
}

TEST(WeakNodes, ThatDidNotSayTheyKnowMayNotWait) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kRoot, false}));
  ASSERT_OK(client.Do(op::Duplicate{kRoot, core::kSameRights, kGroup, false}));
  ASSERT_OK(client.Do(Message<core::event::SetWeak>(kRoot)));
  ASSERT_OK(client.Do(op::Duplicate{kRoot, core::kSameRights, kFirst, false}));
  ASSERT_OK(client.Do(BindInPlace(kFirst)));
  ASSERT_OK(client.Do(SetConstraints(kFirst, CpuConstraints())));
  const OperationResult& result = client.Do(Wait(kFirst));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_NE(AsFailure(result)->message.find("SetWeakOk"), std::string::npos);
}

}  // namespace
}  // namespace sysmem::server
