// SPDX-License-Identifier: Apache-2.0
//
// What NextEvents tells: to whom, in which order, and how many are lost.
#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 2000;
constexpr Handle kToken = 1;
constexpr Handle kCollection = 2;

EngineLimits Keeping(uint32_t events) {
  EngineLimits limits = LimitsFor(1024);
  limits.events_kept = events;
  return limits;
}

WatchedEvents AsEvents(const OperationResult& result) {
  const auto* const events = std::get_if<WatchedEvents>(&result);
  EXPECT_NE(events, nullptr);
  return events != nullptr ? *events : WatchedEvents{};
}

// Where the end is for this client.
uint64_t End(TestClient& client) { return AsEvents(client.Do(op::NextEvents{})).next_after; }

WatchedEvents Next(TestClient& client, uint64_t after) {
  return AsEvents(client.Do(op::NextEvents{.after = after}));
}

std::vector<WatchKind> KindsOf(const WatchedEvents& watched) {
  std::vector<WatchKind> kinds;
  for (const auto& one : watched.events) kinds.push_back(one.event.kind);
  return kinds;
}

const WatchEvent* Find(const WatchedEvents& watched, WatchKind kind) {
  const auto found = std::find_if(watched.events.begin(), watched.events.end(),
                                  [&](const auto& one) { return one.event.kind == kind; });
  return found != watched.events.end() ? &found->event : nullptr;
}

// One event each, and all of one collection: begun, and named so many times.
void MakeEvents(TestClient& client, Handle collection, int names) {
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{collection}));
  for (int i = 0; i < names; ++i) {
    ASSERT_OK(client.Do(Message(
        collection, core::event::SetName{.priority = i, .name = "name " + std::to_string(i)})));
  }
}

TEST(Watching, NothingIsKeptBeforeSomebodyAsks) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  MakeEvents(alice, kCollection, 3);
  const WatchedEvents watched = AsEvents(alice.Do(op::NextEvents{}));
  EXPECT_TRUE(watched.events.empty());
  EXPECT_EQ(watched.next_after, 0u);
  EXPECT_EQ(watched.lost, 0u);
}

TEST(Watching, ASlowReaderIsToldExactlyHowManyEventsItHasLost) {
  TestEngine engine(Keeping(4));
  TestClient alice(engine, kAlice);
  const uint64_t begin = End(alice);
  MakeEvents(alice, kCollection, 10);
  const WatchedEvents watched = Next(alice, begin);
  EXPECT_EQ(watched.lost, 7u);
  ASSERT_EQ(watched.events.size(), 4u);
  EXPECT_EQ(watched.events.front().number, begin + 8);
  EXPECT_EQ(watched.events.back().number, begin + 11);
  EXPECT_EQ(watched.events.back().event.collection_name, "name 9");
  EXPECT_EQ(watched.next_after, begin + 11);
}

TEST(Watching, AReaderWhoTakesAFewAtATimeMissesNone) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  uint64_t after = End(alice);
  MakeEvents(alice, kCollection, 9);
  for (uint64_t number = after + 1; number <= after + 10;) {
    const WatchedEvents watched =
        AsEvents(alice.Do(op::NextEvents{.after = number - 1, .at_most = 3}));
    EXPECT_EQ(watched.lost, 0u);
    ASSERT_FALSE(watched.events.empty());
    EXPECT_LE(watched.events.size(), 3u);
    for (const auto& one : watched.events) EXPECT_EQ(one.number, number++);
    EXPECT_EQ(watched.next_after, number - 1);
  }
}

