// SPDX-License-Identifier: Apache-2.0
//
// Negotiates for real, as the participants of a scenario file.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tools/sysmemctl/cast.h"
#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

struct AllocOptions {
  std::string file;
  bool json = false;
  std::string then;             // for /bin/sh, while everything is kept; empty: nothing
  bool hold = false;            // keep everything until SIGINT, SIGTERM or SIGHUP
  std::string dump;             // a folder for the contents of buffers; empty: nowhere
  std::optional<uint8_t> fill;  // a byte to fill them with first
  std::chrono::milliseconds patience = std::chrono::seconds(10);
  Faults faults;
};

// How the program is to end: as for `simulate`; 1 when somebody did not answer in time.
int RunAlloc(const std::string& socket, const AllocOptions& options);

// Would it? Without allocating: the rules of this program, the heaps of the daemon.
int RunAllocDry(const std::string& socket, const AllocOptions& options);

}  // namespace sysmem::ctl
