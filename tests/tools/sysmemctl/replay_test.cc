// SPDX-License-Identifier: Apache-2.0
//
// What a real daemon records, a real sysmemctl replays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sysmem/sysmem.hpp>

#include "tests/support/daemon_process.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

Constraints Bytes(uint64_t bytes) {
  Constraints needs;
  needs.usage = Usage{.cpu = SYSMEM_CPU_USAGE_READ};
  needs.min_buffer_count_for_camping = 1;
  needs.memory = MemoryConstraints{.min_size_bytes = bytes, .max_size_bytes = bytes};
  return needs;
}

class ReplayProgram : public ::testing::Test {
 protected:
  // A directory that the daemon, of whatever user, may write to.
  ReplayProgram() { ::chmod(dir_.path().c_str(), 0777); }

  testing::DaemonOptions Recording() const {
    testing::DaemonOptions options;
    options.arguments = {"--record", path_};
    return options;
  }
  // Two participants who agree if these are the same, and who both leave then.
  static void Negotiate(const testing::DaemonProcess& daemon, uint64_t one, uint64_t other) {
    auto client = Client::Connect({.path = daemon.socket_path()});
    ASSERT_TRUE(client.ok()) << client.failure().text;
    auto token = client->CreateToken();
    ASSERT_TRUE(token.ok());
    auto duplicate = token->DuplicateExported();
    ASSERT_TRUE(duplicate.ok());
    auto peer = Client::Connect({.path = daemon.socket_path()});
    ASSERT_TRUE(peer.ok());
    std::thread joins([&] { (void)peer->Join(std::move(*duplicate), Bytes(other), 60s); });
    (void)std::move(*token).Join(Bytes(one), 60s);
    joins.join();
  }
  std::string Recorded() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  void Rewrite(const std::string& text) const { std::ofstream(dir_.path() + "/changed") << text; }

  testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/recording";
  const std::string changed_ = dir_.path() + "/changed";
};

TEST_F(ReplayProgram, ComesToTheSameAsTheDaemon) {
  for (int run = 1; run <= 2; ++run) {  // the second daemon appends
    testing::DaemonProcess daemon(Recording());
    ASSERT_TRUE(daemon.ready());
    Negotiate(daemon, 4096, 4096);
    Negotiate(daemon, 4096, 8192);
    Negotiate(daemon, 1 << 20, 1 << 20);  // made by a worker
    daemon.Stop();
    const testing::Ended ended = Sysmemctl({"replay", path_});
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("The outcome is the same."));
    EXPECT_THAT(ended.output, HasSubstr(" " + std::to_string(3 * run) + " of them to their end"));
  }
}

TEST_F(ReplayProgram, ShowsWhereAnotherOutcomeBegins) {
  testing::DaemonProcess daemon(Recording());
  ASSERT_TRUE(daemon.ready());
  Negotiate(daemon, 4096, 4096);
  daemon.Stop();
  std::string text = Recorded();
  const std::string from = "\"min_size_bytes\":4096";
  ASSERT_NE(text.find(from), std::string::npos) << text;
  text.replace(text.find(from), from.size(), "\"min_size_bytes\":4090");
  text.replace(text.find(from), from.size(), "\"min_size_bytes\":4090");
  Rewrite(text);
  const testing::Ended ended = Sysmemctl({"replay", changed_});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.output, HasSubstr("The outcome differs, first in line"));
  EXPECT_THAT(ended.output, HasSubstr("2 buffers of 4090 bytes"));
  EXPECT_THAT(ended.output, HasSubstr("2 buffers of 4096 bytes"));
  const auto json = nlohmann::json::parse(Sysmemctl({"replay", "--json", changed_}).output);
  EXPECT_EQ(json["same"], false);
  EXPECT_TRUE(json["difference"]["event"].contains("SetConstraints"));
}

TEST_F(ReplayProgram, ReadsARecordingThatWasCutOff) {
  testing::DaemonProcess daemon(Recording());
  ASSERT_TRUE(daemon.ready());
  Negotiate(daemon, 4096, 4096);
  daemon.Stop();
  const std::string text = Recorded();
  Rewrite(text.substr(0, text.size() - 5));
  const testing::Ended ended = Sysmemctl({"replay", changed_});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.output, HasSubstr("the last line has no end"));
}

TEST_F(ReplayProgram, SaysWhatIsNoRecording) {
  EXPECT_EQ(Sysmemctl({"replay"}).exit_code, 2);
  EXPECT_THAT(Sysmemctl({"replay", "/nowhere"}).output, HasSubstr("No such file"));
  EXPECT_EQ(Sysmemctl({"replay", "/tmp"}).exit_code, 1);
  EXPECT_THAT(Sysmemctl({"replay", "/dev/null"}).output, HasSubstr("the file is empty"));
  Rewrite("title = \"x\"\n");
  const testing::Ended ended = Sysmemctl({"replay", changed_});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.output, HasSubstr("line 1: this is no JSON object"));
}

TEST_F(ReplayProgram, TakesALineWithoutEndAloneForNoRecording) {
  Rewrite("garbage");
  const testing::Ended ended = Sysmemctl({"replay", changed_});
  EXPECT_EQ(ended.exit_code, 2) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("line 1: this is no JSON object"));
  EXPECT_THAT(ended.output, Not(HasSubstr("The outcome is the same")));
  const testing::Ended json = Sysmemctl({"replay", "--json", changed_});
  EXPECT_EQ(json.exit_code, 2) << json.output;
  EXPECT_EQ(nlohmann::json::parse(json.output)["same"], false);
}

TEST_F(ReplayProgram, IsNotOfferedByADaemonThatCannotWrite) {
  testing::DaemonOptions options;
  options.arguments = {"--record", "/nowhere/recording"};
  const testing::DaemonProcess daemon(options);
  EXPECT_FALSE(daemon.ready());
  EXPECT_THAT(daemon.Log(), HasSubstr("record to /nowhere/recording"));
}

}  // namespace
}  // namespace sysmem::ctl
