// SPDX-License-Identifier: Apache-2.0
//
// The heaps of a running daemon, for a simulation.
#pragma once

#include "core/settings.h"
#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

// Replaces the heaps of `settings` by the usable ones of Inspect.ListHeaps.
void UseLiveHeaps(const Json& heaps, core::Settings& settings);

}  // namespace sysmem::ctl
