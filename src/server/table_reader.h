// SPDX-License-Identifier: Apache-2.0
//
// For readers of those parts of the configuration that are lists of tables, [[format_costs]] and
// [[heap_policies]]: says where a wrong value stands.
#pragma once

#include <toml++/toml.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace sysmem::server {

class TableReader {
 public:
  // `list`: the key that is read, in the file at `path`; both outlive the reader.
  TableReader(const char* list, const std::string& path) : list_(list), path_(path) {}

  // `key` is below the list; empty for the table itself.
  absl::Status Wrong(const toml::node& node, std::string_view key, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ":", node.source().begin.line, ": ",
                                                   list_, key.empty() ? "" : ".", base::Escape(key),
                                                   ": ", what));
  }
  absl::Status Expected(const toml::node& node, std::string_view key,
                        const std::string& what) const {
    std::ostringstream value;
    node.visit([&value](const auto& typed) { value << typed; });
    return Wrong(node, key, absl::StrCat("expected ", what, ", not ", base::Escape(value.str())));
  }

  // Calls `read(table)` for each table of the list.
  template <typename Read>
  absl::Status ForEachTable(const toml::node& node, Read read) const {
    const toml::array* tables = node.as_array();
    if (tables == nullptr || !tables->is_array_of_tables()) {
      return Wrong(node, "", absl::StrCat("expected a list of [[", list_, "]]"));
    }
    for (const toml::node& one : *tables) {
      absl::Status status = read(*one.as_table());
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Calls `(reader.*key.read)(node, entry)` for each value of the table, by the row of `keys` that
  // has its name.
  template <typename Keys, typename Reader, typename Entry>
  absl::Status ForEachKey(const toml::table& table, const Keys& keys, const Reader& reader,
                          Entry& entry) const {
    for (const auto& [name, node] : table) {
      const std::string_view wanted = name.str();
      const auto key = std::find_if(std::begin(keys), std::end(keys),
                                    [wanted](const auto& one) { return one.name == wanted; });
      if (key == std::end(keys)) return Wrong(node, wanted, "unknown key");
      absl::Status status = (reader.*key->read)(node, entry);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

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

 private:
  const char* const list_;
  const std::string& path_;
};

}  // namespace sysmem::server
