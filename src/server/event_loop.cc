// SPDX-License-Identifier: Apache-2.0
//
// Watches are looked up by a number that is never used twice, at the moment their event is handled.
// So an event that was harvested for a watch removed since finds nothing, even when the
// descriptor's number has been used again.
#include "server/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/errno_status.h"
#include "base/event_fd.h"
#include "base/unique_fd.h"
#include "server/deferred_turns.h"

namespace sysmem::server {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
// Events fetched per system call. A full array is no loss: the rest comes with the next call.
constexpr int kEventsPerWait = 64;
// Numbers below kFirstId are the loop's own descriptors.
constexpr uint64_t kWakeId = 0;
constexpr uint64_t kTimerId = 1;
constexpr uint64_t kHangUpsId = 2;
constexpr uint64_t kFirstId = 3;

}  // namespace

class EventLoop::Impl {
 public:
  Impl(base::UniqueFd epoll, base::UniqueFd hang_ups, base::UniqueFd timer, base::EventFd wake)
      : epoll_(std::move(epoll)),
        hang_ups_(std::move(hang_ups)),
        timer_(std::move(timer)),
        wake_(std::move(wake)) {}

  static absl::Status Control(const base::UniqueFd& set, int operation, int fd, uint32_t events,
                              uint64_t id) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(set.get(), operation, fd, &event) == 0) return absl::OkStatus();
    return base::ErrnoStatus(errno, "watch a descriptor");
  }

  absl::Status WatchOwnDescriptors() {
    absl::Status status = Control(epoll_, EPOLL_CTL_ADD, wake_.fd().get(), EPOLLIN, kWakeId);
    status.Update(Control(epoll_, EPOLL_CTL_ADD, timer_.get(), EPOLLIN, kTimerId));
    status.Update(Control(epoll_, EPOLL_CTL_ADD, hang_ups_.get(), EPOLLIN, kHangUpsId));
    return status;
  }

  absl::StatusOr<WatchId> AddWatch(const base::UniqueFd& set, int fd, uint32_t events,
                                   WatchCallback callback) {
    auto watch = std::make_shared<Watch>(Watch{&set, fd, std::move(callback)});
    std::lock_guard lock(mutex_);
    const WatchId id = next_id_++;
    if (absl::Status status = Control(set, EPOLL_CTL_ADD, fd, events, id); !status.ok()) {
      return status;
    }
    watches_.emplace(id, std::move(watch));
    if (&set == &hang_ups_) ++hang_up_watches_;
    return id;
  }
  absl::StatusOr<WatchId> AddWatch(int fd, uint32_t events, WatchCallback callback) {
    return AddWatch(epoll_, fd, events, std::move(callback));
  }
  absl::StatusOr<WatchId> AddHangUpWatch(int fd, std::function<void()> callback) {
    return AddWatch(hang_ups_, fd, 0, [callback = std::move(callback)](uint32_t) { callback(); });
  }

  void ChangeWatch(WatchId id, uint32_t events) {
    std::lock_guard lock(mutex_);
    const auto found = watches_.find(id);
    // Cannot fail: the descriptor is in the set, and a change allocates nothing.
    if (found == watches_.end()) return;
    (void)Control(*found->second->set, EPOLL_CTL_MOD, found->second->fd, events, id);
  }

  void RemoveWatch(WatchId id) {
    std::shared_ptr<Watch> removed;  // Outlives the lock: what a callback captured may call us.
    std::lock_guard lock(mutex_);
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    removed = std::move(found->second);
    watches_.erase(found);
    (void)Control(*removed->set, EPOLL_CTL_DEL, removed->fd, 0, id);
    if (removed->set == &hang_ups_) --hang_up_watches_;
  }

  void CatchUp() {
    if (hang_up_watches_ > 0) HandleHangUps();
  }

  TimerId RunAt(int64_t deadline_ns, std::function<void()> callback) {
    TimerId id = 0;
    bool is_earliest = false;
    {
      std::lock_guard lock(mutex_);
      id = next_id_++;
      is_earliest = timers_.empty() || deadline_ns < timers_.begin()->first.first;
      timers_.emplace(std::pair(deadline_ns, id), std::move(callback));
      deadlines_.emplace(id, deadline_ns);
    }
    if (is_earliest) wake_.Signal();
    return id;
  }

  void CancelTimer(TimerId id) {
    std::function<void()> cancelled;  // Outlives the lock.
    std::lock_guard lock(mutex_);
    const auto found = deadlines_.find(id);
    if (found == deadlines_.end()) return;
    const auto timer = timers_.find(std::pair(found->second, id));
    cancelled = std::move(timer->second);
    timers_.erase(timer);
    deadlines_.erase(found);
  }

  size_t pending_timers() const {
    std::lock_guard lock(mutex_);
    return timers_.size();
  }

  void Post(std::function<void()> callback) {
    {
      std::lock_guard lock(mutex_);
      posted_.push_back(std::move(callback));
    }
    wake_.Signal();
  }

  void Run() {
    while (!TakeStop()) {
      RunPosted();
      RunDueTimers();
      ArmTimer();
      HandleEvents(epoll_, -1);
    }
  }

  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.Signal();
  }

 private:
  struct Watch {
    const base::UniqueFd* set;
    int fd;
    WatchCallback callback;
  };

  bool TakeStop() {
    std::lock_guard lock(mutex_);
    return std::exchange(stop_, false);
  }

  // Only what was posted before: a callback that posts itself again lets the others have a go.
  void RunPosted() {
    std::vector<std::function<void()>> posted;
    {
      std::lock_guard lock(mutex_);
      posted.swap(posted_);
    }
    for (const std::function<void()>& callback : posted) callback();
  }

  void RunDueTimers() {
    const int64_t now_ns = NowNs();
    while (std::function<void()> callback = TakeTimerDueAt(now_ns)) callback();
  }

  std::function<void()> TakeTimerDueAt(int64_t now_ns) {
    std::lock_guard lock(mutex_);
    if (timers_.empty() || timers_.begin()->first.first > now_ns) return nullptr;
    auto timer = timers_.extract(timers_.begin());
    deadlines_.erase(timer.key().second);
    return std::move(timer.mapped());
  }

  // Tells the kernel the earliest deadline when it is not the one it knows. Nothing is lost when a
  // timer is added or something is posted right after: that signals the wake descriptor.
  void ArmTimer() {
    std::optional<int64_t> earliest;
    {
      std::lock_guard lock(mutex_);
      if (!timers_.empty()) earliest = timers_.begin()->first.first;
    }
    if (earliest == armed_for_) return;
    itimerspec when{};  // All zero disarms.
    if (earliest) {
      const int64_t at = *earliest > 0 ? *earliest : 1;
      when.it_value.tv_sec = at / kNsPerSecond;
      when.it_value.tv_nsec = at % kNsPerSecond;
    }
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
    armed_for_ = earliest;
  }

  // How many there were.
  int HandleEvents(const base::UniqueFd& set, int timeout_ms) {
    std::array<epoll_event, kEventsPerWait> events;
    const int count = ::epoll_wait(set.get(), events.data(), kEventsPerWait, timeout_ms);
    // Only EINTR can happen; then there is nothing to look at.
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      HandleEvent(event.data.u64, event.events);
    }
    return count;
  }

  // Whoever comes while another thread is at it waits: what it closed may be among those. He does
  // not wait for the collections that this concerns. Events fetched in vain by both find their
  // watch only once.
  void HandleHangUps() {
    DeferredTurns deferred;
    const std::lock_guard lock(hang_ups_mutex_);
    while (HandleEvents(hang_ups_, 0) == kEventsPerWait) continue;
  }

  void HandleEvent(uint64_t id, uint32_t events) {
    if (id == kWakeId) {
      wake_.Drain();
      return;
    }
    if (id == kTimerId) {
      armed_for_ = std::nullopt;
      uint64_t expirations = 0;
      // A deadline that moved meanwhile leaves nothing to read (EAGAIN).
      (void)!::read(timer_.get(), &expirations, sizeof(expirations));
      return;
    }
    if (id == kHangUpsId) return HandleHangUps();
    std::shared_ptr<Watch> watch;
    {
      std::lock_guard lock(mutex_);
      const auto found = watches_.find(id);
      if (found == watches_.end()) return;
      watch = found->second;
    }
    watch->callback(events);
  }

  const base::UniqueFd epoll_;
  const base::UniqueFd hang_ups_;  // a set of its own within `epoll_`, for CatchUp
  const base::UniqueFd timer_;
  const base::EventFd wake_;
  std::optional<int64_t> armed_for_;  // touched by the loop's thread only

  std::atomic<size_t> hang_up_watches_ = 0;
  std::mutex hang_ups_mutex_;  // taken before mutex_; held while callbacks of hang-ups run

  mutable std::mutex mutex_;
  uint64_t next_id_ = kFirstId;
  std::unordered_map<WatchId, std::shared_ptr<Watch>> watches_;
  std::map<std::pair<int64_t, TimerId>, std::function<void()>> timers_;
  std::unordered_map<TimerId, int64_t> deadlines_;
  std::vector<std::function<void()>> posted_;
  bool stop_ = false;
};

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return base::ErrnoStatus(errno, "make an epoll descriptor");
  base::UniqueFd hang_ups(::epoll_create1(EPOLL_CLOEXEC));
  if (!hang_ups) return base::ErrnoStatus(errno, "make an epoll descriptor");
  base::UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return base::ErrnoStatus(errno, "make a timer descriptor");
  absl::StatusOr<base::EventFd> wake = base::EventFd::Create();
  if (!wake.ok()) return wake.status();
  auto impl = std::make_unique<Impl>(std::move(epoll), std::move(hang_ups), std::move(timer),
                                     *std::move(wake));
  if (absl::Status status = impl->WatchOwnDescriptors(); !status.ok()) return status;
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(impl)));
}

