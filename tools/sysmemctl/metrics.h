// SPDX-License-Identifier: Apache-2.0
//
// The daemon's figures in the text format that Prometheus and its like collect, for a textfile
// collector or a script: the daemon itself opens no port.
#pragma once

#include <string>

#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

// `status`: Inspect.GetStatus; `heaps`: the heaps of Inspect.ListHeaps.
std::string MetricsText(const Json& status, const Json& heaps);
Result<void> PrintMetrics(DaemonView& daemon);

}  // namespace sysmem::ctl
