// SPDX-License-Identifier: Apache-2.0
//
// Plays random lives of sessions against an engine: collections shared by exporting and importing
// nodes, groups and attached tokens, calls that arrive shuffled or twice or never, heaps that
// refuse, clients that die with everything in their hands.
//
// After every call: nothing was answered twice, and no two things the daemon said to a session have
// the same place in its order. At the end of every life: every call that was delivered is answered.
// At the end of all: no node, collection, travelling end, reference, tracking end or buffer is
// left.
//
// A failure prints its seed; SYSMEM_SIMULATION_SEED=<seed> plays that one alone.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using core::NodeKind;

constexpr size_t kActors = 4;
constexpr size_t kHandlesAtMost = 12;
constexpr size_t kTravellingAtMost = 16;
constexpr size_t kShuffledAtMost = 6;
constexpr size_t kWatchedAtMost = 64;
constexpr uint64_t kCallsOfASeed = 75'000;

// Refuses some of what it is asked for.
class MoodyHeap final : public heaps::Heap {
 public:
  MoodyHeap(std::shared_ptr<heaps::Heap> inner, uint64_t seed)
      : inner_(std::move(inner)), moods_(seed) {}
  const core::HeapProperties& properties() const override { return inner_->properties(); }
  absl::StatusOr<std::unique_ptr<heaps::Buffer>> Allocate(
      const heaps::AllocateRequest& request) override {
    {
      std::lock_guard lock(mutex_);
      if (moods_() % 16 == 0) return absl::ResourceExhaustedError("the heap is in a mood");
    }
    return inner_->Allocate(request);
  }

 private:
  const std::shared_ptr<heaps::Heap> inner_;
  std::mutex mutex_;
  std::mt19937_64 moods_;
};

struct Tally {
  uint64_t calls = 0;
  uint64_t lives = 0;
  uint64_t grants = 0;
  uint64_t refusals = 0;
  uint64_t exports = 0;
  uint64_t imports = 0;
  uint64_t out_of_order = 0;
  uint64_t aborted = 0;
  uint64_t references = 0;
  uint64_t matches = 0;
};

// What all actors of a world share.
struct World {
  explicit World(uint64_t seed)
      : random(seed), engine(Limits(), [seed](TestEngine::Heap heap) {
          return std::make_shared<MoodyHeap>(std::move(heap), seed);
        }) {}
  // Room for what is kept for nodes, which live long here.
  static EngineLimits Limits() {
    EngineLimits limits = LimitsFor(1024);
    limits.held_descriptors = 400;
    return limits;
  }
  uint64_t Below(uint64_t bound) { return random() % bound; }

  std::mt19937_64 random;
  TestEngine engine;
  std::vector<base::UniqueFd> travelling;
  std::vector<base::UniqueFd> references;  // to nodes that may be gone by now
  std::vector<base::UniqueFd> buffers;     // of collections that may be
  std::vector<base::UniqueFd> watched;     // read ends of tracking ends
  Tally tally;
};

class Actor {
 public:
  explicit Actor(World& world) : world_(world), client_(world.engine) {}

  // One call more under way, or one further on its way. False: the session is over.
  bool Step() {
    if (undelivered_.size() < kShuffledAtMost && Below(3) != 0) {
      Invent();
    } else {
      Deliver();
    }
    Collect();
    return !over_ && !::testing::Test::HasFailure();
  }

  // Leaves, mostly after all it had to say; sometimes in the middle of it.
  void Die() {
    const bool in_the_middle = Below(4) == 0;
    while (!undelivered_.empty() && !in_the_middle && !over_) Deliver();
    Collect();
    client_.channel().reset();
    for (const auto& port : outstanding_) {
      if (!port->Wait()) ADD_FAILURE() << "a call that was delivered is never answered";
    }
    Collect();
    ++world_.tally.lives;
  }

 private:
  struct Held {
    Handle handle;
    NodeKind kind;
  };
  struct Undelivered {
    uint64_t number;
    std::vector<Operation> operations;
  };

  uint64_t Below(uint64_t bound) { return world_.Below(bound); }
  Handle NewHandle() { return client_.NewHandle(); }

  void Queue(const AnyOperation& operation) {
    undelivered_.push_back({client_.NextNumber(), {operation.value()}});
  }
  void QueueWithTheLast(const AnyOperation& operation) {
    if (undelivered_.empty()) return Queue(operation);
    undelivered_.back().operations.push_back(operation.value());
  }

