// SPDX-License-Identifier: Apache-2.0
//
// Which node each handle of one session names.
//
// Handles are numbers that the client chose. An entry may name a node that is closed already: the
// client closes the handle when it has learnt of it, and until then calls on it are answered
// CLOSED. Entries are listed in the order in which they were made, which is the order in which the
// end of the session closes them.
//
// Not thread-safe: only the session's turn touches it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/snapshot.h"
#include "server/request.h"

namespace sysmem::server {

class CollectionHost;

struct NodeRef {
  std::shared_ptr<CollectionHost> host;  // null: the node never came to be (an unknown token bound)
  core::NodeId node = 0;
  core::NodeKind kind = core::NodeKind::kToken;
};

class HandleTable {
 public:
  // REQUIRES: handle is not in use.
  void Add(Handle handle, NodeRef ref) {
    const uint64_t place = ++last_place_;
    entries_.emplace(handle, Entry{std::move(ref), place});
    by_place_.emplace(place, handle);
  }

  // Null if there is no such handle. Valid until the table changes.
  const NodeRef* Find(Handle handle) const {
    auto found = entries_.find(handle);
    return found == entries_.end() ? nullptr : &found->second.ref;
  }

  // REQUIRES: handle is in use.
  NodeRef Remove(Handle handle) {
    auto entry = entries_.extract(handle);
    by_place_.erase(entry.mapped().place);
    return std::move(entry.mapped().ref);
  }

  std::vector<NodeRef> TakeAll() {
    std::vector<NodeRef> refs;
    refs.reserve(by_place_.size());
    for (const auto& [place, handle] : by_place_) refs.push_back(std::move(entries_[handle].ref));
    by_place_.clear();
    entries_.clear();
    return refs;
  }

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    NodeRef ref;
    uint64_t place = 0;
  };
  std::unordered_map<Handle, Entry> entries_;
  std::map<uint64_t, Handle> by_place_;
  uint64_t last_place_ = 0;
};

}  // namespace sysmem::server
