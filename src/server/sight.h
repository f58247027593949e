// SPDX-License-Identifier: Apache-2.0
//
// Which users may see something, beside those who see everything.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace sysmem::server {

// A value that many may share.
struct Sight {
  bool everybody = false;
  std::shared_ptr<const std::vector<uid_t>> uids;  // each of them once; null: nobody

  static Sight OfAll() { return {.everybody = true, .uids = nullptr}; }
  static Sight Of(std::vector<uid_t> uids) {
    return {.uids = std::make_shared<const std::vector<uid_t>>(std::move(uids))};
  }
  bool Has(uid_t uid) const {
    return everybody || (uids && std::find(uids->begin(), uids->end(), uid) != uids->end());
  }
  // A new list, so that those who share the old one keep it.
  void Add(uid_t uid) {
    if (Has(uid)) return;
    std::vector<uid_t> more = uids ? *uids : std::vector<uid_t>();
    more.push_back(uid);
    *this = Of(std::move(more));
  }
};

}  // namespace sysmem::server
