// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/simulate.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

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
    if (node.fate == scenario::Fate::kTakesPart || node.fate == scenario::Fate::kNotChosen) {
      continue;
    }
    if (code == kOk) code = kFailed;
    if (node.failure && IsConflict(*node.failure)) code = kUnsatisfiable;
  }
  return code;
}

struct Simulated {
  ExitCode code = kOk;
  Json json;
};

Simulated SimulateFile(const std::string& path, bool json) {
  const std::optional<std::string> text = ReadFile(path);
  if (!text) return {kFailed, {{"file", path}, {"error", "cannot be read"}}};
  scenario::Mistakes mistakes(path);
  const std::optional<scenario::Scenario> scenario = scenario::ReadScenario(*text, mistakes);
  if (!scenario) {
    std::cerr << SafeLines(mistakes.ToString());
    return {kUsage, {{"file", path}, {"error", SafeLines(mistakes.ToString())}}};
  }
  const scenario::Outcome outcome = scenario::Simulate(*scenario);
  const ExitCode code = ExitCodeOf(outcome);
  if (json) {
    Json object = OutcomeAsJson(*scenario, outcome);
    object["file"] = path;
    return {code, std::move(object)};
  }
  std::cout << Safe(path) << (scenario->title.empty() ? "" : ": " + Safe(scenario->title)) << "\n\n"
            << DescribeOutcome(*scenario, outcome);
  return {code, {}};
}

}  // namespace

int SimulateFiles(const std::vector<std::string>& paths, bool json) {
  int code = kOk;
  Json all = Json::array();
  for (size_t i = 0; i < paths.size(); ++i) {
    if (i > 0 && !json) std::cout << "\n";
    Simulated one = SimulateFile(paths[i], json);
    if (code == kOk) code = one.code;
    all.push_back(std::move(one.json));
  }
  if (json) std::cout << (paths.size() == 1 ? all[0] : all).dump(2) << "\n";
  return std::cout.flush() ? code : kFailed;
}

}  // namespace sysmem::ctl
