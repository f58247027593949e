// SPDX-License-Identifier: Apache-2.0
//
// Reads a TOML file as a flat list: each value with its full key and the line it stands on, so that
// whoever knows the keys can say where a wrong one is. Values are strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sysmem::server {

struct ConfigEntry {
  std::string key;    // "socket.path"; of a section: "socket"
  std::string value;  // empty for a section
  bool section = false;
  std::string where;  // "/etc/sysmemd/sysmemd.toml:3"
};

// Errors: InvalidArgument "FILE:LINE: ..." for what is no TOML and for values that are no strings.
absl::StatusOr<std::vector<ConfigEntry>> ParseConfig(std::string_view text,
                                                     const std::string& path);

// NotFound when there is no such file; else with the errno text.
absl::StatusOr<std::vector<ConfigEntry>> ReadConfigFile(const std::string& path);

}  // namespace sysmem::server
