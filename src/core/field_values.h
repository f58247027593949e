// SPDX-License-Identifier: Apache-2.0
//
// What a participant said about a field, found by the field's path: for naming culprits and for
// showing constraints to people. Reads the constraints as they were sent. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/constraints.h"

namespace sysmem::core {

// Whose value makes the aggregate: of a minimum the largest, of a maximum the smallest; where
// values are added, intersected or ORed everybody's does.
enum class Decides : uint8_t { kEverybody, kLargest, kSmallest };

// REQUIRES: `path` is in the tables of field_values.cc.
Decides WhoDecides(const std::string& path);

struct FieldValue {
  uint64_t rank = 0;  // what kLargest and kSmallest compare
  std::string text;   // "64", "NV12 LINEAR, R8G8B8A8 LINEAR"
};

// Which of a participant's image formats are in question.
struct FormatFilter {
  std::optional<PixelFormatAndModifier> pair;  // those that can be combined with this pair
  std::optional<size_t> entry;                 // the one at this position
};

// What the constraints say about the field; empty if they leave it unset, or at a value that asks
// for nothing (a false secure_required, a domain that is supported). Of several image formats the
// value that decides.
std::optional<FieldValue> FindFieldValue(const Constraints& constraints, const std::string& path,
                                         const FormatFilter& filter);

}  // namespace sysmem::core
