// SPDX-License-Identifier: Apache-2.0
//
// What one participant's constraints add to the work of an attempt (attempt_cost.h). A pure
// function; thread-safe.
#pragma once

#include <cstdint>

#include "core/constraints.h"

namespace sysmem::core {

struct ConstraintsWeight {
  uint64_t entries = 0;    // pairs of pixel format and modifier that it names
  uint64_t wildcards = 0;  // those of them with DO_NOT_CARE, which meet each of the others' pairs
  bool operator==(const ConstraintsWeight&) const = default;
};

ConstraintsWeight WeightOf(const Constraints& constraints);

}  // namespace sysmem::core
