// SPDX-License-Identifier: Apache-2.0
//
// A live view of the daemon on a terminal.
#pragma once

#include <chrono>

#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

// Looks every `interval` until somebody presses q. Errors: INVALID_ARGUMENT when standard output is
// no terminal; what the daemon says, when it goes away.
Result<void> RunTop(DaemonView& daemon, std::chrono::milliseconds interval);

}  // namespace sysmem::ctl
