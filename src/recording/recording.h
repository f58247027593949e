// SPDX-License-Identifier: Apache-2.0
//
// What happened to collections, line by line: enough to play it again without a daemon.
//
//   {"sysmem_recording": 1, "producer": "sysmemd 0.1.0", "settings": {...}}   once per run
//   {"begin": 77, "now_ns": 1000000000}                                       a collection is born
//   {"collection": 77, "event": {...}, "effects": [...]}                      it takes an event
//   {"lost": 3}                                                               so many lines are not
//   here
//
// A line is one JSON object (json.h) and ends with a newline. Lines of one collection stand in the
// order in which things happened to it; those of several are mixed. Another header begins anew:
// the collections before it are over. After lost lines nothing is known of the collections that
// were alive.
//
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/effect.h"
#include "core/event.h"
#include "core/settings.h"

namespace sysmem::recording {

inline constexpr uint64_t kVersion = 1;

struct Header {
  std::string producer;  // the program that recorded
  core::Settings settings;
};
struct Begin {
  uint64_t collection = 0;
  int64_t now_ns = 0;
};
struct Taken {
  uint64_t collection = 0;
  core::Event event;
  core::Effects effects;
};
struct Lost {
  uint64_t lines = 0;
};
using Line = std::variant<Header, Begin, Taken, Lost>;

// Each with its newline.
std::string HeaderLine(const std::string& producer, const core::Settings& settings);
std::string BeginLine(uint64_t collection, int64_t now_ns);
std::string TakenLine(uint64_t collection, const core::Event& event, const core::Effects& effects);
std::string LostLine(uint64_t lines);

// `text` without its newline. The failure says what is wrong with it.
core::Result<Line, std::string> ParseLine(std::string_view text);

// An event or effect as it stands in a line.
std::string TextOf(const core::Event& event);
std::string TextOf(const core::Effect& effect);

}  // namespace sysmem::recording
