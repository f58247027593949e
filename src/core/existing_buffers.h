// SPDX-License-Identifier: Apache-2.0
//
// Can participants who come late be served by the buffers that are there?
// (server-behaviour.md 3.7, 3.8)
//
// Everybody negotiates once more, with one participant in addition who stands for the buffers and
// demands exactly what they are (EXIST). Nothing is built: what comes out must be the plan that the
// buffers were built by, down to the order in lists, or the newcomers are refused (LATE-2). So they
// may ask for less than there is, and for nothing that shows in the settings (LATE-5).
// Pure functions; thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "core/constraints.h"
#include "core/failure.h"
#include "core/negotiate.h"
#include "core/plan.h"
#include "core/settings.h"

namespace sysmem::core {

// EXIST: constraints that only the buffers of `plan` satisfy, this number of them included.
Constraints AsConstraints(const Plan& plan);

// The one who stands for the buffers. `buffers` is what AsConstraints returned, and must be there
// for as long.
Participant AsParticipant(const Constraints& buffers);

// LATE-1 to LATE-5, before anybody is blamed.
// REQUIRES: the last one is AsParticipant for `existing`, the others in the order of LATE-1.
std::optional<Refusal> WhyRefused(const std::vector<Participant>& participants,
                                  const Plan& existing, const Settings& settings);

// LATE-1 to LATE-5. Empty: `participants`, old and new ones, can share the buffers of `existing`.
// Otherwise CONSTRAINTS_INTERSECTION_EMPTY, naming who wants something else; the buffers
// themselves appear among those named as node 0.
// REQUIRES: in the order of LATE-1.
std::optional<Failure> WhyNotServed(std::vector<Participant> participants, const Plan& existing,
                                    const Settings& settings);

}  // namespace sysmem::core
