// SPDX-License-Identifier: Apache-2.0
#include "scenario/numbers.h"

#include <charconv>
#include <system_error>

namespace sysmem::scenario {
namespace {

struct Unit {
  std::string_view name;
  uint64_t bytes;
};
constexpr Unit kUnits[] = {
    {"", 1},       {"B", 1},      {"KiB", 1ull << 10}, {"MiB", 1ull << 20},   {"GiB", 1ull << 30},
    {"kB", 1'000}, {"KB", 1'000}, {"MB", 1'000'000},   {"GB", 1'000'000'000},
};

}  // namespace

std::optional<uint64_t> ParseNumber(std::string_view text) {
  const bool is_hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (is_hexadecimal) text.remove_prefix(2);
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number, is_hexadecimal ? 16 : 10);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789");
  const std::optional<uint64_t> number = ParseNumber(text.substr(0, digits));
  if (!number) return std::nullopt;
  std::string_view unit = digits == std::string_view::npos ? "" : text.substr(digits);
  if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
  for (const auto& [name, bytes] : kUnits) {
    if (unit != name) continue;
    if (*number > UINT64_MAX / bytes) return std::nullopt;
    return *number * bytes;
  }
  return std::nullopt;
}

}  // namespace sysmem::scenario
