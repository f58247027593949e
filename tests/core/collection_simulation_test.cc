// SPDX-License-Identifier: Apache-2.0
//
// Plays random lives of collections and checks what must hold after every single event.
//
// Each life has a seed: clients that mostly behave (and sometimes send anything to anything, close
// twice, name nodes that never were), a heap that answers late or refuses, a clock. A failure
// prints its seed, and leaves a recording for `sysmemctl replay`; SYSMEM_SIMULATION_SEED=<seed>
// plays that life alone, and SYSMEM_SIMULATION_EVENTS=<count> makes the run longer.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "recording/replay.h"
#include "tests/core/collection_checker.h"
#include "tests/core/life_keeper.h"
#include "tests/core/life_recording.h"

namespace sysmem::core::test {
namespace {

// In as many parts, which may be played at the same time.
constexpr uint64_t kEventsInANormalRun = 1'000'000;
constexpr uint64_t kParts = 4;
constexpr size_t kNodesAtMost = 14;

// Invents the next event of a life.
class Fate {
 public:
  explicit Fate(uint64_t seed) : engine_(seed), wildness_(Below(4) == 0 ? 60 : 4) {}

  Event Next(const Checker& checker) {
    const Snapshot& now = checker.now();
    if (checker.under_way() && Below(4) == 0) return HeapAnswer(*checker.under_way());
    if (!checker.buffers().hand_outs.empty() && now.nodes.empty() && Below(4) == 0) {
      return event::Tick{Time()};
    }
    if (now.nodes.empty() || Below(8) == 0) {
      if (const auto end = EndOfSomething(checker)) return *end;
    }
    if (now.nodes.empty()) return WithoutNodes(now, checker);
    if (Below(1000) < wildness_) return Anything(AnyNode(now), checker);
    const NodeSnapshot& node = now.nodes[Below(now.nodes.size())];
    if (!node.connected) return event::Sync{Call(), node.id};
    if (node.released) return event::Close{Call(), node.id, "handle closed"};
    switch (node.kind) {
      case NodeKind::kToken:
        return TokenStep(node, now.nodes.size());
      case NodeKind::kCollection:
        return CollectionStep(node, checker);
      case NodeKind::kGroup:
        return GroupStep(node, now);
    }
    return event::Sync{Call(), node.id};
  }

 private:
  // Somebody lets go of a buffer, or nobody has it any more.
  std::optional<Event> EndOfSomething(const Checker& checker) {
    const std::vector<uint32_t> abandoned = checker.buffers().Abandoned();
    if (!abandoned.empty() && Below(3) == 0) {
      return event::BufferGone{abandoned[Below(abandoned.size())]};
    }
    if (checker.buffers().hand_outs.empty() || Below(3) == 0) return std::nullopt;
    const auto hand_out =
        std::next(checker.buffers().hand_outs.begin(),
                  static_cast<std::ptrdiff_t>(Below(checker.buffers().hand_outs.size())));
    return event::HandOutEnded{hand_out->first.first, hand_out->first.second};
  }

  event::GetVmoInfo Ask() {
    return {.call = Call(),
            .buffer = static_cast<uint32_t>(Below(5)),
            .is_weak = Below(2) == 0,
            .need_weak = Below(2) == 0};
  }

  uint64_t Below(uint64_t bound) { return engine_() % bound; }
  CallId Call() { return ++last_call_; }
  NodeId NewNode() { return ++last_node_; }
  uint32_t Mask() { return Below(3) == 0 ? static_cast<uint32_t>(engine_()) | 1 : kSameRights; }

  NodeId AnyNode(const Snapshot& now) {
    if (Below(5) == 0) return engine_();
    if (Below(5) == 0) return Below(last_node_ + 2);
    if (now.nodes.empty()) return Below(last_node_ + 2);
    return now.nodes[Below(now.nodes.size())].id;
  }

