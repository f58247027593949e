// SPDX-License-Identifier: Apache-2.0
//
// Buffers that are made, used in another process and let go, by the thousand: no end is missed and
// nothing is left.
#pragma once

namespace sysmem::testing {

// So many cycles against a daemon of their own, several on the way at a time. The user of the
// buffers runs on another processor than the daemon, and only when nobody else wants to
// (SCHED_IDLE), so that it is stopped in the middle of closing as often as can be. Expects each
// end, and at the end descriptors, watches, memory and ledger as after the first cycles.
void ExpectNoEndMissed(int cycles);

}  // namespace sysmem::testing
