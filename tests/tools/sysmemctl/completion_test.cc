// SPDX-License-Identifier: Apache-2.0
//
// What shells complete is what `sysmemctl --help` lists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using ::testing::Contains;

std::string File(const std::string& name) {
  std::ifstream file(SYSMEM_COMPLETION "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

// The words that are in `text`, letters and hyphens, as "--dot" or "simulate".
std::set<std::string> WordsOf(const std::string& text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : text + " ") {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '-') {
      word += c;
    } else {
      words.insert(std::exchange(word, ""));
    }
  }
  return words;
}

// The first words of the lines below "Subcommands:", and all long options.
std::set<std::string> Offered(const std::string& help) {
  std::set<std::string> offered;
  std::istringstream lines(help);
  bool subcommands = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(" ")) subcommands = line == "Subcommands:";
    std::string first;
    std::istringstream(line) >> first;
    if (subcommands && line.starts_with("  ") && line[2] != ' ') offered.insert(first);
    for (const std::string& word : WordsOf(first)) {
      if (word.starts_with("--")) offered.insert(word);
    }
  }
  return offered;
}

std::set<std::string> AllThatIsOffered() {
  std::set<std::string> offered = Offered(Sysmemctl({"--help"}).output);
  for (const std::string& word : std::set<std::string>(offered)) {
    if (word.starts_with("--")) continue;
    offered.merge(Offered(Sysmemctl({word, "--help"}).output));
  }
  return offered;
}

class Completion : public ::testing::TestWithParam<const char*> {};

TEST_P(Completion, KnowsEveryCommandAndEveryOption) {
  const std::set<std::string> known = WordsOf(File(GetParam()));
  const std::set<std::string> offered = AllThatIsOffered();
  EXPECT_GE(offered.size(), 15u);
  EXPECT_THAT(offered, Contains("--dot"));
  EXPECT_THAT(offered, Contains("simulate"));
  for (const std::string& word : offered) EXPECT_THAT(known, Contains(word));
}

INSTANTIATE_TEST_SUITE_P(Shells, Completion, ::testing::Values("sysmemctl.bash", "_sysmemctl"),
                         [](const auto& shell) {
                           return shell.param[0] == '_' ? std::string("zsh") : std::string("bash");
                         });

TEST(Completion, IsValidBash) {
  const testing::Ended ended =
      testing::RunToEnd({.program = "/bin/bash",
                         .arguments = {"-n", SYSMEM_COMPLETION "/sysmemctl.bash"},
                         .environment = testing::CleanEnvironment()});
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
}

}  // namespace
}  // namespace sysmem::ctl
