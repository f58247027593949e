// SPDX-License-Identifier: Apache-2.0
#include "server/unread_budget.h"

#include <algorithm>

namespace sysmem::server {

bool UnreadBudget::Take(uid_t uid, uint64_t count) {
  std::lock_guard lock(mutex_);
  auto entry = by_uid_.try_emplace(uid, 0).first;
  const uint64_t share = max_unread_ / by_uid_.size();
  const bool alone = total_ == 0;
  const bool fits = total_ + count <= max_unread_ &&
                    (by_uid_.size() == 1 || entry->second + count <= std::max<uint64_t>(share, 1));
  if (!fits && !alone) {
    if (entry->second == 0) by_uid_.erase(entry);
    return false;
  }
  entry->second += count;
  total_ += count;
  return true;
}

void UnreadBudget::GiveBack(uid_t uid, uint64_t count) {
  std::lock_guard lock(mutex_);
  auto entry = by_uid_.find(uid);
  if (entry == by_uid_.end()) return;
  const uint64_t given = std::min(count, entry->second);
  entry->second -= given;
  total_ -= given;
  if (entry->second == 0) by_uid_.erase(entry);
}

uint64_t UnreadBudget::total() const {
  std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace sysmem::server
