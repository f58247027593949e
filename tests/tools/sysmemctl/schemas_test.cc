// SPDX-License-Identifier: Apache-2.0
//
// What `sysmemctl --json` prints has the form that the schemas in docs/schemas promise: of a real
// daemon with collections in every state, holders, groups, and clients with hostile names.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/program_fixture.h"
#include "tools/sysmemctl/holders.h"

namespace sysmem::ctl {
namespace {

using nlohmann::json;
using testing::Eventually;
using testing::kPatience;

constexpr char kHostile[] = "\x1b[2J\"\\\n\xe2\x80\xae</script>";

Constraints Bytes(uint32_t cpu, uint64_t bytes) {
  return {.usage = Usage{.cpu = cpu},
          .min_buffer_count_for_camping = 1,
          .memory = MemoryConstraints{.min_size_bytes = bytes, .max_size_bytes = bytes}};
}

class Schemas : public ProgramTest {
 protected:
  Schemas() : ProgramTest(kHostile) {}

  // Runs it and keeps what it printed, however it ended.
  json Hold(const std::string& schema, std::vector<std::string> arguments) {
    std::string label = "sysmemctl --json";
    for (const std::string& argument : arguments) label += " " + argument;
    arguments.insert(arguments.begin(), {"--socket", socket_path(), "--json"});
    arguments.insert(arguments.begin(),
                     {"-c", R"(exec "$0" "$@" 2>/dev/null)", testing::ProgramPath("sysmemctl")});
    const testing::Ended ended = testing::RunToEnd({.program = "/bin/sh",
                                                    .arguments = std::move(arguments),
                                                    .environment = testing::CleanEnvironment()});
    json document = json::parse(ended.output, nullptr, false);
    EXPECT_FALSE(document.is_discarded()) << label << "\n" << ended.output;
    documents_.push_back({{"schema", schema}, {"label", label}, {"document", document}});
    return document;
  }
  json HoldOne(const std::string& schema, const std::string& command, uint64_t id) {
    return Hold(schema, {command, std::to_string(id)});
  }
  testing::Ended Validate() const {
    const testing::TempDir dir;
    const std::string file = dir.path() + "/documents";
    std::ofstream(file) << documents_.dump(-1, ' ', false, json::error_handler_t::replace);
    return testing::RunToEnd({.program = "/bin/sh",
                              .arguments = {"-c", "exec /usr/bin/python3 " SYSMEM_VALIDATE
                                                  " " SYSMEM_DOCS "/schemas < " +
                                                      file},
                              .environment = testing::CleanEnvironment()});
  }
  // A root token with a name, and the id of its collection.
  std::pair<Token, uint64_t> Begin(const char* name) {
    Token root = *client().CreateToken();
    EXPECT_TRUE(root.SetName(1, name).ok());
    const uint64_t id = *root.GetBufferCollectionId();
    return {std::move(root), id};
  }
  // Everything that there can be of a waiting collection: a token not bound, one that travels, a
  // group without all its children, a collection without constraints and one with an image.
  uint64_t Wait() {
    auto [root, id] = Begin(kHostile);
    tokens_.push_back(*root.Duplicate());
    EXPECT_TRUE(tokens_.back().SetDebugClientInfo(kHostile, ~uint64_t{0}).ok());
    exported_.emplace(*root.DuplicateExported());
    groups_.push_back(*root.CreateGroup());
    tokens_.push_back(*groups_.back().CreateChild());
    Token silent = *root.Duplicate();
    silent_.emplace(*std::move(silent).Bind());
    waiting_.emplace(*std::move(root).Bind());
    EXPECT_TRUE(waiting_
                    ->SetConstraints(Constraints{
                        .usage = Usage{.cpu = SYSMEM_CPU_USAGE_WRITE},
                        .min_buffer_count_for_camping = 2,
                        .memory = MemoryConstraints{.permitted_heaps = {{{.heap_type = kHostile}}}},
                        .image_formats = {{.pixel_format = SYSMEM_PIXEL_FORMAT_NV12,
                                           .color_spaces = {SYSMEM_COLOR_SPACE_REC709},
                                           .min_size = Size{64, 64},
                                           .bytes_per_row_divisor = 64}}})
                    .ok());
    return id;
  }
  // One holder, strong and weak.
  uint64_t Allocate() {
    auto [root, id] = Begin("frames");
    Token child = *root.Duplicate();
    EXPECT_TRUE(child.SetWeak().ok());
    collections_.push_back(*std::move(root).Bind());
    Collection& strong = collections_.back();
    weak_.emplace(*std::move(child).Bind());
    EXPECT_TRUE(strong.SetConstraints(Bytes(SYSMEM_CPU_USAGE_WRITE, 4096)).ok());
    EXPECT_TRUE(weak_->SetConstraints(Bytes(SYSMEM_CPU_USAGE_READ, 4096)).ok());
    for (Collection* one : {&strong, &*weak_}) {
      auto buffers = one->Wait(kPatience);
      EXPECT_TRUE(buffers.ok()) << buffers.failure().text;
      if (buffers.ok()) buffers_.push_back(*std::move(buffers));
    }
    return id;
  }
  uint64_t Fail() {
    auto [root, id] = Begin("too small and too large");
    Token child = *root.Duplicate();
    Collection one = *std::move(root).Bind();
    Collection other = *std::move(child).Bind();
    EXPECT_TRUE(one.SetConstraints(Bytes(SYSMEM_CPU_USAGE_WRITE, 4096)).ok());
    EXPECT_TRUE(other.SetConstraints(Bytes(SYSMEM_CPU_USAGE_READ, 8192)).ok());
    EXPECT_FALSE(one.Wait(kPatience).ok());
    return id;
  }
  uint64_t Outlive() {
    auto [root, id] = Begin("leftover");
    Collection owner = *std::move(root).Bind();
    EXPECT_TRUE(owner.SetConstraints(Bytes(SYSMEM_CPU_USAGE_WRITE, 4096)).ok());
    auto buffers = owner.Wait(kPatience);
    EXPECT_TRUE(buffers.ok());
    if (buffers.ok()) buffers_.push_back(*std::move(buffers));
    return id;
  }
  // `watch --json` prints these as they are, one in a line, and what it says of lost ones.
  void HoldEvents() {
    const auto told = client().Inspect("NextEvents", R"({"after": "0"})");
    ASSERT_TRUE(told.ok()) << told.failure().text;
    const json events = json::parse(*told)["events"];
    EXPECT_GE(events.size(), 20u);
    for (const json& event : events) {
      documents_.push_back({{"schema", "watch"}, {"label", "an event"}, {"document", event}});
    }
    documents_.push_back({{"schema", "watch"}, {"label", "lost"}, {"document", {{"lost", "3"}}}});
  }
  // As a user without rights sees a collection that others take part in.
  void HoldHoldersOfOthers() {
    const json buffer = {{"index", "0"},
                         {"raw_vmo_size", "4096"},
                         {"holders", json::array({{{"weak", false}, {"age_ns", "1"}}})}};
    const json collection = {{"summary", {{"buffer_collection_id", "7"}, {"name", "frames"}}},
                             {"buffers", json::array({buffer})}};
    const json document = HoldingsForPrograms(FindHoldings({collection}, {}, 1), 3);
    ASSERT_EQ(document["holders"].size(), 1u);
    documents_.push_back({{"schema", "holders"}, {"label", "of others"}, {"document", document}});
  }
  void HoldFiles() {
    const testing::TempDir dir;
    const std::string bad = dir.path() + "/bad.toml";
    const std::string recording = dir.path() + "/recording";
    std::ofstream(bad) << "[[participants]]\nname = 1\n";
    const std::string fine = SYSMEM_EXAMPLES "/camera-encoder-display.toml";
    const std::string groups = SYSMEM_EXAMPLES "/compressed-falls-back-to-linear.toml";
    const std::string late = SYSMEM_EXAMPLES "/late-recorder-without-room.toml";
    const std::string conflict = SYSMEM_EXAMPLES "/two-gpus-no-common-modifier.toml";
    Hold("simulate", {"simulate", "--record", recording, fine});
    Hold("simulate", {"simulate", bad, conflict, groups, late});
    Hold("alloc", {"alloc", fine});
    Hold("alloc", {"alloc", conflict});
    Hold("alloc", {"alloc", "--dry-run", groups});
    Hold("replay", {"replay", recording});
    HoldReplayThatDiffers(recording);
    Hold("replay", {"replay", bad});
  }
  void HoldReplayThatDiffers(const std::string& recording) {
    std::ostringstream text;
    text << std::ifstream(recording).rdbuf();
    std::string changed = text.str();
    const std::string from = "\"bytes_per_row_divisor\":";
    const size_t at = changed.find(from);
    ASSERT_NE(at, std::string::npos) << changed;
    changed.insert(at + from.size(), "4");
    std::ofstream(recording) << changed;
    EXPECT_TRUE(Hold("replay", {"replay", recording}).contains("difference"));
  }

