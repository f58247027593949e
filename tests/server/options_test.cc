// SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;
using ::testing::StartsWith;

// A command line, an environment and a configuration file of the test's own.
class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    std::string pattern = testing::TempDir() + "options_test.XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~OptionsTest() override { std::filesystem::remove_all(directory_); }

  std::string WriteFile(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  void Configure(const std::string& text) { config_ = WriteFile("default.toml", text); }

  ParsedCommandLine Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "sysmemd");
    const auto environment = [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    };
    return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), environment,
                            config_);
  }
  Options Good(std::vector<const char*> arguments) {
    const ParsedCommandLine parsed = Parse(std::move(arguments));
    EXPECT_TRUE(parsed.options) << parsed.text;
    return parsed.options.value_or(Options{});
  }
  std::string Complaint(std::vector<const char*> arguments) {
    const ParsedCommandLine parsed = Parse(std::move(arguments));
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_code, 2);
    return parsed.text;
  }

  std::string directory_;
  std::string config_ = "/nonexistent/sysmemd.toml";
  std::map<std::string, std::string> environment_;
};

TEST_F(OptionsTest, HaveDefaults) {
  const Options options = Good({});
  EXPECT_EQ(options.socket_mode, mode_t{0660});
  EXPECT_EQ(options.log_level, LogLevel::kInfo);
  EXPECT_EQ(options.memory_reserve_percent, 5U);
  EXPECT_EQ(options.warm_pool_bytes, 64U << 20);
  EXPECT_EQ(options.max_buffer_bytes, UINT64_MAX);  // the service's own limit holds
  EXPECT_EQ(options.record_file, "");
  EXPECT_EQ(options.admin_gid, std::nullopt);
  EXPECT_EQ(options.ready_fd, std::nullopt);
  EXPECT_EQ(options.test_shuffle_calls, std::nullopt);
}

TEST_F(OptionsTest, AreReadFromTheCommandLine) {
  const Options options =
      Good({"--socket", "/a/socket", "--socket-mode", "600", "--log-level=debug",
            "--memory-reserve", "20%", "--warm-pool", "0", "--record", "/a/recording", "--ready-fd",
            "7", "--test-shuffle-calls", "99", "--test-devices", "/a/dev"});
  EXPECT_EQ(options.socket_path, "/a/socket");
  EXPECT_EQ(options.socket_mode, mode_t{0600});
  EXPECT_EQ(options.log_level, LogLevel::kDebug);
  EXPECT_EQ(options.memory_reserve_percent, 20U);
  EXPECT_EQ(options.warm_pool_bytes, 0U);
  EXPECT_EQ(options.record_file, "/a/recording");
  EXPECT_THAT(options.ready_fd, Optional(7));
  EXPECT_THAT(options.test_shuffle_calls, Optional(99U));
  EXPECT_EQ(options.test_devices, "/a/dev");
}

TEST_F(OptionsTest, TakeASizeWithAndWithoutAUnit) {
  EXPECT_EQ(Good({"--max-buffer-size", "4096"}).max_buffer_bytes, 4096u);
  EXPECT_EQ(Good({"--max-buffer-size", "64MiB"}).max_buffer_bytes, 64u << 20);
  for (const char* wrong : {"0", "", "MiB", "-1", "1.5MiB", "4 parsecs", "18446744073709551616"}) {
    EXPECT_THAT(Complaint({"--max-buffer-size", wrong}),
                StartsWith("sysmemd: --max-buffer-size: expected a number of bytes above 0"))
        << wrong;
  }
}

TEST_F(OptionsTest, NamePreferredHeapsInShortOrInFull) {
  EXPECT_THAT(Good({"--prefer-heaps", "UDMABUF,SYSTEM_RAM,org.example.heap"}).preferred_heaps,
              ElementsAre("linux.sysmem.heap.HEAP_TYPE.UDMABUF",
                          "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM", "org.example.heap"));
  Configure("[heaps]\nprefer = \"A\"\n[[heap_policies]]\nheap = \"A\"\nmax_buffers = 1\n");
  EXPECT_THAT(Good({}).preferred_heaps, ElementsAre("linux.sysmem.heap.HEAP_TYPE.A"));
  EXPECT_EQ(Good({}).heap_policies.size(), 1u);
  EXPECT_THAT(Good({"--prefer-heaps", ""}).preferred_heaps, IsEmpty());
  const std::string costs = WriteFile("costs.toml", "[[heap_policies]]\nheap = \"A\"\n");
  EXPECT_THAT(Complaint({"--format-costs", costs.c_str()}),
              HasSubstr("heap_policies are not for a file of format costs"));
}

