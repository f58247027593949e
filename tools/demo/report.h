// SPDX-License-Identifier: Apache-2.0
//
// What a run has brought to light, and how it is printed.
//
// Thread-safety: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/demo/participant.h"

namespace sysmem::demo {

// Gathers the status lines of all processes.
class RunRecord {
 public:
  void Take(Role role, const StatusLine& line);

  struct Participant {
    std::string needs;
    std::string access;
    std::map<uint64_t, std::pair<uint64_t, uint64_t>> buffers;  // index: (device, inode)
    std::string event;                                          // why it left early
  };
  const Participant& of(Role role) const { return participants_[static_cast<size_t>(role)]; }

  uint64_t frames() const { return hashes_.size(); }
  uint64_t expected_frames() const { return expected_frames_; }
  uint64_t decoded_frames() const { return decoded_frames_; }

  // ---- Comparing: what the analyser saw, and what the reference says ----
  uint64_t compared() const { return compared_; }
  // Frames whose hashes differ, or that only one of the two has.
  std::vector<uint64_t> DifferingFrames() const;
  // Whether all three processes hold the same files, buffer by buffer.
  bool IsSameMemory() const;

  // ---- Printing ----
  void PrintNegotiation(std::FILE* out) const;
  void PrintResults(std::FILE* out) const;

 private:
  void TakeFrame(Role role, std::string_view text);
  void TakeBuffer(Role role, std::string_view text);
  void PrintMemory(std::FILE* out) const;

  std::array<Participant, std::size(kAllRoles)> participants_;
  std::string video_;
  std::string luma_;
  std::vector<std::string> results_;
  std::vector<std::string> notes_;
  std::vector<std::string> hashes_;  // by frame
  uint64_t expected_frames_ = 0;
  uint64_t decoded_frames_ = 0;
  uint64_t streamed_ns_ = 0;
  uint64_t compared_ = 0;
  std::vector<uint64_t> differing_;
};

}  // namespace sysmem::demo
