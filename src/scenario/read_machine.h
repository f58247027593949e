// SPDX-License-Identifier: Apache-2.0
//
// The machine of a scenario: heaps, what formats cost, limits. What a file does not say is as in a
// sysmemd without configuration.
#pragma once

#include "core/settings.h"
#include "scenario/fields.h"

namespace sysmem::scenario {

// The keys `heaps`, `format_costs` and `limits` of a file.
core::Settings ReadMachine(Fields& file, Mistakes& mistakes);

}  // namespace sysmem::scenario
