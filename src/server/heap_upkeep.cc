// SPDX-License-Identifier: Apache-2.0
#include "server/heap_upkeep.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "server/event_loop.h"

namespace sysmem::server {
namespace {

// Of the clock that EventLoop::NowNs reads.
std::chrono::steady_clock::time_point At(int64_t ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
}

}  // namespace

class HeapUpkeep::Schedule {
 public:
  void Add(std::shared_ptr<heaps::Heap> heap) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    entries_.push_back({std::move(heap), heaps::kNever});
  }

  // The heap wants to be called by then, whatever it said before.
  void CallBy(const heaps::Heap* heap, int64_t due_ns) {
    if (due_ns == heaps::kNever) return;
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    for (Entry& entry : entries_) {
      if (entry.heap.get() == heap) entry.due_ns = std::min(entry.due_ns, due_ns);
    }
    if (!thread_.joinable()) Start();
    changed_.notify_one();
  }

  void Stop() {
    std::thread thread;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      thread.swap(thread_);
    }
    changed_.notify_one();
    if (thread.joinable()) thread.join();
    // Heaps may end here, without the lock.
    std::vector<Entry> left;
    const std::lock_guard lock(mutex_);
    left.swap(entries_);
  }

 private:
  struct Entry {
    std::shared_ptr<heaps::Heap> heap;
    int64_t due_ns = heaps::kNever;
  };

  // Where the system has no thread to give now, whoever calls next tries again. REQUIRES: mutex_
  // held.
  void Start() {
    try {
      thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "sysmemd-upkeep");
        Run();
      });
    } catch (const std::system_error&) {
    }
  }

  void Run() {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      const auto next =
          std::min_element(entries_.begin(), entries_.end(),
                           [](const Entry& a, const Entry& b) { return a.due_ns < b.due_ns; });
      if (next == entries_.end() || next->due_ns == heaps::kNever) {
        changed_.wait(lock);
        continue;
      }
      const int64_t now_ns = EventLoop::NowNs();
      if (next->due_ns > now_ns) {
        changed_.wait_until(lock, At(next->due_ns));
        continue;
      }
      // What comes meanwhile makes it due again.
      next->due_ns = heaps::kNever;
      const std::shared_ptr<heaps::Heap> heap = next->heap;
      lock.unlock();
      const int64_t due_ns = heap->Maintain(now_ns);
      lock.lock();
      for (Entry& entry : entries_) {
        if (entry.heap == heap) entry.due_ns = std::min(entry.due_ns, due_ns);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::vector<Entry> entries_;
  std::thread thread_;
  bool stopped_ = false;
};

HeapUpkeep::HeapUpkeep() : schedule_(std::make_shared<Schedule>()) {}
HeapUpkeep::~HeapUpkeep() { Stop(); }

void HeapUpkeep::Add(std::shared_ptr<heaps::Heap> heap) {
  const heaps::Heap* const which = heap.get();
  heap->OnMaintenanceDue([weak = std::weak_ptr(schedule_), which] {
    if (const auto schedule = weak.lock()) schedule->CallBy(which, EventLoop::NowNs());
  });
  const int64_t due_ns = heap->Maintain(EventLoop::NowNs());
  schedule_->Add(std::move(heap));
  schedule_->CallBy(which, due_ns);
}

void HeapUpkeep::Stop() { schedule_->Stop(); }

}  // namespace sysmem::server
