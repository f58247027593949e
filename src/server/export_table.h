// SPDX-License-Identifier: Apache-2.0
//
// Nodes that travel: each is held by one end of a socketpair instead of a session.
//
// The client's end may be copied and passed on by any means; only the descriptor counts. The daemon
// knows it by its SO_COOKIE, which the kernel never gives twice, and watches its own end: when
// every copy is gone the node is closed uncleanly. Importing takes the node out; copies left over
// mean nothing from then on.
//
// Thread-safe. The lock is a leaf; hang-ups are posted to the collection without it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/unique_fd.h"
#include "core/failure.h"
#include "core/snapshot.h"
#include "server/event_loop.h"
#include "server/handle_table.h"

namespace sysmem::server {

class ExportTable : public std::enable_shared_from_this<ExportTable> {
 public:
  using HangUp = std::function<void(const NodeRef&, uint64_t cookie)>;

  // `hang_up` is called when every copy of an end is gone, as AddHangUpWatch calls.
  ExportTable(EventLoop& loop, uint64_t max_exports, HangUp hang_up);
  ~ExportTable();

  struct Made {
    uint64_t cookie = 0;        // of the client's end
    base::UniqueFd client_end;  // to be pushed
  };
  // Makes a socketpair for `node`. Fails with NO_MEMORY, the limit and figures when descriptors are
  // short.
  core::Result<Made> Add(NodeRef node);

  // Takes the node out, if the cookie names one that is there. Its socketpair means nothing then.
  std::optional<NodeRef> Take(uint64_t cookie);

  // Forgets the node: it was closed by the daemon. Holders of the client's end see a hang-up.
  void Drop(uint64_t cookie);

  bool Contains(uint64_t cookie) const;
  // The collection node behind a cookie, which stays where it is.
  std::optional<NodeRef> Find(uint64_t cookie) const;
  size_t size() const;

 private:
  struct Entry {
    NodeRef node;
    base::UniqueFd daemon_end;
    EventLoop::WatchId watch = 0;
  };
  void OnHangUp(uint64_t cookie);
  std::optional<Entry> Extract(uint64_t cookie);

  EventLoop& loop_;
  const uint64_t max_exports_;
  const HangUp hang_up_;
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, Entry> entries_;
};

}  // namespace sysmem::server
