// SPDX-License-Identifier: Apache-2.0
//
// Core values as short text for log lines and reasons. For people only: nothing reads these texts
// back, and names from clients stand in them as they were given (shortened, not escaped).
// Pure functions; thread-safe.
#pragma once

#include <string>

#include "core/constraints.h"
#include "core/failure.h"
#include "core/node_tree.h"
#include "core/plan.h"
#include "core/sanitised.h"

namespace sysmem::core {

// A client's name inside a sentence; whole names are in the snapshot.
inline constexpr size_t kNameBytesInText = 128;

// `token "camera" (id 7, node 12)`
std::string Describe(const Node& node);

// `usage cpu 0x3, camping 2, min_size_bytes 4096, image formats 1`: the fields that are set.
std::string Describe(const Constraints& constraints);

// The same of what several participants want together.
std::string Describe(const SanitisedConstraints& constraints);

// `; node 3 "camera": 64; node 5 "display": 128`: whom a failure names, cut where it gets long.
// Empty if it names nobody.
std::string Culprits(const Failure& why);

// `3 buffers of 65536 bytes from heap fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM 0`
std::string Describe(const Plan& plan);

}  // namespace sysmem::core