  // Before the beginning, and what late comers still send after the end.
  Event WithoutNodes(const Snapshot& now, const Checker& checker) {
    if (last_node_ == 0 && Below(10) > 0) return CreateRoot();
    if (Below(4) == 0) return Ask();
    if (Below(6) == 0) return event::Tick{Time()};
    if (Below(3) == 0) return event::AllocationFinished{1 + Below(2), std::nullopt};
    return Anything(AnyNode(now), checker);
  }

  Event CreateRoot() {
    return event::CreateRoot{Call(), NewNode(), Below(8) == 0, {"root", Below(9)}};
  }

  Event TokenStep(const NodeSnapshot& node, size_t nodes) {
    if (Below(20) == 0) return event::SetDispensable{Call(), node.id};
    if (Below(12) == 0) return event::SetWeak{Call(), node.id};
    if (Below(30) == 0) return event::SetWeakOk{Call(), node.id, Below(2) == 0};
    const uint64_t choice = Below(10);
    if (choice < 3 && nodes < kNodesAtMost) {
      return event::Duplicate{Call(), node.id, NewNode(), Below(20) == 0 ? 0 : Mask()};
    }
    if (choice < 5 && nodes < kNodesAtMost && Below(6) == 0) {
      return event::CreateTokenGroup{Call(), node.id, NewNode()};
    }
    if (choice == 3 && nodes < kNodesAtMost) {
      event::DuplicateSync e{Call(), node.id, {}, std::vector<uint32_t>{}};
      for (uint64_t i = Below(4); i > 0; --i) {
        e.children.push_back(NewNode());
        e.rights_masks->push_back(Mask());
      }
      return e;
    }
    if (choice < 8) return event::Bind{Call(), node.id, Name()};
    if (choice == 8) return event::Release{Call(), node.id};
    return Courtesy(node.id);
  }

  Event GroupStep(const NodeSnapshot& group, const Snapshot& now) {
    size_t children = 0;
    for (const NodeSnapshot& node : now.nodes) children += node.parent == group.id;
    if (group.ready) {
      if (Below(6) == 0) return event::Release{Call(), group.id};
      return Courtesy(group.id);
    }
    const bool room = now.nodes.size() < kNodesAtMost;
    if (room && children < 3 && Below(3) > 0) {
      return event::CreateChild{Call(), group.id, NewNode(),
                                Below(2) == 0 ? std::nullopt : std::optional(Mask())};
    }
    if (room && children == 0) {
      return event::CreateChildrenSync{
          Call(), group.id, {NewNode(), NewNode()}, std::vector<uint32_t>{Mask(), Mask()}};
    }
    if (children > 0 && Below(2) == 0) return event::AllChildrenPresent{Call(), group.id};
    return Courtesy(group.id);
  }

  Event CollectionStep(const NodeSnapshot& node, const Checker& checker) {
    const uint64_t choice = Below(12);
    if (Below(12) == 0) {
      return event::AttachLifetimeTracking{Call(), node.id, ++last_tracking_,
                                           static_cast<uint32_t>(Below(5))};
    }
    if (checker.now().nodes.size() < kNodesAtMost && Below(8) == 0) {
      return event::AttachToken{Call(), node.id, NewNode(), Mask()};
    }
    if (!node.constraints_set && choice < 8) {
      return NewConstraints(node.id);
    }
    if (!node.weak_ok && Below(node.weak ? 1 : 30) == 0 && node.pending_waits == 0 &&
        !node.allocated) {
      return event::SetWeakOk{Call(), node.id, std::nullopt};
    }
    if (choice < 4) return event::Wait{Below(30) == 0 ? 0 : Call(), node.id};
    if (choice == 4) return event::Check{Call(), node.id};
    if (choice == 5 && !checker.waits().empty()) {
      return event::CancelWait{node.id, checker.waits().begin()->first};
    }
    if (choice == 6) return event::Release{Call(), node.id};
    return Courtesy(node.id);
  }

