// SPDX-License-Identifier: Apache-2.0
//
// Looking into a large daemon: in slices, in pages, and apart from everybody else.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <set>

#include "core/snapshot_walk.h"
#include "server/held_collections.h"
#include "server/internals.h"
#include "server/node_holders.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

constexpr Handle kRoot = 1;
constexpr uid_t kStranger = 1001;

// A collection of so many tokens, all in one session.
uint64_t MakeTokens(TestClient& client, size_t nodes) {
  EXPECT_OK(client.Do(op::AllocateSharedCollection{kRoot, false}));
  for (Handle next = kRoot + 1; next < kRoot + nodes; ++next) {
    client.Send({op::Duplicate{kRoot, core::kSameRights, next, false}});
  }
  const OperationResult& id = client.Do(Message<core::event::GetBufferCollectionId>(kRoot));
  return std::get<uint64_t>(id);
}

CollectionDetail Page(TestClient& client, uint64_t id, uint64_t first, uint64_t most) {
  const OperationResult& result = client.Do(op::InspectCollection{id, first, most});
  const auto* detail = std::get_if<CollectionDetail>(&result);
  if (detail == nullptr) ADD_FAILURE() << AsFailure(result)->message;
  return detail != nullptr ? *detail : CollectionDetail{};
}

uint64_t Counter(TestClient& client, const std::string& name) {
  const OperationResult& result = client.Do(op::InspectStatus{});
  for (const NamedCounter& counter : std::get<StatusInfo>(result).counters) {
    if (counter.name == name) return counter.value;
  }
  ADD_FAILURE() << "no counter " << name;
  return 0;
}

TEST(InspectionInSlices, TakesALargeCollectionsTurnManyTimes) {
  TestEngine engine;
  TestClient client(engine);
  const uint64_t id = MakeTokens(client, 1000);
  const uint64_t before = Counter(client, "inspection_slices");
  EXPECT_EQ(Page(client, id, 0, 2000).snapshot.nodes.size(), 1000u);
  const uint64_t slices = Counter(client, "inspection_slices") - before;
  EXPECT_GE(slices, 1000 / core::SnapshotWalk::kNodesPerSlice);
  EXPECT_GT(Counter(client, "inspection_longest_hold"), 0u);
  EXPECT_GT(Counter(client, "inspection_most_work"), 0u);
}

TEST(InspectionInPages, ShowsEveryNodeOnceWithItsHolder) {
  TestEngine engine;
  TestClient client(engine);
  const uint64_t id = MakeTokens(client, 300);
  std::set<core::NodeId> seen;
  uint64_t next = 0;
  uint64_t version = 0;
  for (size_t pages = 0; pages < 3; ++pages) {
    const CollectionDetail page = Page(client, id, next, 140);
    EXPECT_EQ(page.first_item, next);
    EXPECT_EQ(page.summary.nodes, 300u);
    EXPECT_EQ(page.summary.connected, 300u);
    EXPECT_EQ(page.holders.size(), page.snapshot.nodes.size());
    for (const auto& node : page.snapshot.nodes) EXPECT_TRUE(seen.insert(node.id).second);
    if (pages == 0) version = page.snapshot.version;
    EXPECT_EQ(page.snapshot.version, version);
    EXPECT_EQ(page.next_item.has_value(), pages < 2);
    next = page.next_item.value_or(0);
  }
  EXPECT_EQ(seen.size(), 300u);
}

