// SPDX-License-Identifier: Apache-2.0
//
// Can participants who come late be served by the buffers that are there?
// (server-behaviour.md 3.7, 3.8)
//
// Everybody negotiates once more, with one participant in addition who stands for the buffers and
// demands exactly what they are (EXIST). Nothing is built: what comes out must be the plan that the
// buffers were built by, down to the order in lists, or the newcomers are refused (LATE-2). So they
// may ask for less than there is, and for nothing that shows in the settings (LATE-5).
//
// The same kind of participant stands for the buffers of another collection which somebody wants
// his own to match (PART-2); only that it does not mind how many they are, and that nothing is
// compared afterwards.
// Pure functions; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/constraints.h"
#include "core/failure.h"
#include "core/negotiate.h"
#include "core/plan.h"
#include "core/settings.h"

namespace sysmem::core {

// EXIST: constraints that only buffers like these satisfy, however many they are.
Constraints AsConstraints(const SingleBufferSettings& settings);
// EXIST: constraints that only the buffers of `plan` satisfy, this number of them included.
Constraints AsConstraints(const Plan& plan);

// The one who stands for the buffers. `buffers` is what AsConstraints returned, and must be there
// for as long.
Participant AsParticipant(const Constraints& buffers);
// The one who stands for the buffers that the participant `giver` wants to match; failures that
// blame these buffers name him. `buffers` as above.
Participant AsParticipantToMatch(const Constraints& buffers, NodeId giver, const std::string& name);

// GVI-1: why somebody who asks for this could not use buffers like these, however many they are.
// Empty: he could. Domains, heaps and sizes are looked at as far as constraints speak of them; no
// layout is computed.
std::optional<Failure> WhyNotLike(const Constraints& constraints,
                                  const SingleBufferSettings& buffers, const Settings& settings);

// LATE-1 to LATE-5, before anybody is blamed.
// REQUIRES: in the order of LATE-1; AsParticipant for `existing` is among them.
std::optional<Refusal> WhyRefused(const std::vector<Participant>& participants,
                                  const Plan& existing, const Settings& settings);

// LATE-1 to LATE-5. Empty: `participants`, old and new ones, can share the buffers of `existing`.
// Otherwise CONSTRAINTS_INTERSECTION_EMPTY, naming who wants something else; the buffers
// themselves appear among those named as node 0.
// REQUIRES: in the order of LATE-1; none stands for buffers.
std::optional<Failure> WhyNotServed(std::vector<Participant> participants, const Plan& existing,
                                    const Settings& settings);

}  // namespace sysmem::core
