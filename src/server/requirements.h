// SPDX-License-Identifier: Apache-2.0
//
// What the daemon needs of the system, tried out before it starts: each mechanism is used once the
// way the daemon will use it, because a version number or an existing file proves nothing about a
// sandbox.
//
//   const std::vector<Requirement> found = CheckRequirements();
//   if (!AllMet(found)) { std::cerr << Describe(found); return 1; }
//
// Thread-safe, but the limit of descriptors is the whole process's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sysmem::server {

enum class Verdict {
  kMet,
  kPoor,     // the daemon works, within a limit that is lower than it should be
  kMissing,  // the daemon cannot work
};

struct Requirement {
  std::string name;  // "memfd"
  Verdict verdict = Verdict::kMet;
  std::string detail;  // what was tried and what came of it
  std::string advice;  // what to do; empty when met
};

// The soft limit of descriptors is set to the hard one, but not above this: the daemon's other
// limits follow it, and each session costs memory too (22 KiB when idle).
inline constexpr uint64_t kMostDescriptors = 65536;

// Tries everything, in an order in which later ones build on earlier ones, and sets the soft limit
// of descriptors on the way. REQUIRES: SIGIO is ignored already.
std::vector<Requirement> CheckRequirements();

// None is missing; a poor one is none.
bool AllMet(const std::vector<Requirement>& requirements);

// For a person: one paragraph per requirement that is not met; empty when all are.
std::string Describe(const std::vector<Requirement>& requirements);

}  // namespace sysmem::server
