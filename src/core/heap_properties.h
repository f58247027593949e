// SPDX-License-Identifier: Apache-2.0
//
// What a heap says of itself: the only thing the core knows about heaps, and the part of the core
// that src/heaps may include.
#pragma once

#include <optional>

#include "core/constraints.h"

namespace sysmem::core {

struct HeapProperties {
  Heap heap;
  // Coherency domains the heap's memory can serve (interface.md 2.4).
  bool cpu_domain = false;
  bool ram_domain = false;
  bool inaccessible_domain = false;
  bool need_clear = false;         // the daemon must zero what the heap allocates (BUF-4)
  std::optional<bool> need_flush;  // the daemon must clean CPU caches (BUF-4)
  // Whether each buffer is one piece of physical memory. Unset: not known beforehand (a provider is
  // asked for each buffer, and may refuse); SYSTEM_RAM is contiguous only if it says so (HEAP-4).
  std::optional<bool> physically_contiguous;
  // Abilities (design: a result says what was really given).
  bool tells_holders_apart = false;  // strong and weak hand-outs can be told apart
  bool reports_end = false;          // the heap notices that the last holder is gone
  bool reduces_rights = false;       // a hand-out can be read-only
  bool operator==(const HeapProperties&) const = default;
};

// Why secure memory cannot be had although it is expected on this machine (SEC-1).
enum class NoSecureMemory {
  kNotYet,  // whoever requires it waits (INIT-3)
  kNoMore,  // whoever requires it is refused (SEC-3)
};

}  // namespace sysmem::core
