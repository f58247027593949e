// SPDX-License-Identifier: Apache-2.0
//
// What `sysmemctl show` and `list` say of buffers and those who hold them, of a real daemon.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>

#include "tests/support/eventually.h"
#include "tests/tools/sysmemctl/program_fixture.h"

namespace sysmem::ctl {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::ContainsRegex;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::kPatience;
using ::testing::Not;

// A writer and a weak reader of three buffers.
class ShowProgram : public ProgramTest {
 protected:
  ShowProgram() : ProgramTest("decoder") {}
  void SetUp() override {
    ProgramTest::SetUp();
    Token root = *client().CreateToken();
    Token child = *root.Duplicate();
    ASSERT_TRUE(child.SetWeak().ok());
    id_ = *root.GetBufferCollectionId();
    writer_.emplace(*std::move(root).Bind());
    reader_.emplace(*std::move(child).Bind());
    ASSERT_TRUE(reader_->SetDebugClientInfo("view\x1b[2Jer", 4).ok());  // CONV-5
    ASSERT_TRUE(writer_->SetName(1, "frames").ok());
    ASSERT_TRUE(writer_->SetConstraints(Needs(SYSMEM_CPU_USAGE_WRITE, 3)).ok());
    ASSERT_TRUE(reader_->SetConstraints(Needs(SYSMEM_CPU_USAGE_READ, 0)).ok());
    ASSERT_TRUE(client().Roundtrip().ok());
  }
  static Constraints Needs(uint32_t cpu, uint32_t count) {
    return {.usage = Usage{.cpu = cpu},
            .min_buffer_count_for_camping = count,
            .memory = MemoryConstraints{.min_size_bytes = 4096, .max_size_bytes = 4096}};
  }
  static Buffers Given(Collection& collection) {
    auto buffers = collection.Wait(kPatience);
    EXPECT_TRUE(buffers.ok()) << buffers.failure().text;
    return *std::move(buffers);
  }
  std::string Show() const { return Run({"show", std::to_string(id_)}); }
  json ShowJson() const { return json::parse(Run({"--json", "show", std::to_string(id_)})); }
  // Waits until the daemon has noticed what this process let go of.
  bool BecomesState(size_t buffer, const std::string& state) const {
    return Eventually([&] { return ShowJson()["buffers"][buffer]["state"] == state; });
  }
  // For ContainsRegex.
  static std::string Me() {
    return "\\(pid " + std::to_string(::getpid()) + ", uid " + std::to_string(::getuid()) + "\\)";
  }

