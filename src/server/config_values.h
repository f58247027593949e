// SPDX-License-Identifier: Apache-2.0
//
// Values that several settings have, as people write them.
#pragma once

#include <sys/types.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sysmem::server {

// The whole of `text` as a number.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text, int base = 10) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

// "4096", "64MiB"; units are powers of 1024.
std::optional<uint64_t> ParseBytes(const std::string& text);

// A user of this system by name, or any by number.
std::optional<uid_t> FindUser(const std::string& name);

// The type of a heap: as it is if it has a dot; "SYSTEM_RAM", "DMA_HEAP_SYSTEM" and others without
// one are completed to those of the daemon's own heaps. Unset for no name at all, and for what is
// longer than a type may be.
std::optional<std::string> HeapTypeNamed(const std::string& name);

}  // namespace sysmem::server
