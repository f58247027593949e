// SPDX-License-Identifier: Apache-2.0
//
// Who keeps which buffer alive: what the daemon knows of those whom it handed it to, and what /proc
// shows, of others too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/proc_holders.h"

namespace sysmem::ctl {

// One process and the buffers of one collection that it holds in one way.
struct Holding {
  uint64_t collection_id = 0;
  std::string collection_name;
  // Absent: the user may not see who it is.
  std::optional<uint64_t> pid;
  Json process;                   // PeerInfo
  std::vector<uint64_t> buffers;  // indices, rising
  uint64_t bytes = 0;
  // By the daemon: it was handed them (and at least that hand-out lives, wherever it is by now).
  uint64_t strong = 0;  // hand-outs
  uint64_t weak = 0;
  // By /proc. Absent: not readable for this user, or there is no such process any more.
  std::optional<Hold> seen;
};

// `collections`: answers of Inspect.ShowCollection. `daemon_pid` is left out, for it has them all.
std::vector<Holding> FindHoldings(const std::vector<Json>& collections, const ProcScan& scan,
                                  uint64_t daemon_pid);
std::string DescribeHoldings(const std::vector<Holding>& holdings, uint64_t unreadable);
Json HoldingsForPrograms(const std::vector<Holding>& holdings, uint64_t unreadable);

// `id`: a collection, or a process; absent: everybody. Errors: NOT_FOUND for an id of neither.
Result<void> PrintHolders(DaemonView& daemon, std::optional<uint64_t> id, bool json);

}  // namespace sysmem::ctl