TEST(Watching, OthersEventsAreNeitherShownNorCountedNorLost) {
  TestEngine engine(Keeping(4));
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  TestClient root(engine, 0);
  const uint64_t begin = End(bob);
  const uint64_t all = End(root);
  MakeEvents(alice, kCollection, 20);
  EXPECT_EQ(End(bob), begin);
  MakeEvents(bob, kCollection, 0);
  const WatchedEvents watched = Next(bob, begin);
  EXPECT_EQ(watched.lost, 0u);
  ASSERT_EQ(watched.events.size(), 1u);
  EXPECT_EQ(watched.events[0].number, begin + 1);
  EXPECT_EQ(watched.events[0].event.peer.uid, kBob);
  EXPECT_EQ(Next(root, all).lost, 18u);
  EXPECT_EQ(End(root), all + 22);
  // What Alice does pushes it out: then it is lost to Bob, and nothing else is.
  MakeEvents(alice, kToken, 20);
  EXPECT_EQ(Next(bob, begin).lost, 1u);
}

TEST(Watching, WhoTakesPartSeesTheOthersEventsButNotWhoTheyAre) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  ASSERT_OK(alice.Do(op::AllocateSharedCollection{kToken, false}));
  const OperationResult& copy =
      alice.Do(op::Duplicate{kToken, core::kSameRights, std::nullopt, true});
  const auto* const exported = std::get_if<ExportedNodes>(&copy);
  ASSERT_NE(exported, nullptr);
  const DescriptorNumber end = bob.Push(alice.Take(exported->descriptors.at(0)));
  ASSERT_OK(bob.Do(op::BindSharedCollection{std::nullopt, end, kCollection}));
  const uint64_t begin = End(bob);
  ASSERT_OK(alice.Do(op::BindSharedCollection{kToken, std::nullopt, kCollection}));
  ASSERT_OK(alice.Do(Message(kCollection, core::event::SetDebugClientInfo{.name = "camera"})));
  ASSERT_OK(alice.Do(SetConstraints(kCollection, CpuConstraints())));
  const WatchedEvents watched = Next(bob, begin);
  const WatchEvent* const ready = Find(watched, WatchKind::kNodeReady);
  ASSERT_NE(ready, nullptr);
  EXPECT_EQ(ready->debug_name, "camera");
  EXPECT_FALSE(ready->peer.known);
  EXPECT_EQ(ready->session_id, 0u);
}

TEST(Watching, AReaderWithNothingToReadIsAnsweredWhenTheNextEventComes) {
  TestEngine engine;
  TestClient reader(engine, kAlice);
  TestClient alice(engine, kAlice);
  auto waiting = reader.Send({op::NextEvents{.after = End(reader)}});
  ASSERT_OK(reader.Do(op::Ping{}));  // its turn is over
  EXPECT_FALSE(waiting->answered());
  MakeEvents(alice, kCollection, 0);
  ASSERT_TRUE(waiting->Wait());
  const WatchedEvents watched = AsEvents(waiting->reply().results.at(0));
  EXPECT_THAT(KindsOf(watched), ElementsAre(WatchKind::kCollectionBegun));
  EXPECT_EQ(watched.events[0].event.session_id, alice.session().id());
}

TEST(Watching, AReaderOfOneCollectionWaitsForItsEvents) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  uint64_t begin = End(alice);
  MakeEvents(alice, kCollection, 0);
  const uint64_t id = Next(alice, begin).events.at(0).event.buffer_collection_id;
  auto waiting = alice.Send({op::NextEvents{.after = End(alice), .buffer_collection_id = id}});
  MakeEvents(alice, kToken, 3);
  EXPECT_FALSE(waiting->answered());
  ASSERT_OK(alice.Do(Message(kCollection, core::event::SetName{.priority = 1, .name = "mine"})));
  ASSERT_TRUE(waiting->Wait());
  const WatchedEvents watched = AsEvents(waiting->reply().results.at(0));
  ASSERT_EQ(watched.events.size(), 1u);
  EXPECT_EQ(watched.events[0].event.collection_name, "mine");
  EXPECT_EQ(watched.lost, 0u);
  EXPECT_EQ(watched.next_after, End(alice));
}

