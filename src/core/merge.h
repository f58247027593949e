// SPDX-License-Identifier: Apache-2.0
//
// Second and third step of the negotiation: adding up what all participants ask for
// (server-behaviour.md 4.5, 4.6).
//
//   SanitisedConstraints total = NeutralConstraints();
//   for (each participant) if (MaybeRejection no = Merge(total, its constraints, limits)) ...
//   if (MaybeRejection no = ReduceRequiredSizes(total, limits)) ...
//
// The order of the participants matters only for the order inside lists. Nothing is compared with
// anything else here: that a minimum exceeds a maximum is found by SanitiseAggregate.
// Pure functions; thread-safe.
#pragma once

#include <vector>

#include "core/rejection.h"
#include "core/sanitised.h"
#include "core/settings.h"

namespace sysmem::core {

// What nobody asks for: the beginning of every sum.
SanitisedConstraints NeutralConstraints();

// Adds one participant. Fails if both name heaps, or image formats, and have none in common;
// `total` is then worthless.
MaybeRejection Merge(SanitisedConstraints& total, SanitisedConstraints participant,
                     const Limits& limits);

// A format that one merge has ruled out.
struct DroppedFormat {
  enum class Because : uint8_t {
    kNewcomerLacksIt,  // the participant has formats, but none that this one can be combined with
    kNewcomerAlone,    // only the participant has it, those before do not
    kCannotBeOne,      // both have it: `why` tells what is in the way
  };
  PixelFormatAndModifier format;
  Because because = Because::kNewcomerLacksIt;
  Rejection why;
};

// The part of Merge for image formats. An empty list leaves the other one as it is. A format drops
// out if the other side does not have it or if the two entries cannot be one; for those who want to
// tell, `dropped` (may be nullptr) collects which did.
MaybeRejection MergeImageFormats(std::vector<SanitisedImageFormat>& total,
                                 std::vector<SanitisedImageFormat> participant,
                                 const Limits& limits,
                                 std::vector<DroppedFormat>* dropped = nullptr);

// RMSL: folds required_max_size into required_max_size_list and drops entries that another one
// covers. Fails if too many are left.
MaybeRejection ReduceRequiredSizes(SanitisedConstraints& total, const Limits& limits);

// The sizes that no other one covers in both dimensions; of equal ones the first. Keeps the order.
std::vector<SizeU> LargestSizes(const std::vector<SizeU>& sizes);

}  // namespace sysmem::core