TEST(InspectionInPages, ShowsBuffersAfterTheNodes) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kRoot}));
  ASSERT_OK(client.Do(SetConstraints(kRoot, CpuConstraints(3))));
  ASSERT_OK(client.Do(Wait(kRoot)));
  const OperationResult& result = client.Do(Message<core::event::GetBufferCollectionId>(kRoot));
  const auto id = std::get<uint64_t>(result);
  const CollectionDetail first = Page(client, id, 0, 2);
  ASSERT_EQ(first.snapshot.nodes.size(), 1u);
  ASSERT_EQ(first.buffers.size(), 1u);
  EXPECT_EQ(first.buffers[0].index, 0u);
  EXPECT_NE(first.explanation, nullptr);
  EXPECT_EQ(first.next_item, 2u);
  const CollectionDetail second = Page(client, id, 2, 2);
  EXPECT_TRUE(second.snapshot.nodes.empty());
  ASSERT_EQ(second.buffers.size(), 2u);
  EXPECT_EQ(second.buffers[1].index, 2u);
  EXPECT_EQ(second.summary.buffers, 3u);
  EXPECT_EQ(second.explanation, nullptr);
  EXPECT_FALSE(second.next_item.has_value());
  EXPECT_FALSE(Page(client, id, UINT64_MAX, UINT64_MAX).next_item.has_value());
}

TEST(InspectionInPages, ShowsAParticipantPagesThatHaveNoNodeOfHis) {
  TestEngine engine;
  TestClient client(engine);
  TestClient stranger(engine, kStranger);
  const uint64_t id = MakeTokens(client, 20);
  EXPECT_NE(AsFailure(stranger.Do(op::InspectCollection{id, 0, 5})), nullptr);
  const OperationResult& copy =
      client.Do(op::Duplicate{kRoot, core::kSameRights, std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&copy);
  ASSERT_NE(exported, nullptr);
  const DescriptorNumber end = stranger.Push(client.Take(exported->descriptors.at(0)));
  ASSERT_OK(stranger.Do(op::BindSharedCollection{std::nullopt, end, kRoot}));
  const CollectionDetail page = Page(stranger, id, 0, 5);
  EXPECT_EQ(page.snapshot.nodes.size(), 5u);
  for (const HolderInfo& holder : page.holders) EXPECT_FALSE(holder.peer.known);
}

TEST(InspectionInPages, ShowsWhatIsKeptOfACollectionThatFailed) {
  TestEngine engine;
  TestClient client(engine);
  const uint64_t id = MakeTokens(client, 30);
  ASSERT_OK(client.Do(op::CloseHandle{kRoot}));
  const CollectionDetail first = Page(client, id, 0, 20);
  EXPECT_EQ(first.summary.state, core::CollectionState::kFailed);
  EXPECT_EQ(first.snapshot.nodes.size(), 20u);
  EXPECT_EQ(first.next_item, 20u);
  const CollectionDetail second = Page(client, id, 20, 20);
  EXPECT_EQ(second.snapshot.nodes.size(), 10u);
  EXPECT_FALSE(second.next_item.has_value());
  EXPECT_TRUE(Page(client, id, UINT64_MAX, 20).snapshot.nodes.empty());
}

TEST(InspectionInPages, ListsNoMoreCollectionsThanThePageTakesAndOneMore) {
  TestEngine engine;
  TestClient client(engine);
  for (Handle handle = 1; handle <= 200; ++handle) {
    ASSERT_OK(client.Do(op::AllocateNonSharedCollection{handle}));
  }
  const OperationResult& all = client.Do(op::InspectCollections{});
  const auto& summaries = std::get<std::vector<CollectionSummary>>(all);
  ASSERT_EQ(summaries.size(), 200u);
  const uint64_t after = summaries[99].buffer_collection_id;
  const OperationResult& page = client.Do(op::InspectCollections{after, 10});
  const auto& few = std::get<std::vector<CollectionSummary>>(page);
  ASSERT_GE(few.size(), 11u);
  EXPECT_LT(few.size(), 100u);
  EXPECT_EQ(few.front().buffer_collection_id, summaries[100].buffer_collection_id);
}

// Method: of one user's looks one runs at a time, in their order, so jobs of the test's own before
// and behind the first step hold the second one back.
TEST(InspectionInPages, ListsACollectionOnceThatFailsBetweenTheGlanceAndTheList) {
  std::promise<void> begin;
  std::promise<void> glanced;
  std::promise<void> go_on;
  TestEngine engine;
  TestClient client(engine);
  const uint64_t id = MakeTokens(client, 2);
  auto& internals = engine.engine().internals();
  const uid_t viewer = client.session().peer().uid;
  internals.LookAside(viewer, [&] { begin.get_future().wait(); });
  const auto listing = client.Send({op::InspectCollections{}});
  internals.LookAside(viewer, [&] {
    glanced.set_value();
    go_on.get_future().wait();
  });
  begin.set_value();
  glanced.get_future().wait();
  EXPECT_OK(client.Do(op::CloseHandle{kRoot}));
  EXPECT_TRUE(internals.failed_collections.Find(id, EventLoop::NowNs()));
  go_on.set_value();
  ASSERT_TRUE(listing->Wait());
  const auto& listed = std::get<std::vector<CollectionSummary>>(listing->reply().results.at(0));
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].buffer_collection_id, id);
}

