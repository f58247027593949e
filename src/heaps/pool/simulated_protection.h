// SPDX-License-Identifier: Apache-2.0
//
// The protecting hardware of a machine that has none: a few range registers over a piece of
// simulated physical memory (protected_ranges.h). A simulated device asks it what it may touch.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "heaps/pool/protected_ranges.h"

namespace sysmem::heaps {

struct SimulatedProtectionOptions {
  Region space;  // physical; of whole granules
  bool is_dynamic = true;
  uint64_t granularity = 64 * 1024;  // in bytes
  size_t most_ranges = 8;            // as ProtectionHardware
  bool can_modify = true;
};

class SimulatedProtection : public ProtectionHardware {
 public:
  explicit SimulatedProtection(SimulatedProtectionOptions options) : options_(options) {}

  Region space() const override { return options_.space; }
  bool is_dynamic() const override { return options_.is_dynamic; }
  uint64_t granularity() const override { return options_.granularity; }
  size_t most_ranges() const override { return options_.most_ranges; }
  bool can_modify() const override { return options_.can_modify; }

  void AddRange(Region range) override;
  void DeleteRange(Region range) override;
  void ModifyRange(Region from, Region to) override;
  // There is nothing in secure memory that could be read, so nothing needs to be cleared.
  void Zero(Region) override {}
  absl::Status TakePages(Region) override { return absl::OkStatus(); }
  void GiveBackPages(Region) override {}

  // Whether every byte of it is protected.
  bool IsProtected(Region region) const;

 private:
  const SimulatedProtectionOptions options_;
  mutable std::mutex mutex_;
  std::vector<Region> ranges_;  // guarded by mutex_; may overlap
};

}  // namespace sysmem::heaps
