// SPDX-License-Identifier: Apache-2.0
//
// Handles, exported ends and descriptors: what names a node, and what does not.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

using core::Error;

// Makes an exported root token and takes its end out of the channel.
base::UniqueFd ExportedRoot(TestClient& client) {
  const OperationResult& result = client.Do(op::AllocateSharedCollection{std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&result);
  if (exported == nullptr) {
    ADD_FAILURE() << AsFailure(result)->message;
    return {};
  }
  return client.Take(exported->descriptors.at(0));
}

TEST(Handles, OneThatWasNeverMadeIsRefusedByNameAndHarmsNobody) {
  TestEngine engine;
  TestClient client(engine);
  const OperationResult& result = client.Do(Sync(77));
  const core::Failure* failure = AsFailure(result);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->outcome, core::Outcome::kRefused);
  EXPECT_EQ(failure->error, Error::kNotFound);
  EXPECT_EQ(failure->field, "handle");
  EXPECT_NE(failure->message.find("77"), std::string::npos);
  EXPECT_OK(client.Do(op::Ping{}));
}

TEST(Handles, OneInUseIsRefusedForANewNodeAndTheOldOneLivesOn) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{5, false}));
  const OperationResult& again = client.Do(op::AllocateSharedCollection{5, false});
  ASSERT_NE(AsFailure(again), nullptr);
  EXPECT_EQ(AsFailure(again)->field, "token_handle");
  const OperationResult& child = client.Do(op::Duplicate{5, core::kSameRights, 5, false});
  ASSERT_NE(AsFailure(child), nullptr);
  EXPECT_OK(client.Do(Sync(5)));
}

TEST(Handles, ABadOneBesideADescriptorUsesTheDescriptorUp) {
  TestEngine engine;
  TestClient client(engine);
  const DescriptorNumber imported = client.Push(ExportedRoot(client));
  const DescriptorNumber bound = client.Push(ExportedRoot(client));
  const auto* refused = AsFailure(client.Do(op::Import{imported, Handle{0}, std::nullopt}));
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->field, "handle");
  refused = AsFailure(client.Do(op::BindSharedCollection{std::nullopt, bound, Handle{0}}));
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->field, "collection_handle");
  for (const DescriptorNumber number : {imported, bound}) {
    refused = AsFailure(client.Do(op::Import{number, Handle{9}, std::nullopt}));
    ASSERT_NE(refused, nullptr);
    EXPECT_NE(refused->message.find("used before"), std::string::npos);
  }
}

TEST(Handles, OneOfAnotherKindIsRefusedAndItsNodeLivesOn) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{1, false}));
  const OperationResult& result = client.Do(Message<core::event::SetConstraints>(
      1, {0, 0, CpuConstraints()}, std::nullopt, core::NodeKind::kCollection));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->error, Error::kProtocolDeviation);
  EXPECT_OK(client.Do(Sync(1)));
}

TEST(Handles, BindingAnUnknownTokenClosesTheNewCollectionOnly_row_44) {
  TestEngine engine;
  TestClient client(engine);
  const OperationResult& result = client.Do(op::BindSharedCollection{77, std::nullopt, 8});
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->error, Error::kNotFound);
  auto closed = client.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, 8u);
  const OperationResult& later = client.Do(Wait(8));
  ASSERT_NE(AsFailure(later), nullptr);
  EXPECT_EQ(AsFailure(later)->outcome, core::Outcome::kClosed);
  EXPECT_OK(client.Do(op::CloseHandle{8}));
  EXPECT_OK(client.Do(op::AllocateSharedCollection{8, false}));
}

TEST(Exports, ATokenBindsInAnotherSessionByItsDescriptor) {
  TestEngine engine;
  TestClient maker(engine);
  TestClient user(engine, 1001);
  base::UniqueFd end = ExportedRoot(maker);
  ASSERT_TRUE(end);
  const DescriptorNumber number = user.Push(std::move(end));
  auto port = user.Send({op::BindSharedCollection{std::nullopt, number, 3},
                         SetConstraints(3, CpuConstraints(3)), Wait(3)});
  ASSERT_TRUE(port->Wait());
  const auto* granted = std::get_if<GrantedBuffers>(&port->reply().results.at(2));
  ASSERT_NE(granted, nullptr);
  ASSERT_EQ(granted->descriptors.size(), 3u);
  EXPECT_FALSE(granted->hand_out.read_only);
  base::UniqueFd buffer = user.Take(granted->descriptors[0]);
  EXPECT_NE(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.get(), 0), MAP_FAILED);
}

