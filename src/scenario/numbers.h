// SPDX-License-Identifier: Apache-2.0
//
// Numbers as people write them. Whole texts only; empty for what is no such number or does not fit.
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sysmem::scenario {

// "12", "0x1F".
std::optional<uint64_t> ParseNumber(std::string_view text);
// "4096", "64KiB", "64 KiB", "1MB": B, and powers of 1024 and of 1000.
std::optional<uint64_t> ParseBytes(std::string_view text);

}  // namespace sysmem::scenario
