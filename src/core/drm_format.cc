// SPDX-License-Identifier: Apache-2.0
#include "core/drm_format.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

constexpr uint32_t Fourcc(const char (&text)[5]) {
  uint32_t code = 0;
  for (int i = 3; i >= 0; --i) code = code << 8 | static_cast<unsigned char>(text[i]);
  return code;
}

struct FourccRow {
  uint32_t pixel_format;
  bool is_alpha_present;
  const char* macro;  // without DRM_FORMAT_
  uint32_t fourcc;
};

namespace pf = pixel_format;

// Where two rows have the same four characters the first one is what they mean.
constexpr FourccRow kFourccs[] = {
    {pf::kR8G8B8A8, true, "ABGR8888", Fourcc("AB24")},
    {pf::kR8G8B8A8, false, "XBGR8888", Fourcc("XB24")},
    {pf::kB8G8R8A8, true, "ARGB8888", Fourcc("AR24")},
    {pf::kB8G8R8A8, false, "XRGB8888", Fourcc("XR24")},
    {pf::kR8G8B8X8, false, "XBGR8888", Fourcc("XB24")},
    {pf::kB8G8R8X8, false, "XRGB8888", Fourcc("XR24")},
    {pf::kB8G8R8, false, "RGB888", Fourcc("RG24")},
    {pf::kR8G8B8, false, "BGR888", Fourcc("BG24")},
    {pf::kR5G6B5, false, "RGB565", Fourcc("RG16")},
    {pf::kR3G3B2, false, "RGB332", Fourcc("RGB8")},
    {pf::kR8, false, "R8", Fourcc("R8  ")},
    {pf::kL8, false, "R8", Fourcc("R8  ")},
    {pf::kR8G8, false, "GR88", Fourcc("GR88")},
    {pf::kA2R10G10B10, true, "ARGB2101010", Fourcc("AR30")},
    {pf::kA2R10G10B10, false, "XRGB2101010", Fourcc("XR30")},
    {pf::kA2B10G10R10, true, "ABGR2101010", Fourcc("AB30")},
    {pf::kA2B10G10R10, false, "XBGR2101010", Fourcc("XB30")},
    {pf::kI420, false, "YUV420", Fourcc("YU12")},
    {pf::kYv12, false, "YVU420", Fourcc("YV12")},
    {pf::kNv12, false, "NV12", Fourcc("NV12")},
    {pf::kP010, false, "P010", Fourcc("P010")},
    {pf::kYuy2, false, "YUYV", Fourcc("YUYV")},
};

struct ModifierRow {
  uint64_t modifier;
  uint64_t drm;
  const char* macro;
};

constexpr ModifierRow kModifiers[] = {
    {modifier::kLinear, 0, "DRM_FORMAT_MOD_LINEAR"},
    {modifier::kIntelXTiled, 0x0100000000000001, "I915_FORMAT_MOD_X_TILED"},
    {modifier::kIntelYTiled, 0x0100000000000002, "I915_FORMAT_MOD_Y_TILED"},
    {modifier::kIntelYfTiled, 0x0100000000000003, "I915_FORMAT_MOD_Yf_TILED"},
    {modifier::kIntelYTiledCcs, 0x0100000000000004, "I915_FORMAT_MOD_Y_TILED_CCS"},
    {modifier::kIntelYfTiledCcs, 0x0100000000000005, "I915_FORMAT_MOD_Yf_TILED_CCS"},
};

// The flags of AFBC that both know; only tiled headers sit elsewhere.
constexpr uint64_t kDrmTiledBit = 0x100;
constexpr uint64_t kSharedArmFlags = modifier::kArmYuvBit | modifier::kArmSplitBlockBit |
                                     modifier::kArmSparseBit | modifier::kArmBchBit;

std::optional<uint64_t> AfbcToDrm(uint64_t modifier) {
  if ((modifier & modifier::kArmTeBit) != 0) return std::nullopt;
  const bool tiled = (modifier & modifier::kArmTiledHeaderBit) != 0;
  return (modifier & ~modifier::kArmTiledHeaderBit) | (tiled ? kDrmTiledBit : 0);
}

