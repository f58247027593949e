// SPDX-License-Identifier: Apache-2.0
#include "server/heap_policy_table.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "server/config_values.h"
#include "server/table_reader.h"

namespace sysmem::server {
namespace {

// One [[heap_policies]].
struct Entry {
  std::vector<std::string> heaps;
  HeapPolicy policy;
};

class Reader {
 public:
  explicit Reader(const std::string& path) : table_("heap_policies", path) {}

  absl::Status ReadAll(const toml::node& node, HeapPolicies& policies) const {
    return table_.ForEachTable(
        node, [&](const toml::table& table) { return ReadEntry(table, policies); });
  }

 private:
  absl::Status ReadEntry(const toml::table& table, HeapPolicies& policies) const;
  absl::Status ReadHeaps(const toml::node& node, Entry& entry) const;
  absl::Status ReadUsers(const toml::node& node, Entry& entry) const;
  // A number, or for bytes a text with a unit.
  template <std::optional<uint64_t> HeapPolicy::*kCap>
  absl::Status ReadCount(const toml::node& node, Entry& entry) const;
  template <std::optional<uint64_t> HeapPolicy::*kCap>
  absl::Status ReadBytes(const toml::node& node, Entry& entry) const;

  const TableReader table_;
};

absl::Status Reader::ReadEntry(const toml::table& table, HeapPolicies& policies) const {
  struct Key {
    const char* name;
    absl::Status (Reader::*read)(const toml::node& node, Entry& entry) const;
  };
  constexpr Key kKeys[] = {
      {"heap", &Reader::ReadHeaps},
      {"users", &Reader::ReadUsers},
      {"max_buffers", &Reader::ReadCount<&HeapPolicy::max_buffers>},
      {"max_bytes", &Reader::ReadBytes<&HeapPolicy::max_bytes>},
      {"max_bytes_per_user", &Reader::ReadBytes<&HeapPolicy::max_bytes_per_user>}};
  Entry entry;
  absl::Status status = table_.ForEachKey(table, kKeys, *this, entry);
  if (!status.ok()) return status;
  if (entry.heaps.empty()) return table_.Wrong(table, "heap", "is missing");
  for (const std::string& heap : entry.heaps) {
    if (policies.emplace(heap, entry.policy).second) continue;
    return table_.Wrong(table, "heap",
                        absl::StrCat(base::Escape(heap), " has another policy already"));
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadHeaps(const toml::node& node, Entry& entry) const {
  return table_.ForEachText(node, "heap", [&](const toml::node& one, const std::string& text) {
    std::optional<std::string> type = HeapTypeNamed(text);
    if (!type) return table_.Expected(one, "heap", "a heap type, such as 'DMA_HEAP_SYSTEM'");
    entry.heaps.push_back(*std::move(type));
    return absl::OkStatus();
  });
}

absl::Status Reader::ReadUsers(const toml::node& node, Entry& entry) const {
  entry.policy.users.emplace();
  return table_.ForEachText(node, "users", [&](const toml::node& one, const std::string& text) {
    const std::optional<uid_t> uid = FindUser(text);
    if (!uid) return table_.Expected(one, "users", "a user of this system, as name or number");
    entry.policy.users->insert(*uid);
    return absl::OkStatus();
  });
}

template <std::optional<uint64_t> HeapPolicy::*kCap>
absl::Status Reader::ReadCount(const toml::node& node, Entry& entry) const {
  const std::optional<int64_t> number = node.value_exact<int64_t>();
  if (!number || *number < 0) return table_.Expected(node, "max_buffers", "a number");
  entry.policy.*kCap = static_cast<uint64_t>(*number);
  return absl::OkStatus();
}

template <std::optional<uint64_t> HeapPolicy::*kCap>
absl::Status Reader::ReadBytes(const toml::node& node, Entry& entry) const {
  const std::optional<std::string> text = node.value_exact<std::string>();
  const std::optional<int64_t> number = node.value_exact<int64_t>();
  entry.policy.*kCap = text ? ParseBytes(*text) : std::nullopt;
  if (number && *number >= 0) entry.policy.*kCap = static_cast<uint64_t>(*number);
  if (entry.policy.*kCap) return absl::OkStatus();
  return table_.Expected(node, kCap == &HeapPolicy::max_bytes ? "max_bytes" : "max_bytes_per_user",
                         "a number of bytes, as in 4096 or '64MiB'");
}

}  // namespace

absl::Status ReadHeapPolicies(const toml::node& node, const std::string& path,
                              HeapPolicies& policies) {
  return Reader(path).ReadAll(node, policies);
}

}  // namespace sysmem::server
