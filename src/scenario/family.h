// SPDX-License-Identifier: Apache-2.0
//
// From names to a tree: who is whose parent in a scenario file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenario/scenario.h"

namespace sysmem::scenario {

// A name that a file mentions.
struct Mention {
  std::string name;
  Position where;
  std::string key;  // "groups[0].children[1]"
};

// A node as the file has it.
struct Draft {
  Node node;
  std::string key;  // "participants[3]"
  std::optional<Mention> parent;
  std::vector<Mention> children;  // of a group
};

// The nodes in the order that Scenario::nodes promises. The first participant is the root; who
// names no parent is a child of it. Mistakes: names that are unknown, missing or there twice, and
// what cannot be a tree; the result means nothing then.
std::vector<Node> MakeTree(std::vector<Draft> drafts, Mistakes& mistakes);

}  // namespace sysmem::scenario
