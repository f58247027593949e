// SPDX-License-Identifier: Apache-2.0
#include "server/held_descriptors.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sysmem::server {
namespace {

core::Failure LimitReached(std::string message) {
  core::Failure failure;
  failure.error = core::Error::kNoMemory;
  failure.rule = "LIMIT-HELD";
  failure.message = std::move(message);
  return failure;
}

}  // namespace

HeldDescriptors::Lease::~Lease() {
  if (budget_) budget_->GiveBack(uid_);
}

core::Result<HeldDescriptors::Lease> HeldDescriptors::Take(uid_t uid) {
  std::lock_guard lock(mutex_);
  if (held_ >= limit_) {
    return LimitReached(absl::StrCat("the daemon keeps ", limit_,
                                     " descriptors for its clients, its limit (held_descriptors; "
                                     "it follows RLIMIT_NOFILE)"));
  }
  const uint64_t of_one_user = std::max<uint64_t>(1, limit_ / 2);
  uint64_t& of_user = held_by_uid_[uid];
  if (of_user >= of_one_user) {
    return LimitReached(absl::StrCat("the daemon keeps ", of_one_user, " descriptors for user ",
                                     uid, ", the limit for one user (half of held_descriptors)"));
  }
  ++held_;
  ++of_user;
  return Lease(shared_from_this(), uid);
}

void HeldDescriptors::GiveBack(uid_t uid) {
  std::lock_guard lock(mutex_);
  --held_;
  auto of_user = held_by_uid_.find(uid);
  if (--of_user->second == 0) held_by_uid_.erase(of_user);
}

uint64_t HeldDescriptors::held() const {
  std::lock_guard lock(mutex_);
  return held_;
}

}  // namespace sysmem::server
