// SPDX-License-Identifier: Apache-2.0
//
// Many lives of buffers, and many living buffers; shorter than in lifetimes_soak_test.cc.
#include <gtest/gtest.h>

#include "tests/end_to_end/buffer_cycles.h"
#include "tests/end_to_end/idle_daemon.h"

namespace sysmem::testing {
namespace {

TEST(ThousandsOfLives, AllEndAndLeaveNothing) { ExpectNoEndMissed(3000); }

TEST(ThousandsOfBuffers, KeepADaemonFromNoSleep) {
  ExpectIdleWithManyBuffers(std::chrono::seconds(3), /*tries=*/10);
}

}  // namespace
}  // namespace sysmem::testing
