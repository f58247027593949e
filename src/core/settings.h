// SPDX-License-Identifier: Apache-2.0
//
// What the core knows of the machine: immutable while a collection lives. Collections share
// nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/heap_properties.h"

namespace sysmem::core {

// Named limits of server-behaviour.md section 0, with the unit in the name.
struct Limits {
  uint64_t page_bytes = 4096;
  uint64_t buffer_bytes = 256ull << 20;    // per buffer, inclusive (4.9)
  uint64_t collection_bytes = 1ull << 30;  // per collection, inclusive (4.9)
  uint64_t allocation_bytes = UINT64_MAX;  // max_allocation_size, compared with size_bytes
  uint32_t buffers_per_collection = 128;   // bound of the result message (4.8, NOTE-LINUX)
  uint32_t required_max_sizes = 64;        // after de-duplication (RMSL)
  uint32_t image_formats_in_merge = 512;   // fan-out of wildcards (4.5)
  uint32_t group_combinations = 64;        // GRP-6
  uint32_t node_trackings_per_node = 256;  // AttachNodeTracking
  uint32_t debug_name_bytes = 4096;        // DBG-2
  // Not in the original: a tree without a bound is a way to exhaust the daemon.
  uint32_t nodes_per_collection = 4096;
  // Neither in the original: each counts once in every try. A thousand participants with 64 formats
  // each are half of it.
  uint64_t image_formats_per_collection = 1 << 17;
};

// How dear a format is for some usage; the cheapest of several possible formats is chosen (FMT-1).
struct FormatCost {
  PixelFormatAndModifier format;
  BufferUsage usage;  // the entry holds where all of these bits are in use; `none` does not count
  double cost = 0;    // lower is better
  bool operator==(const FormatCost&) const = default;
};

struct Settings {
  std::vector<HeapProperties> heaps;  // registered heaps
  // Heaps whose memory no CPU can read. Empty: secure memory is not expected on this machine, and
  // whoever requires it is refused (M15).
  std::vector<Heap> secure_heaps;
  // Unset: it is ready, or none is expected.
  std::optional<NoSecureMemory> no_secure_memory;
  // Types of the heaps that the machine's owner prefers, the dearest first: where several heaps
  // would do, the first of these that is among them is taken, even before SYSTEM_RAM. Empty: HEAP-2
  // and HEAP-3 choose.
  std::vector<std::string> preferred_heaps;
  std::vector<FormatCost> format_costs;  // COST-1; a format without an entry is dearest
  Limits limits;
  // Whether anybody reads log lines of level debug; without, none are made.
  bool debug_log = true;
};

// What a registered heap can; nullptr if there is none by that name.
inline const HeapProperties* FindHeap(const Heap& heap, const Settings& settings) {
  for (const HeapProperties& one : settings.heaps) {
    if (one.heap == heap) return &one;
  }
  return nullptr;
}

}  // namespace sysmem::core
