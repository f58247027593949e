// SPDX-License-Identifier: Apache-2.0
//
// What the machine's owner says about a heap: who may use it, and how much of it there is to have.
//
// Who may not use a heap takes part in the negotiation as one who does not permit it
// (core::event::SetConstraints::denied_heaps); caps are held against the ledger (buffer_ledger.h)
// before anything is made. heap_policy_table.h is how files say it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sysmem::server {

struct HeapPolicy {
  // Besides root and the daemon's own user. Unset: everybody.
  std::optional<std::set<uid_t>> users;
  // Caps of what lives of this heap. Unset: none but the daemon's own limits.
  std::optional<uint64_t> max_buffers;
  std::optional<uint64_t> max_bytes;
  // Likewise, of collections that one user began.
  std::optional<uint64_t> max_bytes_per_user;
  bool operator==(const HeapPolicy&) const = default;
};

// By heap type; a policy holds for every id. The heap need not be there (yet).
using HeapPolicies = std::map<std::string, HeapPolicy>;

// nullptr if there is none.
const HeapPolicy* FindPolicy(const HeapPolicies& policies, const std::string& heap_type);

// Whether the policy lets `uid` use the heap, root and the daemon's user (`daemon_uid`) included.
bool MayUse(const HeapPolicy& policy, uid_t uid, uid_t daemon_uid);

// Types of the heaps that `uid` may not use; unset if there is none.
std::optional<std::vector<std::string>> HeapsDeniedTo(const HeapPolicies& policies, uid_t uid,
                                                      uid_t daemon_uid);

}  // namespace sysmem::server
