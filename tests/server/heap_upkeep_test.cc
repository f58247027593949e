// SPDX-License-Identifier: Apache-2.0
#include "server/heap_upkeep.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "server/event_loop.h"
#include "tests/support/patience.h"

namespace sysmem::server {
namespace {

// Counts how often it is maintained, and says each time when it wants to be next.
class CountingHeap final : public heaps::Heap {
 public:
  using Next = std::function<int64_t(int calls, int64_t now_ns)>;
  explicit CountingHeap(Next next) : next_(std::move(next)) {}

  const core::HeapProperties& properties() const override { return properties_; }
  absl::StatusOr<std::unique_ptr<heaps::Buffer>> Allocate(const heaps::AllocateRequest&) override {
    return absl::UnimplementedError("makes no buffers");
  }
  int64_t Maintain(int64_t now_ns) override {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
    return next_(++calls_, now_ns);
  }
  void OnMaintenanceDue(std::function<void()> due) override { due_ = std::move(due); }

  void Ask() { due_(); }
  int calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  bool AwaitCalls(int calls) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, testing::kPatience, [&] { return calls_ >= calls; });
  }

 private:
  const core::HeapProperties properties_;
  const Next next_;
  std::function<void()> due_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  int calls_ = 0;
};

int64_t Never(int, int64_t) { return heaps::kNever; }

TEST(HeapUpkeepTest, CallsAHeapAtOnceAndThenWhenItWantsIt) {
  const auto busy = std::make_shared<CountingHeap>(
      [](int calls, int64_t now_ns) { return calls < 4 ? now_ns + 1'000'000 : heaps::kNever; });
  const auto idle = std::make_shared<CountingHeap>(Never);
  HeapUpkeep upkeep;
  upkeep.Add(idle);
  upkeep.Add(busy);
  EXPECT_GE(busy->calls(), 1);
  EXPECT_TRUE(busy->AwaitCalls(4));
  upkeep.Stop();
  EXPECT_EQ(busy->calls(), 4);
  EXPECT_EQ(idle->calls(), 1);
}

TEST(HeapUpkeepTest, CallsNoHeapBeforeItsTime) {
  const int64_t hour_ns = 3'600'000'000'000;
  const auto late =
      std::make_shared<CountingHeap>([&](int, int64_t now_ns) { return now_ns + hour_ns; });
  const auto early = std::make_shared<CountingHeap>(
      [](int calls, int64_t now_ns) { return calls < 3 ? now_ns : heaps::kNever; });
  HeapUpkeep upkeep;
  upkeep.Add(late);
  upkeep.Add(early);
  EXPECT_TRUE(early->AwaitCalls(3));
  EXPECT_EQ(late->calls(), 1);
}

TEST(HeapUpkeepTest, CallsAHeapThatAsksForIt) {
  const auto heap = std::make_shared<CountingHeap>(Never);
  HeapUpkeep upkeep;
  upkeep.Add(heap);
  EXPECT_EQ(heap->calls(), 1);
  heap->Ask();
  EXPECT_TRUE(heap->AwaitCalls(2));
  heap->Ask();
  EXPECT_TRUE(heap->AwaitCalls(3));
}

TEST(HeapUpkeepTest, ForgetsNoAskingThatComesWhileItCalls) {
  std::shared_ptr<CountingHeap> heap;
  heap = std::make_shared<CountingHeap>([&heap](int calls, int64_t) {
    if (calls > 1 && calls < 5) heap->Ask();
    return heaps::kNever;
  });
  HeapUpkeep upkeep;
  upkeep.Add(heap);
  heap->Ask();
  EXPECT_TRUE(heap->AwaitCalls(5));
}

TEST(HeapUpkeepTest, LetsHeapsAskWhenItHasStopped) {
  const auto heap = std::make_shared<CountingHeap>(Never);
  {
    HeapUpkeep upkeep;
    upkeep.Add(heap);
    upkeep.Stop();
    heap->Ask();
  }
  heap->Ask();
  EXPECT_EQ(heap->calls(), 1);
}

}  // namespace
}  // namespace sysmem::server
