// SPDX-License-Identifier: Apache-2.0
//
// Where the guard pattern is damaged, and how that is told to people (GUARD-5, UNUSED-3). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "heaps/pool/deleted_regions.h"
#include "heaps/pool/guard_pattern.h"
#include "heaps/pool/region.h"

namespace sysmem::heaps {

// How many former owners a report names at most.
inline constexpr size_t kOwnersNamed = 4;

// Adjacent pages that are all damaged. Offsets are the pool's.
struct DamagedPages {
  Region pages;
  Region bytes;  // from the first bad one to the last
  // What stands in the first and in the last pages, two of each at most.
  std::vector<uint8_t> front;
  std::vector<uint8_t> back;
};

// Groups damaged pages. They are shown to it in the order of their addresses.
//
// Not thread-safe.
class DamageFinder {
 public:
  explicit DamageFinder(uint64_t page_bytes) : page_bytes_(page_bytes) {}

  // Whether the page is damaged.
  bool Look(uint64_t offset, std::span<const uint8_t> page);

  uint64_t count() const { return count_; }
  // The first kMostGroups of them.
  static constexpr size_t kMostGroups = 16;
  const std::vector<DamagedPages>& groups() const { return groups_; }

 private:
  const uint64_t page_bytes_;
  uint64_t count_ = 0;
  uint64_t last_damaged_end_ = UINT64_MAX;
  std::vector<DamagedPages> groups_;
};

// Who reads it, and where things lie for devices.
struct ReportContext {
  std::string pool_name;
  uint64_t physical_base = 0;
  std::vector<DeletedRegion> owners;  // former ones, the most recent first
  int64_t now_ns = 0;
};

// The bytes in which the pages differ from the pattern, in lines of 16; of more than 1024 bytes the
// first and the last 512.
std::string HexDiff(const DamagedPages& damaged);

std::string DescribeUnusedDamage(const DamagedPages& damaged, const ReportContext& context);

// `guard`: which one, such as "the guard before buffer \"x\" of 4096 bytes"; `content` is what
// stands in it from `offset` of the pool on.
std::string DescribeGuardDamage(const std::string& guard, uint64_t offset,
                                std::span<const uint8_t> content, const DamagedBytes& damage,
                                const ReportContext& context);

}  // namespace sysmem::heaps