  void Deliver() {
    if (undelivered_.empty()) return;
    const size_t which = Below(std::min<size_t>(undelivered_.size(), kShuffledAtMost));
    world_.tally.out_of_order += which > 0;
    const auto at = undelivered_.begin() + static_cast<ptrdiff_t>(which);
    const uint64_t number = at->number;
    outstanding_.push_back(client_.SendAs(number, std::move(at->operations)));
    undelivered_.erase(at);
    ++world_.tally.calls;
    if (Below(3000) == 0) {  // once more, which ends the session
      outstanding_.push_back(client_.SendAs(number, {op::Ping{}}));
    }
  }

  void Collect() {
    std::erase_if(outstanding_, [this](const std::shared_ptr<TestPort>& port) {
      if (!port->answered()) return false;
      EXPECT_EQ(port->answers(), 1) << "a call was answered twice";
      if (!port->abort_reason().empty()) {
        ++world_.tally.aborted;
        over_ = true;
        return true;
      }
      const Reply& reply = port->reply();
      EXPECT_TRUE(orders_.insert(reply.order).second) << "two replies have place " << reply.order;
      for (const OperationResult& result : reply.results) Take(result);
      return true;
    });
  }

  void Take(const OperationResult& result) {
    if (std::holds_alternative<core::Failure>(result)) ++world_.tally.refusals;
    if (const auto* exported = std::get_if<ExportedNodes>(&result)) {
      for (const DescriptorNumber number : exported->descriptors) {
        base::UniqueFd end = client_.Take(number);
        if (!end || world_.travelling.size() >= kTravellingAtMost) continue;
        world_.travelling.push_back(std::move(end));
        ++world_.tally.exports;
      }
    } else if (const auto* granted = std::get_if<GrantedBuffers>(&result)) {
      ++world_.tally.grants;
      for (const DescriptorNumber number : granted->descriptors) {
        Keep(client_.Take(number), world_.buffers);
      }
    } else if (const auto* reference = std::get_if<NodeReference>(&result)) {
      Keep(client_.Take(reference->descriptor), world_.references);
      ++world_.tally.references;
    }
  }

  static void Keep(base::UniqueFd fd, std::vector<base::UniqueFd>& kept) {
    if (!fd) return;
    if (kept.size() == kTravellingAtMost) kept.erase(kept.begin());
    kept.push_back(std::move(fd));
  }

  // ---- What it says

  void Invent() {
    if (Below(200) == 0) return Anything();
    if (held_.empty() || (held_.size() < 4 && Below(8) == 0)) return Begin();
    const size_t which = Below(held_.size());
    const Held held = held_[which];
    if (held_.size() >= kHandlesAtMost || Below(16) == 0) return Leave(which);
    if (Below(10) == 0) return Anywhere(held);
    switch (held.kind) {
      case NodeKind::kToken:
        return TokenStep(which);
      case NodeKind::kCollection:
        return CollectionStep(held);
      case NodeKind::kGroup:
        return GroupStep(which);
    }
  }

  void Begin() {
    const Handle handle = NewHandle();
    if (!world_.travelling.empty() && Below(3) != 0) {
      const size_t which = Below(world_.travelling.size());
      std::swap(world_.travelling[which], world_.travelling.back());
      const DescriptorNumber number = client_.Push(std::move(world_.travelling.back()));
      world_.travelling.pop_back();
      ++world_.tally.imports;
      held_.push_back({handle, NodeKind::kToken});
      return Queue(op::Import{number, handle, std::nullopt});
    }
    if (Below(6) == 0) {
      held_.push_back({handle, NodeKind::kCollection});
      return Queue(op::AllocateNonSharedCollection{handle});
    }
    held_.push_back({handle, NodeKind::kToken});
    Queue(op::AllocateSharedCollection{handle, false});
    if (Below(4) == 0) QueueWithTheLast(Message<core::event::GetNodeRef>(handle));
  }

