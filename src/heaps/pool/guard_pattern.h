// SPDX-License-Identifier: Apache-2.0
//
// The pattern that nobody should ever write over: byte i of each page is (i + 1) mod 256 (GUARD-2).
// It stands in guard regions and in unused pages; where it is damaged, somebody wrote outside his
// buffer or after he had let it go.
//
// Pure and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sysmem::heaps {

// After so many bytes the pattern begins anew. Pages are multiples of it.
inline constexpr size_t kPatternPeriodBytes = 256;

inline uint8_t PatternByte(uint64_t offset) { return static_cast<uint8_t>(offset + 1); }

// REQUIRES (both): the block lies at a multiple of kPatternPeriodBytes.
void WritePattern(std::span<uint8_t> block);

// From the first byte that is not the pattern's to the last one, as offsets into the block.
struct DamagedBytes {
  size_t first = 0;
  size_t last = 0;
  bool operator==(const DamagedBytes&) const = default;
};
std::optional<DamagedBytes> FindDamage(std::span<const uint8_t> block);

// "01 02 ff".
std::string HexBytes(std::span<const uint8_t> bytes);
// The same of what should stand at `offset`.
std::string HexPattern(uint64_t offset, size_t count);

}  // namespace sysmem::heaps
