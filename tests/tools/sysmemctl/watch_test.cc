// SPDX-License-Identifier: Apache-2.0
//
// `sysmemctl watch`, of a real daemon.
#include "tools/sysmemctl/watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/tools/sysmemctl/program_fixture.h"

namespace sysmem::ctl {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::kPatience;
using ::testing::Not;
using ::testing::StartsWith;

class WatchProgram : public ProgramTest {
 protected:
  WatchProgram() : ProgramTest("camera") {}

  // A sysmemctl that waits for events by the time this returns.
  void StartWatch(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--socket", client().path(), "watch"});
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    output_.reset(ends[0]);
    const base::UniqueFd written(ends[1]);
    watch_ = testing::Process::Start({.program = testing::ProgramPath("sysmemctl"),
                                      .arguments = std::move(arguments),
                                      .environment = testing::CleanEnvironment(),
                                      .output = written.get()});
    ASSERT_TRUE(watch_.started());
    ASSERT_TRUE(Eventually([this] {
      const auto sessions = client().Inspect("ListSessions");
      if (!sessions.ok()) return false;
      const json list = json::parse(*sessions)["sessions"];
      return std::any_of(list.begin(), list.end(), [this](const json& one) {
        return one["peer"].value("pid", 0) == watch_.pid() && one["waits_pending"] == "1";
      });
    }));
  }
  // All that it prints until it ends by itself.
  std::vector<std::string> Lines() {
    std::istringstream text(testing::ReadAll(output_));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(std::move(line));
    return lines;
  }
  Collection Begin() {
    Token token = *client().CreateToken();
    id_ = *token.GetBufferCollectionId();
    Collection collection = *std::move(token).Bind();
    EXPECT_TRUE(client().Roundtrip().ok());
    return collection;
  }
  // One buffer of one page, let go of when it is there.
  static void Allocate(Collection& collection) {
    const Constraints needs{.usage = Usage{.cpu = SYSMEM_CPU_USAGE_WRITE},
                            .min_buffer_count_for_camping = 1,
                            .memory = MemoryConstraints{.min_size_bytes = 4096}};
    ASSERT_TRUE(collection.SetConstraints(needs).ok());
    ASSERT_TRUE(collection.Wait(kPatience).ok());
  }

  uint64_t id_ = 0;
  base::UniqueFd output_;
  testing::Process watch_;
};

TEST_F(WatchProgram, PrintsOneObjectForEachEventAndEndsAfterAsManyAsWereAskedFor) {
  StartWatch({"--json", "--count", "6"});
  Collection collection = Begin();
  ASSERT_TRUE(collection.SetName(1, "frames").ok());
  Allocate(collection);
  std::vector<std::string> kinds;
  json last;
  for (const std::string& line : Lines()) {
    last = json::parse(line);
    kinds.push_back(last["kind"]);
    EXPECT_EQ(last["buffer_collection_id"], std::to_string(id_));
  }
  EXPECT_THAT(kinds, ElementsAre("EVENT_KIND_COLLECTION_BEGUN", "EVENT_KIND_NODE_BOUND",
                                 "EVENT_KIND_COLLECTION_NAMED", "EVENT_KIND_NODE_READY",
                                 "EVENT_KIND_ALLOCATION_BEGUN", "EVENT_KIND_ALLOCATION_SUCCEEDED"));
  EXPECT_EQ(last["collection_name"], "frames");
  EXPECT_EQ(last["buffers"], 1);
  EXPECT_EQ(last["bytes"], "4096");
  EXPECT_EQ(watch_.WaitForExit(), 0);
}

TEST_F(WatchProgram, FollowsOneCollectionToItsEnd) {
  std::optional<Collection> watched = Begin();
  const std::string id = std::to_string(id_);
  StartWatch({id});
  Begin();  // another one, of no interest
  ASSERT_TRUE(watched->SetName(1, "view\x1b[2Jer").ok());
  Allocate(*watched);
  ASSERT_TRUE(watched->Release().ok());
  watched.reset();
  ASSERT_TRUE(client().Roundtrip().ok());
  const std::vector<std::string> lines = Lines();
  EXPECT_EQ(watch_.WaitForExit(), 0);
  ASSERT_FALSE(lines.empty());
  for (const std::string& line : lines) {
    EXPECT_THAT(
        line, AllOf(HasSubstr("collection " + id + " \"view\\x1b[2Jer\""), Not(HasSubstr("\x1b"))));
  }
  EXPECT_THAT(lines.front(), AllOf(HasSubstr("  collection named      "), HasSubstr(Me())));
  EXPECT_THAT(lines.back(), HasSubstr("  collection ended      "));
}

TEST_F(WatchProgram, EndsAtOnceForACollectionThatHasFailed) {
  Collection collection = Begin();
  const Constraints impossible{
      .usage = Usage{.cpu = SYSMEM_CPU_USAGE_WRITE},
      .memory = MemoryConstraints{.min_size_bytes = 8192, .max_size_bytes = 4096}};
  ASSERT_TRUE(collection.SetConstraints(impossible).ok());
  ASSERT_FALSE(collection.Wait(kPatience).ok());
  const testing::Ended ended = Try({"watch", std::to_string(id_)});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.output, HasSubstr("has failed already"));
}

