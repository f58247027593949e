// SPDX-License-Identifier: Apache-2.0
//
// Who keeps a buffer alive: those whom it was handed to, and those whom it was not.
#include "tools/sysmemctl/holders.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/program_fixture.h"

namespace sysmem::ctl {
namespace {

using ::testing::ContainsRegex;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::kPatience;
using ::testing::Not;

constexpr uint64_t kPage = 4096;

TEST(ProcHolders, FindMappingsOfMemfdsAndDmaBufsAndOfNothingElse) {
  const MemoryId memfd = MemoryInMapsLine(
      "7f0000000000-7f0000001000 rw-s 00000000 00:01 4711                       /memfd:a b "
      "(deleted)");
  EXPECT_EQ(memfd.device, makedev(0, 1));
  EXPECT_EQ(memfd.inode, 4711u);
  EXPECT_EQ(MemoryInMapsLine("7f00-7f01 rw-s 00000000 00:0e 12 /dmabuf:camera:0").inode, 12u);
  EXPECT_EQ(MemoryInMapsLine("7f00-7f01 r-xp 00000000 fe:00 4711 /usr/lib/libc.so.6").inode, 0u);
  EXPECT_EQ(MemoryInMapsLine("7f00-7f01 rw-p 00000000 00:00 0 ").inode, 0u);
  EXPECT_EQ(MemoryInMapsLine("").inode, 0u);
}

TEST(ProcHolders, CountDescriptorsAndMappingsOfThisProcess) {
  const UniqueFd memory(::memfd_create("sysmem-holders-test", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), kPage), 0);
  const UniqueFd second(::dup(memory.get()));
  void* const mapped = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, memory.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  struct stat status {};
  ASSERT_EQ(::fstat(memory.get(), &status), 0);
  const ProcScan scan = ScanProc();
  ::munmap(mapped, kPage);
  for (const HoldingProcess& process : scan.processes) {
    if (process.pid != ::getpid()) continue;
    const Hold& hold = process.holds.at({status.st_dev, status.st_ino});
    EXPECT_EQ(hold.descriptors, 2u);
    EXPECT_EQ(hold.mappings, 1u);
    return;
  }
  FAIL() << "this process holds something";
}

Json Buffer(uint64_t index, uint64_t inode, Json holders = Json::array()) {
  return {{"index", std::to_string(index)},
          {"device", "1"},
          {"inode", std::to_string(inode)},
          {"raw_vmo_size", "4096"},
          {"holders", std::move(holders)}};
}
Json HandOut(int pid, bool weak = false) {
  return {{"given_to", {{"pid", pid}, {"uid", 1000}, {"command", "viewer"}}}, {"weak", weak}};
}

TEST(Holders, AreWhoWasGivenABufferAndWhoeverElseHasIt) {
  const std::vector<Json> collections = {
      {{"summary", {{"buffer_collection_id", "77"}, {"name", "frames"}}},
       {"buffers",
        Json::array({Buffer(0, 10, Json::array({HandOut(42), HandOut(42, true), HandOut(43)})),
                     Buffer(1, 11, Json::array({HandOut(42)})), Buffer(2, 12)})}}};
  ProcScan scan;
  scan.processes = {{.pid = 7, .uid = 0, .command = "sysmemd", .holds = {{{1, 10}, {1, 0}}}},
                    {.pid = 42,
                     .uid = 1000,
                     .command = "viewer",
                     .holds = {{{1, 10}, {2, 1}}, {{1, 11}, {0, 1}}}},
                    {.pid = 99,
                     .uid = 1000,
                     .command = "thief",
                     .holds = {{{1, 12}, {1, 0}}, {{1, 999}, {1, 0}}}}};
  const std::vector<Holding> holdings = FindHoldings(collections, scan, /*daemon_pid=*/7);
  ASSERT_EQ(holdings.size(), 3u);
  EXPECT_EQ(holdings[0].pid, 42u);
  EXPECT_EQ(holdings[0].buffers, (std::vector<uint64_t>{0, 1}));
  EXPECT_EQ(holdings[0].bytes, 2 * kPage);
  EXPECT_EQ(holdings[0].strong, 2u);
  EXPECT_EQ(holdings[0].weak, 1u);
  EXPECT_EQ(holdings[0].seen->descriptors, 2u);
  EXPECT_EQ(holdings[0].seen->mappings, 2u);
  EXPECT_EQ(holdings[1].pid, 43u);
  EXPECT_FALSE(holdings[1].seen) << "it has ended, or passed it on";
  EXPECT_EQ(holdings[2].pid, 99u);
  EXPECT_EQ(holdings[2].strong + holdings[2].weak, 0u);
  const std::string text = DescribeHoldings(holdings, 5);
  EXPECT_THAT(text, ContainsRegex("thief \\(pid 99, uid 1000\\) +2 +4.0 KiB +not handed to it"));
  EXPECT_THAT(text, HasSubstr("5 processes of other users could not be looked into"));
}

class HoldersProgram : public ProgramTest {
 protected:
  HoldersProgram() : ProgramTest("camera") {}
  void SetUp() override {
    ProgramTest::SetUp();
    Token root = *client().CreateToken();
    id_ = *root.GetBufferCollectionId();
    camera_.emplace(*std::move(root).Bind());
    const Constraints needs{.usage = Usage{.cpu = SYSMEM_CPU_USAGE_WRITE},
                            .min_buffer_count_for_camping = 2,
                            .memory = MemoryConstraints{.min_size_bytes = kPage}};
    ASSERT_TRUE(camera_->SetConstraints(needs).ok());
    auto buffers = camera_->Wait(kPatience);
    ASSERT_TRUE(buffers.ok()) << buffers.failure().text;
    buffers_.emplace(*std::move(buffers));
  }