  // A message that every node takes at any time before Release.
  Event Courtesy(NodeId node) {
    switch (Below(11)) {
      case 10:
        return Ask();
      case 7:
        return event::GetNodeRef{Call(), node};
      case 8:
        return event::AttachNodeTracking{Call(), node, Below(9) != 0};
      case 6:
        return event::IsAlternateFor{Call(), node, Below(last_node_ + 1)};
      case 0:
        return event::SetName{Call(), node, static_cast<uint32_t>(Below(9)), "name"};
      case 1:
        return event::SetDebugClientInfo{Call(), node, "client", Below(9)};
      case 2:
        return event::SetDebugTimeoutLogDeadline{Call(), node, Time()};
      case 3:
        return event::SetVerboseLogging{Call(), node};
      case 4:
        return event::GetBufferCollectionId{Call(), node};
      case 5:
        return event::Tick{Time()};
      default:
        return event::Sync{Call(), node};
    }
  }

  // A message that may be wrong in any way.
  Event Anything(NodeId node, const Checker& checker) {
    switch (Below(32)) {
      case 28:
        return event::AttachLifetimeTracking{Call(), node, Below(2) * ++last_tracking_,
                                             std::nullopt};
      case 29:
        return event::HandOutEnded{Below(9), static_cast<uint32_t>(Below(200))};
      case 30:
        return event::AttachLifetimeTracking{Call(), node, ++last_tracking_, 1};
      case 31:
        return Ask();
      case 25:
        return event::SetDispensable{Call(), node};
      case 26:
        return event::SetWeak{Call(), node};
      case 27:
        return event::SetWeakOk{Call(), node, std::nullopt};
      case 20:
        return event::CreateTokenGroup{Call(), node, Below(4) == 0 ? node : NewNode()};
      case 21:
        return event::CreateChild{Call(), node, Below(4) == 0 ? node : NewNode(), std::nullopt};
      case 22:
        return event::CreateChild{Call(), node, NewNode(), Below(2) * 4};
      case 23:
        return event::CreateChildrenSync{Call(),
                                         node,
                                         {NewNode(), NewNode()},
                                         std::vector<uint32_t>{3, static_cast<uint32_t>(Below(2))}};
      case 24:
        return event::AllChildrenPresent{Call(), node};
      case 18:
        return event::AttachToken{Call(), node, Below(3) == 0 ? node : NewNode(), std::nullopt};
      case 19:
        return event::AttachToken{Call(), node, Below(2) == 0 ? node : NewNode(), Below(2) * 4};
      case 0:
        return event::Close{Call(), node, "session ended"};
      case 1:
        return event::Duplicate{Call(), node, Below(3) == 0 ? node : NewNode(), std::nullopt};
      case 2:
        return event::Duplicate{Call(), node, Below(2) == 0 ? node : 0, Mask()};
      case 3:
        return event::DuplicateSync{Call(), node, {NewNode()}, std::vector<uint32_t>{0}};
      case 4:
        return event::DuplicateSync{Call(), node, {node, node}, std::vector<uint32_t>{1, 1}};
      case 5:
        return event::Bind{Call(), node, std::nullopt};
      case 6:
        return NewConstraints(node);
      case 7:
        return event::Wait{Call(), node};
      case 8:
        return event::CancelWait{
            node, checker.waits().empty() ? engine_() : checker.waits().rbegin()->first};
      case 9:
        return event::Check{Call(), node};
      case 10:
        return event::Release{Call(), node};
      case 11:
        return event::SetName{Call(), node, std::nullopt, "name"};
      case 12:
        return event::SetDebugClientInfo{Call(), node, std::nullopt, 1};
      case 13:
        return event::BadMessage{Call(), node,
                                 Refused(Error::kProtocolDeviation, "2.4", "", "cannot be read")};
      case 14:
        return event::AllocationFinished{Below(4), std::nullopt};
      case 15:
        return event::CreateRoot{Call(), NewNode(), false, {}};
      case 16:
        return event::FailRoot{Failure{.message = "the daemon ends"}};
      case 17:
        return event::HeapsChanged{.heaps = SystemRamOnly()->heaps};
      default:
        return event::SetDebugTimeoutLogDeadline{Call(), node, std::nullopt};
    }
  }

