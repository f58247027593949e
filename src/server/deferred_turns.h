// SPDX-License-Identifier: Apache-2.0
//
// Puts off turns that would be taken under a lock.
//
//   DeferredTurns deferred;
//   const std::lock_guard lock(mutex_);
//   callback();  // posts to collections: items are left in their mailboxes, in order
//   // unlocked, then the turns are taken
//
// While one of these lives, what its thread posts to a collection is left in the mailbox, and
// handled at the end of the DeferredTurns unless another thread comes and does it before. So the
// order in which things were posted is kept, and whoever waits for the lock does not wait for
// collections.
//
// An inner one leaves its turns to the outer one. Belongs to the thread that made it.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace sysmem::server {

class DeferredTurns {
 public:
  DeferredTurns();
  ~DeferredTurns();
  DeferredTurns(const DeferredTurns&) = delete;
  DeferredTurns& operator=(const DeferredTurns&) = delete;

  // The innermost one of this thread; nullptr if there is none.
  static DeferredTurns* OfThisThread();

  // `turn` keeps alive whose turn it is.
  void Add(std::function<void()> turn) { turns_.push_back(std::move(turn)); }

 private:
  DeferredTurns* const outer_;
  std::vector<std::function<void()>> turns_;
};

}  // namespace sysmem::server
