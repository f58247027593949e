// SPDX-License-Identifier: Apache-2.0
#include "server/heap_policy.h"

namespace sysmem::server {

const HeapPolicy* FindPolicy(const HeapPolicies& policies, const std::string& heap_type) {
  const auto found = policies.find(heap_type);
  return found == policies.end() ? nullptr : &found->second;
}

bool MayUse(const HeapPolicy& policy, uid_t uid, uid_t daemon_uid) {
  return uid == 0 || uid == daemon_uid || !policy.users || policy.users->contains(uid);
}

std::optional<std::vector<std::string>> HeapsDeniedTo(const HeapPolicies& policies, uid_t uid,
                                                      uid_t daemon_uid) {
  std::vector<std::string> denied;
  for (const auto& [heap_type, policy] : policies) {
    if (!MayUse(policy, uid, daemon_uid)) denied.push_back(heap_type);
  }
  if (denied.empty()) return std::nullopt;
  return denied;
}

}  // namespace sysmem::server
