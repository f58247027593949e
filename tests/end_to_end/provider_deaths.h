// SPDX-License-Identifier: Apache-2.0
//
// The death of a provider at any of its messages.
#pragma once

#include <cstdint>

namespace sysmem::testing {

// Lets so many providers die, one after the other, each at a message boundary drawn from its seed
// (message_boundaries.h), while one client allocates of their heap and, as a bystander does, of
// SYSTEM_RAM. Expects after each: every collection on the heap is closed, who has its memory keeps
// it, the others go on, and descriptors, watches, buffers and bytes of the daemon are as many as
// before. Prints one line that begins with "providers:".
void ExpectDeathsHarmNobodyElse(uint64_t schedules);

}  // namespace sysmem::testing
