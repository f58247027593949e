// SPDX-License-Identifier: Apache-2.0
//
// What Linux's graphics drivers call our formats: DRM's four characters and 64-bit modifiers
// (image-formats.md 12.1 and 12.2).
//
//   DrmFormatOf({pixel_format::kR8G8B8A8, modifier::kIntelYTiledCcs}, false)
//       // {fourcc 'XB24', modifier 0x0100000000000004}
//   DrmText(...)  // "XB24:0x0100000000000004", as GStreamer's drm-format has it
//
// The two sets of modifiers look alike and differ: control surfaces and tiled headers have other
// numbers, and numbers with transaction elimination mean something else to DRM. Never pass a
// modifier through. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/constraints.h"

namespace sysmem::core {

struct DrmFormat {
  uint32_t fourcc = 0;
  uint64_t modifier = 0;
  bool operator==(const DrmFormat&) const = default;
};

// Unset alpha counts as there. Empty for formats without a counterpart (R2G2B2X2, M420, MJPEG).
std::optional<uint32_t> DrmFourcc(uint32_t pixel_format, std::optional<bool> is_alpha_present);
// Of the formats that share four characters the one that is not deprecated, and R8 before L8.
std::optional<uint32_t> PixelFormatOfDrm(uint32_t fourcc);

// Empty for DO_NOT_CARE, INVALID, and what only this interface has.
std::optional<uint64_t> DrmModifier(uint64_t modifier);
std::optional<uint64_t> ModifierOfDrm(uint64_t drm_modifier);

// Both halves. Empty for pairs that no layout supports or that DRM cannot express.
std::optional<DrmFormat> DrmFormatOf(const PixelFormatAndModifier& pair,
                                     std::optional<bool> is_alpha_present);

// "NV12:0x0100000000000001"
std::string DrmText(const DrmFormat& format);

// By the names of DRM's macros: "DRM_FORMAT_NV12", "I915_FORMAT_MOD_X_TILED".
std::optional<uint32_t> FourccOfMacro(std::string_view name);
std::optional<uint64_t> DrmModifierOfMacro(std::string_view name);

// "NV12", "R8": one to four printable characters; blanks at the end may be left out.
std::optional<uint32_t> ParseFourcc(std::string_view text);

}  // namespace sysmem::core