TEST(Watching, AWaitEndsWithItsSession) {
  TestEngine engine;
  TestClient reader(engine, kAlice);
  TestClient alice(engine, kAlice);
  auto waiting = reader.Send({op::NextEvents{.after = End(reader)}});
  reader.session().End(SessionEnd{EndReason::kBadMessage, "for a test"});
  ASSERT_TRUE(waiting->Wait());
  EXPECT_THAT(waiting->abort_reason(), HasSubstr("for a test"));
  End(alice);
  MakeEvents(alice, kCollection, 3);
  EXPECT_EQ(waiting->answers(), 1);
}

TEST(Watching, AWaitCanBeTakenBack) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  auto waiting = alice.Send({op::NextEvents{.after = End(alice)}});
  ASSERT_OK(alice.Do(op::CancelWait{alice.last_number()}));
  ASSERT_TRUE(waiting->Wait());
  const core::Failure* const failure = AsFailure(waiting->reply().results.at(0));
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->outcome, core::Outcome::kCancelled);
}

TEST(Watching, ASessionMayWaitSoManyTimesOnly) {
  EngineLimits limits = LimitsFor(1024);
  limits.event_reads_per_session = 2;
  TestEngine engine(limits);
  TestClient alice(engine, kAlice);
  const uint64_t end = End(alice);
  auto first = alice.Send({op::NextEvents{.after = end}});
  auto second = alice.Send({op::NextEvents{.after = end}});
  const core::Failure* const failure = AsFailure(alice.Do(op::NextEvents{.after = end}));
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->rule, "LIMIT-EVENTS");
  // That is no end of the session, and told to those who wait.
  ASSERT_TRUE(first->Wait());
  ASSERT_TRUE(second->Wait());
  EXPECT_THAT(KindsOf(AsEvents(first->reply().results.at(0))), Contains(WatchKind::kLimitReached));
}

TEST(Watching, AnAllocationIsToldFromItsBeginningToTheEndOfItsBuffers) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  const uint64_t begin = End(alice);
  ASSERT_OK(alice.Do(op::AllocateNonSharedCollection{kCollection}));
  ASSERT_OK(alice.Do(SetConstraints(kCollection, CpuConstraints(2))));
  ASSERT_OK(alice.Do(Message(kCollection, core::event::Check{})));
  const WatchedEvents watched = Next(alice, begin);
  EXPECT_THAT(KindsOf(watched),
              ElementsAre(WatchKind::kCollectionBegun, WatchKind::kNodeReady,
                          WatchKind::kAllocationBegun, WatchKind::kAllocationSucceeded));
  const WatchEvent& made = watched.events.back().event;
  EXPECT_EQ(made.buffers, 2u);
  EXPECT_EQ(made.bytes, 2u * 4096);
  EXPECT_EQ(made.heap.type, core::kHeapSystemRam);
  EXPECT_TRUE(made.duration_ns.has_value());
  ASSERT_OK(alice.Do(Release(kCollection)));
  ASSERT_OK(alice.Do(op::CloseHandle{kCollection}));
  std::vector<WatchKind> rest;
  for (uint64_t after = watched.next_after;
       rest.empty() || rest.back() != WatchKind::kCollectionEnded;) {
    const WatchedEvents more = Next(alice, after);
    for (const WatchKind kind : KindsOf(more)) rest.push_back(kind);
    after = more.next_after;
  }
  EXPECT_THAT(rest,
              ElementsAre(WatchKind::kNodeReleased, WatchKind::kNodeClosed, WatchKind::kBufferGone,
                          WatchKind::kBufferGone, WatchKind::kCollectionEnded));
}

TEST(Watching, ACollectionThatFailsBeforeItHasBuffersIsToldToItsEnd) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  const uint64_t begin = End(alice);
  core::Constraints impossible = CpuConstraints(1, 8192);
  impossible.memory->max_size_bytes = 4096;
  ASSERT_OK(alice.Do(op::AllocateNonSharedCollection{kCollection}));
  auto waiting = alice.Send({SetConstraints(kCollection, impossible), Wait(kCollection)});
  ASSERT_TRUE(waiting->Wait());
  const WatchedEvents watched = Next(alice, begin);
  EXPECT_THAT(KindsOf(watched), IsSupersetOf({WatchKind::kNodeReady, WatchKind::kCollectionFailed,
                                              WatchKind::kCollectionEnded}));
  EXPECT_THAT(KindsOf(watched), Not(Contains(WatchKind::kAllocationBegun)));
}

