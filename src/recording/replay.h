// SPDX-License-Identifier: Apache-2.0
//
// Plays a recording through the core of this program, and compares.
//
//   Replay replay;
//   while (std::getline(file, line) && replay.Take(line)) {}
//   if (!replay.mistake().empty()) ... else if (replay.difference()) ...
//
// Collections whose beginning is not in the recording, and all that lived when lines were lost, are
// not played further; `skipped` counts their events. Deterministic. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/collection.h"
#include "recording/recording.h"

namespace sysmem::recording {

// Where this program first did something else than the recorded one. Texts are JSON.
struct Difference {
  uint64_t line = 0;  // of the recording, from 1
  uint64_t collection = 0;
  std::string event;
  size_t effect = 0;     // position among the effects of the event, from 0
  std::string recorded;  // empty: no such effect
  std::string replayed;
};

class Replay {
 public:
  // Takes the next line, without its newline. False when there is nothing more to find out: the
  // line is wrong, or there is a difference.
  bool Take(std::string_view line);

  // "line 7: event: ...", empty if every line could be read. The last line of a recording that was
  // cut off is such a mistake; whoever reads the file knows whether it ended there.
  const std::string& mistake() const { return mistake_; }
  const std::optional<Difference>& difference() const { return difference_; }

  uint64_t lines() const { return lines_; }
  uint64_t collections() const { return begun_; }
  uint64_t finished() const { return finished_; }  // of these
  uint64_t events() const { return events_; }      // played
  uint64_t skipped() const { return skipped_; }
  uint64_t lost() const { return lost_; }  // lines that the recorder could not write

 private:
  void On(Header header);
  void On(const Begin& begin);
  void On(const Taken& taken);
  void On(const Lost& lost);

  std::shared_ptr<const core::Settings> settings_;
  std::map<uint64_t, std::unique_ptr<core::Collection>> alive_;
  std::string mistake_;
  std::optional<Difference> difference_;
  uint64_t lines_ = 0;
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
  uint64_t events_ = 0;
  uint64_t skipped_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace sysmem::recording