  Event HeapAnswer(AttemptId attempt) {
    event::AllocationFinished e{attempt, std::nullopt};
    if (Below(5) == 0) e.failure = Failure{.error = Error::kNoMemory, .message = "full"};
    return e;
  }

  std::optional<DebugInfo> Name() {
    if (Below(2) == 0) return std::nullopt;
    return DebugInfo{"allocator", Below(9)};
  }

  event::SetConstraints NewConstraints(NodeId node) {
    event::SetConstraints message{Call(), node, SomeConstraints()};
    const uint64_t choice = Below(100);
    if (choice == 0) message.not_a_buffer = "a pipe";
    if (choice > 2) return message;
    // Like those that nearly everybody wants, or of another size.
    BufferMemorySettings& buffer = message.must_match.emplace().buffer;
    buffer.size_bytes = choice * 4096;
    buffer.raw_vmo_size = buffer.size_bytes;
    buffer.heap = {.type = kHeapSystemRam, .id = 0};
    return message;
  }

  std::optional<Constraints> SomeConstraints() {
    const uint64_t choice = Below(12);
    if (choice == 0) return std::nullopt;
    if (choice == 1) return Constraints{};
    if (choice == 2) return Picky(8192);  // conflicts with the others
    Constraints constraints = Camping(1);
    if (Below(4) == 0) constraints.min_buffer_count = Below(8);  // room for those who come later
    return constraints;
  }

