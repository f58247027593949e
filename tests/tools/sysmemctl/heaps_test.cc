// SPDX-License-Identifier: Apache-2.0
//
// What `sysmemctl heaps` says of a real daemon's heaps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/daemon_process.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecure[] = "fuchsia.amlogic.platform.sysmem.heap.HEAP_TYPE.SECURE";

TEST(HeapsProgram, SaysWhatToSetForSecureMemory) {
  testing::DaemonProcess daemon({.arguments = {"--simulated-secure-heaps", kSecure}});
  ASSERT_TRUE(daemon.ready());
  const testing::Ended ended = Sysmemctl({"--socket", daemon.socket_path(), "heaps"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.output, ContainsRegex("SYSTEM_RAM +yes +cpu,ram,inaccessible"));
  EXPECT_THAT(ended.output, ContainsRegex("SECURE +no "));
  EXPECT_THAT(ended.output, HasSubstr("set pools.protected"));
}

TEST(HeapsProgram, ShowsThePoolsAndWhatTheyCount) {
  testing::DaemonProcess daemon({.arguments = {"--contiguous-pool", "1048576", "--protected-pool",
                                               "65536", "--simulated-secure-heaps", kSecure}});
  ASSERT_TRUE(daemon.ready());
  const testing::Ended plain = Sysmemctl({"--socket", daemon.socket_path(), "heaps"});
  EXPECT_THAT(plain.output,
              ContainsRegex("SYSTEM_RAM +yes .* contiguous .*simulated pool of 1048576 bytes"));
  EXPECT_THAT(plain.output, ContainsRegex("SECURE +yes +inaccessible .* secure,contiguous "));
  EXPECT_THAT(plain.output, Not(HasSubstr("high_water_mark")));
  const testing::Ended full = Sysmemctl({"--socket", daemon.socket_path(), "heaps", "--figures"});
  EXPECT_THAT(full.output, HasSubstr("SYSTEM_RAM (contiguous):"));
  EXPECT_THAT(full.output, ContainsRegex("high_water_mark +0 +bytes"));
  EXPECT_THAT(full.output, ContainsRegex("size +65536 +bytes"));
}

TEST(HeapsProgram, IsNotEvenAskedWhereAPoolCannotBe) {
  const testing::DaemonProcess daemon({.arguments = {"--contiguous-pool", "4096"}});
  EXPECT_FALSE(daemon.ready());
  EXPECT_THAT(daemon.Log(), HasSubstr("pools.contiguous: pool \"SysmemContiguousPool\": size_bytes "
                                      "4096, expected a multiple of 4096 from 12288"));
}

}  // namespace
}  // namespace sysmem::ctl
