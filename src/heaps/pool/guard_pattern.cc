// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/guard_pattern.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "absl/strings/str_format.h"

namespace sysmem::heaps {
namespace {

constexpr std::array<uint8_t, kPatternPeriodBytes> MakePeriod() {
  std::array<uint8_t, kPatternPeriodBytes> period{};
  for (size_t i = 0; i < period.size(); ++i) period[i] = static_cast<uint8_t>(i + 1);
  return period;
}
constexpr std::array<uint8_t, kPatternPeriodBytes> kPeriod = MakePeriod();

}  // namespace

void WritePattern(std::span<uint8_t> block) {
  while (!block.empty()) {
    const size_t count = std::min(block.size(), kPeriod.size());
    std::copy_n(kPeriod.begin(), count, block.begin());
    block = block.subspan(count);
  }
}

std::optional<DamagedBytes> FindDamage(std::span<const uint8_t> block) {
  std::optional<DamagedBytes> damage;
  for (size_t offset = 0; offset < block.size(); offset += kPeriod.size()) {
    const size_t count = std::min(block.size() - offset, kPeriod.size());
    if (std::memcmp(&block[offset], kPeriod.data(), count) == 0) continue;
    for (size_t i = offset; i < offset + count; ++i) {
      if (block[i] == PatternByte(i)) continue;
      if (!damage) damage = DamagedBytes{.first = i, .last = i};
      damage->last = i;
    }
  }
  return damage;
}

std::string HexBytes(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    absl::StrAppendFormat(&text, "%s%02x", text.empty() ? "" : " ", byte);
  }
  return text;
}

std::string HexPattern(uint64_t offset, size_t count) {
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = PatternByte(offset + i);
  return HexBytes(bytes);
}

}  // namespace sysmem::heaps
