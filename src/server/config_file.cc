// SPDX-License-Identifier: Apache-2.0
#include "server/config_file.h"

#include <toml++/toml.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/escape.h"
#include "server/format_cost_table.h"
#include "server/heap_policy_table.h"

namespace sysmem::server {
namespace {

constexpr char kFormatCosts[] = "format_costs";
constexpr char kHeapPolicies[] = "heap_policies";

std::string Where(const std::string& path, const toml::source_region& source) {
  return absl::StrCat(path, ":", source.begin.line);
}

absl::Status Flatten(const toml::table& table, const std::string& prefix, const std::string& path,
                     std::vector<ConfigEntry>& entries) {
  for (const auto& [name, node] : table) {
    const std::string_view name_text = name.str();
    ConfigEntry entry{.key = prefix + std::string(name_text), .where = Where(path, node.source())};
    if (const toml::table* inner = node.as_table()) {
      const std::string inner_prefix = entry.key + ".";
      entry.section = true;
      entries.push_back(std::move(entry));
      absl::Status status = Flatten(*inner, inner_prefix, path, entries);
      if (!status.ok()) return status;
      continue;
    }
    const std::optional<std::string> value = node.value_exact<std::string>();
    if (!value) {
      return absl::InvalidArgumentError(
          absl::StrCat(entry.where, ": ", base::Escape(entry.key), " must be a string in quotes"));
    }
    entry.value = *value;
    entries.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& path) {
  try {
    toml::table table = toml::parse(text, path);
    Config config;
    if (const toml::node* costs = table.get(kFormatCosts)) {
      absl::Status status = ReadFormatCosts(*costs, path, config.format_costs);
      if (!status.ok()) return status;
      table.erase(kFormatCosts);
    }
    if (const toml::node* policies = table.get(kHeapPolicies)) {
      absl::Status status = ReadHeapPolicies(*policies, path, config.heap_policies);
      if (!status.ok()) return status;
      table.erase(kHeapPolicies);
    }
    absl::Status status = Flatten(table, "", path, config.entries);
    if (!status.ok()) return status;
    return config;
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(Where(path, error.source()), ": ", std::string(error.description())));
  }
}

absl::StatusOr<Config> ReadConfigFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || file.bad()) {
    return base::ErrnoStatus(errno != 0 ? errno : EIO, absl::StrCat("read ", path));
  }
  return ParseConfig(text.str(), path);
}

}  // namespace sysmem::server
