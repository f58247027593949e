// SPDX-License-Identifier: Apache-2.0
//
// Who ruled out which image format and which heap: what the participants ask for, put together once
// more, with an eye on what is lost on the way. Pure function; thread-safe.
#pragma once

#include <cstddef>
#include <vector>

#include "core/labels.h"
#include "core/negotiate.h"
#include "core/report.h"
#include "core/settings.h"
#include "core/smallest_conflict.h"

namespace sysmem::core {

struct Eliminations {
  std::vector<Elimination> told;
  size_t untold = 0;
};

// At most `most` are told, and as far as `work` suffices. Formats come before heaps, both in the
// order in which they drop out. A format that was ruled out more than once is told once.
Eliminations FindEliminations(const std::vector<Participant>& participants,
                              const Settings& settings, const Labels& labels, size_t most,
                              Work& work);

}  // namespace sysmem::core
