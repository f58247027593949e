// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/simulate.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "recording/recording.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// Not more than it takes to see that a file is too long.
std::optional<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(scenario::kDocumentBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.is_open() && !file.bad()) return text;
  std::cerr << "sysmemctl: cannot read " << Safe(path) << ": "
            << std::strerror(errno != 0 ? errno : EIO) << "\n";
  return std::nullopt;
}

// Line by line: the text is ours, names and values in it are the file's.
std::string SafeLines(const std::string& text) {
  std::string safe;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    safe += SafeLine(text.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return safe;
}

bool IsConflict(const core::Failure& failure) {
  return failure.outcome == core::Outcome::kError &&
         (failure.error == core::Error::kConstraintsIntersectionEmpty ||
          failure.error == core::Error::kTooManyGroupChildCombinations);
}

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
  const std::optional<std::string> text = ReadFile(path);
  if (!text) return {kFailed, {{"file", path}, {"error", "cannot be read"}}, ""};
  scenario::Mistakes mistakes(path);
  const std::optional<scenario::Scenario> scenario = scenario::ReadScenario(*text, mistakes);
  if (!scenario) {
    const std::string told = SafeLines(mistakes.ToString());
    std::cerr << told;
    return {kUsage, {{"file", path}, {"error", told}}, ""};
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
    std::cout << document.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
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
