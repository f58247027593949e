// SPDX-License-Identifier: Apache-2.0
//
// Long work that nobody hurries for, on a machine where others do.
#pragma once

#include <sched.h>

namespace sysmem::base {

// Lets threads that wait for this processor go first. Without it a thread goes on until its share
// of time is used up, which is milliseconds on any kernel, also while somebody's call that takes
// microseconds has just arrived; being nice does not change that. Costs less than a microsecond
// when nobody waits. Not for a thread that keeps a lock or a collection's turn.
inline void GiveWay() { ::sched_yield(); }

}  // namespace sysmem::base
