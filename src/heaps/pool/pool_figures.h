// SPDX-License-Identifier: Apache-2.0
//
// What a pool counts, under the names that the original's inspector has for it (server behaviour
// 7.6), one letter missing in last_commit_failed_timstamp_ns included.
#pragma once

#include <cstdint>
#include <vector>

#include "heaps/heap.h"

namespace sysmem::heaps {

// Bytes, unless the name says otherwise. Timestamps are the pool's clock, 0: it never happened.
struct PoolFigures {
  uint64_t size = 0;
  uint64_t id = 0;
  uint64_t high_water_mark = 0;
  uint64_t free_at_high_water_mark = 0;
  uint64_t used_size = 0;
  uint64_t allocations_failed = 0;
  int64_t last_allocation_failed_timestamp_ns = 0;
  uint64_t commits_failed = 0;
  int64_t last_commit_failed_timstamp_ns = 0;
  uint64_t allocations_failed_fragmentation = 0;
  uint64_t max_free_at_high_water = 0;
  bool is_ready = false;
  uint64_t failed_guard_region_checks = 0;
  int64_t last_failed_guard_region_check_timestamp_ns = 0;
  uint64_t passed_guard_region_checks = 0;  // ours, as are the next three
  uint64_t unused_page_checks = 0;          // pages looked at
  uint64_t free_regions = 0;
  uint64_t largest_free_region = 0;
  uint64_t large_contiguous_region_sum = 0;
  // MET-2. The first is of what is not used, the second of the whole pool.
  uint64_t loanable_efficiency_permille = 0;
  uint64_t loanable_ratio_permille = 0;
  uint64_t loanable_bytes = 0;
};

std::vector<Figure> ToFigures(const PoolFigures& figures);

}  // namespace sysmem::heaps
