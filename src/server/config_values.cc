// SPDX-License-Identifier: Apache-2.0
#include "server/config_values.h"

#include <pwd.h>

#include <CLI/CLI.hpp>
#include <array>

#include "absl/strings/str_cat.h"
#include "core/constraints.h"

namespace sysmem::server {
namespace {

constexpr size_t kHeapTypeBytes = 128;  // MESSAGE_LIMIT_HEAP_TYPE_BYTES
constexpr char kOwnHeaps[] = "linux.sysmem.heap.HEAP_TYPE.";
constexpr std::string_view kSystemRam = core::kHeapSystemRam;

}  // namespace

std::optional<uint64_t> ParseBytes(const std::string& text) {
  std::string digits = text;
  try {
    // Leaves the number of bytes, or takes a unit alone for none of it.
    CLI::AsSizeValue(/*kb_is_1000=*/false)(digits);
  } catch (const CLI::ValidationError&) {
    return std::nullopt;
  }
  if (text.find_first_of("0123456789") != 0) return std::nullopt;
  return ParseNumber<uint64_t>(digits);
}

std::optional<uid_t> FindUser(const std::string& name) {
  std::array<char, 16384> buffer;
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? std::optional(found->pw_uid) : ParseNumber<uid_t>(name);
}

std::optional<std::string> HeapTypeNamed(const std::string& name) {
  if (name.empty()) return std::nullopt;
  std::string type = name;
  if (name == kSystemRam.substr(kSystemRam.rfind('.') + 1)) {
    type = kSystemRam;
  } else if (name.find('.') == std::string::npos) {
    type = absl::StrCat(kOwnHeaps, name);
  }
  if (type.size() > kHeapTypeBytes) return std::nullopt;
  return type;
}

}  // namespace sysmem::server