  json documents_ = json::array();
  std::vector<Token> tokens_;
  std::vector<Group> groups_;
  std::vector<Collection> collections_;
  std::vector<Buffers> buffers_;
  std::optional<UniqueFd> exported_;
  std::optional<Collection> silent_;
  std::optional<Collection> waiting_;
  std::optional<Collection> weak_;
};

TEST_F(Schemas, HoldForEverythingThatIsPrintedAndKnowNothingElse) {
  ASSERT_TRUE(client().Inspect("NextEvents", "{}").ok());  // events are kept from now on
  const uint64_t waiting = Wait();
  const uint64_t allocated = Allocate();
  const uint64_t failed = Fail();
  const uint64_t outlived = Outlive();
  ASSERT_TRUE(client().Roundtrip().ok());
  EXPECT_EQ(HoldOne("show", "show", waiting)["summary"]["state"], "COLLECTION_STATE_WAITING");
  EXPECT_EQ(HoldOne("show", "show", allocated)["summary"]["state"], "COLLECTION_STATE_ALLOCATED");
  EXPECT_EQ(HoldOne("why", "why", failed)["state"], "COLLECTION_STATE_FAILED");
  EXPECT_EQ(HoldOne("why", "why", outlived)["state"], "COLLECTION_STATE_OUTLIVED");
  EXPECT_GE(HoldOne("why", "why", waiting)["waits_for"].size(), 4u);
  HoldOne("show", "show", failed);
  HoldOne("why", "why", allocated);
  HoldOne("tree", "tree", waiting);
  Hold("status", {"status"});
  Hold("heaps", {"heaps"});
  Hold("doctor", {"doctor"});
  EXPECT_GE(Hold("bench", {"bench", "--rounds", "1"})["figures"].size(), 4u);
  EXPECT_FALSE(Hold("holders", {"holders"})["holders"].empty());
  HoldHoldersOfOthers();
  HoldFiles();
  // The sessions of the commands before have ended.
  const json sessions = Hold("list", {"list"})["sessions"];
  const std::string session = sessions.front()["session_id"];
  Hold("show", {"show", session});
  Hold("why", {"why", session});
  HoldEvents();
  const testing::Ended ended = Validate();
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
}

}  // namespace
}  // namespace sysmem::ctl
