// SPDX-License-Identifier: Apache-2.0
//
// Sizes for people.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace sysmem::heap_provider {

// "12 KiB", "1.5 MiB", "512 bytes".
inline std::string SizeText(uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  double amount = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g %s", amount, kUnits.at(unit));
  return text.data();
}

}  // namespace sysmem::heap_provider