  std::optional<Collection> writer_;
  std::optional<Collection> reader_;
  uint64_t id_ = 0;
};

TEST_F(ShowProgram, NamesWhoHoldsEachBufferHowAndThroughWhichNode) {
  const Buffers strong = Given(*writer_);
  Buffers weak = Given(*reader_);
  weak.Close(1);
  ASSERT_TRUE(Eventually([&] { return ShowJson()["buffers"][1]["holders"].size() == 1; }));
  const std::string text = Show();
  EXPECT_THAT(text, ContainsRegex("0 +4.0 KiB +strong +2 +2 +[0-9]+:[0-9]+\n"));
  EXPECT_THAT(text, ContainsRegex("1 +4.0 KiB +strong +1 +2 +[0-9]+:[0-9]+\n"));
  EXPECT_THAT(text, ContainsRegex(Me() + " +[0-9]+ \"decoder\" +0-2 +strong +read and write"));
  EXPECT_THAT(text,
              ContainsRegex(Me() + " +[0-9]+ \"view.x1b.2Jer[^\"]*\" +0, 2 +weak +read only"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr(", weak, held by "));
  EXPECT_THAT(text, Not(HasSubstr("untracked")));
}

TEST_F(ShowProgram, SaysWhenANodeIsAllThatKeepsABuffer) {
  std::optional<Buffers> weak = Given(*reader_);
  EXPECT_THAT(Show(), ContainsRegex("0 +4.0 KiB +strong, by a node +1 +1 "));
  weak.reset();
  ASSERT_TRUE(Eventually([&] { return ShowJson()["buffers"][2]["holders"].empty(); }));
  EXPECT_THAT(Show(), ContainsRegex("2 +4.0 KiB +strong, by a node +0 +1 "));
  EXPECT_THAT(Show(), Not(HasSubstr("HELD BY")));
}

TEST_F(ShowProgram, CountsWhatEachSessionAndEachUserHasOnceHoweverOftenItWasHandedOut) {
  const Buffers first = Given(*writer_);
  const Buffers again = Given(*writer_);
  Buffers weak = Given(*reader_);
  weak.Close(1);
  ASSERT_TRUE(Eventually([&] { return ShowJson()["buffers"][1]["holders"].size() == 2; }));
  const json sessions = json::parse(Run({"--json", "list"}))["sessions"];
  const auto ours = std::find_if(sessions.begin(), sessions.end(), [](const json& session) {
    return session.contains("buffers_held") && session["buffers_held"] != "0";
  });
  ASSERT_NE(ours, sessions.end()) << sessions.dump(2);
  EXPECT_EQ((*ours)["buffers_held"], "3");
  EXPECT_EQ((*ours)["bytes_held"], "12288");
  EXPECT_EQ((*ours)["hand_outs_held"], "8");
  const std::string id = (*ours)["session_id"];
  EXPECT_EQ(ShowJson()["buffers"][0]["holders"][0]["session_id"], id);
  EXPECT_THAT(Run({"show", id}), HasSubstr("holds 3 buffers of 12 KiB, handed out to it 8 times"));
  EXPECT_THAT(Run({"list"}), ContainsRegex(Me() + " +open +[0-9]+ +0 +3 +12 KiB"));
  EXPECT_THAT(Run({"status"}),
              ContainsRegex("\n *" + std::to_string(::getuid()) + " +3 +12 KiB +6\n"))
      << "three buffers, and close_weak_asap of each";
}

TEST_F(ShowProgram, TellsOfBuffersThatHaveOutlivedTheirNodes) {
  Buffers strong = Given(*writer_);
  const Buffers weak = Given(*reader_);
  writer_.reset();
  reader_.reset();
  ASSERT_TRUE(client().Roundtrip().ok());
  strong.Close(0);
  ASSERT_TRUE(BecomesState(0, "BUFFER_STATE_WEAK_ONLY"));
  const std::string text = Show();
  EXPECT_THAT(text, HasSubstr("\"frames\", outlived, begun "));
  EXPECT_THAT(text, HasSubstr("nodes: none is left"));
  EXPECT_THAT(text, ContainsRegex("0 +4.0 KiB +weak only +1 +2 "));
  EXPECT_THAT(text, ContainsRegex("1 +4.0 KiB +strong +2 +2 "));
  EXPECT_THAT(text, ContainsRegex(Me() + " +[0-9]+ \"decoder\" +1-2 +strong"));
  const json shown = ShowJson();
  EXPECT_EQ(shown["summary"]["state"], "COLLECTION_STATE_OUTLIVED");
  EXPECT_EQ(shown["buffers"][0]["holders"][0]["weak"], true);
  EXPECT_EQ(shown["buffers"][1]["holders"][0]["debug_name"], "decoder");
  EXPECT_EQ(shown["buffers"][1]["holders"][0]["given_to"]["pid"], ::getpid());

  const std::string list = Run({"list"});
  EXPECT_THAT(list, ContainsRegex(std::to_string(id_) + " +frames +outlived +0 +3 +12 KiB "));
  EXPECT_THAT(list, HasSubstr("outlived: no node is left, but somebody holds buffers"));
  EXPECT_EQ(json::parse(Run({"--json", "list"}))["collections"][0]["state"],
            "COLLECTION_STATE_OUTLIVED");
}

TEST_F(ShowProgram, TellsWhyTheNodesOfBuffersThatLiveOnEnded) {
  const Buffers strong = Given(*writer_);
  writer_->Close();
  ASSERT_TRUE(client().Roundtrip().ok());
  const std::string text = Show();
  EXPECT_THAT(text, HasSubstr("its nodes ended: collection \"decoder\" (id "));
  EXPECT_THAT(text, HasSubstr(" was closed without Release: its handle was closed; rule FAIL-1\n"));
  EXPECT_THAT(text, HasSubstr("\n  \"decoder\"\n"));
  EXPECT_THAT(text, ContainsRegex("0 +4.0 KiB +strong +1 +1 "));
}

TEST_F(ShowProgram, TellsOfAHolderWhomNobodyGaveTheBuffer) {
  Buffers strong = Given(*writer_);
  const std::string path = "/proc/self/fd/" + std::to_string(strong[1].fd);
  sysmem::UniqueFd reopened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(reopened);  // as root, or under the daemon's uid
  strong.Close(1);
  writer_->Close();  // as long as the daemon keeps the buffer itself, nobody asks who else does
  ASSERT_TRUE(Eventually([&] { return ShowJson()["buffers"][1]["untracked_holder"] == true; }));
  const std::string text = Show();
  EXPECT_THAT(text, ContainsRegex("1 +4.0 KiB +weak only +0 \\+ untracked +1 "));
  EXPECT_THAT(text, HasSubstr("untracked: 1 held by somebody they were not handed to"));
}

TEST_F(ShowProgram, ListsNothingAsOutlivedWhileThereAreNodes) {
  const Buffers strong = Given(*writer_);
  const std::string list = Run({"list"});
  EXPECT_THAT(list, ContainsRegex(std::to_string(id_) + " +frames +allocated +2 +3 +12 KiB "));
  EXPECT_THAT(list, Not(HasSubstr("outlived")));
}

}  // namespace
}  // namespace sysmem::ctl
