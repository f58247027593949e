// SPDX-License-Identifier: Apache-2.0
//
// How dear image formats are, as a TOML file says it (server-behaviour.md COST-1); a scenario file
// of sysmemctl says it in the same words.
//
//   [[format_costs]]
//   format = ["R8G8B8A8 INTEL_I915_Y_TILED", "drm:AR24"]  # one or several; ParsePair() reads them
//   usage = { video = ["HW_DECODER"] }  # one or several bits per class, all of which must be in
//                                     # use; without it the entry holds for any usage
//   cost = 2000                       # above 0; lower is better
#pragma once

#include <toml++/toml.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/settings.h"

namespace sysmem::server {

// Adds the entries of `node`, the value of the key `format_costs` in the file at `path`.
// Errors: InvalidArgument "FILE:LINE: ..." for an unknown key, a name that no format, modifier or
// usage has, a format and a modifier that do not go together, and a cost that is none.
absl::Status ReadFormatCosts(const toml::node& node, const std::string& path,
                             std::vector<core::FormatCost>& costs);

}  // namespace sysmem::server
