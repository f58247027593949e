// SPDX-License-Identifier: Apache-2.0
#include "heaps/warm_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace sysmem::heaps {

WarmPool::WarmPool(WarmPoolOptions options, std::shared_ptr<SpareDescriptors> spare, Make make)
    : options_(options), spare_(std::move(spare)), make_(std::move(make)) {}

WarmPool::~WarmPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

std::optional<WarmPool::Ready> WarmPool::Take(uint64_t size_bytes) {
  if (size_bytes > std::min(options_.largest_bytes, options_.bytes)) return std::nullopt;
  if (spare_->limit() == 0) return std::nullopt;
  Sizes::node_type forgotten;  // freed without the lock
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return std::nullopt;
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  Size& size = sizes_[size_bytes];
  Note(size);
  if (sizes_.size() > options_.sizes) forgotten = ForgetOldest();
  std::optional<Ready> ready;
  if (size.items.empty()) {
    ++counts_.misses;
  } else {
    ++counts_.hits;
    ready = std::move(size.items.back().ready);
    size.items.pop_back();
  }
  // Not for each one: a wake-up costs as much as a memfd.
  if (size.items.size() <= Target(size_bytes, size) / 2) work_.notify_one();
  return ready;
}

void WarmPool::Note(Size& size) {
  ++size.taken;
  size.last_taken = ++last_taken_;
}

WarmPool::Sizes::node_type WarmPool::ForgetOldest() {
  const auto oldest = std::min_element(sizes_.begin(), sizes_.end(), [](auto& a, auto& b) {
    return a.second.last_taken < b.second.last_taken;
  });
  return sizes_.extract(oldest);
}

uint64_t WarmPool::Target(uint64_t size_bytes, const Size& size) const {
  const uint64_t share = std::max<uint64_t>(1, options_.buffers / sizes_.size());
  const uint64_t bytes_share = options_.bytes / sizes_.size() / size_bytes;
  return std::min({std::max(size.taken, size.taken_before), share, bytes_share});
}

// A size of which there are fewer than wanted.
std::optional<uint64_t> WarmPool::FindLacking() const {
  if (resting_) return std::nullopt;
  for (const auto& [size_bytes, size] : sizes_) {
    if (size.items.size() < Target(size_bytes, size)) return size_bytes;
  }
  return std::nullopt;
}

// What is above its target, because less is wanted or another size has come to share the budgets;
// for the caller to free without the lock.
std::vector<WarmPool::Item> WarmPool::TakeSurplus() {
  std::vector<Item> surplus;
  for (auto& [size_bytes, size] : sizes_) {
    const size_t target = Target(size_bytes, size);
    while (size.items.size() > target) {
      surplus.push_back(std::move(size.items.back()));
      size.items.pop_back();
    }
  }
  return surplus;
}

void WarmPool::TurnWindow() {
  resting_ = false;
  for (auto& [size_bytes, size] : sizes_) size.taken_before = std::exchange(size.taken, 0);
  // Those that still have some are given up after the next window.
  std::erase_if(sizes_, [](const auto& entry) {
    return entry.second.taken_before == 0 && entry.second.items.empty();
  });
}

std::vector<WarmPool::Item> WarmPool::TakeAll() {
  std::vector<Item> all;
  for (auto& [size_bytes, size] : sizes_) {
    std::move(size.items.begin(), size.items.end(), std::back_inserter(all));
    size.items.clear();
  }
  resting_ = true;
  return all;
}

bool WarmPool::GiveBack() {
  std::vector<Item> unwanted;  // freed without the lock
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return false;
  unwanted = TakeAll();
  return !unwanted.empty();
}

bool WarmPool::WaitUntilFull(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  work_.notify_one();  // it may still be content with half
  return full_.wait_until(lock, deadline, [this] { return !FindLacking(); });
}

WarmPool::Counts WarmPool::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  for (const auto& [size_bytes, size] : sizes_) {
    counts.kept += size.items.size();
    counts.kept_bytes += size.items.size() * size_bytes;
  }
  return counts;
}

absl::StatusOr<WarmPool::Item> WarmPool::MakeOne(uint64_t size_bytes,
                                                 SpareDescriptors::Lease lease) const {
  absl::StatusOr<FreshMemfd> made = make_(size_bytes);
  if (!made.ok()) return made.status();
  Item item{.ready = {.memfd = *std::move(made), .hand_out = std::nullopt},
            .lease = std::move(lease)};
  if (std::optional<SpareDescriptors::Lease> second = spare_->Take()) {
    const FreshMemfd& memfd = item.ready.memfd;
    absl::StatusOr<HandedOut> opened = memfd.marks.Open(memfd.kept, Access::kReadWrite);
    if (!opened.ok()) return opened.status();
    item.ready.hand_out.emplace(OpenedAhead{
        .hand_out = *std::move(opened), .access = Access::kReadWrite, .lease = *std::move(second)});
  }
  return item;
}

// REQUIRES: lock held; returns with it held.
void WarmPool::Add(uint64_t size_bytes, std::unique_lock<std::mutex>& lock) {
  std::optional<SpareDescriptors::Lease> lease = spare_->Take();
  if (!lease) {
    resting_ = true;
    return;
  }
  lock.unlock();
  std::vector<Item> unwanted;
  absl::StatusOr<Item> made = MakeOne(size_bytes, *std::move(lease));
  lock.lock();
  if (!made.ok()) {
    unwanted = TakeAll();  // something is short: do not stand in the way
  } else if (auto size = sizes_.find(size_bytes); size != sizes_.end()) {
    size->second.items.push_back(*std::move(made));
  } else {
    unwanted.push_back(*std::move(made));  // forgotten meanwhile
  }
  lock.unlock();
  unwanted.clear();
  lock.lock();
}

void WarmPool::Run() {
  ::pthread_setname_np(::pthread_self(), "sysmemd-pool");
  // Does not preempt those it works for.
  const sched_param priority{};
  ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &priority);
  std::unique_lock lock(mutex_);
  Clock::time_point window_end = Clock::now() + options_.window;
  while (!stopping_) {
    if (Clock::now() >= window_end) {
      window_end = Clock::now() + options_.window;
      TurnWindow();
    }
    if (std::vector<Item> surplus = TakeSurplus(); !surplus.empty()) {
      lock.unlock();
      surplus.clear();
      lock.lock();
    } else if (const std::optional<uint64_t> lacking = FindLacking()) {
      Add(*lacking, lock);
    } else if (full_.notify_all(); sizes_.empty()) {
      work_.wait(lock);
      window_end = Clock::now() + options_.window;
    } else {
      work_.wait_until(lock, window_end);
    }
  }
}

}  // namespace sysmem::heaps
