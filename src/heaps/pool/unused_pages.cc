// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/unused_pages.h"

#include <algorithm>

namespace sysmem::heaps {

UnusedPiece UnusedPagePlan::FirstPiece(Region within) const {
  if (!checking) return {.region = within, .use = loaning ? UnusedUse::kLoaned : UnusedUse::kLeft};
  if (!loaning) return {.region = within, .use = UnusedUse::kPatterned};
  const uint64_t page_in_period = within.begin / page_bytes % period_pages;
  if (page_in_period == 0) {
    return {.region = {.begin = within.begin, .end = within.begin + page_bytes},
            .use = UnusedUse::kPatterned};
  }
  const uint64_t pages_left = within.size() / page_bytes;
  const uint64_t pages = std::min(pages_left, period_pages - page_in_period);
  return {.region = {.begin = within.begin, .end = within.begin + pages * page_bytes},
          .use = UnusedUse::kLoaned};
}

Region CheckSlice(uint64_t pool_bytes, uint64_t page_bytes, uint64_t index) {
  const uint64_t pages = pool_bytes / page_bytes;
  // 64 times the number of pages fits: a page has more than 64 bytes.
  return {.begin = pages * index / kCheckSlices * page_bytes,
          .end = pages * (index + 1) / kCheckSlices * page_bytes};
}

}  // namespace sysmem::heaps
