// SPDX-License-Identifier: Apache-2.0
//
// How dear image formats are, as a TOML file says it (server-behaviour.md COST-1):
//
//   [[format_costs]]
//   pixel_format = ["R8G8B8A8", "drm:AR24"]  # one or several; format_names.h lists all spellings
//   modifier = "INTEL_I915_Y_TILED"          # LINEAR without it
//   usage = "VIDEO_USAGE_HW_DECODER"         # one or several bits, all of which must be in use;
//                                            # without it the entry holds for any usage
//   cost = 2000                              # above 0; lower is better
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
