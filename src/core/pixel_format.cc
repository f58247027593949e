// SPDX-License-Identifier: Apache-2.0
#include "core/pixel_format.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace sysmem::core {
namespace {

using enum Arrangement;
constexpr uint8_t kRgb = kModelRgb;
constexpr uint8_t kYuv = kModelYuv;
constexpr uint8_t kBoth = kModelRgb | kModelYuv;

// Sorted by number. Columns: number, name, v1 name, arrangement, stride bytes per pixel, bits per
// pixel, sample alignment, smallest divisor of width and height, models, bits per sample, alpha.
// YUY2 is 4:2:2, yet its height is a multiple of 2 as well: stricter than it had to be (Q9).
constexpr PixelFormatInfo kFormats[] = {
    {1, "R8G8B8A8", "R8G8B8A8", kPacked, 4, 32, 4, 1, kRgb, 8, true},
    {101, "B8G8R8A8", "BGRA32", kPacked, 4, 32, 4, 1, kRgb, 8, true},
    {102, "I420", "I420", kThreePlanes420, 1, 12, 2, 2, kYuv, 8, false},
    {103, "M420", "M420", kInterleaved420, 1, 12, 2, 2, kYuv, 8, false},
    {104, "NV12", "NV12", kTwoPlanes420, 1, 12, 2, 2, kYuv, 8, false},
    {105, "YUY2", "YUY2", kPacked, 2, 16, 2, 2, kYuv, 8, false},
    {106, "MJPEG", "MJPEG", kCompressed, 0, 0, 1, 1, kRgb, 8, false},
    {107, "YV12", "YV12", kThreePlanes420, 1, 12, 2, 2, kYuv, 8, false},
    {108, "B8G8R8", "BGR24", kPacked, 3, 24, 1, 1, kRgb, 8, false},
    {109, "R5G6B5", "RGB565", kPacked, 2, 16, 2, 1, kRgb, 8, false},
    {110, "R3G3B2", "RGB332", kPacked, 1, 8, 1, 1, kRgb, 8, false},
    {111, "R2G2B2X2", "RGB2220", kPacked, 1, 8, 1, 1, kRgb, 8, true},
    {112, "L8", "L8", kPacked, 1, 8, 1, 1, kBoth, 8, false},
    {113, "R8", "R8", kPacked, 1, 8, 1, 1, kBoth, 8, false},
    {114, "R8G8", "R8G8", kPacked, 2, 16, 2, 1, kRgb, 8, false},
    {115, "A2R10G10B10", "A2R10G10B10", kPacked, 4, 32, 4, 1, kRgb, 8, true},
    {116, "A2B10G10R10", "A2B10G10R10", kPacked, 4, 32, 4, 1, kRgb, 8, true},
    {117, "P010", nullptr, kTwoPlanes420, 2, 15, 4, 2, kYuv, 10, false},
    {118, "R8G8B8", nullptr, kPacked, 3, 24, 1, 1, kRgb, 8, false},
    {119, "R8G8B8X8", nullptr, kPacked, 4, 32, 4, 1, kRgb, 8, true},
    {120, "B8G8R8X8", nullptr, kPacked, 4, 32, 4, 1, kRgb, 8, true},
};

struct ModifierNameRow {
  uint64_t number;
  const char* name;
};

constexpr ModifierNameRow kModifierNames[] = {
    {modifier::kLinear, "LINEAR"},
    {modifier::kDoNotCare, "DO_NOT_CARE"},
    {modifier::kInvalid, "INVALID"},
    {modifier::kIntelXTiled, "INTEL_I915_X_TILED"},
    {modifier::kIntelYTiled, "INTEL_I915_Y_TILED"},
    {modifier::kIntelYfTiled, "INTEL_I915_YF_TILED"},
    {modifier::kIntelYTiledCcs, "INTEL_I915_Y_TILED_CCS"},
    {modifier::kIntelYfTiledCcs, "INTEL_I915_YF_TILED_CCS"},
    {modifier::kArmLinearTe, "ARM_LINEAR_TE"},
    {modifier::kGoogleGoldfishOptimal, "GOOGLE_GOLDFISH_OPTIMAL"},
};

// AFBC has a name for each combination of its flags: that of the block size, then those of the
// flags that are set, in this order.
constexpr ModifierNameRow kAfbcNames[] = {
    {modifier::kArmAfbc16x16, "ARM_AFBC_16X16"},
    {modifier::kArmAfbc32x8, "ARM_AFBC_32X8"},
};
constexpr ModifierNameRow kArmFlagNames[] = {
    {modifier::kArmSplitBlockBit, "_SPLIT_BLOCK"},
    {modifier::kArmSparseBit, "_SPARSE"},
    {modifier::kArmYuvBit, "_YUV"},
    {modifier::kArmBchBit, "_BCH"},
    {modifier::kArmTeBit, "_TE"},
    {modifier::kArmTiledHeaderBit, "_TILED_HEADER"},
};

// REQUIRES: IsArmAfbc(modifier).
std::string AfbcName(uint64_t modifier) {
  const bool is_16x16 = (modifier & ~modifier::kArmFlagBits) == modifier::kArmAfbc16x16;
  std::string name = kAfbcNames[is_16x16 ? 0 : 1].name;
  for (const ModifierNameRow& flag : kArmFlagNames) {
    if ((modifier & flag.number) != 0) name += flag.name;
  }
  return name;
}

// Takes `prefix` off the front of `text` if it is there.
bool Consume(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<uint64_t> AfbcOfName(std::string_view name) {
  for (const ModifierNameRow& base : kAfbcNames) {
    if (!Consume(name, base.name)) continue;
    uint64_t modifier = base.number;
    for (const ModifierNameRow& flag : kArmFlagNames) {
      if (Consume(name, flag.name)) modifier |= flag.number;
    }
    return name.empty() ? std::optional(modifier) : std::nullopt;
  }
  return std::nullopt;
}

std::string Hexadecimal(uint64_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(number));
  return text.data();
}

}  // namespace

