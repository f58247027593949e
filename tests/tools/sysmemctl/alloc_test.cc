// SPDX-License-Identifier: Apache-2.0
//
// `sysmemctl alloc`: the participants of a file, against a real daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using nlohmann::json;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Example(const std::string& name) { return std::string(SYSMEM_EXAMPLES) + "/" + name; }

class AllocProgram : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.ready()); }
  testing::Ended Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--socket", daemon_.socket_path()});
    return Sysmemctl(std::move(arguments));
  }

  testing::DaemonProcess daemon_;
};

// What matters of a result: of a simulation and of the daemon it must be the same.
TEST_F(AllocProgram, EndsAsTheSimulationOfEveryExampleDoes) {
  // These need heaps that this daemon has not.
  const std::set<std::string> special = {
      "camera-in-a-small-pool.toml", "contiguous-camera-memory.toml",
      "secure-video-and-thumbnails.toml", "secure-video-path.toml"};
  size_t played = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SYSMEM_EXAMPLES)) {
    const std::string name = entry.path().filename();
    if (special.contains(name)) continue;
    const testing::Ended simulated = Sysmemctl({"simulate", entry.path()});
    const testing::Ended dry = Run({"alloc", "--dry-run", entry.path()});
    const testing::Ended real = Run({"alloc", entry.path()});
    EXPECT_EQ(dry.exit_code, simulated.exit_code) << name << "\n" << dry.output;
    EXPECT_EQ(real.exit_code, simulated.exit_code) << name << "\n" << real.output;
    ++played;
  }
  EXPECT_GE(played, 15u);
}

TEST_F(AllocProgram, TellsWhoConflictsInTheRealNegotiation) {
  const testing::Ended ended = Run({"alloc", Example("stride-exact-against-256.toml")});
  EXPECT_EQ(ended.exit_code, 5);
  EXPECT_THAT(ended.output, HasSubstr("failure: constraints intersection empty"));
  EXPECT_THAT(ended.output, HasSubstr("software decoder"));
  EXPECT_THAT(ended.output, HasSubstr("\"GPU\" has none: "));
}

TEST_F(AllocProgram, TellsWhoHasNotAnswered) {
  const testing::Ended ended = Run({"--json", "alloc", Example("weak-preview.toml"), "--timeout",
                                    "0.2", "--silent", "archive", "--unbound", "preview"});
  EXPECT_EQ(ended.exit_code, 1) << ended.output;
  const json waits = json::parse(ended.output)["why"]["waits_for"];
  ASSERT_EQ(waits.size(), 2u) << ended.output;
  std::map<std::string, std::string> missing;
  for (const json& one : waits) {
    const std::string name = one["debug_name"];
    missing[name.substr(0, name.find(' '))] = one["missing"];
  }
  EXPECT_EQ(missing["archive"], "constraints");
  EXPECT_EQ(missing["preview"], "bind");
}

TEST_F(AllocProgram, FillsWhatWritersMayAndDumpsWhatIsThere) {
  const testing::TempDir dir;
  const std::string file = dir.path() + "/pair.toml";
  std::ofstream(file) << R"(
[[participants]]
name = "writer"
usage = { cpu = ["WRITE"] }
min_buffer_count_for_camping = 2
buffer_memory_constraints = { min_size_bytes = 5000, cpu_domain_supported = true }
[[participants]]
name = "reader"
usage = { cpu = ["READ"] }
min_buffer_count_for_camping = 1
)";
  const testing::Ended ended = Run({"alloc", file, "--fill", "171", "--dump", dir.path()});
  ASSERT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("\"reader\" has 3 buffers\n"));
  for (const char* name : {"0.bin", "1.bin", "2.bin"}) {
    std::ifstream dumped(dir.path() + "/" + name, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(dumped), {}};
    EXPECT_GE(content.size(), 5000u) << name;
    EXPECT_EQ(content, std::string(content.size(), '\xab')) << name;
  }
}

TEST_F(AllocProgram, HoldsUntilItIsToldToEndAndLeavesNothing) {
  testing::Process holder = testing::Process::Start(
      {.program = testing::ProgramPath("sysmemctl"),
       .arguments = {"--socket", daemon_.socket_path(), "alloc", "--hold", "--leaving", "camera",
                     "--leaving", "archive", Example("weak-preview.toml")},
       .environment = testing::CleanEnvironment()});
  ASSERT_TRUE(holder.started());
  // The strong participants have gone; the preview holds on to what it was told to close.
  ASSERT_TRUE(Eventually([&] {
    const json list = json::parse(Run({"--json", "list"}).output);
    for (const json& one : list["collections"]) {
      const testing::Ended shown =
          Run({"--json", "show", one["buffer_collection_id"].get<std::string>()});
      const json buffers = json::parse(shown.output).value("buffers", json::array());
      if (!buffers.empty() && buffers[0]["state"] == "BUFFER_STATE_WEAK_ONLY") return true;
    }
    return false;
  }));
  holder.Signal(SIGTERM);
  EXPECT_EQ(holder.WaitForExit(), 0);
  EXPECT_TRUE(Eventually([&] {
    return json::parse(Run({"--json", "list"}).output)["collections"].empty();
  }));
}

TEST_F(AllocProgram, KnowsItsParticipantsByName) {
  const testing::Ended ended = Run({"alloc", Example("weak-preview.toml"), "--silent", "kamera"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.output, HasSubstr("is called \"kamera\""));
}

TEST_F(AllocProgram, TellsMistakesAsSimulateDoes) {
  const testing::TempDir dir;
  std::ofstream(dir.path() + "/bad.toml") << "[[participants]]\nname = 1\n";
  const testing::Ended simulated = Sysmemctl({"simulate", dir.path() + "/bad.toml"});
  const testing::Ended ended = Run({"alloc", dir.path() + "/bad.toml"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.output, simulated.output);
  EXPECT_EQ(Run({"alloc", dir.path() + "/none.toml"}).exit_code, 1);
}

}  // namespace
}  // namespace sysmem::ctl
