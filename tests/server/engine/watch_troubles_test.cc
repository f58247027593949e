// SPDX-License-Identifier: Apache-2.0
//
// What NextEvents tells of heaps, of allocations that do not come, and of buffers that stay.
#include <poll.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "server/collection_host.h"
#include "server/internals.h"
#include "tests/server/engine/provider_harness.h"

namespace sysmem::server {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 2000;
constexpr Handle kStrong = 1;
constexpr Handle kWeak = 2;
constexpr int64_t kHourNs = 3'600'000'000'000;

std::optional<WatchedEvents> Ask(TestClient& client, std::optional<uint64_t> after) {
  const OperationResult& result = client.Do(op::NextEvents{.after = after});
  const auto* const events = std::get_if<WatchedEvents>(&result);
  EXPECT_NE(events, nullptr);
  return events != nullptr ? std::optional(*events) : std::nullopt;
}

// How many events there were that this client may see.
uint64_t Seen(TestClient& client) {
  const auto events = Ask(client, std::nullopt);
  return events ? events->next_after : 0;
}

// Follows the events from where they were when it was made.
class Reader {
 public:
  explicit Reader(TestClient& client) : client_(client), after_(Seen(client)) {}

  // The next event of this kind; waits for it.
  std::optional<WatchEvent> Await(WatchKind kind) {
    while (true) {
      const auto watched = Ask(client_, after_);
      if (!watched) return std::nullopt;
      const auto found = std::find_if(watched->events.begin(), watched->events.end(),
                                      [&](const auto& one) { return one.event.kind == kind; });
      after_ = found != watched->events.end() ? found->number : watched->next_after;
      if (found != watched->events.end()) return found->event;
    }
  }

 private:
  TestClient& client_;
  uint64_t after_;
};

TEST(WatchingHeaps, AProviderIsToldWhenItComesAndWhenItGoes) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  Reader reader(alice);
  TestProvider provider(engine);
  provider.Serve();
  const std::optional<WatchEvent> came = reader.Await(WatchKind::kProviderCame);
  ASSERT_TRUE(came);
  EXPECT_EQ(came->heap.type, kProvided);
  EXPECT_FALSE(came->peer.known) << "whose it is only its user and the daemon's may see";
  provider.Die();
  const std::optional<WatchEvent> went = reader.Await(WatchKind::kProviderWent);
  ASSERT_TRUE(went);
  EXPECT_EQ(went->heap.type, kProvided);
}

TEST(WatchingHeaps, TheKernelsHeapsAreToldWhenTheyBecomeUsableAndWhenTheyDoNotAnyMore) {
  const std::string type = "linux.sysmem.heap.HEAP_TYPE.TEST";
  TestEngine engine;
  TestClient alice(engine, kAlice);
  Reader reader(alice);
  heaps::FoundHeap found;
  found.heap = engine.engine().options().heaps.front();
  found.properties.heap.type = type;
  found.node.path = "/dev/dma_heap/test";
  engine.engine().SetDeviceHeaps({found});
  const std::optional<WatchEvent> usable = reader.Await(WatchKind::kHeapUsable);
  ASSERT_TRUE(usable);
  EXPECT_EQ(usable->heap.type, type);
  engine.engine().SetDeviceHeaps({});
  const std::optional<WatchEvent> unusable = reader.Await(WatchKind::kHeapUnusable);
  ASSERT_TRUE(unusable);
  EXPECT_EQ(unusable->heap.type, type);
}

TEST(WatchingTroubles, AnAllocationThatDoesNotComeIsToldWithWhoIsMissing) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  Reader reader(alice);
  const uint64_t strangers = Seen(bob);
  ASSERT_OK(alice.Do(op::AllocateNonSharedCollection{kStrong}));
  ASSERT_OK(alice.Do(Message(kStrong, core::event::SetDebugClientInfo{.name = "hesitant"})));
  const auto host = engine.engine().internals().Collections().front();
  host->PostEvent(core::event::Tick{EventLoop::NowNs() + kHourNs}, {});
  const std::optional<WatchEvent> slow = reader.Await(WatchKind::kAllocationSlow);
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->buffer_collection_id, host->id());
  EXPECT_THAT(slow->message, HasSubstr("waiting for"));
  EXPECT_THAT(slow->message, HasSubstr("\"hesitant\""));
  EXPECT_THAT(slow->message, HasSubstr("constraints not set"));
  EXPECT_EQ(Seen(bob), strangers) << "it is not his";
}

TEST(WatchingTroubles, AWeakBufferThatIsKeptIsToldWithWhoKeepsIt_END_6) {
  TestEngine engine;
  TestClient alice(engine, kAlice);
  TestClient bob(engine, kBob);
  Reader reader(alice);
  const uint64_t strangers = Seen(bob);
  ASSERT_OK(alice.Do(op::AllocateSharedCollection{kStrong, false}));
  ASSERT_OK(alice.Do(op::Duplicate{kStrong, core::kSameRights, kWeak, false}));
  ASSERT_OK(alice.Do(Message<core::event::SetWeak>(kWeak)));
  for (const Handle handle : {kStrong, kWeak}) {
    ASSERT_OK(alice.Do(op::BindSharedCollection{handle, std::nullopt, handle}));
    ASSERT_OK(alice.Do(SetConstraints(handle, CpuConstraints(handle == kStrong ? 1 : 0))));
  }
  ASSERT_OK(alice.Do(Message(kWeak, core::event::SetDebugClientInfo{.name = "hoarder"})));
  const OperationResult& granted = alice.Do(Wait(kWeak));
  ASSERT_OK(granted);
  const base::UniqueFd kept = alice.Take(std::get<GrantedBuffers>(granted).descriptors.front());
  const base::UniqueFd last = alice.Take(std::get<GrantedBuffers>(granted).close_weak_asap.front());
  const auto host = engine.engine().internals().Collections().front();
  ASSERT_OK(alice.Do(op::CloseHandle{kStrong}));
  pollfd nothing_strong_is_left{.fd = last.get(), .events = 0, .revents = 0};
  ASSERT_EQ(::poll(&nothing_strong_is_left, 1, -1), 1);
  for (const int64_t later_ns : {int64_t{0}, kHourNs}) {
    host->PostEvent(core::event::Tick{EventLoop::NowNs() + later_ns}, {});
  }
  const std::optional<WatchEvent> held = reader.Await(WatchKind::kWeakBufferHeld);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->debug_name, "hoarder");
  EXPECT_EQ(held->buffer_index, 0u);
  EXPECT_EQ(held->peer.uid, kAlice);
  EXPECT_THAT(held->message, HasSubstr("END-6"));
  EXPECT_EQ(Seen(bob), strangers) << "it is not his";
}

}  // namespace
}  // namespace sysmem::server
