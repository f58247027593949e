// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/pool_figures.h"

namespace sysmem::heaps {

std::vector<Figure> ToFigures(const PoolFigures& f) {
  constexpr uint64_t kMiB = 1 << 20;
  const auto time = [](int64_t ns) { return static_cast<uint64_t>(ns); };
  return {
      {"size", f.size, "bytes", "How large the pool is."},
      {"id", f.id, "", "The id of its heap."},
      {"is_ready", f.is_ready ? 1U : 0U, "", "1 if it may be allocated from, else 0."},
      {"used_size", f.used_size, "bytes", "In regions that are taken, guards included."},
      {"high_water_mark", f.high_water_mark, "bytes", "The most that was ever used."},
      {"free_at_high_water_mark", f.free_at_high_water_mark, "bytes", "What was unused then."},
      {"max_free_at_high_water", f.max_free_at_high_water, "bytes",
       "The largest free region then."},
      {"free_regions", f.free_regions, "", "Pieces that the free space is in."},
      {"largest_free_region", f.largest_free_region, "bytes", "The largest of them."},
      {"large_contiguous_region_sum", f.large_contiguous_region_sum, "bytes",
       "The ten largest of them together."},
      {"allocations_failed", f.allocations_failed, "", "Allocations that no free region fitted."},
      {"allocations_failed_fragmentation", f.allocations_failed_fragmentation, "",
       "Those of them for which there was enough free space in pieces."},
      {"last_allocation_failed_timestamp_ns", time(f.last_allocation_failed_timestamp_ns), "ns",
       "When the last one failed."},
      {"commits_failed", f.commits_failed, "",
       "Allocations that had a region but got no memory for it."},
      {"last_commit_failed_timstamp_ns", time(f.last_commit_failed_timstamp_ns), "ns",
       "When the last one failed."},
      {"failed_guard_region_checks", f.failed_guard_region_checks, "",
       "Guards and groups of unused pages that were found damaged."},
      {"last_failed_guard_region_check_timestamp_ns",
       time(f.last_failed_guard_region_check_timestamp_ns), "ns", "When the last one was found."},
      {"passed_guard_region_checks", f.passed_guard_region_checks, "",
       "Guards that were looked at and found whole."},
      {"unused_page_checks", f.unused_page_checks, "", "Unused pages that were looked at."},
      {"loanable_efficiency", f.loanable_efficiency_permille, "permille",
       "How much of what is unused can be lent to the kernel."},
      {"loanable_ratio", f.loanable_ratio_permille, "permille",
       "How much of the whole pool can be lent to the kernel."},
      {"loanable_bytes", f.loanable_bytes, "bytes", "What can be lent to the kernel."},
      {"loanable_mebibytes", f.loanable_bytes / kMiB, "MiB", "The same."},
  };
}

}  // namespace sysmem::heaps
