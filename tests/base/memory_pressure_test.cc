// SPDX-License-Identifier: Apache-2.0
//
// Method: machines described as maps, for whom to ask; a pipe in the place of the kernel, for how.
#include "base/memory_pressure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"

namespace sysmem::base {
namespace {

using Texts = std::map<std::string, std::string>;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kTrigger[] = "some 200000 2000000";

std::vector<PressureSource> Sources(const Texts& variables, const std::string& group) {
  return PressureSources(
      [&](const char* name) -> const char* {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
      },
      [&](const std::string& path) -> std::optional<std::string> {
        if (path == "/proc/self/cgroup" && !group.empty()) return group;
        return std::nullopt;
      });
}

TEST(PressureSources, AreTheOwnGroupAndTheMachine) {
  EXPECT_THAT(
      Sources({}, "0::/system.slice/sysmemd.service\n"),
      ElementsAre(
          PressureSource{"/sys/fs/cgroup/system.slice/sysmemd.service/memory.pressure", kTrigger},
          PressureSource{"/proc/pressure/memory", kTrigger}));
}

TEST(PressureSources, AreOnlyTheMachineWithoutAGroupThatCanBeSeen) {
  for (const char* group : {"", "0::/\n", "0::/../..\n", "4:memory:/box\n"}) {
    EXPECT_THAT(Sources({}, group), ElementsAre(PressureSource{"/proc/pressure/memory", kTrigger}))
        << group;
  }
}

TEST(PressureSources, AreWhatTheServiceManagerSays) {
  EXPECT_THAT(Sources({{"MEMORY_PRESSURE_WATCH", "/a/memory.pressure"},
                       {"MEMORY_PRESSURE_WRITE", "c29tZSAxIDI="}},
                      "0::/a\n"),
              ElementsAre(PressureSource{"/a/memory.pressure", "some 1 2"}));
  EXPECT_THAT(Sources({{"MEMORY_PRESSURE_WATCH", "/a/pipe"}}, ""),
              ElementsAre(PressureSource{"/a/pipe", ""}));
  EXPECT_THAT(Sources({{"MEMORY_PRESSURE_WATCH", "/dev/null"}}, "0::/a\n"), IsEmpty());
}

TEST(OpenPressureTrigger, TakesAPipeThatTellsByWhatIsWritten) {
  const testing::TempDir dir;
  const std::string path = dir.path() + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto trigger = OpenPressureTrigger({.path = path, .trigger = {}});
  ASSERT_TRUE(trigger.ok()) << trigger.status();
  EXPECT_EQ(trigger->events, uint32_t{EPOLLIN});
  char byte = 0;
  EXPECT_EQ(::read(trigger->fd.get(), &byte, 1), -1) << "it does not wait";
  EXPECT_EQ(errno, EAGAIN);
}

TEST(OpenPressureTrigger, SaysWhyItCannot) {
  const auto missing = OpenPressureTrigger({.path = "/nonexistent/memory.pressure", .trigger = {}});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("/nonexistent/memory.pressure"));
  const auto device = OpenPressureTrigger({.path = "/dev/null", .trigger = {}});
  EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(OpenPressureTrigger, PassesOnWhatTheKernelThinksOfTheTrigger) {
  if (::access("/proc/pressure/memory", F_OK) != 0) GTEST_SKIP() << "this kernel has no PSI";
  const auto wrong = OpenPressureTrigger({.path = "/proc/pressure/memory", .trigger = "nonsense"});
  EXPECT_THAT(
      wrong.status().code(),
      ::testing::AnyOf(absl::StatusCode::kInvalidArgument, absl::StatusCode::kPermissionDenied,
                       absl::StatusCode::kUnavailable, absl::StatusCode::kUnimplemented))
      << wrong.status();
}

}  // namespace
}  // namespace sysmem::base
