// SPDX-License-Identifier: Apache-2.0
//
// Which processor a benchmark's process runs on.
//
// Two processes that talk to each other are placed by the kernel on one processor or on two, as it
// happens, and a round trip differs by half between these. Measured is the common case of a machine
// with something to do: the client on one, the server on another.
#pragma once

#include <sched.h>

namespace sysmem::bench {

enum class Side { kClient, kServer };

// The calling process and its children stay on this side's processor from now on. Does nothing on a
// machine with one processor, or when not allowed to.
inline void StayOn(Side side) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  static const cpu_set_t at_start = allowed;
  if (CPU_COUNT(&at_start) < 2) return;
  int wanted = side == Side::kClient ? 0 : 1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(static_cast<size_t>(cpu), &at_start) || wanted-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(cpu), &one);
    ::sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

}  // namespace sysmem::bench
