// SPDX-License-Identifier: Apache-2.0
//
// Which participants have to be brought together to have the conflict: usually two of a thousand.
//
// Found by negotiating again with some of the participants: first those whose values decided
// (blame.h); then, of whatever is known to conflict, the shortest beginning that still does, again
// and again; at last without each one that is left. What comes out conflicts for certain. That
// nobody can be left out is proven too, unless the work that is allowed was used up first.
//
// A few negotiations with two or three participants, as a rule; a few dozen with all of them at
// worst. Pure function; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/negotiate.h"
#include "core/settings.h"

namespace sysmem::core {

// What explaining may cost. One unit is looking at one participant or at one of its image formats:
// the negotiation's own work is counted the same way.
class Work {
 public:
  explicit Work(uint64_t units) : left_(units) {}
  // False if there is less left than that; then nothing is left any more.
  bool Spend(uint64_t units) {
    if (units > left_) left_ = 0;
    const bool enough = left_ > 0;
    left_ -= enough ? units : 0;
    return enough;
  }
  uint64_t left() const { return left_; }

 private:
  uint64_t left_;
};

// Units for one look at this participant.
uint64_t WorkFor(const Participant& participant);

struct SmallestConflict {
  Members members;
  // Without any one of them the others would not be refused for this reason.
  bool proven = false;
};

// REQUIRES: TryToPlan refused these participants with `refusal`, which is not `by_absence`.
SmallestConflict FindSmallestConflict(const std::vector<Participant>& participants,
                                      const Refusal& refusal, const Settings& settings, Work& work);

}  // namespace sysmem::core