EventLoop::EventLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::~EventLoop() = default;

absl::StatusOr<EventLoop::WatchId> EventLoop::AddWatch(int fd, uint32_t events,
                                                       WatchCallback callback) {
  return impl_->AddWatch(fd, events, std::move(callback));
}
absl::StatusOr<EventLoop::WatchId> EventLoop::AddHangUpWatch(int fd,
                                                             std::function<void()> callback) {
  return impl_->AddHangUpWatch(fd, std::move(callback));
}
void EventLoop::CatchUp() { impl_->CatchUp(); }
void EventLoop::ChangeWatch(WatchId id, uint32_t events) { impl_->ChangeWatch(id, events); }
void EventLoop::RemoveWatch(WatchId id) { impl_->RemoveWatch(id); }

EventLoop::TimerId EventLoop::RunAt(int64_t deadline_ns, std::function<void()> callback) {
  return impl_->RunAt(deadline_ns, std::move(callback));
}
void EventLoop::CancelTimer(TimerId id) { impl_->CancelTimer(id); }
size_t EventLoop::pending_timers() const { return impl_->pending_timers(); }

void EventLoop::Post(std::function<void()> callback) { impl_->Post(std::move(callback)); }
void EventLoop::Run() { impl_->Run(); }
void EventLoop::Stop() { impl_->Stop(); }

int64_t EventLoop::NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * kNsPerSecond + now.tv_nsec;
}

}  // namespace sysmem::server
