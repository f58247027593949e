// SPDX-License-Identifier: Apache-2.0
//
// First and fourth step of the negotiation: is what one participant asks for sound by itself, and
// is what all of them ask for together still so? (server-behaviour.md 4.1 to 4.4; rules C, U, M, F,
// I)
//
//   one participant's Constraints --SanitiseParticipant--> SanitisedConstraints (defaults applied)
//   all of them, merged (merge.h) --SanitiseAggregate--> the same, ready to be planned
//
// The stage INITIAL of the specification needs no code: it is the neutral SanitisedConstraints.
// Pure functions; thread-safe.
#pragma once

#include "core/constraints.h"
#include "core/rejection.h"
#include "core/sanitised.h"
#include "core/settings.h"

namespace sysmem::core {

// MINSIZE: whether these raw constraints demand some size. At least one participant must.
bool AsksForSize(const Constraints& constraints);

// Stage SINGLE. Image formats come out flattened, one per pair of format and modifier.
OrRejection<SanitisedConstraints> SanitiseParticipant(const Constraints& constraints,
                                                      const Settings& settings);

// Stage AGGREGATED. Each image format that comes out is specific, with exactly one colour space.
OrRejection<SanitisedConstraints> SanitiseAggregate(SanitisedConstraints merged,
                                                    const Settings& settings);

// The I-rules for one entry, common to both stages: checks it, folds in what its pixel format
// demands, and rounds its bounds. Doing it again changes nothing.
MaybeRejection SanitiseImageFormat(SanitisedImageFormat& format, const Limits& limits);

// PAD: makes rows a multiple of the block's width, so that whole blocks lie side by side. False if
// the divisor does not fit 32 bits. Done wherever block widths or divisors are put together, and
// once more for the aggregate (ACC-H2).
bool AlignRowsToBlocks(SanitisedImageFormat& format);

// The I-rules' defaults: what `entry` means for one of its pairs.
SanitisedImageFormat WithDefaults(const ImageFormatConstraints& entry,
                                  const PixelFormatAndModifier& pair);

}  // namespace sysmem::core
