// SPDX-License-Identifier: Apache-2.0
//
// sysmemctl record: a collection of a running daemon as a scenario, for `sysmemctl simulate`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/exit_code.h"

namespace sysmem::ctl {

struct Recorded {
  std::string scenario;            // in JSON (scenario/scenario.h)
  std::vector<std::string> notes;  // what of the collection it does not say, for people
};

// `detail`: the result of ShowCollection. REQUIRES: it has nodes. `heaps`: those of ListHeaps;
// `limits`: those of GetStatus.
Recorded RecordScenario(const Json& detail, const Json& heaps, const Json& limits);

// In what the simulation of a scenario differs from `detail`: a sentence, or nothing if it ends as
// the collection did.
std::string DifferenceFrom(const Json& detail, const std::string& scenario);

// Writes to the file `output`, or if that is empty to standard output. Ends with kFailed if the
// simulation of what was written does not end as the collection did.
Result<ExitCode> RunRecord(DaemonView& daemon, uint64_t id, const std::string& output);

}  // namespace sysmem::ctl
