// SPDX-License-Identifier: Apache-2.0
//
// Takes turns without making anybody wait.
//
// Items posted from any thread are handled one at a time, in order. Whoever posts into an idle
// mailbox handles the item on the spot, and then whatever was left there meanwhile; whoever finds
// it busy leaves the item and returns. No thread hop (a wake-up costs more than most items) and no
// thread ever waits for another client's work.
//
// The handler returns what is to happen outside the turn (sending replies): that runs on the same
// thread after the turn is given back, so a slow peer never holds a collection. It may also keep
// the turn, return nothing, and have another thread give it back later (GiveBack): what takes long
// must not hold up the thread that happened to bring it.
//
// The caller keeps the mailbox alive while Post runs (a shared_ptr to its owner on the stack).
// Thread-safe. Handlers may post into other mailboxes, and into their own.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace sysmem::server {

template <typename Item>
class Mailbox {
 public:
  using After = std::function<void()>;
  // nullopt: the turn is kept. Whoever has it calls GiveBack once, perhaps before the handler
  // returns.
  using Handler = std::function<std::optional<After>(Item)>;

  explicit Mailbox(Handler handler) : handler_(std::move(handler)) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void Post(Item item) {
    std::unique_lock lock(mutex_);
    if (busy_ || !items_.empty()) {
      items_.push_back(std::move(item));
    } else {
      TakeTurn(lock, std::move(item));
    }
    TakeTurns(lock);
  }

  // Post in two steps: leaves the item, for whoever takes the next turn here ...
  void Leave(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
  }
  // ... and handles on this thread what was left, unless another one is at it.
  void TakeTurns() {
    std::unique_lock lock(mutex_);
    TakeTurns(lock);
  }

  // Gives back a turn that the handler kept, does what is to happen outside of it, and handles what
  // was left meanwhile, on this thread.
  void GiveBack(const After& after) {
    std::unique_lock lock(mutex_);
    EndTurn(lock, after);
    TakeTurns(lock);
  }

 private:
  // All three: REQUIRES lock held; return with the lock held.
  void TakeTurns(std::unique_lock<std::mutex>& lock) {
    while (!busy_ && !items_.empty()) {
      Item next = std::move(items_.front());
      items_.pop_front();
      TakeTurn(lock, std::move(next));
    }
  }
  void TakeTurn(std::unique_lock<std::mutex>& lock, Item item) {
    busy_ = true;
    lock.unlock();
    const std::optional<After> after = handler_(std::move(item));
    lock.lock();
    if (after) EndTurn(lock, *after);
  }
  void EndTurn(std::unique_lock<std::mutex>& lock, const After& after) {
    busy_ = false;
    if (!after) return;
    lock.unlock();
    after();
    lock.lock();
  }

  const Handler handler_;
  std::mutex mutex_;
  std::deque<Item> items_;
  bool busy_ = false;
};

}  // namespace sysmem::server
