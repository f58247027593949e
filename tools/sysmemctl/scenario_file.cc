// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/scenario_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// Not more than it takes to see that a file is too long.
std::optional<std::string> ReadFile(const std::string& path, ScenarioError& error) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(scenario::kDocumentBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.is_open() && !file.bad()) return text;
  error.cannot_be_read = true;
  error.text = "sysmemctl: cannot read " + Safe(path) + ": " +
               std::strerror(errno != 0 ? errno : EIO) + "\n";
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

}  // namespace

std::optional<scenario::Scenario> LoadScenario(const std::string& path, ScenarioError& error) {
  const std::optional<std::string> text = ReadFile(path, error);
  if (!text) return std::nullopt;
  scenario::Mistakes mistakes(path);
  std::optional<scenario::Scenario> scenario = scenario::ReadScenario(*text, mistakes);
  if (!scenario) error.text = SafeLines(mistakes.ToString());
  return scenario;
}

}  // namespace sysmem::ctl
