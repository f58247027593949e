// SPDX-License-Identifier: Apache-2.0
#include "core/color_space.h"

#include <algorithm>

#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

// Sets of bits per sample, as a mask.
constexpr uint8_t k8 = 1;
constexpr uint8_t k10 = 2;
constexpr uint8_t k12 = 4;
constexpr uint8_t k16 = 8;

struct ColorSpaceInfo {
  uint32_t number;
  const char* name;
  uint8_t color_models;
  uint8_t bits_per_sample;
};

// The most preferred first (C15).
constexpr ColorSpaceInfo kColorSpaces[] = {
    {color_space::kSrgb, "SRGB", kModelRgb, k8 | k10 | k12 | k16},
    {color_space::kRec2100, "REC2100", kModelYuv, k10 | k12},
    {color_space::kRec2020, "REC2020", kModelYuv, k10 | k12},
    {color_space::kRec709, "REC709", kModelYuv, k8 | k10},
    {color_space::kRec601PalFullRange, "REC601_PAL_FULL_RANGE", kModelYuv, k8 | k10},
    {color_space::kRec601Pal, "REC601_PAL", kModelYuv, k8 | k10},
    {color_space::kRec601NtscFullRange, "REC601_NTSC_FULL_RANGE", kModelYuv, k8 | k10},
    {color_space::kRec601Ntsc, "REC601_NTSC", kModelYuv, k8 | k10},
    {color_space::kPassthrough, "PASSTHROUGH", kModelRgb | kModelYuv, k8 | k10 | k12 | k16},
};

const ColorSpaceInfo* Find(uint32_t number) {
  for (const ColorSpaceInfo& row : kColorSpaces) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

// 0 is the most preferred; numbers that are in no table come last.
size_t Rank(uint32_t number) {
  const ColorSpaceInfo* row = Find(number);
  return static_cast<size_t>((row != nullptr ? row : std::end(kColorSpaces)) -
                             std::begin(kColorSpaces));
}

uint8_t BitsMask(uint8_t bits_per_sample) { return bits_per_sample == 10 ? k10 : k8; }

}  // namespace

const char* FindColorSpaceName(uint32_t number) {
  if (number == color_space::kDoNotCare) return "DO_NOT_CARE";
  const ColorSpaceInfo* row = Find(number);
  return row != nullptr ? row->name : nullptr;
}

std::string ColorSpaceName(uint32_t number) {
  if (number == color_space::kInvalid) return "INVALID";
  const char* name = FindColorSpaceName(number);
  return name != nullptr ? name : std::to_string(number);
}

std::optional<uint32_t> ColorSpaceOfName(std::string_view name) {
  if (name == "INVALID") return color_space::kInvalid;
  if (name == "DO_NOT_CARE") return color_space::kDoNotCare;
  for (const ColorSpaceInfo& row : kColorSpaces) {
    if (row.name == name) return row.number;
  }
  return std::nullopt;
}

bool IsColorSpaceSupported(uint32_t color_space, uint32_t pixel_format) {
  if (color_space == color_space::kPassthrough) return true;
  const ColorSpaceInfo* space = Find(color_space);
  const PixelFormatInfo* format = FindPixelFormat(pixel_format);
  if (space == nullptr || format == nullptr) return false;
  return (space->color_models & format->color_models) != 0 &&
         (space->bits_per_sample & BitsMask(format->bits_per_sample)) != 0;
}

uint32_t BestColorSpace(const std::vector<uint32_t>& color_spaces) {
  return *std::min_element(color_spaces.begin(), color_spaces.end(),
                           [](uint32_t a, uint32_t b) { return Rank(a) < Rank(b); });
}

}  // namespace sysmem::core