  std::optional<Collection> camera_;
  std::optional<Buffers> buffers_;
  uint64_t id_ = 0;
};

TEST_F(HoldersProgram, NamesAProcessThatInheritedADescriptor) {
  const testing::Process child = testing::Process::Start({.program = "/bin/sleep",
                                                          .arguments = {"600"},
                                                          .environment = {},
                                                          .descriptors = {(*buffers_)[1].fd}});
  ASSERT_TRUE(child.started());
  // Between fork and exec it has all that this process has.
  std::string text;
  ASSERT_TRUE(Eventually([&] {
    text = Try({"holders", std::to_string(child.pid())}).output;
    return text.find("sleep (pid ") != std::string::npos;
  })) << text;
  EXPECT_THAT(text, ContainsRegex("sleep \\(pid " + std::to_string(child.pid()) +
                                  ", uid [0-9]+\\) +1 +4.0 KiB +not handed to it +1 +0\n"));
  const testing::Ended all = Try({"--json", "holders", std::to_string(id_)});
  ASSERT_EQ(all.exit_code, 0) << all.output;
  EXPECT_EQ(Json::parse(all.output)["holders"].size(), 2u) << all.output;
}

TEST_F(HoldersProgram, PrintsAProcessWhoseNameIsNoText) {
  const testing::TempDir dir;
  const std::string program = dir.path() + "/bad\xff\xfe";
  ASSERT_EQ(::symlink("/bin/sleep", program.c_str()), 0);
  const testing::Process child = testing::Process::Start({.program = program,
                                                          .arguments = {"600"},
                                                          .environment = {},
                                                          .descriptors = {(*buffers_)[1].fd}});
  ASSERT_TRUE(child.started());
  const std::string pid = std::to_string(child.pid());
  std::string text;
  ASSERT_TRUE(Eventually([&] {
    text = Try({"holders", pid}).output;
    return text.find("bad\\xff\\xfe (pid " + pid) != std::string::npos;
  })) << text;
  const testing::Ended ended = Try({"--json", "holders", pid});
  ASSERT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_EQ(Json::parse(ended.output)["holders"][0]["process"]["command"],
            "bad\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_F(HoldersProgram, EndsWithItsOwnCodeWhenNothingIsHeldByThatNumber) {
  const testing::Ended ended = Try({"holders", "18446744073709551615"});
  EXPECT_EQ(ended.exit_code, 4);
  EXPECT_THAT(ended.output, HasSubstr("no process that holds a buffer"));
}

}  // namespace
}  // namespace sysmem::ctl
