// SPDX-License-Identifier: Apache-2.0
//
// What is done with the pages of a pool that nobody has, and when they are looked at (UNUSED-1,
// UNUSED-2). Pure: which page is treated how depends on its offset alone.
//
//   while (!rest.empty()) {
//     const UnusedPiece piece = plan.FirstPiece(rest);
//     ... write the pattern, give the pages to the kernel, or leave them ...
//     rest.begin = piece.region.end;
//   }
#pragma once

#include <cstdint>

#include "heaps/pool/region.h"

namespace sysmem::heaps {

enum class UnusedUse {
  kPatterned,  // kept, holding the guard pattern
  kLoaned,     // given to the kernel: a hole
  kLeft,       // nothing is done
};

struct UnusedPiece {
  Region region;
  UnusedUse use = UnusedUse::kLeft;
  bool operator==(const UnusedPiece&) const = default;
};

struct UnusedPagePlan {
  uint64_t page_bytes = 4096;
  bool checking = true;         // damage is looked for
  bool loaning = true;          // pages can be given to the kernel
  uint64_t period_pages = 128;  // of so many the first is patterned, if both; positive

  // The pages from the beginning of `within` that are treated alike.
  // REQUIRES: not empty, of whole pages.
  UnusedPiece FirstPiece(Region within) const;
};

// A whole check of a pool is done in so many equal parts.
inline constexpr uint64_t kCheckSlices = 64;

// Part `index` (below kCheckSlices) of the pages of a pool; may be empty.
Region CheckSlice(uint64_t pool_bytes, uint64_t page_bytes, uint64_t index);

}  // namespace sysmem::heaps
