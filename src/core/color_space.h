// SPDX-License-Identifier: Apache-2.0
//
// Colour spaces: numbers, names, which go with which pixel format, and which is preferred
// (image-formats.md 3; server-behaviour.md 4.2 C15, 4.11). Any number is accepted. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sysmem::core {

namespace color_space {
inline constexpr uint32_t kInvalid = 0;
inline constexpr uint32_t kSrgb = 1;
inline constexpr uint32_t kRec601Ntsc = 2;
inline constexpr uint32_t kRec601NtscFullRange = 3;
inline constexpr uint32_t kRec601Pal = 4;
inline constexpr uint32_t kRec601PalFullRange = 5;
inline constexpr uint32_t kRec709 = 6;
inline constexpr uint32_t kRec2020 = 7;
inline constexpr uint32_t kRec2100 = 8;
inline constexpr uint32_t kPassthrough = 9;
inline constexpr uint32_t kDoNotCare = 0xFFFFFFFE;
}  // namespace color_space

// "REC709", or the number as text.
std::string ColorSpaceName(uint32_t number);
// The same without the numbers, for the nine spaces and DO_NOT_CARE; nullptr for any other.
const char* FindColorSpaceName(uint32_t number);
// By that name; empty if there is none.
std::optional<uint32_t> ColorSpaceOfName(std::string_view name);

// Whether images of this pixel format can be in this colour space. PASSTHROUGH always; INVALID,
// DO_NOT_CARE and unknown numbers never.
bool IsColorSpaceSupported(uint32_t color_space, uint32_t pixel_format);

// The most preferred of several (C15). REQUIRES: not empty.
uint32_t BestColorSpace(const std::vector<uint32_t>& color_spaces);

}  // namespace sysmem::core
