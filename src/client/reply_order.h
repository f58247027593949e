// SPDX-License-Identifier: Apache-2.0
//
// Puts what the daemon says into the order in which it said it.
//
// Replies and events travel on different sockets, so an event may be read before the reply that was
// sent first. All carry one running number; this queue holds back what came early:
//
//   order.Arrive(2, deliver_event);   // held
//   order.Arrive(1, deliver_reply);   // runs deliver_reply, then deliver_event
//
// Not thread-safe: its owner has a lock. Deliveries run inside Arrive and Finish and must not call
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace sysmem::client {

class ReplyOrder {
 public:
  using Deliver = std::function<void()>;

  // False, and nothing is done, for a number that was there before or is 0: the daemon is broken.
  bool Arrive(uint64_t order, Deliver deliver) {
    if (finished_) {
      deliver();
      return true;
    }
    if (order < next_) return false;
    if (order > next_) return early_.emplace(order, std::move(deliver)).second;
    ++next_;
    deliver();
    DeliverDue();
    return true;
  }

  // Everything that was said before `order` has arrived.
  bool IsDue(uint64_t order) const { return finished_ || order == next_; }

  // Nothing more is to be expected: delivers what is held, gaps or not, and from now on everything
  // at once.
  void Finish() {
    finished_ = true;
    while (!early_.empty()) {
      const auto first = early_.extract(early_.begin());
      first.mapped()();
    }
  }

  size_t held() const { return early_.size(); }

 private:
  void DeliverDue() {
    while (!early_.empty() && early_.begin()->first == next_) {
      const auto due = early_.extract(early_.begin());
      ++next_;
      due.mapped()();
    }
  }

  uint64_t next_ = 1;
  bool finished_ = false;
  std::map<uint64_t, Deliver> early_;
};

}  // namespace sysmem::client