  void Leave(size_t which) {
    const Held held = held_[which];
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(which));
    if (Below(2) == 0) return Queue(op::Export{held.handle});
    if (Below(4) != 0) {
      Queue(Release(held.handle));
      if (Below(2) == 0) return QueueWithTheLast(op::CloseHandle{held.handle});
    }
    Queue(op::CloseHandle{held.handle});
  }

  void Anywhere(const Held& held) {
    switch (Below(9)) {
      case 6:
        return Queue(Message<core::event::GetNodeRef>(held.handle));
      case 7:
        return Compare(held.handle);
      case 8:
        return Track(held.handle);
      case 0:
        return Queue(Message<core::event::SetName>(held.handle, {0, 0, Below(9), "name"}));
      case 1:
        return Queue(Message<core::event::SetDebugClientInfo>(held.handle, {0, 0, "actor", 7}));
      case 2:
        return Queue(Message<core::event::SetVerboseLogging>(held.handle));
      case 3:
        return Queue(Message<core::event::GetBufferCollectionId>(held.handle));
      case 4:
        return Queue(op::Ping{});
      default:
        return Queue(Sync(held.handle));
    }
  }

  void Compare(Handle handle) {
    if (world_.references.empty()) return Queue(Sync(handle));
    // The youngest is the likeliest to be of the same collection.
    const base::UniqueFd& any = Below(2) == 0 ? world_.references.back()
                                              : world_.references[Below(world_.references.size())];
    Queue(Message<core::event::IsAlternateFor>(handle, {}, client_.Push(base::Dup(any))));
  }

  void Track(Handle handle) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    base::UniqueFd read(ends[0]);
    const DescriptorNumber write = client_.Push(base::UniqueFd(ends[1]));
    if (world_.watched.size() < kWatchedAtMost) {
      world_.watched.push_back(std::move(read));
    } else {
      world_.watched[Below(kWatchedAtMost)] = std::move(read);
    }
    Queue(Message<core::event::AttachNodeTracking>(handle, {}, write));
  }

  void TokenStep(size_t which) {
    const Handle token = held_[which].handle;
    const uint64_t choice = Below(10);
    if (choice < 2) {
      const Handle child = NewHandle();
      held_.push_back({child, NodeKind::kToken});
      return Queue(op::Duplicate{token, core::kSameRights, child, false});
    }
    if (choice == 2) return Queue(op::Duplicate{token, core::kSameRights, std::nullopt, true});
    if (choice == 3 && Below(2) == 0) {
      const Handle group = NewHandle();
      held_.push_back({group, NodeKind::kGroup});
      return Queue(op::CreateTokenGroup{token, group, false});
    }
    if (choice == 4) return Queue(Message<core::event::SetDispensable>(token));
    if (choice == 5 && Below(4) == 0) return Queue(Message<core::event::SetWeak>(token));
    held_[which].kind = NodeKind::kCollection;
    Queue(op::BindSharedCollection{token, std::nullopt, token});
    QueueWithTheLast(Below(8) == 0 ? ConstraintsToMatch(token) : SetConstraints(token, Needs()));
    if (Below(2) == 0) QueueWithTheLast(Wait(token));
  }

  // Like some buffer, or like what is none.
  AnyOperation ConstraintsToMatch(Handle handle) {
    const std::vector<base::UniqueFd>& some = Below(10) == 0 ? world_.references : world_.buffers;
    if (some.empty()) return SetConstraints(handle, Needs());
    const DescriptorNumber buffer = client_.Push(base::Dup(some[Below(some.size())]));
    ++world_.tally.matches;
    return Message<core::event::SetConstraints>(handle, {0, 0, Needs()}, buffer);
  }

  void CollectionStep(const Held& held) {
    switch (Below(6)) {
      case 0: {
        const Handle child = NewHandle();
        held_.push_back({child, NodeKind::kToken});
        return Queue(op::AttachToken{held.handle, core::kSameRights, child, false});
      }
      case 1:
        return Queue(op::AttachToken{held.handle, core::kSameRights, std::nullopt, true});
      case 2:
        return Queue(op::CancelWait{client_.last_number() > 3 ? client_.last_number() - 3 : 1});
      case 3:
        return Queue(Message<core::event::Check>(held.handle));
      default:
        return Queue(Wait(held.handle));
    }
  }

  void GroupStep(size_t which) {
    const Handle group = held_[which].handle;
    if (Below(3) != 0) {
      const Handle child = NewHandle();
      held_.push_back({child, NodeKind::kToken});
      return Queue(op::CreateChild{group, core::kSameRights, child, false});
    }
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(which));
    Queue(Message<core::event::AllChildrenPresent>(group));
    QueueWithTheLast(Release(group));
    QueueWithTheLast(op::CloseHandle{group});
  }

  // A message that may be wrong.
  void Anything() {
    const Handle handle = held_.empty() || Below(2) == 0 ? Below(50) : held_.back().handle;
    switch (Below(8)) {
      case 0:
        return Queue(SetConstraints(handle, Needs()));
      case 1:
        return Queue(Wait(handle));
      case 2:
        return Queue(op::Import{Below(9), handle, std::nullopt});
      case 3:
        return Queue(op::BindSharedCollection{handle, std::nullopt, Below(9)});
      case 4:
        return Queue(op::Duplicate{handle, std::nullopt, handle, false});
      case 5:
        return Queue(Message<core::event::AllChildrenPresent>(handle));
      case 6:
        return Queue(op::Export{handle});
      default:
        return Queue(op::CloseHandle{handle});
    }
  }

  core::Constraints Needs() {
    core::Constraints constraints = CpuConstraints(static_cast<uint32_t>(Below(3)));
    constraints.min_buffer_count = 1 + static_cast<uint32_t>(Below(4));
    if (Below(10) == 0) constraints.memory->max_size_bytes = 4096;
    if (Below(10) == 0) constraints.memory->min_size_bytes = 8192;
    return constraints;
  }

  World& world_;
  TestClient client_;
  std::vector<Held> held_;
  std::deque<Undelivered> undelivered_;
  std::vector<std::shared_ptr<TestPort>> outstanding_;
  std::set<uint64_t> orders_;
  bool over_ = false;
};