  int64_t Time() { return Harness::kBorn + static_cast<int64_t>(Below(60'000'000'000)); }

  std::mt19937_64 engine_;
  uint64_t wildness_;  // how many events of a thousand are anything at all
  CallId last_call_ = 0;
  NodeId last_node_ = 0;
  TrackingId last_tracking_ = 0;
};

std::shared_ptr<const Settings> SmallLimits() {
  auto settings = SystemRamOnly();
  settings->limits.nodes_per_collection = kNodesAtMost + 2;
  return settings;
}

// Plays one life and, for a while, what late comers still send to it.
Life Live(uint64_t seed, Tally* tally) {
  SCOPED_TRACE("SYSMEM_SIMULATION_SEED=" + std::to_string(seed));
  Fate fate(seed);
  Checker checker(tally);
  const std::shared_ptr<const Settings> settings = SmallLimits();
  Collection collection(Harness::kId, settings, Harness::kBorn);
  Life life{.id = Harness::kId, .born_ns = Harness::kBorn};
  const LifeKeeper keeper(life, seed, *settings);
  int late = 0;
  while (late < 8 && life.events.size() < 400 && !testing::Test::HasFailure()) {
    life.events.push_back(fate.Next(checker));
    checker.Sent(life.events.back());
    life.effects.push_back(collection.Handle(life.events.back()));
    checker.Saw(life.effects.back(), collection);
    late += checker.finished();
  }
  // The same events give the same effects.
  Collection replayed(Harness::kId, SmallLimits(), Harness::kBorn);
  for (size_t i = 0; i < life.events.size(); ++i) {
    EXPECT_TRUE(replayed.Handle(life.events[i]) == life.effects[i]) << "event " << i << " replayed";
  }
  EXPECT_EQ(replayed.TakeSnapshot(), checker.now());
  tally->events += life.events.size();
  ++tally->lives;
  if (testing::Test::HasFailure()) ADD_FAILURE() << keeper.Keep();
  return life;
}

std::optional<uint64_t> NumberFrom(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

class CollectionSimulation : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Part, CollectionSimulation, testing::Range<uint64_t>(1, kParts + 1));

TEST_P(CollectionSimulation, KeepsItsPromisesAfterEveryRandomEvent) {
  Tally tally;
  if (const auto seed = NumberFrom("SYSMEM_SIMULATION_SEED")) {
    Live(*seed, &tally);
    return;
  }
  const uint64_t events =
      NumberFrom("SYSMEM_SIMULATION_EVENTS").value_or(kEventsInANormalRun) / kParts;
  for (uint64_t seed = GetParam(); tally.events < events && !HasFailure(); seed += kParts) {
    Live(seed, &tally);
  }
  RecordProperty("lives", std::to_string(tally.lives));
  if (HasFailure()) return;
  EXPECT_GT(tally.grants, tally.lives / 10) << "most lives should come to something";
  EXPECT_GT(tally.conflicts, 100u);
  EXPECT_GT(tally.refusals, 100u);
  EXPECT_GT(tally.heap_refusals, 100u);
  EXPECT_GT(tally.cancelled, 100u);
  EXPECT_GT(tally.late_heap_answers, 20u);
  EXPECT_GT(tally.normal_ends, 100u);
  EXPECT_GT(tally.late_grants, 1000u);
  EXPECT_GT(tally.late_conflicts, 100u);
  EXPECT_GT(tally.domains_fallen, 100u);
  EXPECT_GT(tally.unchosen, 100u);
  EXPECT_GT(tally.second_choices, 10u);
  EXPECT_GT(tally.expendable_fallen, 20u);
  EXPECT_GT(tally.alternates, 20u);
  EXPECT_GT(tally.weak_ends, 20u);
  EXPECT_GT(tally.weak_drops, 20u);
  EXPECT_GT(tally.weak_only_ends, 10u);
  EXPECT_GT(tally.outlived, 1000u);
  EXPECT_GT(tally.trackings_ended, 1000u);
  EXPECT_GT(tally.weak_infos, 20u);
  EXPECT_GT(tally.too_late, 20u);
  EXPECT_GT(tally.leaks, 5u);
}

// A broken promise leaves such a file behind.
TEST(CollectionSimulation, LeavesRecordingsThatComeToTheSame) {
  Tally tally;
  uint64_t events = 0;
  recording::Replay replay;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const Life life = Live(seed, &tally);
    events += life.events.size();
    for (const std::string& line : LinesOf(life, "test", *SmallLimits())) {
      ASSERT_TRUE(replay.Take(std::string_view(line).substr(0, line.size() - 1)))
          << "seed " << seed << ": " << replay.mistake();
    }
  }
  EXPECT_EQ(replay.collections(), 50u);
  EXPECT_EQ(replay.events(), events);
}

TEST(CollectionSimulationDeathTest, LeavesARecordingWhenASanitizerEndsIt) {
  if (!LifeKeeper::CallBeforeDeath(nullptr)) GTEST_SKIP() << "built without a sanitizer";
  const auto die_in_the_middle = [] {
    const std::shared_ptr<const Settings> settings = SmallLimits();
    Life life{.id = Harness::kId, .born_ns = Harness::kBorn};
    const LifeKeeper keeper(life, 4711, *settings);
    life.events.push_back(event::CreateRoot{.call = 1, .node = 1});
    *static_cast<volatile int*>(nullptr) = 1;
  };
  EXPECT_DEATH(die_in_the_middle(), "SYSMEM_SIMULATION_SEED=4711\nplay it again: ");
  const std::string path = testing::TempDir() + "life-4711.recording";
  std::ifstream file(path);
  std::string line;
  size_t lines = 0;
  while (std::getline(file, line)) ++lines;
  EXPECT_EQ(lines, 3u) << "header, begin, and the event that nobody survived";
  std::remove(path.c_str());
}

}  // namespace
}  // namespace sysmem::core::test
