// SPDX-License-Identifier: Apache-2.0
//
// The death of a process at one of its message boundaries: just before or just after it sends a
// message, or before or after it receives one, on any socket and thread. A program linked with this
// has a sendmsg() and a recvmsg() that count.
//
//   DieAtBoundary(17);           // SIGKILL at the 18th from here on
//   DieAtBoundary(kNoBoundary);  // just counts
//   BoundariesPassed();
//
// Thread-safe. Counting begins with the first call of DieAtBoundary.
#pragma once

#include <cstdint>

namespace sysmem::testing {

inline constexpr uint64_t kNoBoundary = UINT64_MAX;

// Messages on `unheeded`, a socket of the test's own, do not count.
void DieAtBoundary(uint64_t boundary, int unheeded);
uint64_t BoundariesPassed();

}  // namespace sysmem::testing