TEST(Exports, ASecondImportOfACopyFindsNothingAndHarmsNobody) {
  TestEngine engine;
  TestClient client(engine);
  base::UniqueFd end = ExportedRoot(client);
  base::UniqueFd copy = base::Dup(end);
  ASSERT_OK(client.Do(op::Import{client.Push(std::move(end)), 1, {}}));
  const OperationResult& again = client.Do(op::Import{client.Push(std::move(copy)), 2, {}});
  ASSERT_NE(AsFailure(again), nullptr);
  EXPECT_EQ(AsFailure(again)->error, Error::kNotFound);
  EXPECT_OK(client.Do(Sync(1)));
}

TEST(Exports, LeaveNoWaitBehindWhenTheSessionThatWaitedEnds) {
  TestEngine engine;
  TestClient heir(engine);
  std::shared_ptr<TestPort> wait;
  base::UniqueFd end;
  {
    TestClient client(engine);
    ASSERT_OK(client.Do(op::AllocateSharedCollection{1, false}));
    ASSERT_OK(client.Do(op::Duplicate{1, core::kSameRights, 2, false}));
    ASSERT_OK(client.Do(op::BindSharedCollection{1, std::nullopt, 1}));
    ASSERT_OK(client.Do(SetConstraints(1, CpuConstraints(1))));
    wait = client.Send({Wait(1)});
    // Somebody else holds both nodes now, and nothing decides what was waited for.
    for (const Handle handle : {1, 2}) {
      const OperationResult& moved = client.Do(op::Export{handle});
      ASSERT_OK(moved);
      end = client.Take(std::get<ExportedNodes>(moved).descriptors.at(0));
      ASSERT_OK(heir.Do(op::Import{heir.Push(std::move(end)), handle, {}}));
    }
    EXPECT_FALSE(wait->answered());
  }
  EXPECT_TRUE(wait->Wait());
  EXPECT_NE(wait->abort_reason(), "");
  EXPECT_OK(heir.Do(Sync(1)));
}

TEST(Exports, ForeignDescriptorsAreNoTokensAndHarmNobody) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{1, false}));
  auto pair = base::SocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  int pipe_ends[2];
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  base::UniqueFd pipe_write(pipe_ends[1]);
  base::UniqueFd memory(::memfd_create("not-a-token", MFD_CLOEXEC));
  const OperationResult& socket = client.Do(op::Import{client.Push(std::move(pair->first)), 2, {}});
  ASSERT_NE(AsFailure(socket), nullptr);
  EXPECT_EQ(AsFailure(socket)->error, Error::kNotFound);
  for (int fd : {pipe_ends[0], memory.release()}) {
    const OperationResult& other = client.Do(op::Import{client.Push(base::UniqueFd(fd)), 2, {}});
    ASSERT_NE(AsFailure(other), nullptr);
    EXPECT_EQ(AsFailure(other)->error, Error::kNotFound);
    EXPECT_EQ(AsFailure(other)->field, "descriptor_number");
  }
  const OperationResult& made_up = client.Do(op::Import{999, 2, {}});
  ASSERT_NE(AsFailure(made_up), nullptr);
  EXPECT_EQ(AsFailure(made_up)->error, Error::kNotFound);
  EXPECT_OK(client.Do(Sync(1)));
}

TEST(Exports, ADescriptorOfAForbiddenKindEndsItsSessionOnly) {
  TestEngine engine;
  TestClient guilty(engine);
  TestClient innocent(engine);
  const DescriptorNumber number = guilty.Push(base::UniqueFd(::open("/dev/null", O_RDWR)));
  const OperationResult& result = guilty.Do(op::Import{number, 2, {}});
  ASSERT_NE(AsFailure(result), nullptr);
  auto ended = guilty.Read();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->body, "FORBIDDEN_DESCRIPTOR");
  EXPECT_OK(innocent.Do(op::Ping{}));
}

