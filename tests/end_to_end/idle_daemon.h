// SPDX-License-Identifier: Apache-2.0
//
// A daemon with as many buffers as it can have, and nothing happening.
#pragma once

#include <chrono>

namespace sysmem::testing {

// Expects that over such a time a daemon with 10,000 buffers switches context at most ten times
// more than the same daemon had without a buffer, and that the threads which are its own, not
// gRPC's, never do. Once it has become quiet after the buffers came: one such time out of `tries`.
// Prints one line that begins with "idle:". Skips, by name, where limits of the system do not allow
// so many buffers.
void ExpectIdleWithManyBuffers(std::chrono::seconds time, int tries);

}  // namespace sysmem::testing
