// SPDX-License-Identifier: Apache-2.0
//
// Method: whole machines described as maps from path to text, and once the real one.
#include "base/memory_limits.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sysmem::base {
namespace {

using Files = std::map<std::string, std::string>;

constexpr char kMeminfo[] =
    "MemTotal:       16000000 kB\n"
    "MemFree:         1000000 kB\n"
    "MemAvailable:    8000000 kB\n"
    "Buffers:          100000 kB\n";
constexpr uint64_t kMemAvailable = 8'000'000ULL * 1024;

TextFileReader Machine(Files files) {
  return [files = std::move(files)](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  };
}

AvailableMemory Read(Files files) {
  files["/proc/meminfo"] = kMeminfo;
  absl::StatusOr<AvailableMemory> available = ReadAvailableMemory(Machine(std::move(files)));
  EXPECT_TRUE(available.ok()) << available.status();
  return available.value_or(AvailableMemory{});
}

TEST(ReadAvailableMemory, IsMemAvailableWithoutControlGroups) {
  EXPECT_EQ(Read({}), (AvailableMemory{kMemAvailable, "MemAvailable"}));
}

TEST(ReadAvailableMemory, IsBoundByTheGroupOfTheProcess) {
  EXPECT_EQ(Read({{"/proc/self/cgroup", "0::/system.slice/sysmemd.service\n"},
                  {"/sys/fs/cgroup/system.slice/sysmemd.service/memory.max", "1000000\n"},
                  {"/sys/fs/cgroup/system.slice/sysmemd.service/memory.current", "400000\n"}}),
            (AvailableMemory{600'000, "/sys/fs/cgroup/system.slice/sysmemd.service/memory.max"}));
}

TEST(ReadAvailableMemory, IsBoundByTheTightestGroupOnTheWayUp) {
  EXPECT_EQ(Read({{"/proc/self/cgroup", "0::/a/b/c\n"},
                  {"/sys/fs/cgroup/a/b/c/memory.max", "max\n"},
                  {"/sys/fs/cgroup/a/b/c/memory.current", "5\n"},
                  {"/sys/fs/cgroup/a/b/memory.max", "5000\n"},
                  {"/sys/fs/cgroup/a/b/memory.current", "1000\n"},
                  {"/sys/fs/cgroup/a/memory.max", "9000\n"},
                  {"/sys/fs/cgroup/a/memory.current", "8000\n"}}),
            (AvailableMemory{1000, "/sys/fs/cgroup/a/memory.max"}));
}

TEST(ReadAvailableMemory, IsNothingInAGroupBeyondItsLimit) {
  EXPECT_EQ(Read({{"/proc/self/cgroup", "0::/a\n"},
                  {"/sys/fs/cgroup/a/memory.max", "1000\n"},
                  {"/sys/fs/cgroup/a/memory.current", "1001\n"}})
                .bytes,
            0U);
}

TEST(ReadAvailableMemory, KnowsTheFirstGenerationOfControlGroups) {
  EXPECT_EQ(Read({{"/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/box/1\n0::/\n"},
                  {"/sys/fs/cgroup/memory/box/1/memory.limit_in_bytes", "9223372036854771712\n"},
                  {"/sys/fs/cgroup/memory/box/1/memory.usage_in_bytes", "4096\n"},
                  {"/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "8192\n"},
                  {"/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "4096\n"}}),
            (AvailableMemory{4096, "/sys/fs/cgroup/memory/box/memory.limit_in_bytes"}));
}

TEST(ReadAvailableMemory, LooksAtTheRootGroupToo) {
  // In a container the root of the namespace is somebody's group and has a limit.
  EXPECT_EQ(Read({{"/proc/self/cgroup", "0::/\n"},
                  {"/sys/fs/cgroup/memory.max", "70000\n"},
                  {"/sys/fs/cgroup/memory.current", "20000\n"}})
                .bytes,
            50'000U);
}

TEST(ReadAvailableMemory, DoesNotFollowAPathOutOfTheNamespace) {
  EXPECT_EQ(Read({{"/proc/self/cgroup", "0::/../other\n"},
                  {"/sys/fs/cgroup/../other/memory.max", "10\n"},
                  {"/sys/fs/cgroup/../other/memory.current", "0\n"},
                  {"/sys/fs/cgroup/memory.max", "70000\n"},
                  {"/sys/fs/cgroup/memory.current", "20000\n"}})
                .bytes,
            50'000U);
}

TEST(ReadAvailableMemory, SaysThatProcIsMissing) {
  const absl::Status status = ReadAvailableMemory(Machine({})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("/proc/meminfo"), absl::string_view::npos) << status;
}

TEST(ReadAvailableMemory, FindsAPlausibleFigureOnThisMachine) {
  const absl::StatusOr<AvailableMemory> available = ReadAvailableMemory(ReadSmallFile);
  ASSERT_TRUE(available.ok()) << available.status();
  EXPECT_GT(available->bytes, 1U << 20);
  EXPECT_LT(available->bytes, uint64_t{1} << 50);
}

TEST(ParseMemAvailable, RefusesWhatIsNoFigureInKilobytes) {
  EXPECT_EQ(ParseMemAvailable("MemAvailable:    12 kB\n"), 12U * 1024);
  EXPECT_EQ(ParseMemAvailable("MemAvailable:    12 MB\n"), std::nullopt);
  EXPECT_EQ(ParseMemAvailable("MemAvailable:    -1 kB\n"), std::nullopt);
  EXPECT_EQ(ParseMemAvailable("MemAvailable: 18446744073709551615 kB\n"), std::nullopt);
  EXPECT_EQ(ParseMemAvailable("NotMemAvailable: 12 kB\n"), std::nullopt);
  EXPECT_EQ(ParseMemAvailable(""), std::nullopt);
}

TEST(ParseProcSelfCgroup, KeepsColonsInThePath) {
  EXPECT_EQ(ParseProcSelfCgroup("0::/a:b/c\n").v2_path, "/a:b/c");
}

TEST(ParseProcSelfCgroup, FindsTheMemoryControllerAmongOthers) {
  EXPECT_EQ(ParseProcSelfCgroup("3:cpu,memory:/m\n2:memoryless:/n\n"),
            (MemoryCgroup{.v2_path = std::nullopt, .v1_path = "/m"}));
}

TEST(ParseByteCount, TakesWholeNumbersOnly) {
  EXPECT_EQ(ParseByteCount("4096\n"), 4096U);
  EXPECT_EQ(ParseByteCount("max\n"), std::nullopt);
  EXPECT_EQ(ParseByteCount("4096 "), std::nullopt);
  EXPECT_EQ(ParseByteCount(""), std::nullopt);
  EXPECT_EQ(ParseByteCount("18446744073709551616"), std::nullopt);
}

}  // namespace
}  // namespace sysmem::base
