// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/transport/pages.h"
#include "server/transport/results.h"
#include "tests/server/transport/wire.h"

namespace sysmem::server::transport {
namespace {

Reply Of(OperationResult result) { return {.order = 2, .results = {std::move(result)}}; }

TEST(Inspection, TellsTheDaemonsFigures) {
  StatusInfo status;
  status.version = "1.2.3";
  status.pid = 77;
  status.sessions = 2;
  status.live_bytes = 3;
  status.calls_pending = 4;
  status.sees_everything = true;
  status.limits = {{.name = "sessions", .value = 64, .unit = "sessions", .reason = "r", .used = 2},
                   {.name = "hole", .value = 2000, .unit = "ms", .reason = "r"}};
  const auto reply =
      Decode<sysmem2::GetStatusReply>(EncodeReply<sysmem2::GetStatusReply>(Of(status)));
  EXPECT_EQ(reply.result().version(), "1.2.3");
  EXPECT_EQ(reply.result().pid(), 77u);
  EXPECT_EQ(reply.result().sessions(), 2u);
  EXPECT_EQ(reply.result().live_bytes(), 3u);
  EXPECT_EQ(reply.result().calls_pending(), 4u);
  EXPECT_TRUE(reply.result().sees_everything());
  EXPECT_EQ(reply.result().limits(0).used(), 2u);
  EXPECT_FALSE(reply.result().limits(1).has_used());
}

TEST(Inspection, TellsOfAnEventWhatAppliesToIt) {
  WatchedEvents watched{.events = {}, .next_after = 9, .lost = 3};
  watched.events.push_back({8, {.kind = WatchKind::kHeapUsable, .heap = {.type = "h"}}});
  watched.events.push_back({9,
                            {.kind = WatchKind::kAllocationFailed,
                             .time_ns = 5,
                             .buffer_collection_id = 7,
                             .node_kind = core::NodeKind::kGroup,
                             .peer = {.pid = 4, .uid = 0},
                             .duration_ns = 0,
                             .buffer_index = 0,
                             .error = core::Error::kNoMemory,
                             .message = "none left"}});
  const auto reply =
      Decode<sysmem2::NextEventsReply>(EncodeReply<sysmem2::NextEventsReply>(Of(watched)));
  EXPECT_EQ(reply.result().next_after(), 9u);
  EXPECT_EQ(reply.result().lost(), 3u);
  ASSERT_EQ(reply.result().events_size(), 2);
  const sysmem2::WatchEvent& heap = reply.result().events(0);
  EXPECT_EQ(heap.number(), 8u);
  EXPECT_EQ(heap.kind(), sysmem2::EVENT_KIND_HEAP_USABLE);
  EXPECT_EQ(heap.heap().heap_type(), "h");
  EXPECT_FALSE(heap.has_buffer_collection_id() || heap.has_node_id() || heap.has_session_id() ||
               heap.has_peer() || heap.has_buffers() || heap.has_bytes() ||
               heap.has_duration_ns() || heap.has_buffer_index() || heap.has_error());
  const sysmem2::WatchEvent& failed = reply.result().events(1);
  EXPECT_EQ(failed.kind(), sysmem2::EVENT_KIND_ALLOCATION_FAILED);
  EXPECT_EQ(failed.time_ns(), 5);
  EXPECT_EQ(failed.buffer_collection_id(), 7u);
  EXPECT_EQ(failed.node_kind(), sysmem2::NODE_KIND_GROUP);
  EXPECT_EQ(failed.peer().pid(), 4u);
  EXPECT_TRUE(failed.peer().has_uid());
  EXPECT_TRUE(failed.has_duration_ns());
  EXPECT_TRUE(failed.has_buffer_index());
  EXPECT_EQ(failed.error(), sysmem2::ERROR_NO_MEMORY);
  EXPECT_EQ(failed.message(), "none left");
}

TEST(Inspection, TellsAHeapsPropertiesAndAbilities) {
  HeapInfo heap;
  heap.properties = {.heap = {core::kHeapSystemRam, 0},
                     .cpu_domain = true,
                     .need_clear = true,
                     .reports_end = true};
  heap.usable = false;
  heap.why_unusable = "no memory";
  heap.remedy = "buy some";
  heap.live_buffers = 5;
  ServerInfo info{.version = "1", .features = {"f"}, .heaps = {heap}};
  const auto reply =
      Decode<sysmem2::GetServerInfoReply>(EncodeReply<sysmem2::GetServerInfoReply>(Of(info)));
  const sysmem2::HeapInfo& wire = reply.result().heaps(0);
  EXPECT_EQ(wire.heap().heap_type(), core::kHeapSystemRam);
  EXPECT_TRUE(wire.properties().coherency_domain_support().cpu_supported());
  EXPECT_TRUE(wire.properties().coherency_domain_support().has_ram_supported());
  EXPECT_TRUE(wire.properties().need_clear());
  EXPECT_FALSE(wire.properties().has_need_flush());
  EXPECT_TRUE(wire.abilities().reports_end());
  EXPECT_EQ(wire.why_unusable(), "no memory");
  EXPECT_EQ(wire.remedy(), "buy some");
  EXPECT_EQ(wire.buffers(), 5u);
  EXPECT_EQ(reply.result().features(0), "f");
}

CollectionDetail SomeCollection() {
  CollectionDetail detail;
  detail.summary = {.buffer_collection_id = 3, .name = "frames"};
  detail.snapshot.id = 3;
  detail.snapshot.nodes = {
      {.id = 10,
       .kind = core::NodeKind::kCollection,
       .ready = true,
       .constraints_set = true,
       .constraints = core::Constraints{.min_buffer_count = 2}},
      {.id = 11, .parent = 10, .debug = {.name = "\xff camera"}},
      {.id = 12, .parent = 10, .kind = core::NodeKind::kToken},
  };
  detail.holders = {
      {.node = 10, .session_id = 5, .handle = 6, .peer = {.pid = 7, .uid = 8}, .age_ns = 6},
      {.node = 12, .exported = true, .exported_koid = 99, .peer = {.uid = 8}, .age_ns = 4},
  };
  detail.buffers = {{.index = 1,
                     .name = "frames:1",
                     .device = 2,
                     .inode = 3,
                     .size_bytes = 4096,
                     .hand_outs = 2}};
  return detail;
}

sysmem2::CollectionDetail Shown(const CollectionDetail& detail) {
  return Decode<sysmem2::ShowCollectionReply>(EncodeReply<sysmem2::ShowCollectionReply>(Of(detail)))
      .result();
}

TEST(Inspection, ShowsTheTreeWithWhoHoldsEachNode) {
  const sysmem2::CollectionDetail shown = Shown(SomeCollection());
  EXPECT_EQ(shown.summary().state(), sysmem2::COLLECTION_STATE_WAITING);
  ASSERT_EQ(shown.nodes_size(), 3);
  EXPECT_EQ(shown.nodes(0).kind(), sysmem2::NODE_KIND_COLLECTION);
  EXPECT_EQ(shown.nodes(0).state(), sysmem2::NODE_STATE_READY);
  EXPECT_EQ(shown.nodes(0).session_id(), 5u);
  EXPECT_EQ(shown.nodes(0).handle(), 6u);
  EXPECT_EQ(shown.nodes(0).holder().pid(), 7u);
  EXPECT_EQ(shown.nodes(0).constraints().min_buffer_count(), 2u);
  EXPECT_FALSE(shown.nodes(0).constraints().has_max_buffer_count());
  EXPECT_EQ(shown.nodes(1).parent_id(), 10u);
  EXPECT_EQ(shown.nodes(1).debug_name(), "\ufffd camera");
  EXPECT_FALSE(shown.nodes(1).has_holder());
  EXPECT_EQ(shown.nodes(0).age_ns(), 6);
  EXPECT_EQ(shown.nodes(1).age_ns(), 0);
  EXPECT_EQ(shown.nodes(2).age_ns(), 4);
  EXPECT_EQ(shown.nodes(2).exported_cookie(), 99u);
  EXPECT_FALSE(shown.nodes(2).has_session_id());
  EXPECT_FALSE(shown.nodes(2).holder().has_pid());
  EXPECT_EQ(shown.buffers(0).name(), "frames:1");
  EXPECT_EQ(shown.buffers(0).inode(), 3u);
  EXPECT_EQ(shown.buffers(0).raw_vmo_size(), 4096u);
}

TEST(Inspection, SaysWhomACollectionWaitsFor) {
  const sysmem2::CollectionDetail shown = Shown(SomeCollection());
  ASSERT_EQ(shown.waiting_for_size(), 2);
  EXPECT_EQ(shown.waiting_for(0), "token 11 \"\\xff camera\": neither bound nor released");
  CollectionDetail allocated = SomeCollection();
  allocated.snapshot.state = core::CollectionState::kAllocated;
  EXPECT_EQ(Shown(allocated).waiting_for_size(), 0);
}

TEST(Inspection, ShowsWhoFailsAloneAndIsNotWaitedFor) {
  CollectionDetail detail = SomeCollection();
  detail.snapshot.nodes[1].failure_mode = core::FailureMode::kDoNotPropagate;
  detail.snapshot.nodes[1].comes_later = true;
  detail.snapshot.nodes[2].failure_mode = core::FailureMode::kPropagateBeforeAllocation;
  const sysmem2::CollectionDetail shown = Shown(detail);
  EXPECT_EQ(shown.nodes(0).failure_mode(), sysmem2::FAILURE_MODE_PROPAGATE);
  EXPECT_EQ(shown.nodes(1).failure_mode(), sysmem2::FAILURE_MODE_DO_NOT_PROPAGATE);
  EXPECT_EQ(shown.nodes(2).failure_mode(), sysmem2::FAILURE_MODE_PROPAGATE_BEFORE_ALLOCATION);
  EXPECT_EQ(shown.waiting_for_size(), 1);
}

TEST(Inspection, ShowsWhoIsWeakWhoIsTrackedAndWhoWasChosen) {
  CollectionDetail detail = SomeCollection();
  detail.snapshot.nodes[0].trackings = 7;
  detail.snapshot.nodes[1].weak = true;
  detail.snapshot.nodes[1].weak_ok = true;
  detail.snapshot.nodes[1].weak_ok_for_children = true;
  detail.snapshot.nodes[1].chosen = 12;
  const sysmem2::CollectionDetail shown = Shown(detail);
  EXPECT_EQ(shown.nodes(0).node_trackings(), 7u);
  EXPECT_FALSE(shown.nodes(0).weak() || shown.nodes(0).weak_ok());
  EXPECT_FALSE(shown.nodes(0).weak_ok_for_child_nodes_also());
  EXPECT_FALSE(shown.nodes(0).has_selected_child_id());
  EXPECT_TRUE(shown.nodes(1).weak() && shown.nodes(1).weak_ok());
  EXPECT_TRUE(shown.nodes(1).weak_ok_for_child_nodes_also());
  EXPECT_EQ(shown.nodes(1).selected_child_id(), 12u);
}

TEST(Inspection, ShowsWhoGaveBuffersToMatch) {
  CollectionDetail detail = SomeCollection();
  detail.snapshot.nodes[1].must_match = true;
  const sysmem2::CollectionDetail shown = Shown(detail);
  EXPECT_FALSE(shown.nodes(0).must_match());
  EXPECT_TRUE(shown.nodes(1).must_match());
}

TEST(Inspection, ExplainsAFailureInOneSentenceAndThenAtLength) {
  CollectionDetail detail = SomeCollection();
  detail.snapshot.state = core::CollectionState::kFailed;
  detail.snapshot.failure =
      core::Failure{.error = core::Error::kConstraintsIntersectionEmpty,
                    .rule = "C11",
                    .field = "max_buffer_count",
                    .message = "too many",
                    .participants = {{.node = 10, .name = "a\nb", .value = "2"}}};
  EXPECT_EQ(Shown(detail).explanation(), "too many");
  detail.explanation = std::make_shared<core::ReportText>(core::ReportText{"One.\nTwo.", 3});
  const sysmem2::CollectionDetail shown = Shown(detail);
  EXPECT_EQ(shown.explanation(), "too many\nOne.\nTwo.\n3 more sentences are left out.");
  EXPECT_EQ(shown.summary().failure().rule(), "C11");
}

TEST(Inspection, LeavesOutProcessesThatMayNotBeKnown) {
  CollectionDetail detail = SomeCollection();
  detail.summary.creator = {.known = false};
  detail.holders[0].peer = {.known = false};
  const sysmem2::CollectionDetail shown = Shown(detail);
  EXPECT_FALSE(shown.summary().has_creator());
  EXPECT_FALSE(shown.nodes(0).has_holder());
  EXPECT_TRUE(shown.nodes(2).has_holder());
}

TEST(Inspection, EndsAPageOfLargeItemsEarlyAndSaysWhereTheNextBegins) {
  CollectionDetail detail = SomeCollection();
  detail.first_item = 100;
  detail.next_item = 110;
  for (core::NodeSnapshot& node : detail.snapshot.nodes) node.debug.name.assign(600 << 10, 'x');
  const sysmem2::CollectionDetail shown = Shown(detail);
  EXPECT_EQ(shown.nodes_size(), 2);
  EXPECT_EQ(shown.next_item(), 102u);
  EXPECT_EQ(shown.buffers_size(), 0);
}

TEST(Inspection, CountsBuffersAfterTheNodes) {
  CollectionDetail detail = SomeCollection();
  detail.summary.nodes = 3;
  for (core::NodeSnapshot& node : detail.snapshot.nodes) node.debug.name.assign(300 << 10, 'x');
  const sysmem2::CollectionDetail shown = Shown(detail);
  EXPECT_EQ(shown.nodes_size(), 3);
  EXPECT_EQ(shown.buffers_size(), 0);
  EXPECT_EQ(shown.next_item(), 4u) << "buffer 1";
}

TEST(Inspection, SaysWhichVersionOfTheCollectionItShows) {
  CollectionDetail detail = SomeCollection();
  detail.snapshot.version = 41;
  detail.snapshot.changed_meanwhile = true;
  EXPECT_EQ(Shown(detail).version(), 41u);
  EXPECT_TRUE(Shown(detail).changed_meanwhile());
  EXPECT_FALSE(Shown(detail).has_next_item());
}

TEST(Inspection, ShowsThePlanOnceThereIsOne) {
  EXPECT_FALSE(Shown(SomeCollection()).has_settings());
  CollectionDetail detail = SomeCollection();
  detail.snapshot.plan = core::Plan{.buffer_count = 4};
  EXPECT_EQ(Shown(detail).buffer_count(), 4u);
  EXPECT_TRUE(Shown(detail).has_settings());
}

std::vector<CollectionSummary> Collections(uint64_t count) {
  std::vector<CollectionSummary> all;
  for (uint64_t id = count; id > 0; --id) all.push_back({.buffer_collection_id = id});
  return all;
}

sysmem2::ListCollectionsResult Listed(uint64_t count, const Page& page) {
  return Decode<sysmem2::ListCollectionsReply>(EncodeCollections(Of(Collections(count)), page))
      .result();
}

TEST(Pages, ListByRisingIdAndSayWhenThereIsMore) {
  const auto first = Listed(5, {.at_most = 3});
  ASSERT_EQ(first.collections_size(), 3);
  EXPECT_EQ(first.collections(0).buffer_collection_id(), 1u);
  EXPECT_EQ(first.next_after(), 3u);
  const auto second = Listed(5, {.after = 3, .at_most = 3});
  ASSERT_EQ(second.collections_size(), 2);
  EXPECT_EQ(second.collections(0).buffer_collection_id(), 4u);
  EXPECT_FALSE(second.has_next_after());
}

TEST(Pages, HaveABoundWhateverIsAskedFor) {
  EXPECT_EQ(Listed(1001, {}).collections_size(), 1000);
  EXPECT_EQ(Listed(1001, {.at_most = UINT32_MAX}).next_after(), 1000u);
  EXPECT_FALSE(Listed(1000, {}).has_next_after());
  EXPECT_EQ(Listed(0, {}).collections_size(), 0);
}

TEST(Pages, EndEarlyWhenTheirEntriesAreLarge) {
  std::vector<SessionInfo> sessions;
  for (uint64_t id = 1; id <= 1000; ++id) {
    sessions.push_back({.id = id, .collections = std::vector<uint64_t>(1000, UINT64_MAX)});
  }
  const auto page = Decode<sysmem2::ListSessionsReply>(EncodeSessions(Of(sessions), {})).result();
  EXPECT_LT(page.ByteSizeLong(), 2u << 20);
  ASSERT_GT(page.sessions_size(), 0);
  EXPECT_EQ(page.next_after(), page.sessions().rbegin()->session_id());
}

TEST(Sessions, TellWhyTheyEnded) {
  std::vector<SessionInfo> sessions(2);
  sessions[0] = {.id = 1,
                 .peer = {.pid = 5, .library = "libsysmem"},
                 .collections = {8, 9},
                 .collections_left_out = 3,
                 .descriptors_unread = 4};
  sessions[1] = {
      .id = 2, .open = false, .end_reason = "SEQUENCE_GAP", .end_message = "3 is missing"};
  const auto reply = Decode<sysmem2::ListSessionsReply>(EncodeSessions(Of(sessions), {}));
  ASSERT_EQ(reply.result().sessions_size(), 2);
  EXPECT_TRUE(reply.result().sessions(0).open());
  EXPECT_FALSE(reply.result().sessions(0).has_ended());
  EXPECT_EQ(reply.result().sessions(0).library(), "libsysmem");
  EXPECT_EQ(reply.result().sessions(0).buffer_collection_ids(1), 9u);
  EXPECT_EQ(reply.result().sessions(0).buffer_collection_ids_left_out(), 3u);
  EXPECT_EQ(reply.result().sessions(0).descriptors_unread(), 4u);
  EXPECT_EQ(reply.result().sessions(1).ended().reason(), sysmem2::SESSION_END_REASON_SEQUENCE_GAP);
  EXPECT_EQ(reply.result().sessions(1).ended().message(), "3 is missing");
}

TEST(Sessions, AreFoundByIdOrNotFound) {
  const std::vector<SessionInfo> sessions{{.id = 1}, {.id = 2}};
  const auto found =
      Decode<sysmem2::ListSessionsReply>(EncodeSessions(Of(sessions), {.only_id = 2}));
  ASSERT_EQ(found.result().sessions_size(), 1);
  EXPECT_EQ(found.result().sessions(0).session_id(), 2u);
  const auto missing =
      Decode<sysmem2::ListSessionsReply>(EncodeSessions(Of(sessions), {.only_id = 3}));
  EXPECT_EQ(missing.failure().error(), sysmem2::ERROR_NOT_FOUND);
  EXPECT_EQ(missing.failure().field(), "session_id");
}

TEST(Sessions, KeepAFailureOfTheEngine) {
  const auto reply = Decode<sysmem2::ListSessionsReply>(
      EncodeSessions(Of(core::Failure{.outcome = core::Outcome::kClosed}), {.only_id = 3}));
  EXPECT_EQ(reply.failure().outcome(), sysmem2::OUTCOME_CLOSED);
}

}  // namespace
}  // namespace sysmem::server::transport
