// SPDX-License-Identifier: Apache-2.0
//
// Recordings, invented: a line that can be read is written again and means the same, and whatever
// the file says it is played to its end or to the first line that is wrong.
//
// Input: the text of a recording.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "recording/replay.h"
#include "tests/fuzz/require.h"

namespace sysmem::fuzz {
namespace {

void RequireRoundTrip(const recording::Taken& taken) {
  const std::string line = recording::TakenLine(taken.collection, taken.event, taken.effects);
  const auto again = recording::ParseLine(std::string_view(line).substr(0, line.size() - 1));
  Require(again.ok(), "what was written can be read");
  const auto& read = std::get<recording::Taken>(again.value());
  Require(read.event == taken.event && read.effects == taken.effects, "and means the same");
}

void ReadAndPlay(std::string_view text) {
  recording::Replay replay;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const auto parsed = recording::ParseLine(line);
    if (parsed.ok() && std::holds_alternative<recording::Taken>(parsed.value())) {
      RequireRoundTrip(std::get<recording::Taken>(parsed.value()));
    }
    const bool more = replay.Take(line);
    Require(more == (replay.mistake().empty() && !replay.difference()), "it ends with a reason");
    Require(parsed.ok() || !replay.mistake().empty(), "a line that is wrong is a mistake");
    if (!more) return;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace
}  // namespace sysmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sysmem::fuzz::ReadAndPlay({reinterpret_cast<const char*>(data), size});
  return 0;
}
