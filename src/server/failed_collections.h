// SPDX-License-Identifier: Apache-2.0
//
// Collections that failed before they had buffers, for people who come to see why: the latest ones,
// within a bound of number and of memory. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "server/inspection.h"

namespace sysmem::server {

class FailedCollections {
 public:
  // Enough to find the one that just failed, also when a program tries again and again.
  static constexpr size_t kMost = 64;
  // Constraints may be large: what does not fit forgets the oldest ones.
  static constexpr size_t kMostBytes = 8 << 20;

  // Of those whom a failure names.
  static constexpr size_t kMostParticipants = 64;

  // `now_ns` is CLOCK_MONOTONIC, as everywhere below.
  void Keep(CollectionDetail detail, int64_t now_ns);
  struct Found {
    std::shared_ptr<const CollectionDetail> detail;  // as it was when it failed
    int64_t ago_ns = 0;
  };
  // Empty if it is not there.
  std::optional<Found> Find(uint64_t buffer_collection_id, int64_t now_ns) const;
  // Newest last.
  std::vector<Found> All(int64_t now_ns) const;

 private:
  struct Kept {
    std::shared_ptr<const CollectionDetail> detail;
    int64_t since_ns = 0;
    size_t bytes = 0;
  };

  mutable std::mutex mutex_;
  std::deque<Kept> kept_;  // oldest first
  size_t bytes_ = 0;
};

}  // namespace sysmem::server
