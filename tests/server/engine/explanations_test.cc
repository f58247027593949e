// SPDX-License-Identifier: Apache-2.0
//
// How explanations reach people: with the reply to a wait, and through the inspector; and what they
// keep to themselves.
#include <algorithm>

#include "core/report.h"
#include "gtest/gtest.h"
#include "server/failed_collections.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using ::sysmem::testing::Eventually;

constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 2000;
constexpr uid_t kCarol = 3000;
constexpr Handle kToken = 1;
constexpr Handle kCollection = 2;

core::Constraints AtMost(uint64_t bytes) {
  core::Constraints constraints = CpuConstraints(1);
  constraints.memory->max_size_bytes = bytes;
  return constraints;
}

// `alice` has a collection that `bob` takes part in.
void Share(TestClient& alice, TestClient& bob) {
  ASSERT_OK(alice.Do(op::AllocateSharedCollection{kToken, false}));
  const OperationResult& copy =
      alice.Do(op::Duplicate{kToken, core::kSameRights, std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&copy);
  ASSERT_NE(exported, nullptr);
  const DescriptorNumber end = bob.Push(alice.Take(exported->descriptors.at(0)));
  ASSERT_OK(bob.Do(op::BindSharedCollection{std::nullopt, end, kCollection}));
  ASSERT_OK(alice.Do(op::BindSharedCollection{kToken, std::nullopt, kCollection}));
  ASSERT_OK(alice.Do(Message(kCollection, core::event::SetDebugClientInfo{.name = "small"})));
  ASSERT_OK(bob.Do(Message(kCollection, core::event::SetDebugClientInfo{.name = "large\n"})));
}

// They do not agree. What `alice` is told.
core::Failure Quarrel(TestClient& alice, TestClient& bob) {
  Share(alice, bob);
  EXPECT_OK(alice.Do(SetConstraints(kCollection, AtMost(4096))));
  auto waiting = alice.Send({Wait(kCollection)});
  EXPECT_OK(bob.Do(SetConstraints(kCollection, CpuConstraints(1, 8192))));
  EXPECT_TRUE(waiting->Wait());
  const core::Failure* failure = AsFailure(waiting->reply().results.at(0));
  EXPECT_NE(failure, nullptr);
  return failure != nullptr ? *failure : core::Failure{};
}

std::vector<CollectionSummary> ListOf(TestClient& client) {
  const OperationResult& result = client.Do(op::InspectCollections{});
  const auto* all = std::get_if<std::vector<CollectionSummary>>(&result);
  return all != nullptr ? *all : std::vector<CollectionSummary>{};
}

std::optional<CollectionDetail> Show(TestClient& client, uint64_t id) {
  const OperationResult& result = client.Do(op::InspectCollection{id});
  const auto* detail = std::get_if<CollectionDetail>(&result);
  return detail != nullptr ? std::optional(*detail) : std::nullopt;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Explanations, TravelWithTheReplyToAWaitThatFailed) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  const core::Failure failure = Quarrel(alice, bob);
  EXPECT_EQ(failure.field, "buffer_memory_constraints.min_size_bytes");
  EXPECT_TRUE(Contains(failure.message, "\"small\" has max_size_bytes 4096")) << failure.message;
  ASSERT_NE(failure.report_text, nullptr);
  const std::string& text = failure.report_text->text;
  EXPECT_TRUE(Contains(text,
                       "The smallest conflict is between 2 of 2 participants: "
                       "\"small\": max_size_bytes 4096; \"large\\n\": min_size_bytes 8192"))
      << text;
  EXPECT_EQ(failure.report_text->sentences_left_out, 0u);
}

TEST(Explanations, NameNoProcessInTheirText) {
  TestEngine engine;
  TestClient root(engine, 0);
  TestClient bob(engine, kBob);
  const core::Failure failure = Quarrel(root, bob);
  ASSERT_NE(failure.report_text, nullptr);
  EXPECT_FALSE(Contains(failure.report_text->text, "pid"));
  EXPECT_FALSE(Contains(failure.report_text->text, std::to_string(::getpid())));
  EXPECT_FALSE(Contains(failure.report_text->text, std::to_string(kBob)));
}

