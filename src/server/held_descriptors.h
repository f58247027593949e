// SPDX-License-Identifier: Apache-2.0
//
// A budget for descriptors that the daemon keeps open because a client asked it to: tracking ends
// and node references.
//
//   auto lease = held->Take(uid);
//   if (!lease.ok()) return std::move(lease).failure();   // keep it beside the descriptor
//
// All together stay below one limit, and those of one user below half of it, so that nobody locks
// the others out. Thread-safe; a lease belongs to one thread at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "core/failure.h"

namespace sysmem::server {

class HeldDescriptors : public std::enable_shared_from_this<HeldDescriptors> {
 public:
  // The right to keep one descriptor; given back at its end.
  class Lease {
   public:
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

   private:
    friend class HeldDescriptors;
    Lease(std::shared_ptr<HeldDescriptors> budget, uid_t uid)
        : budget_(std::move(budget)), uid_(uid) {}
    std::shared_ptr<HeldDescriptors> budget_;
    uid_t uid_;
  };

  // REQUIRES: owned by a shared_ptr.
  explicit HeldDescriptors(uint64_t limit) : limit_(limit) {}

  // Fails with NO_MEMORY, rule LIMIT-HELD, the limit and figures.
  core::Result<Lease> Take(uid_t uid);

  uint64_t held() const;

 private:
  void GiveBack(uid_t uid);

  const uint64_t limit_;
  mutable std::mutex mutex_;
  uint64_t held_ = 0;
  std::map<uid_t, uint64_t> held_by_uid_;
};

}  // namespace sysmem::server