TEST_F(OptionsTest, AreReadFromTheFile) {
  Configure(
      "[socket]\npath = \"/f/socket\"\nmode = \"0666\"\n[log]\nlevel = \"error\"\n"
      "[memory]\nreserve = \"0\"\n");
  const Options options = Good({});
  EXPECT_EQ(options.socket_path, "/f/socket");
  EXPECT_EQ(options.socket_mode, mode_t{0666});
  EXPECT_EQ(options.log_level, LogLevel::kError);
  EXPECT_EQ(options.memory_reserve_percent, 0U);
}

TEST_F(OptionsTest, PreferTheCommandLineToTheEnvironmentToTheFile) {
  Configure("socket.path = \"/file\"\nlog.level = \"error\"\nmemory.reserve = \"1\"\n");
  environment_ = {{"SYSMEM_SOCKET", "/environment"}, {"SYSMEMD_LOG_LEVEL", "warning"}};
  const Options options = Good({"--socket", "/command-line"});
  EXPECT_EQ(options.socket_path, "/command-line");
  EXPECT_EQ(options.log_level, LogLevel::kWarning);
  EXPECT_EQ(options.memory_reserve_percent, 1U);
}

TEST_F(OptionsTest, TakeFormatCostsFromTheNamedFilesAndThenFromTheConfiguration) {
  const std::string entry = "[[format_costs]]\nformat = \"NV12\"\ncost = ";
  const std::string one = WriteFile("one.toml", entry + "1\n");
  const std::string two = WriteFile("two.toml", entry + "2\n");
  Configure("formats.costs = \"" + one + ":" + two + "\"\n" + entry + "3\n");
  const auto costs = [](const Options& options) {
    std::vector<double> values;
    for (const core::FormatCost& cost : options.format_costs) values.push_back(cost.cost);
    return values;
  };
  EXPECT_EQ(costs(Good({})), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(costs(Good({"--format-costs", two.c_str()})), (std::vector<double>{2, 3}));
  EXPECT_EQ(costs(Good({"--format-costs", ""})), std::vector<double>{3});
}

TEST_F(OptionsTest, LookForFormatCostsWithoutADirectoryInTheirOwnDirectory) {
  EXPECT_THAT(Complaint({"--format-costs", "no-such-machine"}),
              HasSubstr(std::string(kFormatCostDirectory) +
                        "/no-such-machine.toml: No such file or directory"));
}

TEST_F(OptionsTest, WantNothingElseInAFileOfFormatCosts) {
  const std::string file = WriteFile("costs.toml", "\nsocket.path = \"/x\"\n");
  EXPECT_THAT(Complaint({"--format-costs", file.c_str()}),
              HasSubstr("costs.toml:2: \"socket\" is not for a file of format costs"));
}

TEST_F(OptionsTest, NameTheLineOfAWrongFormatCost) {
  Configure("[[format_costs]]\nformat = \"NV13\"\ncost = 1\n");
  EXPECT_THAT(Complaint({}), HasSubstr("default.toml:2: format_costs.format: expected"));
}

TEST_F(OptionsTest, ReadTheFileThatIsNamedInsteadOfTheDefaultOne) {
  Configure("socket.path = \"/default\"\n");
  const std::string named = WriteFile("named.toml", "socket.path = \"/named\"\n");
  EXPECT_EQ(Good({"--config", named.c_str()}).socket_path, "/named");
  environment_ = {{"SYSMEMD_CONFIG", named}};
  EXPECT_EQ(Good({}).socket_path, "/named");
}

TEST_F(OptionsTest, InsistOnAFileThatIsNamed) {
  EXPECT_THAT(Complaint({"--config", "/nonexistent/x.toml"}),
              HasSubstr("/nonexistent/x.toml: No such file or directory"));
}

TEST_F(OptionsTest, RefuseAnUnknownKeyByItsNameAndLine) {
  Configure("[socket]\npath = \"/f\"\nmood = \"good\"\n");
  EXPECT_EQ(Complaint({}), "sysmemd: " + config_ + ":3: unknown key \"socket.mood\"\n");
}

TEST_F(OptionsTest, RefuseAnUnknownSectionThoughItIsEmpty) {
  Configure("\n[sokcet]\n");
  EXPECT_EQ(Complaint({}), "sysmemd: " + config_ + ":2: unknown section \"sokcet\"\n");
}

TEST_F(OptionsTest, RefuseASectionWhereAValueBelongs) {
  Configure("[socket.path]\nx = \"y\"\n");
  EXPECT_THAT(Complaint({}), HasSubstr(":1: unknown section \"socket.path\""));
}

TEST_F(OptionsTest, RefuseAWrongValueByItsPlace) {
  Configure("\nlog.level = \"loud\"\n");
  EXPECT_EQ(Complaint({}),
            "sysmemd: " + config_ +
                ":2: log.level: expected debug, info, warning or error, not \"loud\"\n");
  config_ = "";
  environment_ = {{"SYSMEMD_SOCKET_MODE", "999"}};
  EXPECT_THAT(Complaint({}), StartsWith("sysmemd: $SYSMEMD_SOCKET_MODE: expected permissions"));
  environment_.clear();
  EXPECT_THAT(Complaint({"--record", ""}), StartsWith("sysmemd: --record: expected a path"));
  EXPECT_THAT(Complaint({"--warm-pool", "1025"}),
              StartsWith("sysmemd: --warm-pool: expected a number of MiB from 0 to 1024"));
  EXPECT_THAT(Complaint({"--memory-reserve", "91"}),
              StartsWith("sysmemd: --memory-reserve: expected a percentage from 0 to 90"));
  EXPECT_THAT(Complaint({"--socket", ""}), HasSubstr("expected a path"));
}

TEST_F(OptionsTest, OfferNoPoolsUnlessAsked) {
  EXPECT_EQ(Good({}).pools, PoolSettings{});
  EXPECT_EQ(Good({}).pools.contiguous, 0);
  EXPECT_EQ(Good({}).pools.protected_memory, 0);
}

TEST_F(OptionsTest, TakeTheSizesOfPoolsInBytesOrPercent) {  // CFG-1
  Configure("[pools]\ncontiguous = \"-7\"\nprotected = \"65536\"\n");
  EXPECT_EQ(Good({}).pools.contiguous, -7);
  EXPECT_EQ(Good({}).pools.protected_memory, 65536);
  EXPECT_EQ(Good({"--contiguous-pool", "-5"}).pools.contiguous, -5);
  EXPECT_EQ(Good({"--contiguous-pool=4096"}).pools.contiguous, 4096);
  EXPECT_EQ(Good({"--contiguous-pool", ""}).pools.contiguous, -7);  // changes nothing
  EXPECT_EQ(Good({"--protected-pool", "0"}).pools.protected_memory, 0);
  EXPECT_EQ(Complaint({"--protected-pool", "-100"}),
            "sysmemd: --protected-pool: size: \"-100\", expected bytes from 0 up, or percent of "
            "memory from -1 to -99\n");
  Configure("\npools.contiguous = \"64MiB\"\n");
  EXPECT_THAT(Complaint({}), StartsWith("sysmemd: " + config_ + ":2: pools.contiguous: size: "));
}

TEST_F(OptionsTest, SwitchGuardsOnByTheirWords) {  // CFG-2
  const heaps::GuardOptions guards =
      Good({"--pool-guards", "internal,pages=2,fatal,unused-disabled,unused-cycle-seconds=42"})
          .pools.guards;
  EXPECT_EQ(guards.pages, 2U);
  EXPECT_TRUE(guards.internal);
  EXPECT_TRUE(guards.fatal);
  EXPECT_FALSE(guards.unused);
  EXPECT_EQ(guards.unused_cycle_seconds, 42U);
  Configure("[pools]\nguards = \"fatal\"\n");
  EXPECT_TRUE(Good({}).pools.guards.fatal);
  EXPECT_EQ(Good({"--pool-guards", "pages="}).pools.guards, heaps::GuardOptions{});
}

TEST_F(OptionsTest, RefuseGuardsThatNobodyKnows) {
  for (const char* wrong : {"internal=1", "pages", "outside", "internal fatal"}) {
    EXPECT_THAT(Complaint({"--pool-guards", wrong}),
                StartsWith("sysmemd: --pool-guards: expected internal, fatal, "))
        << wrong;
  }
  EXPECT_EQ(Complaint({"--pool-guards", "pages=fasfas"}),
            "sysmemd: --pool-guards: guard pages: \"fasfas\", expected a whole decimal number\n");
  EXPECT_EQ(Complaint({"--pool-guards", "pages=257"}),
            "sysmemd: --pool-guards: guard pages: 257, expected 0 to 256\n");
}

TEST_F(OptionsTest, NameHeapsOfSecureMemoryToSimulate) {
  EXPECT_THAT(Good({"--simulated-secure-heaps", "a.HEAP_TYPE.ONE,b.HEAP_TYPE.TWO"})
                  .pools.simulated_secure_heaps,
              ElementsAre("a.HEAP_TYPE.ONE", "b.HEAP_TYPE.TWO"));
  for (const std::string wrong :
       {"SECURE", core::kHeapSystemRam, "a.HEAP_TYPE.ONE,a.HEAP_TYPE.ONE"}) {
    EXPECT_THAT(Complaint({"--simulated-secure-heaps", wrong.c_str()}),
                StartsWith("sysmemd: --simulated-secure-heaps: expected heap types"))
        << wrong;
  }
}

TEST_F(OptionsTest, RefuseAValueThatIsNoString) {
  Configure("socket.mode = 660\n");
  EXPECT_THAT(Complaint({}), HasSubstr(":1: socket.mode must be a string in quotes"));
}

TEST_F(OptionsTest, RefuseAFileThatIsNoToml) {
  Configure("[socket]\npath = \n");
  EXPECT_THAT(Complaint({}), StartsWith("sysmemd: " + config_ + ":2: "));
}

TEST_F(OptionsTest, RefuseAWrongValueInTheFileEvenWhenTheCommandLineOverridesIt) {
  Configure("log.level = \"loud\"\n");
  EXPECT_THAT(Complaint({"--log-level", "info"}), HasSubstr("log.level: expected"));
}

TEST_F(OptionsTest, RefuseAnUnknownFlag) {
  EXPECT_THAT(Complaint({"--sokcet", "x"}), HasSubstr("--sokcet"));
}

TEST_F(OptionsTest, RefuseADescriptorThatCannotBe) {
  EXPECT_THAT(Complaint({"--ready-fd", "-1"}), HasSubstr("--ready-fd"));
}

TEST_F(OptionsTest, KnowGroupsByName) {
  const group* const own = ::getgrgid(0);
  ASSERT_NE(own, nullptr);
  EXPECT_THAT(Good({"--admin-group", own->gr_name}).admin_gid, Optional(gid_t{0}));
  EXPECT_THAT(Complaint({"--admin-group", "no such group"}), HasSubstr("name of a group"));
}

TEST_F(OptionsTest, NameUsersWhoMayServeHeaps) {
  EXPECT_THAT(Good({"--heap-providers", "root,61234"}).heap_providers, ElementsAre(0, 61234));
  EXPECT_THAT(Good({"--heap-providers", ""}).heap_providers, IsEmpty());
  EXPECT_THAT(Complaint({"--heap-providers", "root,no such user"}), HasSubstr("\"no such user\""));
}

TEST_F(OptionsTest, CanBeCheckedWithoutRunning) {
  Configure("log.level = \"debug\"\n");
  const ParsedCommandLine good = Parse({"--check-config"});
  EXPECT_FALSE(good.options);
  EXPECT_EQ(good.exit_code, 0);
  Configure("log.level = \"loud\"\n");
  EXPECT_THAT(Complaint({"--check-config"}), HasSubstr("log.level"));
}

TEST_F(OptionsTest, TellTheVersionAndHelp) {
  const ParsedCommandLine version = Parse({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.text, StartsWith("sysmemd "));
  const ParsedCommandLine help = Parse({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.text, HasSubstr("--socket-mode MODE"));
  EXPECT_THAT(help.text, HasSubstr("$SYSMEMD_SOCKET_MODE, socket.mode"));
  EXPECT_THAT(help.text, Not(HasSubstr("shuffle")));  // for tests only
}

TEST(DefaultSocketPath, IsTheUsersOwnForAnOrdinaryUser) {
  const auto with_runtime_dir = [](const char*) { return "/run/user/1000"; };
  const auto without = [](const char*) -> const char* { return nullptr; };
  EXPECT_EQ(DefaultSocketPath(1000, with_runtime_dir), "/run/user/1000/sysmemd/socket");
  EXPECT_EQ(DefaultSocketPath(1000, without), "/run/sysmemd/socket");
  EXPECT_EQ(DefaultSocketPath(0, with_runtime_dir), "/run/sysmemd/socket");
}

}  // namespace
}  // namespace sysmem::server
