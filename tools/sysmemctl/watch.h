// SPDX-License-Identifier: Apache-2.0
//
// sysmemctl watch: what happens in the daemon, one line each, as it happens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/exit_code.h"

namespace sysmem::ctl {

struct WatchOptions {
  std::optional<uint64_t> id;  // of the collection that alone is of interest
  uint64_t count = 0;          // ends after so many events; 0: never
  bool json = false;           // one object per line
};

// Ends with kOk after `count` events, or when the collection `id` has ended (or had failed before).
// When nobody reads standard output any more the process is ended, with 0, by a thread of its own:
// that is noticed also while nothing happens. Ignores SIGPIPE.
Result<ExitCode> RunWatch(DaemonView& daemon, const WatchOptions& options);

// One line for people, without its newline: local time, kind, and whatever the event tells.
std::string DescribeEvent(const Json& event);

}  // namespace sysmem::ctl
