// SPDX-License-Identifier: Apache-2.0
//
// From "these fields conflict" to "these participants said so".
//
// Works on the participants' constraints as they were sent, after the fact: merging keeps no record
// of who contributed what. Pure function; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/failure.h"
#include "core/negotiate.h"
#include "core/rejection.h"

namespace sysmem::core {

// The position of one whose value decided, and that value (or those) in words.
struct Blamed {
  size_t participant = 0;
  std::string value;
};

// Who decided the fields of the rejection, by rising position.
std::vector<Blamed> WhoIsToBlame(const Rejection& rejection,
                                 const std::vector<Participant>& participants);

// The failure for a rejection of what `participants` ask for together, or of the only one of them.
// Names each participant whose value decided one of the fields in question, with those values; the
// value of a single field stands alone ("64"), several carry their names ("min_size.width 640").
Failure Blame(const Rejection& rejection, const std::vector<Participant>& participants);

}  // namespace sysmem::core
