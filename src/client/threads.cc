// SPDX-License-Identifier: Apache-2.0
#include "client/threads.h"

#include <grpcpp/alarm.h>
#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "client/call_channel.h"
#include "client/clock.h"
#include "client/connection.h"
#include "client/signals.h"

namespace sysmem::client {
namespace {

// How often adopted queues are looked at. They exist only after the daemon failed to answer in
// time, so there is nothing to be quick for.
constexpr int64_t kAdoptedPollNs = 10'000'000;

// Makes a thread that polls a queue look up.
struct WakeTag : RawCall {
  bool is_wake_up() const override { return true; }
  grpc::Alarm alarm;
};

template <typename Function>
std::thread StartThread(const char* name, Function function) {
  const SignalsBlocked blocked;
  std::thread thread(std::move(function));
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

thread_local bool is_replies_thread = false;

}  // namespace

bool RepliesThread::IsThisThread() { return is_replies_thread; }

void RepliesThread::WakeLocked() {
  if (!thread_.joinable() && !stopping_) {
    thread_ = StartThread("sysmem-replies", [this] { Run(); });
  }
  work_.notify_one();
  if (polling_) {
    auto* wake = new WakeTag;  // deleted when it comes out
    wake->alarm.Set(&queue_, gpr_time_0(GPR_CLOCK_MONOTONIC), static_cast<RawCall*>(wake));
  }
}

void RepliesThread::Expect() {
  const std::lock_guard lock(mutex_);
  ++expected_;
  if (!polling_) WakeLocked();
}

void RepliesThread::Adopt(std::shared_ptr<grpc::CompletionQueue> queue,
                          std::function<bool()> done) {
  const std::lock_guard lock(mutex_);
  adopted_.push_back({std::move(queue), std::move(done)});
  WakeLocked();
}

void RepliesThread::AddTimer(int64_t deadline_ns, std::function<void()> expired) {
  const std::lock_guard lock(mutex_);
  timers_.emplace(deadline_ns, std::move(expired));
  WakeLocked();
}

void RepliesThread::Stop() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    WakeLocked();
    thread.swap(thread_);
    timers_.clear();
  }
  if (thread.joinable()) thread.join();
}

void RepliesThread::Drain() {
  for (Adopted& adopted : adopted_) DrainQueue(connection_, *adopted.queue);
  adopted_.clear();
  DrainQueue(connection_, queue_);
}

int64_t RepliesThread::WakeTimeLocked() const {
  return timers_.empty() ? INT64_MAX : timers_.begin()->first;
}

void RepliesThread::Run() {
  is_replies_thread = true;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    RunExpired(lock);
    if (stopping_) return;
    if (expected_ > 0 || !adopted_.empty()) {
      PollOnce(lock);
      PollAdopted(lock);
    } else if (timers_.empty()) {
      work_.wait(lock);
    } else {
      work_.wait_until(lock, TimePoint(WakeTimeLocked()));
    }
  }
}

void RepliesThread::RunExpired(std::unique_lock<std::mutex>& lock) {
  std::vector<std::function<void()>> expired;
  const auto end = timers_.upper_bound(NowNs());
  for (auto timer = timers_.begin(); timer != end; ++timer) {
    expired.push_back(std::move(timer->second));
  }
  timers_.erase(timers_.begin(), end);
  if (expired.empty()) return;
  lock.unlock();
  for (const auto& run : expired) run();
  lock.lock();
}

void RepliesThread::PollOnce(std::unique_lock<std::mutex>& lock) {
  int64_t deadline = std::min(WakeTimeLocked(), DeadlineAfter(kTakeInNs));
  if (!adopted_.empty()) deadline = std::min(deadline, DeadlineAfter(kAdoptedPollNs));
  polling_ = true;
  lock.unlock();
  RawCall* const answered = NextAnswered(queue_, deadline);
  lock.lock();
  polling_ = false;
  if (answered == nullptr) {
    lock.unlock();
    connection_.TakeIn();
    lock.lock();
    return;
  }
  if (answered->is_wake_up()) {
    delete answered;
    return;
  }
  --expected_;
  lock.unlock();
  connection_.Arrived(answered);
  lock.lock();
}

void RepliesThread::PollAdopted(std::unique_lock<std::mutex>& lock) {
  if (adopted_.empty()) return;
  std::vector<Adopted> adopted = std::exchange(adopted_, {});
  lock.unlock();
  for (const Adopted& one : adopted) {
    while (RawCall* answered = NextAnswered(*one.queue, 0)) connection_.Arrived(answered);
  }
  std::vector<Adopted> waiting;
  for (Adopted& one : adopted) {
    if (one.done()) {
      if (one.queue.use_count() == 1) DrainQueue(connection_, *one.queue);
    } else {
      waiting.push_back(std::move(one));
    }
  }
  lock.lock();
  std::move(waiting.begin(), waiting.end(), std::back_inserter(adopted_));
}

void DrainQueue(Connection& connection, grpc::CompletionQueue& queue) {
  queue.Shutdown();
  while (RawCall* answered = NextAnswered(queue, INT64_MAX)) {
    if (answered->is_wake_up()) {
      delete answered;
    } else {
      connection.Arrived(answered);
    }
  }
}

absl::Status EventsThread::Start() {
  const std::lock_guard lock(mutex_);
  if (thread_.joinable() || stopped_) return absl::OkStatus();
  absl::StatusOr<base::EventFd> stop = base::EventFd::Create();
  if (!stop.ok()) return stop.status();
  stop_ = *std::move(stop);
  thread_ = StartThread("sysmem-events", [this] { Run(); });
  return absl::OkStatus();
}

void EventsThread::Stop() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (stop_) stop_->Signal();
    thread.swap(thread_);
  }
  if (thread.joinable()) thread.join();
}

void EventsThread::Run() {
  pollfd polled[] = {{connection_.handle_channel_.get(), POLLIN, 0},
                     {stop_->fd().get(), POLLIN, 0}};
  // After the session's end the channel stays readable and there is nothing left to learn.
  while (!connection_.Dead().has_value()) {
    ::poll(polled, 2, -1);
    if (polled[1].revents != 0) return;
    connection_.TakeIn();
  }
}

}  // namespace sysmem::client
