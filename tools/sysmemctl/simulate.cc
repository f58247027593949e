// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/simulate.h"

#include <fstream>
#include <iostream>
#include <optional>

#include "recording/recording.h"
#include "tools/sysmemctl/scenario_file.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

bool IsConflict(const core::Failure& failure) {
  return failure.outcome == core::Outcome::kError &&
         (failure.error == core::Error::kConstraintsIntersectionEmpty ||
          failure.error == core::Error::kTooManyGroupChildCombinations);
}

}  // namespace

ExitCode ExitCodeOf(const scenario::Outcome& outcome) {
  if (outcome.failure) return IsConflict(*outcome.failure) ? kUnsatisfiable : kFailed;
  ExitCode code = kOk;
  for (const scenario::NodeOutcome& node : outcome.nodes) {
    if (node.fate != scenario::Fate::kFailed && node.fate != scenario::Fate::kNeverCame) continue;
    if (code == kOk) code = kFailed;
    if (node.failure && IsConflict(*node.failure)) code = kUnsatisfiable;
  }
  return code;
}

namespace {

std::string RecordingOf(const scenario::Outcome& outcome, const std::string& path) {
  std::string text = recording::HeaderLine("sysmemctl simulate " + path, *outcome.settings) +
                     recording::BeginLine(scenario::kCollectionId, scenario::kBornNs);
  for (const scenario::Step& step : outcome.steps) {
    text += recording::TakenLine(scenario::kCollectionId, step.event, step.effects);
  }
  return text;
}

struct Simulated {
  ExitCode code = kOk;
  Json json;
  std::string recording;
};

Simulated SimulateFile(const std::string& path, const SimulateOptions& options) {
  ScenarioError error;
  const std::optional<scenario::Scenario> scenario = LoadScenario(path, error);
  if (!scenario) {
    std::cerr << error.text;
    if (error.cannot_be_read) return {kFailed, {{"file", path}, {"error", "cannot be read"}}, ""};
    return {kUsage, {{"file", path}, {"error", error.text}}, ""};
  }
  const scenario::Outcome outcome = scenario::Simulate(*scenario);
  Simulated simulated{.code = ExitCodeOf(outcome)};
  if (!options.record.empty()) simulated.recording = RecordingOf(outcome, path);
  if (options.json) {
    simulated.json = OutcomeAsJson(*scenario, outcome);
    simulated.json["file"] = path;
  } else {
    std::cout << Safe(path) << (scenario->title.empty() ? "" : ": " + SafeLine(scenario->title))
              << "\n\n"
              << DescribeOutcome(*scenario, outcome);
  }
  return simulated;
}

}  // namespace

int SimulateFiles(const SimulateOptions& options) {
  int code = kOk;
  Json all = Json::array();
  std::string recording;
  for (size_t i = 0; i < options.files.size(); ++i) {
    if (i > 0 && !options.json) std::cout << "\n";
    Simulated one = SimulateFile(options.files[i], options);
    if (code == kOk) code = one.code;
    all.push_back(std::move(one.json));
    recording += one.recording;
  }
  if (options.json) {
    const Json& document = options.files.size() == 1 ? all[0] : all;
    std::cout << JsonText(document) << "\n";
  }
  if (!options.record.empty()) {
    std::ofstream file(options.record, std::ios::binary | std::ios::trunc);
    if (!file.write(recording.data(), static_cast<std::streamsize>(recording.size())).flush()) {
      std::cerr << "sysmemctl: cannot write " << Safe(options.record) << "\n";
      return kFailed;
    }
  }
  return std::cout.flush() ? code : kFailed;
}

}  // namespace sysmem::ctl
