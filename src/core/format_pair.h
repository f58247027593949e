// SPDX-License-Identifier: Apache-2.0
//
// Pairs of pixel format and modifier in constraints: wildcards, and what a participant's entries
// amount to (server-behaviour.md 4.4, F-rules and COMB). Pure functions; thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "core/constraints.h"
#include "core/rejection.h"

namespace sysmem::core {

// COMB: the pair that satisfies both, DO_NOT_CARE giving way to a value; empty if there is none, or
// if it would be a pair that no layout supports.
std::optional<PixelFormatAndModifier> CombinePairs(const PixelFormatAndModifier& a,
                                                   const PixelFormatAndModifier& b);

// F1 to F5: the pairs one entry stands for, in order: its list, then its own pair. The usage
// decides what an unset modifier means (F3).
OrRejection<std::vector<PixelFormatAndModifier>> FlattenPairs(const ImageFormatConstraints& entry,
                                                              const BufferUsage& usage);

// C16: the first of a participant's pairs that is equal to, or combinable with, another of them.
// REQUIRES: pairs without DO_NOT_CARE are supported (I16).
std::optional<PixelFormatAndModifier> FindRedundantPair(
    const std::vector<PixelFormatAndModifier>& pairs);

}  // namespace sysmem::core
