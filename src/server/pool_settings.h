// SPDX-License-Identifier: Apache-2.0
//
// Which pools of simulated memory the daemon offers, as its configuration says it
// (heaps/pool/pool_options.h).
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "heaps/pool/pool_options.h"

namespace sysmem::server {

struct PoolSettings {
  // Each in bytes, or below 0 in percent of the machine's memory (CFG-1); 0: there is no such pool.
  int64_t contiguous = 0;
  int64_t protected_memory = 0;
  heaps::GuardOptions guards;  // of the contiguous pool (GUARD-1)
  // Types of heaps of secure memory whose driver the daemon plays itself. The first is the
  // protected pool; each further one has a fixed range of the same size. None: a process drives
  // secure memory.
  std::vector<std::string> simulated_secure_heaps;
  bool operator==(const PoolSettings&) const = default;
};

// Readers of one value each. Errors: InvalidArgument; `settings` is unchanged then.

// CFG-1; the text "" changes nothing.
absl::Status ReadContiguousPool(const std::string& value, PoolSettings& settings);
absl::Status ReadProtectedPool(const std::string& value, PoolSettings& settings);

// Words with commas between them, each of which counts because it is there (CFG-2): internal,
// fatal, unused-disabled, pages=COUNT, unused-cycle-seconds=COUNT. What is not said is as by
// default, as is a count without a number.
absl::Status ReadPoolGuards(const std::string& value, PoolSettings& settings);

// Heap types with commas between them.
absl::Status ReadSimulatedSecureHeaps(const std::string& value, PoolSettings& settings);

}  // namespace sysmem::server
