// SPDX-License-Identifier: Apache-2.0
//
// What the daemon asks of a driver of secure memory, and what it is told: the SecureMem protocol as
// plain values (proto/sysmem2/heap.proto).
#pragma once

#include <cstdint>
#include <vector>

#include "core/constraints.h"

namespace sysmem::server {

// As it was sent: nothing is known of it yet.
struct PhysicalRange {
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  bool operator==(const PhysicalRange&) const = default;
};

struct SecureHeapAndRange {
  core::Heap heap;
  PhysicalRange range;
  bool operator==(const SecureHeapAndRange&) const = default;
};

// --- Calls ---

struct GetPhysicalSecureHeapsCall {};
struct GetDynamicSecureHeapsCall {};
struct GetSecureHeapPropertiesCall {
  SecureHeapAndRange entire_heap;
};
struct AddSecureRangeCall {
  SecureHeapAndRange added;
};
struct DeleteSecureRangeCall {
  SecureHeapAndRange deleted;
};
struct ModifySecureRangeCall {
  core::Heap heap;
  PhysicalRange from;
  PhysicalRange to;
};
struct ZeroSubRangeCall {
  bool is_covering_range_explicit = false;
  SecureHeapAndRange zeroed;
};

// --- Answers ---

struct PhysicalSecureHeaps {
  struct One {
    core::Heap heap;
    std::vector<PhysicalRange> ranges;
  };
  std::vector<One> heaps;
};
struct DynamicSecureHeaps {
  std::vector<core::Heap> heaps;
};
struct SecureHeapProperties {
  core::Heap heap;
  bool dynamic_protection_ranges = false;
  uint64_t granularity = 0;  // in bytes
  uint64_t most_ranges = 0;
  bool can_modify = false;
};

}  // namespace sysmem::server
