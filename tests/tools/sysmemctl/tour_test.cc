// SPDX-License-Identifier: Apache-2.0
//
// docs/tour.md stays true: every command of it is run, and must print what stands below it.
//
// In a block ```console a line "$ command" is a command, and what follows is its output. "..."
// alone on a line stands for any number of lines, elsewhere for any text within the line.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/support/programs.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

constexpr char kAnything[] = "...";

struct Step {
  std::string command;
  std::vector<std::string> output;
};

std::vector<std::string> LinesOf(std::istream& text) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::vector<Step> StepsOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<Step> steps;
  bool inside = false;
  for (const std::string& line : LinesOf(file)) {
    if (line.starts_with("```")) {
      inside = line == "```console";
    } else if (inside && line.starts_with("$ ")) {
      steps.push_back({line.substr(2), {}});
    } else if (inside && !steps.empty()) {
      steps.back().output.push_back(line);
    }
  }
  return steps;
}

bool LineMatches(const std::string& pattern, const std::string& line) {
  size_t at = 0;
  size_t begin = 0;
  while (true) {
    const size_t end = pattern.find(kAnything, begin);
    const std::string piece = pattern.substr(begin, end - begin);
    if (end == std::string::npos) {
      const bool free = begin != 0;
      if (!free) return line == piece;
      return line.size() - at >= piece.size() && line.ends_with(piece);
    }
    const size_t found = line.find(piece, at);
    if (found == std::string::npos || (begin == 0 && found != 0)) return false;
    at = found + piece.size();
    begin = end + sizeof(kAnything) - 1;
  }
}

bool LinesMatch(const std::vector<std::string>& expected, size_t i,
                const std::vector<std::string>& actual, size_t j) {
  if (i == expected.size()) return j == actual.size();
  if (expected[i] == kAnything) {
    for (size_t next = j; next <= actual.size(); ++next) {
      if (LinesMatch(expected, i + 1, actual, next)) return true;
    }
    return false;
  }
  return j < actual.size() && LineMatches(expected[i], actual[j]) &&
         LinesMatch(expected, i + 1, actual, j + 1);
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(TourPattern, KnowsOmissionsFromDifferences) {
  EXPECT_TRUE(LineMatches("a ... c ...", "a b c d"));
  EXPECT_TRUE(LineMatches("...", ""));
  EXPECT_FALSE(LineMatches("a ... c", "a b c d"));
  EXPECT_FALSE(LineMatches("a", "a b"));
  EXPECT_FALSE(LineMatches("b ...", "a b c"));
  EXPECT_TRUE(LinesMatch({"...", "b", "..."}, 0, {"a", "b", "c"}, 0));
  EXPECT_FALSE(LinesMatch({"a", "c"}, 0, {"a", "b", "c"}, 0));
}

TEST(Tour, IsTrueCommandByCommand) {
  const std::vector<Step> steps = StepsOf(SYSMEM_DOCS "/tour.md");
  ASSERT_GE(steps.size(), 7u);
  testing::DaemonOptions options;
  options.arguments = {"--contiguous-pool", "8388608"};
  const testing::DaemonProcess daemon(options);
  ASSERT_TRUE(daemon.ready());
  const testing::TempDir dir;
  // One shell, so that what one command remembers the next one knows.
  std::string script = "cd " SYSMEM_DOCS "/examples\n";
  for (size_t i = 0; i < steps.size(); ++i) {
    script +=
        "{\n" + steps[i].command + "\n} > " + dir.path() + "/" + std::to_string(i) + " 2>&1\n";
  }
  std::vector<std::string> environment = testing::CleanEnvironment();
  const std::string program = testing::ProgramPath("sysmemctl");
  environment.push_back("PATH=" + program.substr(0, program.rfind('/')) + ":/usr/bin:/bin");
  environment.push_back("SYSMEM_SOCKET=" + daemon.socket_path());
  const testing::Ended ended = testing::RunToEnd(
      {.program = "/bin/bash", .arguments = {"-c", script}, .environment = environment});
  ASSERT_TRUE(ended.exit_code.has_value()) << ended.output;
  for (size_t i = 0; i < steps.size(); ++i) {
    std::ifstream file(dir.path() + "/" + std::to_string(i));
    const std::vector<std::string> output = LinesOf(file);
    EXPECT_TRUE(LinesMatch(steps[i].output, 0, output, 0))
        << "$ " << steps[i].command << "\n--- the tour says\n"
        << Joined(steps[i].output) << "--- it printed\n"
        << Joined(output);
  }
}

}  // namespace
}  // namespace sysmem::ctl
