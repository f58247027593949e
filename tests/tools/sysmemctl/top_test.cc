// SPDX-License-Identifier: Apache-2.0
//
// The live view: what it shows, and that it works on a terminal of 80 columns and 24 lines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <string>
#include <sysmem/sysmem.hpp>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/support/programs.h"
#include "tests/tools/sysmemctl/sysmemctl.h"
#include "tools/sysmemctl/top_model.h"

namespace sysmem::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kSecond = 1'000'000'000;
// Before the collections: figures of the daemon and the heading.
constexpr size_t kHead = 5;

Json Status(uint64_t hits) {
  return {
      {"version", "1.0"},
      {"sessions", "3"},
      {"live_bytes", "1048576"},
      {"live_buffers", "2"},
      {"counters", Json::array({{{"name", "warm_pool_hits"}, {"value", std::to_string(hits)}}})}};
}
Json Collection(const std::string& name, uint64_t bytes, uint64_t age_s) {
  return {{"buffer_collection_id", "77"},
          {"name", name},
          {"state", "COLLECTION_STATE_ALLOCATED"},
          {"bytes", std::to_string(bytes)},
          {"age_ns", std::to_string(age_s * kSecond)},
          {"creator", {{"pid", 42}, {"uid", 1000}, {"command", "ffmpeg"}}}};
}
Json Three() {
  return Json::array({Collection("camera", 4096, 9), Collection("view\x1b[2Jer", 1048576, 1),
                      Collection("Blur", 8192, 5)});
}
std::string Row(const TopModel& model, size_t index) {
  return model.Lines(120, 24).at(kHead + index);
}

TEST(TopModel, SortsByWhatIsAskedForAndTheOtherWayRound) {
  TopModel model;
  model.Look(Status(0), Three(), 0);
  EXPECT_THAT(Row(model, 0), HasSubstr("1.0 MiB"));
  EXPECT_THAT(Row(model, 2), HasSubstr("camera"));
  model.Reverse();
  EXPECT_THAT(Row(model, 0), HasSubstr("camera"));
  for (int i = 0; i < 4; ++i) model.ChangeOrder();
  EXPECT_THAT(model.Lines(120, 24).at(3), HasSubstr("by name, reversed"));
  EXPECT_THAT(Row(model, 2), HasSubstr("Blur"));
}

TEST(TopModel, FiltersByNameProcessAndStateWhateverTheCase) {
  TopModel model;
  model.Look(Status(0), Three(), 0);
  model.SetFilter("bLUR");
  EXPECT_THAT(model.Lines(120, 24).at(3), HasSubstr("1 of 3 collections"));
  EXPECT_THAT(Row(model, 0), HasSubstr("Blur"));
  model.SetFilter("ffmpeg");
  EXPECT_THAT(model.Lines(120, 24).at(3), HasSubstr("3 of 3 collections"));
}

TEST(TopModel, CountsRatesBetweenTwoLooks) {
  TopModel model;
  model.Look(Status(100), Three(), 5 * kSecond);
  EXPECT_THAT(model.Lines(80, 24).at(2), HasSubstr("hits 0/s"));
  model.Look(Status(150), Three(), 7 * kSecond);
  EXPECT_THAT(model.Lines(80, 24).at(2), HasSubstr("hits 25/s"));
}

TEST(TopModel, StandsStillWhileItIsPaused) {
  TopModel model;
  model.Look(Status(0), Three(), 0);
  model.SetPaused(true);
  model.Look(Status(50), Json::array(), kSecond);
  EXPECT_THAT(model.Lines(120, 24).at(3), HasSubstr("3 of 3 collections, by size, PAUSED"));
  model.SetPaused(false);
  model.Look(Status(50), Json::array(), kSecond);
  EXPECT_THAT(model.Lines(120, 24).at(3), HasSubstr("0 of 0 collections"));
}

TEST(TopModel, KeepsToTheSizeOfTheTerminalAndToItsLines) {
  TopModel model;
  Json many = Json::array();
  for (uint64_t i = 0; i < 100; ++i) many.push_back(Collection("c" + std::to_string(i), 1, i));
  many.push_back(Collection("view\x1b[2Jer\n", 1 << 30, 1));
  model.Look(Status(0), many, 0);
  for (const size_t height : {0u, 1u, 2u, 6u, 7u, 24u, 300u}) {
    const std::vector<std::string> lines = model.Lines(80, height);
    EXPECT_EQ(lines.size(), std::max<size_t>(height, 1));
    for (const std::string& line : lines) {
      EXPECT_LE(line.size(), 80u) << line;
      EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    }
  }
  model.Scroll(1000);
  EXPECT_NE(Row(model, 0), "") << "the last one is still shown";
  EXPECT_EQ(Row(model, 1), "");
}

// What the program wrote to its terminal until `part` came.
std::string ReadUntil(const UniqueFd& terminal, const std::string& part) {
  std::string text;
  std::array<char, 4096> block{};
  while (text.find(part) == std::string::npos) {
    const ssize_t got = ::read(terminal.get(), block.data(), block.size());
    if (got <= 0) break;  // EIO: it has ended
    text.append(block.data(), static_cast<size_t>(got));
  }
  return text;
}

TEST(TopProgram, WorksOnATerminalOf80By24) {
  const testing::DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  const std::string program = testing::ProgramPath("sysmemctl");
  winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal_fd = -1;
  const pid_t child = ::forkpty(&terminal_fd, nullptr, nullptr, &size);
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::setenv("TERM", "xterm", 1);
    ::execl(program.c_str(), "sysmemctl", "--socket", daemon.socket_path().c_str(), "top", nullptr);
    ::_exit(127);
  }
  const UniqueFd terminal(terminal_fd);
  testing::Process process(child);
  EXPECT_THAT(ReadUntil(terminal, "q quit"), HasSubstr("1 sessions"));
  ASSERT_EQ(::write(terminal.get(), "s", 1), 1);
  EXPECT_THAT(ReadUntil(terminal, "buffers"), HasSubstr("buffers"));
  ASSERT_EQ(::write(terminal.get(), "q", 1), 1);
  ReadUntil(terminal, "\n\n\n nothing is that");
  EXPECT_EQ(process.WaitForExit(), 0);
}

TEST(TopProgram, SaysThatItNeedsATerminal) {
  const testing::DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  const testing::Ended ended = Sysmemctl({"--socket", daemon.socket_path(), "top"});
  EXPECT_EQ(ended.exit_code, 2) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("top needs a terminal"));
}

}  // namespace
}  // namespace sysmem::ctl
