// SPDX-License-Identifier: Apache-2.0
//
// The numbers behind what people write for formats, modifiers and colour spaces, in configuration
// files and descriptions of constraints. The other way round are PixelFormatName(), ModifierName(),
// PairName() and ColorSpaceName(); what these give is read back here.
//
//   ParsePixelFormat("NV12")                           // 104
//   ParseModifier("drm:0x0100000000000004")            // INTEL_I915_Y_TILED_CCS
//   ParsePair("NV12 LINEAR")                           // {104, 0}
//
// Letters matter. Empty for what has no such meaning. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/constraints.h"

namespace sysmem::core {

// A name of this interface ("B8G8R8A8"), of the older one ("BGRA32"), DRM's macro
// ("DRM_FORMAT_ARGB8888"), DRM's four characters ("drm:AR24"), or any number ("101", "0x65").
// DRM's formats without alpha are read as the formats with it: say is_alpha_present as well.
std::optional<uint32_t> ParsePixelFormat(std::string_view text);

// A name ("ARM_AFBC_16X16_SPARSE_TE"; the flags of AFBC in ModifierName()'s order), DRM's macro
// ("I915_FORMAT_MOD_X_TILED"), a number as DRM has it ("drm:0x0800000000000101"), or any number as
// this interface has it. The two are not always the same (drm_format.h).
std::optional<uint64_t> ParseModifier(std::string_view text);

// A format, and after a blank a modifier; LINEAR without.
std::optional<PixelFormatAndModifier> ParsePair(std::string_view text);

// A name ("REC709") or any number.
std::optional<uint32_t> ParseColorSpace(std::string_view text);

}  // namespace sysmem::core
