// SPDX-License-Identifier: Apache-2.0
#include "core/debug_info.h"

#include <string>

namespace sysmem::core {
namespace {

// Every byte of a UTF-8 character but its first.
bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

constexpr size_t kLongestCharacter = 4;

}  // namespace

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && max_bytes - end < kLongestCharacter && IsContinuation(text[end])) --end;
  // More continuation bytes than any character has: not UTF-8, so there is nothing to keep whole.
  if (IsContinuation(text[end])) end = max_bytes;
  return text.substr(0, end);
}

DebugInfo Renamed(const DebugInfo& before, const DebugInfo& wanted, size_t max_bytes) {
  std::string name = wanted.name;
  if (!before.name.empty()) name += " (was " + before.name + ")";
  return DebugInfo{std::string(CutUtf8(name, max_bytes)), wanted.id};
}

std::string_view NewestName(std::string_view name) { return name.substr(0, name.find(" (was ")); }

DebugInfo Attached(const DebugInfo& parent, size_t max_bytes) {
  const std::string name =
      parent.name.empty() ? "from AttachToken()" : parent.name + " then AttachToken()";
  return DebugInfo{std::string(CutUtf8(name, max_bytes)), parent.id};
}

}  // namespace sysmem::core
