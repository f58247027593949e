// SPDX-License-Identifier: Apache-2.0
//
// Who holds which node of a collection. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/event.h"
#include "server/outbox.h"

namespace sysmem::server {

// Who learns of a node's closure: the session that holds it, or the holders of its exported end.
struct Holder {
  std::shared_ptr<Outbox> outbox;  // of the holding session, or of the one that exported it
  Handle handle = 0;               // 0 while exported
  uint64_t cookie = 0;             // SO_COOKIE of the exported end, 0 while in a session
  int64_t since_ns = 0;            // CLOCK_MONOTONIC; set by NodeHolders
};

class NodeHolders {
 public:
  // From `now_ns` on, in place of whoever held it before. A session that has it already keeps it,
  // by whatever handle. REQUIRES: holder.outbox
  void Set(core::NodeId node, Holder holder, int64_t now_ns) {
    Holder& place = holders_[node];
    const bool stays = place.outbox == holder.outbox && place.cookie == 0 && holder.cookie == 0;
    holder.since_ns = stays ? place.since_ns : now_ns;
    place = std::move(holder);
  }
  // Nobody holds it from now on. Empty if nobody did.
  std::optional<Holder> Take(core::NodeId node) {
    auto found = holders_.extract(node);
    if (found.empty()) return std::nullopt;
    return std::move(found.mapped());
  }
  // nullptr if nobody holds it.
  const Holder* Find(core::NodeId node) const {
    const auto found = holders_.find(node);
    return found != holders_.end() ? &found->second : nullptr;
  }
  size_t size() const { return holders_.size(); }

 private:
  std::unordered_map<core::NodeId, Holder> holders_;
};

}  // namespace sysmem::server