const PixelFormatInfo* FindPixelFormat(uint32_t number) {
  const auto* row = std::lower_bound(
      std::begin(kFormats), std::end(kFormats), number,
      [](const PixelFormatInfo& format, uint32_t wanted) { return format.number < wanted; });
  return row != std::end(kFormats) && row->number == number ? row : nullptr;
}

std::string PixelFormatName(uint32_t number) {
  if (number == pixel_format::kInvalid) return "INVALID";
  if (number == pixel_format::kDoNotCare) return "DO_NOT_CARE";
  const PixelFormatInfo* format = FindPixelFormat(number);
  return format != nullptr ? format->name : std::to_string(number);
}

std::optional<uint32_t> PixelFormatOfName(std::string_view name) {
  if (name == "INVALID") return pixel_format::kInvalid;
  if (name == "DO_NOT_CARE") return pixel_format::kDoNotCare;
  for (const PixelFormatInfo& format : kFormats) {
    if (format.name == name) return format.number;
    if (format.v1_name != nullptr && format.v1_name == name) return format.number;
  }
  return std::nullopt;
}

std::string ModifierName(uint64_t modifier) {
  if (modifier::IsArmAfbc(modifier)) return AfbcName(modifier);
  for (const ModifierNameRow& row : kModifierNames) {
    if (row.number == modifier) return row.name;
  }
  return Hexadecimal(modifier);
}

std::optional<uint64_t> ModifierOfName(std::string_view name) {
  for (const ModifierNameRow& row : kModifierNames) {
    if (row.name == name) return row.number;
  }
  return AfbcOfName(name);
}

std::string PairName(const PixelFormatAndModifier& pair) {
  return PixelFormatName(pair.pixel_format) + " " + ModifierName(pair.modifier);
}

bool IsRgb8888(uint32_t number) {
  return number == pixel_format::kR8G8B8A8 || number == pixel_format::kR8G8B8X8 ||
         number == pixel_format::kB8G8R8A8 || number == pixel_format::kB8G8R8X8;
}

PixelFormatAndModifier AsLinear(const PixelFormatAndModifier& pair) {
  return {pair.pixel_format, modifier::kLinear};
}

bool IsSpecific(const PixelFormatAndModifier& pair) {
  return pair.pixel_format != pixel_format::kDoNotCare && pair.modifier != modifier::kDoNotCare;
}

}  // namespace sysmem::core
