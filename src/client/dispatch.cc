// SPDX-License-Identifier: Apache-2.0
//
// The side of a connection that faces an event loop.
#include <poll.h>

#include <utility>

#include "client/clock.h"
#include "client/connection.h"

namespace sysmem::client {

int Connection::poll_fd() const { return IsForkedCopy() ? -1 : poll_fd_.get(); }

void Connection::Fill(CallbackPlace& place, Callback callback) {
  const std::lock_guard lock(mutex_);
  place.run = std::move(callback);
  place.filled = true;
  wake_->Signal();
}

void Connection::PostLocked(Callback callback) {
  callbacks_.push_back(std::make_shared<CallbackPlace>(CallbackPlace{std::move(callback), true}));
  wake_->Signal();
}

bool Connection::WaitFor(const std::function<bool()>& predicate, int64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  if (deadline_ns == INT64_MAX) {
    changed_.wait(lock, predicate);
    return true;
  }
  return changed_.wait_until(lock, TimePoint(deadline_ns), predicate);
}

void Connection::AddTimer(int64_t deadline_ns, Callback expired) {
  replies_.AddTimer(deadline_ns, std::move(expired));
}

void Connection::Attend() {
  if (attended_) return;
  {
    const std::lock_guard lock(send_mutex_);
    if (attended_.exchange(true)) return;
  }
  while (lazy_calls_ > 0 && PollLazy(0)) continue;
  if (lazy_calls_ == 0) return;
  replies_.Adopt(lazy_queue_, [this] { return lazy_calls_ == 0; });
}

void Connection::OnEnded(std::function<void(const Failure&)> ended) {
  {
    const std::lock_guard lock(mutex_);
    on_ended_.swap(ended);
    if (ended_) wake_->Signal();
  }
  // The old one is freed here, outside the lock: it owns program data.
}

// The next callback that is due, the session's end last of all.
Connection::Callback Connection::TakeCallback() {
  const std::lock_guard lock(mutex_);
  while (!callbacks_.empty() && callbacks_.front()->filled) {
    Callback next = std::move(callbacks_.front()->run);
    callbacks_.pop_front();
    if (next) return next;
  }
  // One whose place is not filled yet will wake us.
  if (!ended_ || !callbacks_.empty()) {
    wake_->Drain();
    return nullptr;
  }
  if (on_ended_ == nullptr || std::exchange(ended_reported_, true)) return nullptr;
  return [ended = on_ended_, why = *ended_] { ended(why); };
}

Outcome<size_t> Connection::Dispatch(int64_t deadline_ns) {
  if (IsForkedCopy()) return *Dead();
  const auto keep = shared_from_this();  // a callback may destroy the client
  if (PollTimeout(deadline_ns) != 0) Attend();
  Flush();
  while (true) {
    TakeIn();
    while (lazy_calls_ > 0 && PollLazy(0)) continue;
    size_t due = Locked([this] { return callbacks_.size() + 1; });
    size_t ran = 0;
    for (; due > 0; --due) {
      const Callback callback = TakeCallback();
      if (!callback) break;
      callback();
      ++ran;
    }
    if (ran > 0) return ran;
    if (Locked([this] { return callbacks_.empty(); })) {
      if (auto dead = Dead()) return *std::move(dead);
    }
    if (PollTimeout(deadline_ns) == 0) return size_t{0};
    pollfd polled{poll_fd_.get(), POLLIN, 0};
    ::poll(&polled, 1, PollTimeout(deadline_ns));
  }
}

}  // namespace sysmem::client