bool NothingIsLeft(TestClient& observer) {
  const OperationResult& result = observer.Do(op::InspectStatus{});
  const auto* status = std::get_if<StatusInfo>(&result);
  if (status == nullptr) return false;
  const auto held =
      std::find_if(status->limits.begin(), status->limits.end(),
                   [](const NamedLimit& limit) { return limit.name == "held_descriptors"; });
  return held != status->limits.end() && held->used == 0 && status->sessions == 1 &&
         status->collections == 0 && status->nodes == 0 && status->exported_nodes == 0 &&
         status->live_buffers == 0;
}

Tally Play(uint64_t seed) {
  SCOPED_TRACE("SYSMEM_SIMULATION_SEED=" + std::to_string(seed));
  World world(seed);
  std::vector<std::unique_ptr<Actor>> actors(kActors);
  while (world.tally.calls < kCallsOfASeed && !::testing::Test::HasFailure()) {
    std::unique_ptr<Actor>& actor = actors[world.Below(kActors)];
    if (!actor) actor = std::make_unique<Actor>(world);
    if (actor->Step() && world.Below(1500) != 0) continue;
    actor->Die();
    actor.reset();
  }
  for (std::unique_ptr<Actor>& actor : actors) {
    if (actor) actor->Die();
  }
  actors.clear();
  world.travelling.clear();
  world.buffers.clear();
  TestClient observer(world.engine);
  EXPECT_TRUE(testing::Eventually([&] { return NothingIsLeft(observer); }))
      << "something is left of clients that are gone";
  for (const base::UniqueFd& read : world.watched) {
    pollfd poller{read.get(), 0, 0};
    EXPECT_TRUE(::poll(&poller, 1, static_cast<int>(kPatience.count()) * 1000) == 1 &&
                (poller.revents & POLLHUP) != 0)
        << "a tracking end outlives its node";
  }
  return world.tally;
}

class SessionSimulation : public ::testing::TestWithParam<uint64_t> {};

TEST_P(SessionSimulation, KeepsItsPromisesAfterEveryRandomCall) {
  if (const char* seed = std::getenv("SYSMEM_SIMULATION_SEED")) {
    Play(std::strtoull(seed, nullptr, 10));
    return;
  }
  const Tally tally = Play(GetParam());
  if (HasFailure()) return;
  EXPECT_GT(tally.lives, 10u);
  EXPECT_GT(tally.grants, 200u);
  EXPECT_GT(tally.refusals, 200u);
  EXPECT_GT(tally.exports, 100u);
  EXPECT_GT(tally.imports, 100u);
  EXPECT_GT(tally.out_of_order, 5000u);
  EXPECT_GT(tally.aborted, 10u);
  EXPECT_GT(tally.references, 10u);
  EXPECT_GT(tally.matches, 100u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SessionSimulation, ::testing::Range<uint64_t>(1, 5));

}  // namespace
}  // namespace sysmem::server