TEST(Exports, ClosingEveryCopyIsTheUncleanCloseOfTheNode) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{1, false}));
  const OperationResult& result =
      client.Do(op::Duplicate{1, core::kSameRights, std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&result);
  ASSERT_NE(exported, nullptr);
  base::UniqueFd end = client.Take(exported->descriptors.at(0));
  base::UniqueFd copy = base::Dup(end);
  end.reset();
  EXPECT_EQ(AsFailure(client.Do(Sync(1))), nullptr) << "a copy lives";
  copy.reset();
  auto closed = client.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, 1u);
}

TEST(Exports, AnExportedEndHangsUpWhenTheDaemonClosesTheNode) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{1, false}));
  const OperationResult& result =
      client.Do(op::Duplicate{1, core::kSameRights, std::nullopt, true});
  base::UniqueFd end = client.Take(std::get<ExportedNodes>(result).descriptors.at(0));
  ASSERT_OK(client.Do(op::CloseHandle{1}));
  pollfd poller{end.get(), 0, 0};
  ASSERT_EQ(::poll(&poller, 1, static_cast<int>(kPatience.count()) * 1000), 1);
  EXPECT_NE(poller.revents & POLLHUP, 0);
}

TEST(Exports, WhatWasSentBeforeAnExportTakesEffectBeforeTheImport) {
  TestEngine engine;
  TestClient maker(engine);
  TestClient user(engine);
  for (int i = 0; i < 200; ++i) {
    const Handle root = maker.NewHandle();
    maker.Send({op::AllocateSharedCollection{root, false}});
    maker.Send({Message<core::event::SetName>(root, {0, 0, 1, "named before it travels"})});
    const OperationResult& result = maker.Do(op::Export{root});
    base::UniqueFd end = maker.Take(std::get<ExportedNodes>(result).descriptors.at(0));
    const Handle handle = user.NewHandle();
    ASSERT_OK(user.Do(op::Import{user.Push(std::move(end)), handle, {}}));
    const OperationResult& id = user.Do(Message<core::event::GetBufferCollectionId>(handle));
    const OperationResult& detail = user.Do(op::InspectCollection{std::get<uint64_t>(id)});
    EXPECT_EQ(std::get<CollectionDetail>(detail).snapshot.name, "named before it travels");
    ASSERT_OK(user.Do(Release(handle)));
    ASSERT_OK(user.Do(op::CloseHandle{handle}));
  }
}

TEST(Buffers, AreNamedAsTheCollectionWasWhenTheyWereMade_NAME_1_BUF_2) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{1}));
  const std::string with_nul("camera\0 and more", 16);
  ASSERT_OK(client.Do(Message<core::event::SetName>(1, {0, 0, 1, with_nul})));
  ASSERT_OK(client.Do(SetConstraints(1, CpuConstraints(2))));
  ASSERT_OK(client.Do(Wait(1)));
  ASSERT_OK(client.Do(Message<core::event::SetName>(1, {0, 0, 2, "later"})));
  const OperationResult& id = client.Do(Message<core::event::GetBufferCollectionId>(1));
  const OperationResult& result = client.Do(op::InspectCollection{std::get<uint64_t>(id)});
  const auto& detail = std::get<CollectionDetail>(result);
  EXPECT_EQ(detail.summary.name, "later");
  ASSERT_EQ(detail.buffers.size(), 2u);
  EXPECT_EQ(detail.buffers[0].name, "camera:0");
  EXPECT_EQ(detail.buffers[1].name, "camera:1");
}

