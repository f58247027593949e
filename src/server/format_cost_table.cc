// SPDX-License-Identifier: Apache-2.0
#include "server/format_cost_table.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "core/format_names.h"
#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::server {
namespace {

// One [[format_costs]]; costs are for each pair of its formats with its modifiers.
struct Entry {
  std::vector<uint32_t> pixel_formats;
  std::vector<uint64_t> modifiers = {core::modifier::kLinear};
  core::BufferUsage usage;
  std::optional<double> cost;
};

// Costs go by usages that have to do with formats: NONE_USAGE is none of them (COST-2).
std::optional<core::BufferUsage> ParseCountedUsage(std::string_view text) {
  const std::optional<core::BufferUsage> usage = core::ParseUsageBit(text);
  return usage && core::HasAnyUsage(*usage) ? usage : std::nullopt;
}

// Reads values and says where a wrong one stands.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  absl::Status ReadAll(const toml::node& node, std::vector<core::FormatCost>& costs) const;

 private:
  template <typename... Parts>
  absl::Status Wrong(const toml::node& node, const Parts&... parts) const {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ":", node.source().begin.line, ": ", parts...));
  }
  absl::Status Expected(const toml::node& node, std::string_view key, std::string_view what) const {
    std::ostringstream value;
    node.visit([&value](const auto& typed) { value << typed; });
    return Wrong(node, "format_costs.", std::string(key), ": expected ", std::string(what),
                 ", not ", base::Escape(value.str()));
  }

  absl::Status ReadEntry(const toml::table& table, Entry& entry) const;
  absl::Status ReadKey(std::string_view key, const toml::node& node, Entry& entry) const;
  absl::Status ReadCost(const toml::node& node, Entry& entry) const;
  absl::Status AddPairs(const toml::table& table, const Entry& entry,
                        std::vector<core::FormatCost>& costs) const;

  // One text or a list of texts, each given to `parse`, whose results go to `take`.
  template <typename Parse, typename Take>
  absl::Status ReadTexts(const toml::node& node, std::string_view key, std::string_view what,
                         Parse parse, Take take) const {
    if (const toml::array* list = node.as_array()) {
      if (list->empty()) return Expected(node, key, what);
      for (const toml::node& one : *list) {
        if (one.is_array()) return Expected(one, key, what);
        absl::Status status = ReadTexts(one, key, what, parse, take);
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    }
    const std::optional<std::string> text = node.value_exact<std::string>();
    const auto value = text ? parse(*text) : std::nullopt;
    if (!value) return Expected(node, key, what);
    take(*value);
    return absl::OkStatus();
  }

  const std::string& path_;
};

absl::Status Reader::ReadAll(const toml::node& node, std::vector<core::FormatCost>& costs) const {
  const toml::array* tables = node.as_array();
  if (tables == nullptr || !tables->is_array_of_tables()) {
    return Wrong(node, "format_costs must be a list of [[format_costs]]");
  }
  for (const toml::node& one : *tables) {
    const toml::table& table = *one.as_table();
    Entry entry;
    absl::Status status = ReadEntry(table, entry);
    if (status.ok()) status = AddPairs(table, entry, costs);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadEntry(const toml::table& table, Entry& entry) const {
  for (const auto& [key, node] : table) {
    absl::Status status = ReadKey(key.str(), node, entry);
    if (!status.ok()) return status;
  }
  if (entry.pixel_formats.empty()) return Wrong(table, "format_costs: pixel_format is missing");
  if (!entry.cost) return Wrong(table, "format_costs: cost is missing");
  return absl::OkStatus();
}

absl::Status Reader::ReadKey(std::string_view key, const toml::node& node, Entry& entry) const {
  if (key == "pixel_format") {
    return ReadTexts(
        node, key, "the name of a pixel format", core::ParsePixelFormat,
        [&entry](uint32_t pixel_format) { entry.pixel_formats.push_back(pixel_format); });
  }
  if (key == "modifier") {
    entry.modifiers.clear();
    return ReadTexts(node, key, "the name of a modifier", core::ParseModifier,
                     [&entry](uint64_t modifier) { entry.modifiers.push_back(modifier); });
  }
  if (key == "usage") {
    return ReadTexts(node, key, "the name of a usage bit", ParseCountedUsage,
                     [&entry](const core::BufferUsage& bit) { entry.usage = entry.usage | bit; });
  }
  if (key == "cost") return ReadCost(node, entry);
  return Wrong(node, "unknown key ", base::Quote(absl::StrCat("format_costs.", std::string(key))));
}

absl::Status Reader::ReadCost(const toml::node& node, Entry& entry) const {
  entry.cost = node.is_number() ? node.value<double>() : std::nullopt;
  if (entry.cost && std::isfinite(*entry.cost) && *entry.cost > 0) return absl::OkStatus();
  return Expected(node, "cost", "a number above 0");
}

absl::Status Reader::AddPairs(const toml::table& table, const Entry& entry,
                              std::vector<core::FormatCost>& costs) const {
  for (const uint32_t pixel_format : entry.pixel_formats) {
    for (const uint64_t modifier : entry.modifiers) {
      const core::PixelFormatAndModifier pair{pixel_format, modifier};
      // Nobody could ever negotiate it: a slip of the pen.
      if (!core::IsSupported(pair)) {
        return Wrong(table, "format_costs: ", core::PairName(pair), " is not supported");
      }
      costs.push_back({.format = pair, .usage = entry.usage, .cost = *entry.cost});
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadFormatCosts(const toml::node& node, const std::string& path,
                             std::vector<core::FormatCost>& costs) {
  return Reader(path).ReadAll(node, costs);
}

}  // namespace sysmem::server
