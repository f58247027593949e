// SPDX-License-Identifier: Apache-2.0
//
// Many more lives of buffers than in lifetimes_test.cc, and a longer sleep.
#include <gtest/gtest.h>

#include "tests/end_to_end/buffer_cycles.h"
#include "tests/end_to_end/idle_daemon.h"

namespace sysmem::testing {
namespace {

TEST(AHundredThousandLives, AllEndAndLeaveNothing) { ExpectNoEndMissed(100'000); }

TEST(TenThousandBuffers, KeepADaemonFromNoSleep) {
  ExpectIdleWithManyBuffers(std::chrono::seconds(60), /*tries=*/3);
}

}  // namespace
}  // namespace sysmem::testing
