// SPDX-License-Identifier: Apache-2.0
//
// Which of several possible image formats is best (server-behaviour.md 4.7: FMT-1, COST-1 to
// COST-3). Pure functions; thread-safe.
#pragma once

#include <vector>

#include "core/sanitised.h"
#include "core/settings.h"

namespace sysmem::core {

// What the table says for this format and usage: the entry that shares most usage bits, of equals
// the later one. A format without an entry costs more than any other.
double CostOf(const PixelFormatAndModifier& format, const BufferUsage& usage,
              const std::vector<FormatCost>& costs);

// The cheapest; of equals the one with the smaller pixel format, then the smaller modifier. The
// order of the list never matters. REQUIRES: not empty.
const SanitisedImageFormat& BestFormat(const std::vector<SanitisedImageFormat>& formats,
                                       const BufferUsage& usage,
                                       const std::vector<FormatCost>& costs);

}  // namespace sysmem::core
