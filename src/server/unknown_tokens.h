// SPDX-License-Identifier: Apache-2.0
//
// Handles that a session bound before there was a token behind them (CONV-3).
//
// Remembered so that the mistake can be explained when the token shows up after all (DBG-4). At
// most eight; the oldest is dropped. Ids of exported ends need no such memory: an end has its id
// from its birth, so nobody can have named it before.
//
// Not thread-safe: only the session's turn touches it.
#pragma once

#include <algorithm>
#include <deque>

#include "server/request.h"

namespace sysmem::server {

class UnknownTokens {
 public:
  static constexpr size_t kRemembered = 8;

  void Missed(Handle handle) {
    Forget(handle);
    if (entries_.size() == kRemembered) entries_.pop_front();
    entries_.push_back({handle, false});
  }
  // A token is made under this handle. True: it was missed before.
  bool ShowsUp(Handle handle) {
    const auto found = Find(handle);
    if (found == entries_.end() || found->here) return false;
    found->here = true;
    return true;
  }
  // The token under this handle says its name. True, once: it came late.
  bool IsNamed(Handle handle) {
    const auto found = Find(handle);
    if (found == entries_.end() || !found->here) return false;
    entries_.erase(found);
    return true;
  }

 private:
  struct Entry {
    Handle handle = 0;
    bool here = false;
  };
  std::deque<Entry>::iterator Find(Handle handle) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [handle](const Entry& entry) { return entry.handle == handle; });
  }
  void Forget(Handle handle) {
    if (const auto found = Find(handle); found != entries_.end()) entries_.erase(found);
  }

  std::deque<Entry> entries_;
};

}  // namespace sysmem::server
