// SPDX-License-Identifier: Apache-2.0
//
// The collections that the handles of one session are of: what the inspector says of a session.
//
// A count for each, so that it takes no more memory than the handles there are, however many
// collections a session sees in its life.
//
// Thread-safe: the session's turn counts, and whoever describes the session reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

namespace sysmem::server {

class HeldCollections {
 public:
  // A handle of this collection came.
  void Add(uint64_t id) {
    const std::lock_guard lock(mutex_);
    ++handles_[id];
  }
  // ... and went. REQUIRES: it came.
  void Remove(uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = handles_.find(id);
    if (--found->second == 0) handles_.erase(found);
  }

  struct Some {
    std::vector<uint64_t> ids;  // rising
    size_t left_out = 0;        // greater ones than these
  };
  Some First(size_t at_most) const {
    const std::lock_guard lock(mutex_);
    Some some;
    some.ids.reserve(std::min(at_most, handles_.size()));
    for (auto next = handles_.begin(); next != handles_.end() && some.ids.size() < at_most; ++next)
      some.ids.push_back(next->first);
    some.left_out = handles_.size() - some.ids.size();
    return some;
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, size_t> handles_;  // by the collection's id
};

}  // namespace sysmem::server