TEST(Buffers, OfACollectionWithoutANameHaveNone_BUF_2) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{1}));
  ASSERT_OK(client.Do(SetConstraints(1, CpuConstraints(1))));
  ASSERT_OK(client.Do(Wait(1)));
  const OperationResult& id = client.Do(Message<core::event::GetBufferCollectionId>(1));
  const OperationResult& result = client.Do(op::InspectCollection{std::get<uint64_t>(id)});
  const auto& detail = std::get<CollectionDetail>(result);
  ASSERT_EQ(detail.buffers.size(), 1u);
  EXPECT_EQ(detail.buffers[0].name, "");
}

TEST(Sessions, TheEndOfOneClosesItsNodesUncleanlyAndTellsTheOthers) {
  TestEngine engine;
  auto dying = std::make_unique<TestClient>(engine);
  TestClient survivor(engine, 1001);
  base::UniqueFd end = ExportedRoot(*dying);
  const DescriptorNumber number = dying->Push(std::move(end));
  ASSERT_OK(dying->Do(op::Import{number, 1, {}}));
  const OperationResult& result =
      dying->Do(op::Duplicate{1, core::kSameRights, std::nullopt, true});
  base::UniqueFd token = dying->Take(std::get<ExportedNodes>(result).descriptors.at(0));
  ASSERT_OK(survivor.Do(op::Import{survivor.Push(std::move(token)), 9, {}}));
  dying.reset();
  auto closed = survivor.NextClosed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->first, 9u);
}

TEST(Sessions, ACapPerUserLeavesRoomForOthers) {
  EngineLimits limits = LimitsFor(1024);
  limits.sessions_per_uid = 2;
  TestEngine engine(limits);
  TestClient first(engine, 1000);
  TestClient second(engine, 1000);
  TestClient third(engine, 1000);
  EXPECT_FALSE(third.open());
  EXPECT_EQ(third.refusal().reason, EndReason::kLimit);
  TestClient other(engine, 1001);
  EXPECT_TRUE(other.open());
}

TEST(Waits, AreTakenBackByTheNumberOfTheirCall) {
  TestEngine engine;
  TestClient client(engine);
  client.Send({op::AllocateSharedCollection{1, false}});
  client.Send({op::Duplicate{1, core::kSameRights, 2, false}});
  client.Send({op::BindSharedCollection{1, std::nullopt, 3}});
  client.Send({SetConstraints(3, CpuConstraints())});
  auto wait = client.Send({Wait(3)});
  const uint64_t wait_number = client.last_number();
  EXPECT_OK(client.Do(op::CancelWait{wait_number}));
  ASSERT_TRUE(wait->Wait());
  ASSERT_NE(AsFailure(wait->reply().results.at(0)), nullptr);
  EXPECT_EQ(AsFailure(wait->reply().results.at(0))->outcome, core::Outcome::kCancelled);
  // Twice, or for a call that never was: no failure (the two may cross).
  EXPECT_OK(client.Do(op::CancelWait{wait_number}));
  EXPECT_OK(client.Do(op::CancelWait{4711}));
}

TEST(Waits, AreLimitedPerSessionAndTheLimitIsGivenBack) {
  EngineLimits limits = LimitsFor(1024);
  limits.waits_per_session = 4;
  TestEngine engine(limits);
  TestClient client(engine);
  client.Send({op::AllocateSharedCollection{1, false}});
  client.Send({op::Duplicate{1, core::kSameRights, 2, false}});
  client.Send({op::BindSharedCollection{1, std::nullopt, 3}});
  client.Send({SetConstraints(3, CpuConstraints())});
  std::vector<std::shared_ptr<TestPort>> waits;
  for (int i = 0; i < 4; ++i) waits.push_back(client.Send({Wait(3)}));
  const OperationResult& fifth = client.Do(Wait(3));
  ASSERT_NE(AsFailure(fifth), nullptr);
  EXPECT_EQ(AsFailure(fifth)->rule, "LIMIT-WAITS");
  // The last token goes, so the collection allocates and every wait is answered.
  client.Send({Release(2)});
  client.Send({op::CloseHandle{2}});
  for (auto& wait : waits) {
    ASSERT_TRUE(wait->Wait());
    EXPECT_OK(wait->reply().results.at(0));
  }
  EXPECT_OK(client.Do(Wait(3)));
}

}  // namespace
}  // namespace sysmem::server