std::optional<uint64_t> AfbcFromDrm(uint64_t drm) {
  const uint64_t base = drm & ~(kSharedArmFlags | kDrmTiledBit);
  if (base != modifier::kArmAfbc16x16 && base != modifier::kArmAfbc32x8) return std::nullopt;
  const bool tiled = (drm & kDrmTiledBit) != 0;
  return (drm & ~kDrmTiledBit) | (tiled ? modifier::kArmTiledHeaderBit : 0);
}

template <typename Row, size_t kRows, typename Matches>
const Row* FindRow(const Row (&rows)[kRows], Matches matches) {
  const Row* row = std::find_if(std::begin(rows), std::end(rows), matches);
  return row != std::end(rows) ? row : nullptr;
}

}  // namespace

std::optional<uint32_t> DrmFourcc(uint32_t pixel_format, std::optional<bool> is_alpha_present) {
  const bool alpha = is_alpha_present.value_or(true);
  const FourccRow* row = FindRow(kFourccs, [&](const FourccRow& one) {
    return one.pixel_format == pixel_format && one.is_alpha_present == alpha;
  });
  // Of formats without an alpha channel there is one row, whatever is said of alpha.
  if (row == nullptr && alpha) return DrmFourcc(pixel_format, false);
  if (row == nullptr) return std::nullopt;
  return row->fourcc;
}

std::optional<uint32_t> PixelFormatOfDrm(uint32_t fourcc) {
  const FourccRow* row =
      FindRow(kFourccs, [fourcc](const FourccRow& one) { return one.fourcc == fourcc; });
  if (row == nullptr) return std::nullopt;
  return row->pixel_format;
}

std::optional<uint64_t> DrmModifier(uint64_t modifier) {
  if (modifier::IsArmAfbc(modifier)) return AfbcToDrm(modifier);
  const ModifierRow* row =
      FindRow(kModifiers, [modifier](const ModifierRow& one) { return one.modifier == modifier; });
  if (row == nullptr) return std::nullopt;
  return row->drm;
}

std::optional<uint64_t> ModifierOfDrm(uint64_t drm_modifier) {
  const ModifierRow* row = FindRow(
      kModifiers, [drm_modifier](const ModifierRow& one) { return one.drm == drm_modifier; });
  if (row != nullptr) return row->modifier;
  return AfbcFromDrm(drm_modifier);
}

std::optional<DrmFormat> DrmFormatOf(const PixelFormatAndModifier& pair,
                                     std::optional<bool> is_alpha_present) {
  if (!IsSupported(pair)) return std::nullopt;
  const std::optional<uint32_t> fourcc = DrmFourcc(pair.pixel_format, is_alpha_present);
  const std::optional<uint64_t> modifier = DrmModifier(pair.modifier);
  if (!fourcc || !modifier) return std::nullopt;
  return DrmFormat{*fourcc, *modifier};
}

std::string DrmText(const DrmFormat& format) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%c%c%c%c:0x%016llx", static_cast<char>(format.fourcc),
                static_cast<char>(format.fourcc >> 8), static_cast<char>(format.fourcc >> 16),
                static_cast<char>(format.fourcc >> 24),
                static_cast<unsigned long long>(format.modifier));
  return text.data();
}

std::optional<uint32_t> FourccOfMacro(std::string_view name) {
  constexpr std::string_view kPrefix = "DRM_FORMAT_";
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  const FourccRow* row =
      FindRow(kFourccs, [name](const FourccRow& one) { return one.macro == name; });
  if (row == nullptr) return std::nullopt;
  return row->fourcc;
}

std::optional<uint64_t> DrmModifierOfMacro(std::string_view name) {
  const ModifierRow* row =
      FindRow(kModifiers, [name](const ModifierRow& one) { return one.macro == name; });
  if (row == nullptr) return std::nullopt;
  return row->drm;
}

std::optional<uint32_t> ParseFourcc(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  uint32_t code = 0;
  for (size_t i = 0; i < 4; ++i) {
    const char letter = i < text.size() ? text[i] : ' ';
    if (letter < ' ' || letter > '~') return std::nullopt;
    code |= static_cast<uint32_t>(letter) << (8 * i);
  }
  return code;
}

}  // namespace sysmem::core
