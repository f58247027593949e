// SPDX-License-Identifier: Apache-2.0
//
// Reads a TOML file as a flat list: each value with its full key and the line it stands on, so that
// whoever knows the keys can say where a wrong one is. Values are strings. What is no setting but a
// table is read at once: the costs of image formats (format_cost_table.h) and the policies of heaps
// (heap_policy_table.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/settings.h"
#include "server/heap_policy.h"

namespace sysmem::server {

struct ConfigEntry {
  std::string key;    // "socket.path"; of a section: "socket"
  std::string value;  // empty for a section
  bool section = false;
  std::string where;  // "/etc/sysmemd/sysmemd.toml:3"
};

struct Config {
  std::vector<ConfigEntry> entries;
  std::vector<core::FormatCost> format_costs;
  HeapPolicies heap_policies;
};

// Errors: InvalidArgument "FILE:LINE: ..." for what is no TOML, for values that are no strings, and
// for wrong format costs.
absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& path);

// NotFound when there is no such file; else with the errno text.
absl::StatusOr<Config> ReadConfigFile(const std::string& path);

}  // namespace sysmem::server
