// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/replay.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string_view>
#include <vector>

#include "recording/replay.h"
#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/exit_code.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// A line holds one message, of at most 256 KiB, and what came of it, which may name thousands.
constexpr size_t kLineBytes = 64 << 20;

struct Played {
  recording::Replay replay;
  std::string trouble;   // why the file could not be read to its end
  bool cut_off = false;  // the last line has no end: the recorder was stopped
};

Played Play(const std::string& path) {
  Played played;
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> buffer(kLineBytes);
  while (file.getline(buffer.data(), static_cast<std::streamsize>(buffer.size()))) {
    const auto bytes = static_cast<size_t>(file.gcount());
    if (file.eof()) {
      played.cut_off = true;
      // Of a recording there is at least the header.
      if (played.replay.lines() == 0) played.replay.Take(std::string_view(buffer.data(), bytes));
      return played;
    }
    if (!played.replay.Take(std::string_view(buffer.data(), bytes - 1))) return played;
  }
  if (!file.is_open() || file.bad() || (!file.eof() && errno != 0)) {
    played.trouble = std::strerror(errno != 0 ? errno : EIO);
  } else if (!file.eof()) {
    played.trouble = "line " + std::to_string(played.replay.lines() + 1) + " is longer than " +
                     Bytes(kLineBytes);
  } else if (played.replay.lines() == 0) {
    played.trouble = "the file is empty";
  }
  return played;
}

ExitCode ExitCodeOf(const Played& played) {
  if (!played.replay.mistake().empty()) return kUsage;
  if (!played.trouble.empty() || played.replay.difference()) return kFailed;
  return kOk;
}

std::string Describe(const Played& played) {
  const recording::Replay& replay = played.replay;
  std::string text = std::to_string(replay.events()) + " events of " +
                     std::to_string(replay.collections()) + " collections, " +
                     std::to_string(replay.finished()) + " of them to their end";
  if (replay.skipped() > 0) {
    text += "; " + std::to_string(replay.skipped()) +
            " events of collections whose beginning is not recorded";
  }
  if (replay.lost() > 0) {
    text += "; " + std::to_string(replay.lost()) + " lines were lost by the recorder";
  }
  if (played.cut_off) text += "; the last line has no end";
  text += "\n";
  if (!replay.difference()) return text + "The outcome is the same.\n";
  const recording::Difference& difference = *replay.difference();
  const auto shown = [](const std::string& effect) {
    return effect.empty() ? std::string("(nothing)") : SafeLine(effect);
  };
  return text + "The outcome differs, first in line " + std::to_string(difference.line) +
         ", collection " + std::to_string(difference.collection) + ", effect " +
         std::to_string(difference.effect) + " of\n  event     " + SafeLine(difference.event) +
         "\n  recorded  " + shown(difference.recorded) + "\n  replayed  " +
         shown(difference.replayed) + "\n";
}

Json AsJson(const Played& played) {
  const recording::Replay& replay = played.replay;
  Json json = {{"same", ExitCodeOf(played) == kOk},
               {"lines", std::to_string(replay.lines())},
               {"events", std::to_string(replay.events())},
               {"collections", std::to_string(replay.collections())},
               {"finished", std::to_string(replay.finished())},
               {"skipped", std::to_string(replay.skipped())},
               {"lost", std::to_string(replay.lost())},
               {"cut_off", played.cut_off}};
  if (!replay.mistake().empty()) json["mistake"] = replay.mistake();
  if (!played.trouble.empty()) json["trouble"] = played.trouble;
  const auto value = [](const std::string& effect) {
    return effect.empty() ? Json() : Json::parse(effect);
  };
  if (const auto& difference = replay.difference()) {
    json["difference"] = {{"line", std::to_string(difference->line)},
                          {"collection", std::to_string(difference->collection)},
                          {"event", Json::parse(difference->event)},
                          {"effect", difference->effect},
                          {"recorded", value(difference->recorded)},
                          {"replayed", value(difference->replayed)}};
  }
  return json;
}

}  // namespace

int ReplayFile(const std::string& path, bool json) {
  const Played played = Play(path);
  if (json) {
    std::cout << JsonText(AsJson(played)) << "\n";
  } else if (!played.trouble.empty()) {
    std::cerr << "sysmemctl: cannot read " << Safe(path) << ": " << played.trouble << "\n";
  } else if (!played.replay.mistake().empty()) {
    std::cerr << Safe(path) << ": " << SafeLine(played.replay.mistake()) << "\n";
  } else {
    std::cout << Describe(played);
  }
  return std::cout.flush() ? ExitCodeOf(played) : kFailed;
}

}  // namespace sysmem::ctl
