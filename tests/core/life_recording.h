// SPDX-License-Identifier: Apache-2.0
//
// The life of a collection as a recording, which `sysmemctl replay` plays again.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/settings.h"
#include "recording/recording.h"

namespace sysmem::core::test {

// What a collection took, and what came of it.
struct Life {
  uint64_t id = 0;
  int64_t born_ns = 0;
  std::vector<Event> events;
  std::vector<Effects> effects;  // of each event
};

// The lines, each with its newline. An event without effects is the one that nobody survived.
inline std::vector<std::string> LinesOf(const Life& life, const std::string& producer,
                                        const Settings& settings) {
  std::vector<std::string> lines = {recording::HeaderLine(producer, settings),
                                    recording::BeginLine(life.id, life.born_ns)};
  for (size_t i = 0; i < life.events.size(); ++i) {
    const Effects effects = i < life.effects.size() ? life.effects[i] : Effects{};
    lines.push_back(recording::TakenLine(life.id, life.events[i], effects));
  }
  return lines;
}

// False if the file cannot be written.
inline bool WriteLines(const std::string& path, const std::vector<std::string>& lines) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (const std::string& line : lines) file << line;
  return static_cast<bool>(file.flush());
}

}  // namespace sysmem::core::test
