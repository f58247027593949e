// SPDX-License-Identifier: Apache-2.0
//
// How many descriptors may lie pushed and unread, over all sessions.
//
// The kernel counts descriptors in flight against the sender's uid: for a daemon that is not root,
// one client that never reads would use up what all others need. So the daemon keeps its own count
// below a quarter of RLIMIT_NOFILE and shares it by uid: a uid may fill the free space, but never
// more than its equal share while others have unread descriptors too.
//
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <mutex>

namespace sysmem::server {

class UnreadBudget {
 public:
  explicit UnreadBudget(uint64_t max_unread) : max_unread_(max_unread) {}

  // Takes `count` for `uid`; false if that is more than its share or than is left. One uid alone
  // may always send one message (a budget below one message would be no budget but a stop).
  bool Take(uid_t uid, uint64_t count);
  void GiveBack(uid_t uid, uint64_t count);
  uint64_t total() const;
  uint64_t max() const { return max_unread_; }

 private:
  const uint64_t max_unread_;
  mutable std::mutex mutex_;
  uint64_t total_ = 0;
  std::map<uid_t, uint64_t> by_uid_;
};

}  // namespace sysmem::server
