// SPDX-License-Identifier: Apache-2.0
#include "server/format_cost_table.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/format_names.h"
#include "core/image_layout.h"
#include "core/pixel_format.h"
#include "core/usage_names.h"
#include "server/table_reader.h"

namespace sysmem::server {
namespace {

// One [[format_costs]].
struct Entry {
  std::vector<core::PixelFormatAndModifier> formats;
  core::BufferUsage usage;
  std::optional<double> cost;
};

// NONE_USAGE is no usage that an image format could be good for (COST-2).
const core::UsageClass* FindUsageClass(std::string_view name) {
  const auto classes = core::UsageClasses();
  const auto found = std::find_if(classes.begin(), classes.end(), [name](const auto& one) {
    return one.name == name && one.field != &core::BufferUsage::none;
  });
  return found != classes.end() ? &*found : nullptr;
}

std::optional<uint32_t> FindUsageBit(const core::UsageClass& usage_class, std::string_view name) {
  for (const core::UsageBit& bit : usage_class.bits) {
    if (bit.name == name) return bit.bit;
  }
  return std::nullopt;
}

class Reader {
 public:
  explicit Reader(const std::string& path) : table_("format_costs", path) {}

  absl::Status ReadAll(const toml::node& node, std::vector<core::FormatCost>& costs) const {
    return table_.ForEachTable(node,
                               [&](const toml::table& table) { return ReadEntry(table, costs); });
  }

 private:
  absl::Status ReadEntry(const toml::table& table, std::vector<core::FormatCost>& costs) const;
  absl::Status ReadFormats(const toml::node& node, Entry& entry) const;
  absl::Status ReadUsage(const toml::node& node, Entry& entry) const;
  absl::Status ReadCost(const toml::node& node, Entry& entry) const;

  const TableReader table_;
};

absl::Status Reader::ReadEntry(const toml::table& table,
                               std::vector<core::FormatCost>& costs) const {
  struct Key {
    const char* name;
    absl::Status (Reader::*read)(const toml::node& node, Entry& entry) const;
  };
  constexpr Key kKeys[] = {
      {"format", &Reader::ReadFormats}, {"usage", &Reader::ReadUsage}, {"cost", &Reader::ReadCost}};
  Entry entry;
  absl::Status status = table_.ForEachKey(table, kKeys, *this, entry);
  if (!status.ok()) return status;
  if (entry.formats.empty()) return table_.Wrong(table, "format", "is missing");
  if (!entry.cost) return table_.Wrong(table, "cost", "is missing");
  for (const core::PixelFormatAndModifier& format : entry.formats) {
    costs.push_back({.format = format, .usage = entry.usage, .cost = *entry.cost});
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadFormats(const toml::node& node, Entry& entry) const {
  return table_.ForEachText(node, "format", [&](const toml::node& one, const std::string& text) {
    const std::optional<core::PixelFormatAndModifier> pair = core::ParsePair(text);
    if (!pair) {
      return table_.Expected(one, "format", "a pixel format and a modifier, such as 'NV12 LINEAR'");
    }
    // Nobody could ever negotiate it: a slip of the pen.
    if (!core::IsSupported(*pair)) {
      return table_.Wrong(one, "format", core::PairName(*pair) + " is not supported");
    }
    entry.formats.push_back(*pair);
    return absl::OkStatus();
  });
}

absl::Status Reader::ReadUsage(const toml::node& node, Entry& entry) const {
  const toml::table* classes = node.as_table();
  if (classes == nullptr)
    return table_.Expected(node, "usage", "a table, such as { video = 'CAPTURE' }");
  for (const auto& [name, bits] : *classes) {
    const std::string key = absl::StrCat("usage.", std::string(name.str()));
    const core::UsageClass* usage_class = FindUsageClass(name.str());
    if (usage_class == nullptr) {
      return table_.Wrong(bits, key, "unknown key; there are cpu, vulkan, display and video");
    }
    absl::Status status =
        table_.ForEachText(bits, key, [&](const toml::node& one, const auto& text) {
          const std::optional<uint32_t> bit = FindUsageBit(*usage_class, text);
          if (!bit)
            return table_.Expected(one, key, absl::StrCat("a usage of ", usage_class->name));
          entry.usage.*usage_class->field |= *bit;
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadCost(const toml::node& node, Entry& entry) const {
  entry.cost = node.is_number() ? node.value<double>() : std::nullopt;
  if (entry.cost && std::isfinite(*entry.cost) && *entry.cost > 0) return absl::OkStatus();
  return table_.Expected(node, "cost", "a number above 0");
}

}  // namespace

absl::Status ReadFormatCosts(const toml::node& node, const std::string& path,
                             std::vector<core::FormatCost>& costs) {
  return Reader(path).ReadAll(node, costs);
}

}  // namespace sysmem::server
