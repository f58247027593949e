// SPDX-License-Identifier: Apache-2.0
//
// What a scenario file says: a machine, and participants that are to share buffers on it.
//
//   Mistakes mistakes(path);
//   std::optional<Scenario> scenario = ReadScenario(text, mistakes);
//   if (!scenario) std::cerr << base::Escape(mistakes.ToString());
//
// sysmemctl(1) is the manual of the format; names of fields are those of the protocol.
// Values of constraints are taken as they are, also those that cannot work: what happens then is
// what the scenario is there to tell. Wrong in a file is what no client could send, and whatever
// nobody can have meant: an unknown key, a parent that is not there. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/constraints.h"
#include "core/settings.h"
#include "scenario/document.h"

namespace sysmem::scenario {

// A node of the tree: a participant or a group of alternatives.
struct Node {
  enum class Kind : uint8_t { kParticipant, kGroup };
  Kind kind = Kind::kParticipant;
  std::string name;  // not empty; no two nodes share one
  Position where;
  size_t parent = 0;  // position in Scenario::nodes; of the root, its own

  // Participants. Without constraints, a participant shares what the others agree on.
  std::optional<core::Constraints> constraints;
  bool attached = false;     // comes when the buffers are there (AttachToken)
  bool dispensable = false;  // may fail without its parent, once allocated (FAIL-2)
  bool weak = false;         // keeps no buffer alive
  bool released = false;     // says what it needs, and goes before anything is allocated
  bool read_only = false;    // its token has no right to write (RES-1)
};

struct Scenario {
  std::string title;
  core::Settings settings;
  // The root first; every node behind its parent, brothers as they were made. The children of a
  // group are its alternatives, the most wanted first.
  std::vector<Node> nodes;
};

// Empty if there is any mistake.
std::optional<Scenario> ReadScenario(std::string_view text, Mistakes& mistakes);

}  // namespace sysmem::scenario
