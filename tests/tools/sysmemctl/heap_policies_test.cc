// SPDX-License-Identifier: Apache-2.0
//
// What `sysmemctl heaps` says of a real daemon's heaps: their policies, and those of the kernel as
// they come and go.
//
// Method: a folder stands for /dev. A file in it is a node that gives no memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfiguredHeaps : public ::testing::Test {
 protected:
  ConfiguredHeaps() { EXPECT_EQ(::chmod(dir_.path().c_str(), 0755), 0); }

  void Start(std::vector<std::string> arguments, const std::string& configuration = "") {
    const std::string config = dir_.path() + "/sysmemd.toml";
    std::ofstream(config) << configuration;
    arguments.insert(arguments.end(), {"--config", config, "--test-devices", dir_.path()});
    daemon_.emplace(testing::DaemonOptions{.arguments = std::move(arguments)});
    ASSERT_TRUE(daemon_->ready());
  }
  std::string Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--socket", daemon_->socket_path()});
    testing::Ended ended = Sysmemctl(std::move(arguments));
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
    return ended.output;
  }
  bool Lists(const std::string& text) const {
    return Run({"heaps"}).find(text) != std::string::npos;
  }

  testing::TempDir dir_;
  std::optional<testing::DaemonProcess> daemon_;
};

TEST_F(ConfiguredHeaps, TellsPoliciesInWordsAndAsJson) {
  Start({"--prefer-heaps", "UDMABUF,SYSTEM_RAM"},
        "[[heap_policies]]\nheap = \"SYSTEM_RAM\"\nusers = [\"4711\", \"4712\"]\n"
        "max_buffers = 40\nmax_bytes = \"256MiB\"\nmax_bytes_per_user = \"64MiB\"\n");
  EXPECT_THAT(Run({"heaps"}),
              AllOf(HasSubstr("SYSTEM_RAM: number 2 of those preferred; only for root and the "
                              "daemon's user, 4711, 4712; at most 40 buffers; at most 256 MiB; at "
                              "most 64 MiB for one user\n"),
                    HasSubstr("UDMABUF: preferred to all others\n")));
  const json heaps = json::parse(Run({"--json", "heaps"}));
  EXPECT_EQ(heaps[0]["policy"]["may_use"], true);
  EXPECT_EQ(heaps[0]["policy"]["restricted"], true);
}

TEST_F(ConfiguredHeaps, FollowsTheKernelsHeapsAsTheyComeAndGo) {
  std::filesystem::create_directory(dir_.path() + "/dma_heap");
  Start({});
  EXPECT_THAT(Run({"heaps"}), AllOf(HasSubstr("/dma_heap/system: the kernel was built without"),
                                    Not(HasSubstr("DMA_HEAP_NEWCOMER"))));
  const std::string node = dir_.path() + "/dma_heap/newcomer";
  std::ofstream(node) << "no device";
  EXPECT_TRUE(Eventually([&] { return Lists("/newcomer gives not even one page"); }));
  std::filesystem::remove(node);
  EXPECT_TRUE(Eventually([&] { return !Lists("NEWCOMER"); }));
}

}  // namespace
}  // namespace sysmem::ctl