// A collection of Alice's with a token attached to it, bound as kAttached and waiting for its
// buffers; it wants larger ones than the collection has.
constexpr Handle kAttached = 3;
std::shared_ptr<TestPort> AttachWhatDoesNotFit(TestClient& alice) {
  EXPECT_OK(alice.Do(op::AllocateNonSharedCollection{kCollection}));
  EXPECT_OK(alice.Do(op::AttachToken{kCollection, core::kSameRights, kToken, false}));
  EXPECT_OK(alice.Do(op::BindSharedCollection{kToken, std::nullopt, kAttached}));
  EXPECT_OK(alice.Do(Message(kAttached, core::event::SetDebugClientInfo{.name = "late"})));
  EXPECT_OK(alice.Do(SetConstraints(kAttached, CpuConstraints(1, 1 << 20))));
  auto waiting = alice.Send({Wait(kAttached)});
  core::Constraints small = CpuConstraints(1, 4096);
  small.memory->max_size_bytes = 4096;
  EXPECT_OK(alice.Do(SetConstraints(kCollection, small)));
  EXPECT_TRUE(waiting->Wait());
  return waiting;
}

TEST(Watching, AnAllocationThatSucceedsIsToldAsSuchAlthoughALateOneFailsBesideIt) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  const uint64_t begin = End(alice);
  AttachWhatDoesNotFit(alice);
  const WatchedEvents watched = Next(alice, begin);
  const WatchEvent* const made = Find(watched, WatchKind::kAllocationSucceeded);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->buffers, 1u);
  EXPECT_EQ(made->error, core::Error::kUnspecified);
  const WatchEvent* const failed = Find(watched, WatchKind::kAllocationFailed);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->error, core::Error::kConstraintsIntersectionEmpty);
  EXPECT_FALSE(failed->rule.empty());
  EXPECT_THAT(failed->message, HasSubstr("size_bytes"));
  EXPECT_EQ(failed->buffers, 0u) << "nothing was being made for it";
}

TEST(Watching, ANodeThatFailedIsToldByItsKindAndName) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  const uint64_t begin = End(alice);
  AttachWhatDoesNotFit(alice);
  const WatchedEvents watched = Next(alice, begin);
  const WatchEvent* const failed = Find(watched, WatchKind::kNodeFailed);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->node_kind, core::NodeKind::kCollection);
  EXPECT_EQ(failed->debug_name, "late (was from AttachToken())");
}

TEST(Watching, WhoComesAfterAFailureMakesNoNewsOfIt) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  End(alice);
  AttachWhatDoesNotFit(alice);
  const uint64_t end = End(alice);
  const core::Failure* const failure = AsFailure(alice.Do(Wait(kAttached)));
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->outcome, core::Outcome::kClosed);
  EXPECT_EQ(End(alice), end);
}

TEST(Watching, SessionsAreToldWithTheReasonOfTheirEnd) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  const uint64_t begin = End(alice);
  TestClient other(engine, kAlice);
  other.session().End(SessionEnd{EndReason::kBadMessage, "for a\ntest"});
  const WatchedEvents watched = Next(alice, begin);
  ASSERT_THAT(KindsOf(watched), ElementsAre(WatchKind::kSessionOpened, WatchKind::kSessionEnded));
  EXPECT_EQ(watched.events[1].event.message, "BAD_MESSAGE: for a\\ntest");
  EXPECT_EQ(watched.events[1].event.session_id, other.session().id());
}

}  // namespace
}  // namespace sysmem::server
