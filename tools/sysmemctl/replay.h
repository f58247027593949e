// SPDX-License-Identifier: Apache-2.0
//
// sysmemctl replay: what a daemon recorded, played through the core of this program. Prints to
// standard output whether it comes to the same, and else the first difference.
#pragma once

#include <string>

namespace sysmem::ctl {

// How sysmemctl is to end: kFailed for a difference, kUsage for what is no recording.
int ReplayFile(const std::string& path, bool json);

}  // namespace sysmem::ctl
