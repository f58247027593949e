// SPDX-License-Identifier: Apache-2.0
//
// How large a pool is and how it is guarded, as an administrator says it: numbers, or texts whose
// errors name the field, the value and the rule.
//
// Pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sysmem::heaps {

// Percent of the machine's memory where neither bytes nor percent are given (server behaviour 7.1).
inline constexpr int64_t kDefaultContiguousPercent = 5;
inline constexpr int64_t kDefaultProtectedPercent = 0;
// What the size of the protected pool is rounded up to.
inline constexpr uint64_t kProtectedPoolUnitBytes = 64 * 1024;

// Bytes win over percent. Bytes below 0, and percent outside 0 to 99, count as not given.
struct PoolSizeSetting {
  std::optional<int64_t> bytes;
  std::optional<int64_t> percent;
};

// In bytes, rounded up to `unit_bytes` (down where that would not fit 64 bits); 0: no pool.
// REQUIRES: unit_bytes is not 0; default_percent is from 0 to 99.
uint64_t PoolSizeBytes(const PoolSizeSetting& setting, int64_t default_percent,
                       uint64_t memory_bytes, uint64_t unit_bytes);

// A size in one number, as texts say it (CFG-1): 0 and up are bytes, -1 to -99 percent of memory.
// An empty text changes nothing. Errors: InvalidArgument, and `in_force` is unchanged.
absl::Status OverridePoolSize(std::string_view field, std::string_view text, int64_t& in_force);

// The same as a setting. REQUIRES: at least -99.
PoolSizeSetting ToPoolSizeSetting(int64_t number);

// Of what nobody should write to (GUARD-1).
struct GuardOptions {
  uint64_t pages = 1;     // of each guard region; 0: there are none
  bool internal = false;  // one before and one behind each buffer
  bool fatal = false;     // damage ends the daemon
  bool unused = true;     // the pattern stands in unused pages too
  uint64_t unused_period_pages =
      128;  // of so many unused pages one holds it, the others are loaned
  uint64_t unused_cycle_seconds = 600;  // in which every such page is looked at
  bool operator==(const GuardOptions&) const = default;
};

// A guard is compared in one go, while nobody allocates.
inline constexpr uint64_t kMaxGuardPages = 256;
inline constexpr uint64_t kMaxUnusedPeriodPages = 1 << 20;
inline constexpr uint64_t kMaxUnusedCycleSeconds = 366 * 24 * 3600;

// Errors: InvalidArgument for a number out of its bounds.
absl::Status CheckGuardOptions(const GuardOptions& options);

// As texts (CFG-2). Those without a value are on when they are there, even if empty.
struct GuardTexts {
  std::optional<std::string_view> pages;  // empty: the default
  std::optional<std::string_view> internal;
  std::optional<std::string_view> fatal;
  std::optional<std::string_view> unused_disabled;
  std::optional<std::string_view> unused_cycle_seconds;  // empty: the default
};

// Errors: InvalidArgument for what is no number or out of bounds; then the defaults hold, for all.
absl::StatusOr<GuardOptions> ParseGuardOptions(const GuardTexts& texts);

}  // namespace sysmem::heaps
