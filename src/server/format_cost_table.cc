// SPDX-License-Identifier: Apache-2.0
#include "server/format_cost_table.h"

#include <algorithm>
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
#include "core/usage_names.h"

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

// Reads values and says where a wrong one stands.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  absl::Status ReadAll(const toml::node& node, std::vector<core::FormatCost>& costs) const;

 private:
  // `key` is below format_costs; empty for the table itself.
  absl::Status Wrong(const toml::node& node, std::string_view key, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", node.source().begin.line,
                                                   ": format_costs", key.empty() ? "" : ".",
                                                   base::Escape(key), ": ", what));
  }
  absl::Status Expected(const toml::node& node, std::string_view key,
                        const std::string& what) const {
    std::ostringstream value;
    node.visit([&value](const auto& typed) { value << typed; });
    return Wrong(node, key, absl::StrCat("expected ", what, ", not ", base::Escape(value.str())));
  }

  absl::Status ReadEntry(const toml::table& table, Entry& entry) const;
  absl::Status ReadFormats(const toml::node& node, Entry& entry) const;
  absl::Status ReadUsage(const toml::node& node, Entry& entry) const;
  absl::Status ReadCost(const toml::node& node, Entry& entry) const;

  // Calls `read(one, text)` for a text or each text of a list.
  template <typename Read>
  absl::Status ForEachText(const toml::node& node, std::string_view key, Read read) const {
    const toml::array* list = node.as_array();
    if (list == nullptr) {
      const std::optional<std::string> text = node.value_exact<std::string>();
      return text ? read(node, *text) : Expected(node, key, "a text in quotes, or a list of them");
    }
    for (const toml::node& one : *list) {
      const std::optional<std::string> text = one.value_exact<std::string>();
      absl::Status status = text ? read(one, *text) : Expected(one, key, "a text in quotes");
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::string& path_;
};

absl::Status Reader::ReadAll(const toml::node& node, std::vector<core::FormatCost>& costs) const {
  const toml::array* tables = node.as_array();
  if (tables == nullptr || !tables->is_array_of_tables()) {
    return Wrong(node, "", "expected a list of [[format_costs]]");
  }
  for (const toml::node& one : *tables) {
    Entry entry;
    absl::Status status = ReadEntry(*one.as_table(), entry);
    if (!status.ok()) return status;
    for (const core::PixelFormatAndModifier& format : entry.formats) {
      costs.push_back({.format = format, .usage = entry.usage, .cost = *entry.cost});
    }
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadEntry(const toml::table& table, Entry& entry) const {
  struct Key {
    const char* name;
    absl::Status (Reader::*read)(const toml::node& node, Entry& entry) const;
  };
  constexpr Key kKeys[] = {
      {"format", &Reader::ReadFormats}, {"usage", &Reader::ReadUsage}, {"cost", &Reader::ReadCost}};
  for (const auto& [name, node] : table) {
    const std::string_view wanted = name.str();
    const Key* key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                  [wanted](const Key& one) { return one.name == wanted; });
    if (key == std::end(kKeys)) return Wrong(node, wanted, "unknown key");
    absl::Status status = (this->*key->read)(node, entry);
    if (!status.ok()) return status;
  }
  if (entry.formats.empty()) return Wrong(table, "format", "is missing");
  if (!entry.cost) return Wrong(table, "cost", "is missing");
  return absl::OkStatus();
}

absl::Status Reader::ReadFormats(const toml::node& node, Entry& entry) const {
  return ForEachText(node, "format", [&](const toml::node& one, const std::string& text) {
    const std::optional<core::PixelFormatAndModifier> pair = core::ParsePair(text);
    if (!pair) {
      return Expected(one, "format", "a pixel format and a modifier, such as 'NV12 LINEAR'");
    }
    // Nobody could ever negotiate it: a slip of the pen.
    if (!core::IsSupported(*pair)) {
      return Wrong(one, "format", core::PairName(*pair) + " is not supported");
    }
    entry.formats.push_back(*pair);
    return absl::OkStatus();
  });
}

absl::Status Reader::ReadUsage(const toml::node& node, Entry& entry) const {
  const toml::table* classes = node.as_table();
  if (classes == nullptr) return Expected(node, "usage", "a table, such as { video = 'CAPTURE' }");
  for (const auto& [name, bits] : *classes) {
    const std::string key = absl::StrCat("usage.", std::string(name.str()));
    const core::UsageClass* usage_class = FindUsageClass(name.str());
    if (usage_class == nullptr) {
      return Wrong(bits, key, "unknown key; there are cpu, vulkan, display and video");
    }
    absl::Status status = ForEachText(bits, key, [&](const toml::node& one, const auto& text) {
      const std::optional<uint32_t> bit = FindUsageBit(*usage_class, text);
      if (!bit) return Expected(one, key, absl::StrCat("a usage of ", usage_class->name));
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
  return Expected(node, "cost", "a number above 0");
}

}  // namespace

absl::Status ReadFormatCosts(const toml::node& node, const std::string& path,
                             std::vector<core::FormatCost>& costs) {
  return Reader(path).ReadAll(node, costs);
}

}  // namespace sysmem::server
