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

#include <string>
#include <vector>

#include "core/failure.h"
#include "core/plan.h"
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
};

// REQUIRES: participants in breadth-first order of their nodes (PART-1).
// Fails with CONSTRAINTS_INTERSECTION_EMPTY whenever the participants cannot be satisfied,
// malformed values included (the table in 3.4).
Result<Plan> Negotiate(const std::vector<Participant>& participants, const Settings& settings);

}  // namespace sysmem::core