TEST(CollectionVersions, RiseWhenANodeChangesHands) {
  TestEngine engine;
  TestClient client(engine);
  const uint64_t id = MakeTokens(client, 2);
  const uint64_t before = Page(client, id, 0, 10).snapshot.version;
  ASSERT_OK(client.Do(Sync(kRoot)));
  EXPECT_EQ(Page(client, id, 0, 10).snapshot.version, before);
  ASSERT_OK(client.Do(op::Export{kRoot + 1}));
  EXPECT_GT(Page(client, id, 0, 10).snapshot.version, before);
}

const SessionInfo& InfoOf(TestClient& viewer, uint64_t session) {
  const OperationResult& result = viewer.Do(op::InspectSessions{});
  for (const SessionInfo& info : std::get<std::vector<SessionInfo>>(result)) {
    if (info.id == session) return info;
  }
  ADD_FAILURE() << "no session " << session;
  static const SessionInfo kNone;
  return kNone;
}

uint64_t IdOf(TestClient& client, Handle handle) {
  const OperationResult& id = client.Do(Message<core::event::GetBufferCollectionId>(handle));
  return std::get<uint64_t>(id);
}

TEST(InspectionOfSessions, NamesTheCollectionsInWhichItHoldsANodeNow) {
  TestEngine engine;
  TestClient client(engine);
  const uint64_t self = client.session().id();
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kRoot, false}));
  ASSERT_OK(client.Do(op::Duplicate{kRoot, core::kSameRights, kRoot + 1, false}));
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kRoot + 2}));
  const uint64_t shared = IdOf(client, kRoot);
  const uint64_t other = IdOf(client, kRoot + 2);
  EXPECT_EQ(InfoOf(client, self).collections, (std::vector<uint64_t>{shared, other}));
  ASSERT_OK(client.Do(op::CloseHandle{kRoot + 2}));
  EXPECT_EQ(InfoOf(client, self).collections, std::vector<uint64_t>{shared});
  ASSERT_OK(client.Do(op::BindSharedCollection{kRoot, std::nullopt, kRoot}));
  EXPECT_EQ(InfoOf(client, self).collections, std::vector<uint64_t>{shared}) << "bound";
  ASSERT_OK(client.Do(op::Export{kRoot + 1}));
  EXPECT_EQ(InfoOf(client, self).collections, std::vector<uint64_t>{shared});
  ASSERT_OK(client.Do(op::CloseHandle{kRoot}));
  EXPECT_TRUE(InfoOf(client, self).collections.empty());
}