TEST(Explanations, OfFailedCollectionsAreShownForAWhile) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  Quarrel(alice, bob);
  const std::vector<CollectionSummary> list = ListOf(alice);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].state, core::CollectionState::kFailed);
  const std::optional<CollectionDetail> detail = Show(alice, list[0].buffer_collection_id);
  ASSERT_TRUE(detail);
  ASSERT_NE(detail->explanation, nullptr);
  EXPECT_TRUE(Contains(detail->explanation->text, "The smallest conflict"));
  ASSERT_TRUE(detail->snapshot.failure);
  EXPECT_EQ(detail->snapshot.failure->rule, "M14");
  ASSERT_EQ(detail->snapshot.nodes.size(), 2u) << "as it stood when it failed";
  EXPECT_TRUE(detail->snapshot.nodes[1].constraints_set);
  EXPECT_TRUE(Show(bob, list[0].buffer_collection_id)) << "who took part";
}

TEST(Explanations, OfFailedCollectionsAreNotShownToStrangers) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  TestClient carol(engine, kCarol);
  Quarrel(alice, bob);
  const uint64_t id = ListOf(alice).at(0).buffer_collection_id;
  EXPECT_TRUE(ListOf(carol).empty());
  EXPECT_FALSE(Show(carol, id));
}

TEST(Explanations, OfWhatRootFailedAreNotShownToStrangersEither) {
  TestEngine engine;
  TestClient root(engine, 0);
  TestClient carol(engine, kCarol);
  ASSERT_OK(root.Do(op::AllocateNonSharedCollection{kCollection}));
  // Refused: the tree fails while the child that will never be is root's.
  EXPECT_NE(AsFailure(root.Do(op::AttachToken{kCollection, 0, kToken, false})), nullptr);
  const std::vector<CollectionSummary> all = ListOf(root);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(ListOf(carol).empty());
  EXPECT_FALSE(Show(carol, all[0].buffer_collection_id));
}

TEST(Explanations, TellWhyAPlanIsAsItIs) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  Share(alice, bob);
  ASSERT_OK(alice.Do(SetConstraints(kCollection, CpuConstraints(3))));
  ASSERT_OK(bob.Do(SetConstraints(kCollection, CpuConstraints(2))));
  ASSERT_OK(alice.Do(Wait(kCollection)));
  const uint64_t id = ListOf(bob).at(0).buffer_collection_id;
  const std::optional<CollectionDetail> detail = Show(bob, id);
  ASSERT_TRUE(detail);
  ASSERT_NE(detail->explanation, nullptr);
  EXPECT_TRUE(Contains(detail->explanation->text,
                       "Buffer count 5: camping 5 + dedicated slack 0 + shared slack 0 (\"small\": "
                       "camping 3; \"large\\n\": camping 2)."))
      << detail->explanation->text;
}

const HolderInfo* HolderOf(const CollectionDetail& detail, bool known) {
  const auto found =
      std::find_if(detail.holders.begin(), detail.holders.end(),
                   [known](const HolderInfo& holder) { return holder.peer.known == known; });
  return found != detail.holders.end() ? &*found : nullptr;
}

TEST(Inspector, TellsAParticipantNothingOfOtherUsersProcesses) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  Share(alice, bob);
  const std::vector<CollectionSummary> list = ListOf(bob);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_FALSE(list[0].creator.known);
  const std::optional<CollectionDetail> detail = Show(bob, list[0].buffer_collection_id);
  ASSERT_TRUE(detail);
  EXPECT_FALSE(detail->summary.creator.known);
  const HolderInfo* other = HolderOf(*detail, false);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->peer.pid, 0);
  EXPECT_EQ(other->peer.uid, 0u);
  EXPECT_EQ(other->session_id, 0u);
  const HolderInfo* own = HolderOf(*detail, true);
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->peer.uid, kBob);
  EXPECT_EQ(own->peer.pid, ::getpid());
  const bool named =
      std::any_of(detail->snapshot.nodes.begin(), detail->snapshot.nodes.end(),
                  [](const core::NodeSnapshot& node) { return node.debug.name == "small"; });
  EXPECT_TRUE(named) << "names are for everybody who takes part";
}

// Whose end it was is what everybody asks then.
TEST(Inspector, KnowsWhoHeldTheNodeByWhoseCloseACollectionFailed) {
  TestEngine engine;
  TestClient root(engine, 0);
  std::optional<TestClient> alice(std::in_place, engine, kAlice);
  TestClient bob(engine, kBob);
  Share(*alice, bob);
  const uint64_t id = ListOf(root).at(0).buffer_collection_id;
  alice.reset();
  ASSERT_TRUE(Eventually([&] {
    const std::optional<CollectionDetail> detail = Show(root, id);
    return detail && detail->summary.state == core::CollectionState::kFailed;
  }));
  const std::optional<CollectionDetail> detail = Show(root, id);
  ASSERT_TRUE(detail);
  const auto culprit = std::find_if(
      detail->holders.begin(), detail->holders.end(),
      [](const HolderInfo& holder) { return holder.peer.known && holder.peer.uid == kAlice; });
  EXPECT_NE(culprit, detail->holders.end());
}

