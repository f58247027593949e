// SPDX-License-Identifier: Apache-2.0
//
// How `sysmemctl simulate` behaves as a program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SimulateProgram : public ::testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& text) {
    const std::string path = dir_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  static std::string Bytes(const std::string& name, const std::string& bytes) {
    return "[[participants]]\nname = \"" + name +
           "\"\nusage = { cpu = [\"READ\"] }\nmin_buffer_count_for_camping = 1\n"
           "buffer_memory_constraints = { min_size_bytes = " +
           bytes + ", max_size_bytes = " + bytes + " }\n";
  }
  testing::TempDir dir_;
  std::string good_ = File("good.toml", Bytes("a", "4096"));
  std::string conflict_ = File("conflict.toml", Bytes("a", "4096") + Bytes("b", "8192"));
};

TEST_F(SimulateProgram, PrintsJsonThatProgramsCanRead) {
  const testing::Ended ended = Sysmemctl({"simulate", "--json", good_});
  EXPECT_EQ(ended.exit_code, 0);
  const auto json = nlohmann::json::parse(ended.output, nullptr, false);
  ASSERT_TRUE(json.is_object()) << ended.output;
  EXPECT_EQ(json["result"]["buffer_count"], 1);
  EXPECT_EQ(json["result"]["size_bytes"], "4096");
  EXPECT_EQ(json["participants"][0]["name"], "a");
  EXPECT_EQ(json["participants"][0]["fate"], "takes_part");
}

TEST_F(SimulateProgram, NamesTheCulpritsInJson) {
  const testing::Ended ended = Sysmemctl({"simulate", "--json", conflict_, good_});
  EXPECT_EQ(ended.exit_code, 5);
  const auto json = nlohmann::json::parse(ended.output, nullptr, false);
  ASSERT_TRUE(json.is_array()) << ended.output;
  EXPECT_EQ(json[0]["failure"]["error"], "CONSTRAINTS_INTERSECTION_EMPTY");
  EXPECT_EQ(json[0]["failure"]["participants"][1]["name"], "b");
  EXPECT_EQ(json[1]["result"]["buffer_count"], 1);
}

TEST_F(SimulateProgram, ExplainsASuccess) {
  const testing::Ended ended = Sysmemctl({"simulate", good_});
  EXPECT_THAT(ended.output, HasSubstr("\nWhy:\n"));
  EXPECT_THAT(ended.output, HasSubstr("\n  Buffer count 1: camping 1 "));
}

TEST_F(SimulateProgram, ExplainsAFailureWithASmallestConflict) {
  const testing::Ended ended = Sysmemctl({"simulate", conflict_});
  EXPECT_THAT(ended.output, HasSubstr("\nWhy:\n  Refused while "));
  EXPECT_THAT(ended.output,
              HasSubstr("\n  The smallest conflict is between 2 of 2 participants: "));
}

TEST_F(SimulateProgram, ExplainsToPrograms) {
  const testing::Ended ended = Sysmemctl({"simulate", "--json", conflict_, good_});
  const auto json = nlohmann::json::parse(ended.output, nullptr, false);
  ASSERT_TRUE(json.is_array()) << ended.output;
  const auto& refused = json[0]["report"]["refused"][0];
  EXPECT_EQ(refused["proven_smallest"], true);
  EXPECT_EQ(refused["conflict"][1]["name"], "b");
  EXPECT_EQ(json[0]["report"]["decisions"].size(), 0);
  EXPECT_EQ(json[1]["report"]["refused"].size(), 0);
  EXPECT_EQ(json[1]["report"]["decisions"][0]["about"], "heap");
}

TEST_F(SimulateProgram, EscapesNamesInExplanationsOnce) {
  const std::string odd = File("odd.toml", Bytes("a\\u001b\\\"", "4096") + Bytes("b", "8192"));
  const testing::Ended ended = Sysmemctl({"simulate", odd});
  EXPECT_THAT(ended.output, HasSubstr("participants: \"a\\x1b\"\": "));
}

TEST_F(SimulateProgram, EndsWithTheFirstCodeThatIsNotZero) {
  EXPECT_EQ(Sysmemctl({"simulate", good_, good_}).exit_code, 0);
  EXPECT_EQ(Sysmemctl({"simulate", good_, conflict_}).exit_code, 5);
  EXPECT_EQ(Sysmemctl({"simulate", "/nowhere", conflict_}).exit_code, 1);
  EXPECT_EQ(Sysmemctl({"simulate"}).exit_code, 2);
}

TEST_F(SimulateProgram, RecordsForReplay) {
  const std::string out = dir_.path() + "/recording";
  EXPECT_EQ(Sysmemctl({"simulate", "--record", out, good_, conflict_}).exit_code, 5);
  const testing::Ended replayed = Sysmemctl({"replay", out});
  EXPECT_EQ(replayed.exit_code, 0);
  EXPECT_THAT(replayed.output, HasSubstr("events of 2 collections"));
  EXPECT_EQ(Sysmemctl({"simulate", "--record", "/nowhere/out", good_}).exit_code, 1);
}

TEST_F(SimulateProgram, SaysWhereAFileIsWrong) {
  const std::string bad = File("bad.toml", "[[participants]]\nname = \"a\"\nwek = true\n");
  const testing::Ended ended = Sysmemctl({"simulate", bad});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.output, HasSubstr(bad + ":3:1: participants[0].wek: unknown key"));
}

TEST_F(SimulateProgram, LetsNoFileWriteToTheTerminalAsItLikes) {
  const std::string evil =
      File("evil.toml",
           "title = \"\\u001b[2J\"\n" + Bytes("\\u001b[31m", "4096") + Bytes("\\u202e", "8192"));
  const testing::Ended ended = Sysmemctl({"simulate", evil});
  EXPECT_THAT(ended.output, HasSubstr("\\x1b[31m"));
  EXPECT_THAT(ended.output, Not(HasSubstr("\x1b")));
  EXPECT_THAT(ended.output, Not(HasSubstr("\u202e")));
  const std::string broken = File("broken.toml", "\"\\u001b[2J\" = 1\n");
  EXPECT_THAT(Sysmemctl({"simulate", broken}).output, Not(HasSubstr("\x1b")));
}

TEST_F(SimulateProgram, SaysWhyAFileCannotBeRead) {
  EXPECT_THAT(Sysmemctl({"simulate", "/nowhere"}).output,
              HasSubstr("cannot read /nowhere: No such file or directory"));
  const testing::Ended folder = Sysmemctl({"simulate", "/tmp"});
  EXPECT_EQ(folder.exit_code, 1);
  EXPECT_THAT(folder.output, HasSubstr("Is a directory"));
  EXPECT_THAT(Sysmemctl({"simulate", "/dev/zero"}).output, HasSubstr("longer than"));
}

}  // namespace
}  // namespace sysmem::ctl