TEST(InspectionOfSessions, NamesThoseOfAnEndedSessionThatItHeldLast) {
  TestEngine engine;
  TestClient viewer(engine);
  TestClient client(engine);
  const uint64_t self = client.session().id();
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{1}));
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(client.Do(op::AllocateNonSharedCollection{2}));
    ASSERT_OK(client.Do(op::CloseHandle{2}));
  }
  const uint64_t kept = IdOf(client, 1);
  client.session().End({EndReason::kHangUp, "gone"});
  const SessionInfo& info = InfoOf(viewer, self);
  EXPECT_FALSE(info.open);
  EXPECT_EQ(info.collections, std::vector<uint64_t>{kept});
}

TEST(InspectionOfSessions, SaysHowManyMoreCollectionsThereAreThanItNames) {
  HeldCollections held;
  for (uint64_t id = 5; id > 0; --id) held.Add(id);
  held.Add(5);
  held.Remove(5);
  EXPECT_EQ(held.First(5).left_out, 0u);
  held.Remove(1);
  const HeldCollections::Some some = held.First(3);
  EXPECT_EQ(some.ids, (std::vector<uint64_t>{2, 3, 4}));
  EXPECT_EQ(some.left_out, 1u);
}

TEST(InspectionOfSessions, TellsHowManyDescriptorsItHasNotRead) {
  TestEngine engine;
  TestClient viewer(engine);
  TestClient deaf(engine);
  ASSERT_OK(deaf.Do(op::AllocateSharedCollection{kRoot, false}));
  EXPECT_EQ(InfoOf(viewer, deaf.session().id()).descriptors_unread, 0u);
  ASSERT_OK(deaf.Do(op::Duplicate{kRoot, core::kSameRights, std::nullopt, true}));
  ASSERT_OK(deaf.Do(op::Duplicate{kRoot, core::kSameRights, std::nullopt, true}));
  EXPECT_EQ(InfoOf(viewer, deaf.session().id()).descriptors_unread, 2u);
  EXPECT_TRUE(deaf.Read());
  EXPECT_TRUE(deaf.Read());
  EXPECT_EQ(InfoOf(viewer, deaf.session().id()).descriptors_unread, 0u);
}

TEST(InspectionStatus, CountsWhatTheOneWhoAsksMayNotSee) {
  TestEngine engine;
  TestClient client(engine);
  TestClient stranger(engine, kStranger);
  MakeTokens(client, 3);
  const OperationResult& result = stranger.Do(op::InspectStatus{});
  const auto& status = std::get<StatusInfo>(result);
  EXPECT_FALSE(status.sees_everything);
  EXPECT_EQ(status.collections, 1u);
  EXPECT_EQ(status.nodes, 3u);
}

int64_t AgeOf(const CollectionDetail& detail, size_t node) {
  const core::NodeId id = detail.snapshot.nodes.at(node).id;
  for (const HolderInfo& holder : detail.holders) {
    if (holder.node == id) return holder.age_ns;
  }
  ADD_FAILURE() << "nobody holds it";
  return 0;
}

TEST(NodeHolders, HaveTheirNodesSinceTheyCameByThem) {
  const auto session = std::make_shared<Outbox>(Outbox::Options{}, nullptr);
  const auto other = std::make_shared<Outbox>(Outbox::Options{}, nullptr);
  NodeHolders holders;
  const auto since = [&holders] { return holders.Find(1)->since_ns; };
  holders.Set(1, {.outbox = session, .handle = 1}, 10);
  EXPECT_EQ(since(), 10);
  holders.Set(1, {.outbox = session, .handle = 2}, 20);
  EXPECT_EQ(since(), 10) << "bound: the same session has it under another handle";
  holders.Set(1, {.outbox = session, .cookie = 7}, 30);
  EXPECT_EQ(since(), 30) << "it travels";
  holders.Set(1, {.outbox = session, .handle = 3}, 40);
  EXPECT_EQ(since(), 40) << "it came back";
  holders.Set(1, {.outbox = other, .handle = 1}, 50);
  EXPECT_EQ(since(), 50);
}

