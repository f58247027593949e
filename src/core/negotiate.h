// SPDX-License-Identifier: Apache-2.0
//
// The question "what do these participants agree on?", answered by pure functions.
//
//   participants --sanitise, merge--> aggregate --plan--> Plan (or a Failure that names culprits)
//
// server-behaviour.md section 4. The three steps have a header of their own (sanitise.h, merge.h,
// plan_buffers.h); this one puts them in a row. Results do not depend on anything but the
// arguments. Thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/failure.h"
#include "core/plan.h"
#include "core/rejection.h"
#include "core/sanitised.h"
#include "core/settings.h"

namespace sysmem::core {

// One participant's constraints, with the label that failures use for blame.
struct Participant {
  NodeId node = 0;
  std::string name;
  const Constraints* constraints = nullptr;  // not owned; nullptr = no constraints at all
  // Nobody, but buffers that are there (existing_buffers.h). Their max_size_bytes is the size they
  // have without padding, so padding is not held against it (LATE-H1).
  bool exists_already = false;
  // Types of heaps that it may not use (SetConstraints::denied_heaps); not owned, null: none. It
  // counts for those who are handed buffers.
  const std::vector<std::string>* denied_heaps = nullptr;
};

// What the participant asks for; an empty table if it has none.
const Constraints& ConstraintsOf(const Participant& participant);

// Whether it may not use heaps of this type.
bool IsDenied(const Participant& participant, const std::string& heap_type);

// REQUIRES: participants in breadth-first order of their nodes (PART-1).
// Fails with CONSTRAINTS_INTERSECTION_EMPTY whenever the participants cannot be satisfied,
// malformed values included (the table in 3.4).
Result<Plan> Negotiate(const std::vector<Participant>& participants, const Settings& settings);

// Positions in a list of participants, rising.
using Members = std::vector<size_t>;

// Why there is no plan, before anybody is blamed.
struct Refusal {
  Rejection why;
  // The participants that had been looked at by then are those before this position.
  size_t looked_at = 0;
  // Position of the one whose message is wrong by itself.
  std::optional<size_t> alone = std::nullopt;
};

// Negotiate without the blame.
Result<Plan, Refusal> TryToPlan(const std::vector<Participant>& participants,
                                const Settings& settings);

// Everything up to the plan: what the participants ask for together, sound by itself.
Result<SanitisedConstraints, Refusal> Agree(const std::vector<Participant>& participants,
                                            const Settings& settings);

// Why these members alone could not agree, even beside somebody who asks for whatever nobody of
// them does: a size, a use, a buffer, a definite format. Empty: there is no conflict between them.
std::optional<Rejection> ConflictBetween(const std::vector<Participant>& participants,
                                         const Members& members, const Settings& settings);

// The failure that a refusal is, with those blamed whose values decided.
Failure Blame(const Refusal& refusal, const std::vector<Participant>& participants);

}  // namespace sysmem::core