TEST(Inspector, TellsRootEverything) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  TestClient root(engine, 0);
  Share(alice, bob);
  const std::vector<CollectionSummary> list = ListOf(root);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].creator.uid, kAlice);
  const std::optional<CollectionDetail> detail = Show(root, list[0].buffer_collection_id);
  ASSERT_TRUE(detail);
  EXPECT_EQ(HolderOf(*detail, false), nullptr);
}

CollectionDetail Failed(uint64_t id, size_t formats = 0) {
  CollectionDetail detail;
  detail.summary.buffer_collection_id = id;
  detail.summary.age_ns = 10;
  core::Constraints constraints;
  constraints.image_formats.resize(formats);
  detail.snapshot.nodes.push_back({.id = 1, .constraints = std::move(constraints)});
  return detail;
}

TEST(FailedCollections, ForgetTheOldestOnes) {
  FailedCollections failed;
  for (uint64_t id = 1; id <= FailedCollections::kMost + 1; ++id) failed.Keep(Failed(id), 100);
  EXPECT_FALSE(failed.Find(1, 100));
  EXPECT_TRUE(failed.Find(2, 100));
  EXPECT_EQ(failed.All(100).size(), FailedCollections::kMost);
  EXPECT_EQ(failed.All(100).back().detail->summary.buffer_collection_id,
            FailedCollections::kMost + 1);
}

TEST(FailedCollections, GrowOlder) {
  FailedCollections failed;
  failed.Keep(Failed(1), 100);
  EXPECT_EQ(failed.Find(1, 105)->ago_ns, 5);
}

TEST(FailedCollections, KeepToTheirShareOfMemory) {
  constexpr size_t kHalf =
      FailedCollections::kMostBytes / sizeof(core::ImageFormatConstraints) / 2 + 1;
  FailedCollections failed;
  failed.Keep(Failed(1, kHalf), 100);
  failed.Keep(Failed(2, kHalf), 100);
  EXPECT_FALSE(failed.Find(1, 100));
  EXPECT_TRUE(failed.Find(2, 100));
  failed.Keep(Failed(3, 2 * kHalf), 100);
  ASSERT_TRUE(failed.Find(3, 100));
  EXPECT_TRUE(failed.Find(3, 100)->detail->snapshot.nodes.empty())
      << "too large to be kept in full";
}

// Debug names are long and thousands may have said the same.
TEST(FailedCollections, KeepAFewOfManyParticipantsAndSayHowManyMoreThereAre) {
  constexpr size_t kMany = 4096;
  constexpr size_t kNameBytes = 4096;
  CollectionDetail detail = Failed(1);
  core::Failure failure{.message = "too many"};
  for (core::NodeId node = 1; node <= kMany; ++node) {
    failure.participants.push_back({node, std::string(kNameBytes, 'x'), "1"});
  }
  failure.report = std::make_shared<core::Report>();
  detail.snapshot.failure = std::move(failure);
  FailedCollections failed;
  failed.Keep(std::move(detail), 100);
  const core::Failure kept = *failed.Find(1, 100)->detail->snapshot.failure;
  ASSERT_EQ(kept.participants.size(), FailedCollections::kMostParticipants);
  EXPECT_EQ(kept.participants.back().node, FailedCollections::kMostParticipants);
  EXPECT_EQ(kept.message, "too many (and 4032 more participants)");
  EXPECT_EQ(kept.report, nullptr) << "it has them all";
}

TEST(FailedCollections, CountWhatTheFailureNames) {
  constexpr size_t kHalf = FailedCollections::kMostBytes / 2 + 1;
  FailedCollections failed;
  for (uint64_t id = 1; id <= 2; ++id) {
    CollectionDetail detail = Failed(id);
    detail.snapshot.failure = core::Failure{.participants = {{1, std::string(kHalf, 'x'), "1"}}};
    failed.Keep(std::move(detail), 100);
  }
  EXPECT_FALSE(failed.Find(1, 100));
  EXPECT_TRUE(failed.Find(2, 100));
}

}  // namespace
}  // namespace sysmem::server