TEST_F(WatchProgram, EndsWhenItsReaderGoesAlthoughNothingHappens) {
  StartWatch({});
  output_.reset();
  EXPECT_EQ(watch_.WaitForExit(), 0);
}

TEST_F(WatchProgram, KnowsNoCollectionThatThereIsNot) {
  EXPECT_EQ(Try({"watch", "1"}).exit_code, 4);
}

TEST(WatchTheDaemon, EndsWithItAndSaysSo) {
  testing::DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  auto client = Client::Connect({.path = daemon.socket_path(), .debug_name = "test"});
  ASSERT_TRUE(client.ok());
  testing::Process watch =
      testing::Process::Start({.program = testing::ProgramPath("sysmemctl"),
                               .arguments = {"--socket", daemon.socket_path(), "watch"},
                               .environment = testing::CleanEnvironment()});
  ASSERT_TRUE(Eventually([&] {
    const auto sessions = client->Inspect("ListSessions");
    return sessions.ok() && sessions->find("\"waits_pending\":\"1\"") != std::string::npos;
  }));
  daemon.Stop();
  EXPECT_EQ(watch.WaitForExit(), 3);
}

json Event() {
  return {{"kind", "EVENT_KIND_ALLOCATION_FAILED"},
          {"time_ns", "1700000000012000000"},
          {"buffer_collection_id", "7"},
          {"collection_name", "a\nb"},
          {"buffers", 3},
          {"bytes", "12582912"},
          {"heap", {{"heap_type", "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM"}, {"id", "0"}}},
          {"duration_ns", "4000000"},
          {"error", "ERROR_NO_MEMORY"},
          {"rule", "HEAP-4"},
          {"message", "there is \"nothing\"\\tleft"}};
}

TEST(WatchedEvent, IsOneLineWithAllThatItTells) {
  EXPECT_THAT(
      DescribeEvent(Event()),
      HasSubstr(".012  allocation failed     collection 7 \"a\\nb\", 3 buffers, 12 MiB, heap "
                "SYSTEM_RAM, after 4 ms, no memory, rule HEAP-4: there is \"nothing\"\\t"
                "left"));
}

TEST(WatchedEvent, NamesTheProcessAndTheNodeAsFarAsTheyMayBeSeen) {
  json event = {{"kind", "EVENT_KIND_NODE_READY"},     {"time_ns", "0"},
                {"buffer_collection_id", "7"},         {"node_id", "12"},
                {"node_kind", "NODE_KIND_COLLECTION"}, {"debug_name", "decoder"}};
  EXPECT_THAT(DescribeEvent(event), ::testing::EndsWith("collection 7, collection 12 \"decoder\""));
  event["session_id"] = "3";
  event["peer"] = {{"command", "ffmpeg"}, {"pid", 42}, {"uid", 1000}};
  EXPECT_THAT(DescribeEvent(event),
              ::testing::EndsWith("collection 7, collection 12 \"decoder\", session 3, "
                                  "ffmpeg (pid 42, uid 1000)"));
}

}  // namespace
}  // namespace sysmem::ctl
