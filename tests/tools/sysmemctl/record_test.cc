// SPDX-License-Identifier: Apache-2.0
//
// `sysmemctl record`: what a live collection came to, a simulation of its record comes to as well.
#include "tools/sysmemctl/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>

#include "tests/support/patience.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/program_fixture.h"

namespace sysmem::ctl {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class RecordProgram : public ProgramTest {
 protected:
  RecordProgram() : ProgramTest("camera") {}

  static std::string Example(const std::string& name) {
    return std::string(SYSMEM_EXAMPLES) + "/" + name;
  }
  std::string File() const { return dir_.path() + "/recorded.json"; }
  // Of the example and of what was recorded of it.
  std::pair<json, json> SimulatedBoth(const std::string& name) const {
    json both = json::parse(Sysmemctl({"--json", "simulate", Example(name), File()}).output);
    return {both.at(0), both.at(1)};
  }

 private:
  testing::TempDir dir_;
};

// Image formats, groups, weak and attached participants.
TEST_F(RecordProgram, AnAllocationComesToTheSameResultInASimulation) {
  for (const char* name : {"compressed-falls-back-to-linear.toml", "late-recorder-that-fits.toml",
                           "weak-preview.toml"}) {
    const testing::Ended allocated =
        Try({"alloc", Example(name), "--then",
             testing::ProgramPath("sysmemctl") + " record --output " + File() + " $ID"});
    ASSERT_EQ(allocated.exit_code, 0) << name << "\n" << allocated.output;
    const auto [original, recorded] = SimulatedBoth(name);
    ASSERT_TRUE(original.contains("result")) << name;
    EXPECT_EQ(recorded["result"], original["result"]) << name;
  }
}

TEST_F(RecordProgram, AFailureComesToTheSameFailureInASimulation) {
  const char* const name = "stride-exact-against-256.toml";
  ASSERT_EQ(Try({"alloc", Example(name)}).exit_code, 5);
  const json collections = json::parse(Run({"--json", "list"}))["collections"];
  ASSERT_EQ(collections.size(), 1u);
  Run({"record", "--output", File(), collections[0]["buffer_collection_id"]});
  const auto [original, recorded] = SimulatedBoth(name);
  for (const char* field : {"rule", "field", "error"}) {
    EXPECT_EQ(recorded["failure"][field], original["failure"][field]);
  }
}

TEST_F(RecordProgram, WritesToStandardOutputAndTellsApartParticipantsOfOneName) {
  Token root = *client().CreateToken();
  const uint64_t id = *root.GetBufferCollectionId();
  Token child = *root.Duplicate();
  Collection first = *std::move(root).Bind();
  Collection second = *std::move(child).Bind();
  const Constraints needs{.usage = Usage{.cpu = SYSMEM_CPU_USAGE_READ | 0x4000},
                          .min_buffer_count_for_camping = 2,
                          .memory = MemoryConstraints{.min_size_bytes = 5000}};
  ASSERT_TRUE(first.SetConstraints(needs).ok());
  ASSERT_TRUE(second.SetConstraints(needs).ok());
  ASSERT_TRUE(first.Wait(testing::kPatience).ok());
  const json recorded = json::parse(Run({"record", std::to_string(id)}));
  ASSERT_EQ(recorded["participants"].size(), 2u);
  EXPECT_EQ(recorded["participants"][0]["name"], "camera");
  EXPECT_THAT(recorded["participants"][1]["name"].get<std::string>(), HasSubstr("camera (node "));
  EXPECT_EQ(recorded["participants"][1]["parent"], "camera");
  EXPECT_EQ(recorded["participants"][1]["usage"]["cpu"], json::array({"READ", 0x4000}));
}

TEST_F(RecordProgram, SaysSoIfNothingIsDecidedYetAndIfThereIsNoSuchCollection) {
  Token token = *client().CreateToken();
  const testing::Ended waiting = Try({"record", std::to_string(*token.GetBufferCollectionId())});
  EXPECT_EQ(waiting.exit_code, 0);
  EXPECT_THAT(waiting.output, HasSubstr("nothing is decided yet"));
  EXPECT_EQ(Try({"record", "1"}).exit_code, 4);
}

// A collection of one that was given five buffers of one page.
json Detail() {
  return json::parse(R"({
    "summary": {"buffer_collection_id": "7", "name": "frames", "state": "COLLECTION_STATE_ALLOCATED"},
    "nodes": [{"node_id": "1", "parent_id": "0", "kind": "NODE_KIND_COLLECTION", "connected": true,
               "debug_name": "camera", "rights_mask": 4294967295,
               "failure_mode": "FAILURE_MODE_PROPAGATE",
               "constraints": {"usage": {"cpu": 1}, "min_buffer_count": 5,
                               "buffer_memory_constraints": {"min_size_bytes": "4096"}}}],
    "settings": {"buffer_settings": {"size_bytes": "4096", "coherency_domain": "COHERENCY_DOMAIN_CPU",
        "heap": {"heap_type": "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM", "id": "0"}}},
    "buffer_count": 5})");
}
json Heaps() {
  return json::parse(R"([{"usable": true,
    "heap": {"heap_type": "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM", "id": "0"},
    "properties": {"coherency_domain_support": {"cpu_supported": true}}}])");
}

TEST(RecordedScenario, SaysInWhatItsSimulationDiffers) {
  json detail = Detail();
  const std::string scenario = RecordScenario(detail, Heaps(), json::array()).scenario;
  EXPECT_EQ(DifferenceFrom(detail, scenario), "");
  detail["buffer_count"] = 6;  // somebody who wanted one more has left since
  EXPECT_EQ(DifferenceFrom(detail, scenario), "buffer_count is 6, and 5 in the simulation");
  detail.erase("settings");
  detail["summary"]["failure"] = {{"rule", "FAIL-1"}, {"field", ""}};
  EXPECT_EQ(DifferenceFrom(detail, scenario), "it failed by rule FAIL-1, and the simulation works");
}

TEST(RecordedScenario, NotesWhatNoScenarioCanSay) {
  json detail = Detail();
  detail["nodes"][0]["must_match"] = true;
  detail["nodes"].push_back({{"node_id", "2"}, {"parent_id", "1"}, {"kind", "NODE_KIND_GROUP"}});
  const Recorded recorded = RecordScenario(detail, Heaps(), json::array());
  EXPECT_THAT(recorded.notes,
              ::testing::UnorderedElementsAre(HasSubstr("\"camera\" showed a buffer to match"),
                                              HasSubstr("group \"node 2\" has no children")));
  EXPECT_THAT(recorded.scenario, Not(HasSubstr("groups")));
}

// The difference between nothing said and nothing wanted.
TEST(RecordedScenario, KeepsConstraintsThatSayNothing) {
  json detail = Detail();
  detail["nodes"][0]["constraints"] = json::object();
  const auto participant = [&detail] {
    return json::parse(RecordScenario(detail, Heaps(), json::array()).scenario)["participants"][0];
  };
  EXPECT_EQ(participant()["usage"], json::object());
  detail["nodes"][0].erase("constraints");
  EXPECT_FALSE(participant().contains("usage"));
}

}  // namespace
}  // namespace sysmem::ctl
