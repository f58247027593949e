// SPDX-License-Identifier: Apache-2.0
//
// Starts commands that share buffers: each inherits a token of one collection.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace sysmem::ctl {

struct RunOptions {
  std::vector<std::string> words;  // commands with a word "|" between each two
  std::set<unsigned> sharing;      // which of them get a token, from 1; empty: all
  bool verbose = false;
};

// How the program is to end: as a shell with pipefail, once commands were started.
int RunCommands(const std::string& socket, const RunOptions& options);

}  // namespace sysmem::ctl
