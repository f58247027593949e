// SPDX-License-Identifier: Apache-2.0
#include "heaps/warm_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

namespace sysmem::heaps {
namespace {

// Some microseconds of trying: longer than the pool's thread holds the lock while it runs.
constexpr int kTriesToLock = 100;

// As in the gate: how much memory is available is not asked for each small buffer.
constexpr std::chrono::milliseconds kBudgetLifetime(100);

// From here on clearing a buffer takes much longer than the system calls around it.
constexpr uint64_t kLargeBytes = 256 << 10;

constexpr std::string_view kPressure = "memory pressure";
constexpr std::string_view kAllocationRefused = "an allocation that was refused";
constexpr std::string_view kMakerRefused = "a buffer that could not be made ahead of time";
constexpr std::string_view kNoSpareDescriptors = "the limit spare_descriptors";

}  // namespace

WarmPool::WarmPool(WarmPoolOptions options, std::shared_ptr<SpareDescriptors> spare,
                   Sources sources)
    : options_(options), spare_(std::move(spare)), sources_(std::move(sources)) {}

WarmPool::~WarmPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

// --- For everybody ---

std::optional<WarmPool::Ready> WarmPool::Take(uint64_t size_bytes) {
  if (size_bytes > options_.bytes || spare_->limit() == 0) return std::nullopt;
  std::unique_lock lock(mutex_, std::defer_lock);
  for (int tries = 0; tries < kTriesToLock && !lock; ++tries) (void)lock.try_lock();
  if (!lock) return std::nullopt;
  if (!thread_.joinable() && !Start()) return std::nullopt;
  Size& size = sizes_[size_bytes];
  ++size.taken;
  size.last_taken = ++last_taken_;
  if (sizes_.size() > options_.sizes) ForgetOldest();
  std::optional<Ready> ready;
  if (size.items.empty()) {
    ++misses_;
  } else {
    ++hits_;
    ready = std::move(size.items.back().ready);
    size.items.pop_back();
  }
  if (size_bytes >= kLargeBytes) ExpectMoreSoon();
  // Not for each small one: a wake-up costs as much as making it.
  if (size_bytes >= kLargeBytes ? settled_ : size.items.size() <= size.target / 2) {
    settled_ = false;
    work_.notify_one();
  }
  return ready;
}

// False: the system has no thread to give now.
bool WarmPool::Start() {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

bool WarmPool::GiveBack() {
  std::vector<Item> unwanted;  // freed without the lock
  const std::lock_guard lock(mutex_);
  DoomAll();
  StartRest(kAllocationRefused, options_.window);
  unwanted.swap(doomed_);
  return !unwanted.empty();
}

bool WarmPool::OnPressure() {
  const std::lock_guard lock(mutex_);
  const bool is_news = !rest_ || rest_->why != kPressure || Clock::now() >= rest_->until;
  DoomAll();
  StartRest(kPressure, options_.pressure_rest);
  if (!doomed_.empty()) work_.notify_one();
  return is_news;
}

bool WarmPool::WaitUntilFull(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return true;
  settled_ = false;  // it may still be content with half
  work_.notify_one();
  return full_.wait_until(lock, deadline, [this] { return settled_; });
}

KeptReady WarmPool::kept() const {
  const std::lock_guard lock(mutex_);
  KeptReady kept{.bytes = KeptBytes(),
                 .budget_bytes = budget_bytes_,
                 .most_bytes = options_.bytes,
                 .hits = hits_,
                 .misses = misses_,
                 .given_back = given_back_};
  for (const auto& [size_bytes, size] : sizes_) kept.buffers += size.items.size();
  if (rest_ && Clock::now() < rest_->until) kept.why_resting = rest_->why;
  return kept;
}

// --- The books ---

void WarmPool::ExpectMoreSoon() {
  const Clock::time_point now = Clock::now();
  if (!first_large_) first_large_ = now;
  quiet_ends_ = std::min(now + options_.quiet, *first_large_ + options_.longest_quiet);
}

void WarmPool::ForgetOldest() {
  const auto oldest = std::min_element(sizes_.begin(), sizes_.end(), [](auto& a, auto& b) {
    return a.second.last_taken < b.second.last_taken;
  });
  Doom(oldest->second.items);
  sizes_.erase(oldest);
}

void WarmPool::Doom(std::vector<Item>& items) {
  std::move(items.begin(), items.end(), std::back_inserter(doomed_));
  items.clear();
}

void WarmPool::Deal() {
  for (auto& [size_bytes, size] : sizes_) size.target = 0;
  uint64_t bytes_left = budget_bytes_;
  uint64_t buffers_left = options_.buffers;
  for (bool dealt = true; dealt;) {
    dealt = false;
    for (auto& [size_bytes, size] : sizes_) {
      if (size.target == size.Wanted() || buffers_left == 0 || size_bytes > bytes_left) continue;
      ++size.target;
      --buffers_left;
      bytes_left -= size_bytes;
      dealt = true;
    }
  }
}

// Whatever the budget is.
bool WarmPool::WantsMore() const {
  return !rest_ && std::any_of(sizes_.begin(), sizes_.end(), [](const auto& entry) {
    return entry.second.items.size() < entry.second.Wanted();
  });
}

// A size of which there are fewer than it was dealt; small ones before large ones.
std::optional<uint64_t> WarmPool::FindLacking() const {
  if (rest_) return std::nullopt;
  for (const auto& [size_bytes, size] : sizes_) {
    if (size.items.size() < size.target) return size_bytes;
  }
  return std::nullopt;
}

void WarmPool::DoomSurplus() {
  for (auto& [size_bytes, size] : sizes_) {
    while (size.items.size() > size.target) {
      doomed_.push_back(std::move(size.items.back()));
      size.items.pop_back();
    }
  }
}

void WarmPool::DoomAll() {
  for (auto& [size_bytes, size] : sizes_) {
    given_back_ += size.items.size();
    Doom(size.items);
  }
}

// Of two reasons the one that lasts longer holds.
void WarmPool::StartRest(std::string_view why, Clock::duration duration) {
  const Clock::time_point until = Clock::now() + duration;
  if (!rest_ || rest_->until <= until) rest_ = Rest{.why = why, .until = until};
}

void WarmPool::TurnWindow(Clock::time_point now) {
  window_ends_ = now + options_.window;
  for (auto& [size_bytes, size] : sizes_) size.taken_before = std::exchange(size.taken, 0);
  // Those that still have some are given up after the next window.
  std::erase_if(sizes_, [](const auto& entry) {
    return entry.second.taken_before == 0 && entry.second.items.empty();
  });
}

uint64_t WarmPool::KeptBytes() const {
  uint64_t bytes = 0;
  for (const auto& [size_bytes, size] : sizes_) bytes += size.items.size() * size_bytes;
  return bytes;
}

// --- The thread ---

void WarmPool::Run() {
  ::pthread_setname_np(::pthread_self(), "sysmemd-pool");
  // Does not preempt those it works for.
  const sched_param priority{};
  ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &priority);
  std::unique_lock lock(mutex_);
  window_ends_ = Clock::now() + options_.window;
  while (!stopping_) Tend(lock);
}

// One step of the work, or one wait.
void WarmPool::Tend(std::unique_lock<std::mutex>& lock) {
  const Clock::time_point now = Clock::now();
  if (now >= window_ends_) TurnWindow(now);
  if (rest_ && now >= rest_->until) rest_.reset();
  if (now >= budget_ends_ && WantsMore()) return AskBudget(lock);
  Deal();
  DoomSurplus();
  if (!doomed_.empty()) return Free(lock);
  const std::optional<uint64_t> lacking = FindLacking();
  if (!lacking) return Wait(lock);
  if (*lacking >= kLargeBytes && now < quiet_ends_) {
    work_.wait_until(lock, quiet_ends_);
    return;
  }
  Add(*lacking, lock);
}

void WarmPool::AskBudget(std::unique_lock<std::mutex>& lock) {
  const uint64_t kept = KeptBytes();
  lock.unlock();
  const absl::StatusOr<uint64_t> available = sources_.available();
  lock.lock();
  budget_ends_ = Clock::now() + kBudgetLifetime;
  // What is kept would be available otherwise. Nothing, if it cannot be told.
  const uint64_t part = available.ok() ? (*available + kept) / options_.available_divisor : 0;
  budget_bytes_ = std::min(options_.bytes, part);
}

absl::StatusOr<WarmPool::Item> WarmPool::MakeOne(uint64_t size_bytes,
                                                 SpareDescriptors::Lease lease) const {
  absl::StatusOr<FreshMemfd> made = sources_.make(size_bytes);
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

void WarmPool::Add(uint64_t size_bytes, std::unique_lock<std::mutex>& lock) {
  if (size_bytes >= kLargeBytes) first_large_.reset();
  std::optional<SpareDescriptors::Lease> lease = spare_->Take();
  if (!lease) return StartRest(kNoSpareDescriptors, options_.window);
  lock.unlock();
  absl::StatusOr<Item> made = MakeOne(size_bytes, *std::move(lease));
  lock.lock();
  if (!made.ok()) {  // something is short: do not stand in the way
    DoomAll();
    return StartRest(kMakerRefused, options_.window);
  }
  const auto size = sizes_.find(size_bytes);
  const bool still_wanted = size != sizes_.end() && !rest_;
  (still_wanted ? size->second.items : doomed_).push_back(*std::move(made));
}

void WarmPool::Free(std::unique_lock<std::mutex>& lock) {
  std::vector<Item> unwanted = std::move(doomed_);
  doomed_.clear();
  lock.unlock();
  unwanted.clear();
  lock.lock();
}

void WarmPool::Wait(std::unique_lock<std::mutex>& lock) {
  settled_ = true;
  full_.notify_all();
  if (sizes_.empty()) {
    work_.wait(lock);
    window_ends_ = Clock::now() + options_.window;
  } else {
    work_.wait_until(lock, rest_ ? std::min(window_ends_, rest_->until) : window_ends_);
  }
}

}  // namespace sysmem::heaps
