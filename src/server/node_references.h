// SPDX-License-Identifier: Apache-2.0
//
// What a node is known by outside of the daemon: GetNodeRef and IsAlternateFor.
//
// A reference is a socket that is connected to nothing and can be read and written by nobody. It
// serves for its identity alone (SO_COOKIE), which survives every copying of its descriptor and
// cannot be forged. A node gets one when it is first asked for, and keeps it to its end.
//
// Not thread-safe: touched in the turn of the collection whose nodes these are.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/unique_fd.h"
#include "core/failure.h"
#include "server/held_descriptors.h"

namespace sysmem::server {

class NodeReferences {
 public:
  explicit NodeReferences(std::shared_ptr<HeldDescriptors> budget) : budget_(std::move(budget)) {}

  // A copy of the node's reference, for a client of this uid (whose budget a new one counts in).
  // Fails with NO_MEMORY, rule LIMIT-HELD, when descriptors are short.
  core::Result<base::UniqueFd> CopyFor(core::NodeId node, uid_t uid);

  // The node whose reference has this SO_COOKIE; 0: none of this collection's.
  core::NodeId Find(uint64_t cookie) const;

  void Forget(core::NodeId node);

 private:
  struct Entry {
    base::UniqueFd socket;
    uint64_t cookie = 0;
    HeldDescriptors::Lease lease;
  };
  const std::shared_ptr<HeldDescriptors> budget_;
  std::unordered_map<core::NodeId, Entry> by_node_;
  std::unordered_map<uint64_t, core::NodeId> by_cookie_;
};

}  // namespace sysmem::server