TEST(InspectionOfCollections, TellsSinceWhenEachNodeIsHeld) {
  TestEngine engine;
  TestClient client(engine);
  const uint64_t id = MakeTokens(client, 1);
  const int64_t between_ns = EventLoop::NowNs();
  client.Send({op::Duplicate{kRoot, core::kSameRights, kRoot + 1, false}});
  const CollectionDetail detail = Page(client, id, 0, 10);
  const int64_t now_ns = EventLoop::NowNs();
  ASSERT_EQ(detail.snapshot.nodes.size(), 2u);
  EXPECT_GT(AgeOf(detail, 0), AgeOf(detail, 1));
  EXPECT_GT(AgeOf(detail, 1), 0);
  EXPECT_LT(AgeOf(detail, 1), now_ns - between_ns);
}

// Buffers that no heap has room for.
void AskForTooMuch(TestClient& client, Handle handle) {
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{handle}));
  ASSERT_OK(client.Do(Message<core::event::SetName>(handle, {0, 0, 1, "too much\n"})));
  ASSERT_OK(client.Do(SetConstraints(handle, CpuConstraints(9))));
  EXPECT_NE(AsFailure(client.Do(Wait(handle))), nullptr);
}

TEST(Log, SaysWhoHasTheBuffersWhenThereAreNoMore_6_5) {
  EngineLimits limits = LimitsFor(1024);
  limits.buffers_per_uid = 8;
  TestEngine engine(limits);
  std::promise<std::string> told;
  engine.SetOnLog([&told](const std::string& text) {
    if (text.find(" in all") != std::string::npos) told.set_value(text);
  });
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{50}));
  ASSERT_OK(client.Do(Message<core::event::SetName>(50, {0, 0, 1, "hoard"})));
  ASSERT_OK(client.Do(SetConstraints(50, CpuConstraints(3, 1 << 20))));
  ASSERT_OK(client.Do(Wait(50)));
  AskForTooMuch(client, 51);
  AskForTooMuch(client, 52);  // says nothing more
  std::future<std::string> last = told.get_future();
  ASSERT_EQ(last.wait_for(kPatience), std::future_status::ready);
  EXPECT_NE(last.get().find("3 buffers present, 3.000 MiB in all"), std::string::npos);
  EXPECT_EQ(
      engine.Logged("\"hoard\", allocated, 1 nodes, 3 buffers of 1.000 MiB: 0-2 strong").size(),
      1u);
}

TEST(Log, SaysWhichCollectionNodeRuleAndErrorALineIsAbout) {
  EngineLimits limits = LimitsFor(1024);
  limits.buffers_per_uid = 8;
  TestEngine engine(limits);
  TestClient client(engine);
  AskForTooMuch(client, 51);
  const auto lines = engine.LinesWith("no allocation");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].level, core::effect::Log::Level::kError);
  EXPECT_NE(lines[0].fields.collection_id, 0u);
  EXPECT_EQ(lines[0].fields.collection_name, "too much\n");
  EXPECT_NE(lines[0].fields.node_id, 0u);
  EXPECT_EQ(lines[0].fields.rule, "BUF-1");
  EXPECT_EQ(lines[0].fields.error, "NO_MEMORY");
  EXPECT_FALSE(lines[0].continues);
  const auto more = engine.LinesWith("the collection fails");
  ASSERT_EQ(more.size(), 1u);
  EXPECT_TRUE(more[0].continues) << "one complaint";
}

TEST(Log, IsNotAskedAboutTheRestOfAComplaintThatItLeftOut) {
  EngineLimits limits = LimitsFor(1024);
  limits.buffers_per_uid = 8;
  TestEngine engine(limits);
  engine.SetLetsThrough([](const LogLine&) { return false; });
  TestClient client(engine);
  AskForTooMuch(client, 51);
  EXPECT_EQ(engine.LinesWith("no allocation").size(), 1u);
  EXPECT_TRUE(engine.LinesWith("the collection fails").empty());
}

}  // namespace
}  // namespace sysmem::server
