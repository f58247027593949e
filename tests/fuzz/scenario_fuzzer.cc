// SPDX-License-Identifier: Apache-2.0
//
// Files for `sysmemctl simulate`, invented: each is either played to an end or complained of, with
// places that are in the file.
//
// Input: the text of a file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "scenario/simulate.h"
#include "tests/fuzz/require.h"

namespace sysmem::fuzz {
namespace {

// Past these a file says nothing new and only takes long.
constexpr size_t kNodesAtMost = 40;
constexpr uint32_t kCombinationsAtMost = 64;

void ReadAndPlay(std::string_view text) {
  scenario::Mistakes mistakes("file");
  std::optional<scenario::Scenario> scenario = scenario::ReadScenario(text, mistakes);
  Require(scenario.has_value() == mistakes.empty(), "a file is read or complained of");
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  for (const scenario::Mistake& mistake : mistakes.all()) {
    Require(mistake.where.line <= lines, "a mistake is in the file");
    Require(!mistake.message.empty(), "a mistake has a reason");
  }
  Require(mistakes.ToString().empty() == mistakes.empty(), "mistakes are told");
  if (!scenario || scenario->nodes.size() > kNodesAtMost) return;

  core::Limits& limits = scenario->settings.limits;
  limits.group_combinations = std::min(limits.group_combinations, kCombinationsAtMost);
  const scenario::Outcome outcome = scenario::Simulate(*scenario);
  Require(outcome.plan.has_value() || outcome.failure.has_value(), "it comes to something");
  Require(outcome.nodes.size() == scenario->nodes.size(), "each node has a fate");
  for (const scenario::NodeOutcome& node : outcome.nodes) {
    Require(!node.grant || outcome.plan, "nobody gets what was not agreed on");
  }
}

}  // namespace
}  // namespace sysmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sysmem::fuzz::ReadAndPlay({reinterpret_cast<const char*>(data), size});
  return 0;
}
