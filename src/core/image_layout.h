// SPDX-License-Identifier: Apache-2.0
//
// How an image of a given format, size and stride lies in memory (image-formats.md 5 and 7).
//
//   ImageLayout image{{pixel_format::kNv12, modifier::kLinear}, {1920, 1080}, 1920};
//   std::optional<uint64_t> bytes = ImageSize(image);  // 3110400
//
// Layouts come in families (layout_family.h), one per way of arranging pixels; which family a pair
// of format and modifier belongs to decides everything here. A pair of no family is unsupported,
// and so is one with DO_NOT_CARE in it: resolve wildcards first.
// Everything is checked: a size, offset or stride that does not fit its type is empty, as is the
// answer for an unsupported pair or a plane that does not exist. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "core/constraints.h"

namespace sysmem::core {

// Planes have numbers below this; a layout need not have all of them.
inline constexpr uint32_t kMaxPlanes = 4;

struct ImageLayout {
  PixelFormatAndModifier format;
  SizeU size;
  uint32_t bytes_per_row = 0;  // of plane 0
};

// What bounds the stride of an image.
struct RowLimits {
  SizeU min_size{0, 0};
  SizeU max_size{UINT32_MAX, UINT32_MAX};
  SizeU size_alignment{1, 1};
  uint32_t min_bytes_per_row = 0;
  uint32_t max_bytes_per_row = UINT32_MAX;
  uint32_t bytes_per_row_divisor = 1;
};

bool IsSupported(const PixelFormatAndModifier& pair);

// Bytes from the first to behind the last of all planes.
std::optional<uint64_t> ImageSize(const ImageLayout& image);
// Where a plane begins, in bytes from the beginning of the image.
std::optional<uint64_t> PlaneOffset(const ImageLayout& image, uint32_t plane);
// Stride of a plane; 0 where its bytes do not lie in rows.
std::optional<uint32_t> PlaneRowBytes(const ImageLayout& image, uint32_t plane);
// How many rows of that stride a plane has; of a tiled one as many as fill its tiles.
std::optional<uint32_t> PlaneRows(const ImageLayout& image, uint32_t plane);

// The smallest stride of plane 0 that the limits allow for an image of this width; empty if they
// allow none. REQUIRES: limits.size_alignment.width and limits.bytes_per_row_divisor are not 0.
std::optional<uint32_t> MinimumRowBytes(const PixelFormatAndModifier& pair, const RowLimits& limits,
                                        uint32_t width);

// One plane of whole pixels side by side, row by row: what pad_for_block_size is made for (I33).
// Unlike the original this holds for YUY2 and not for P010 (Q2).
bool IsNonTiledSinglePlane(const PixelFormatAndModifier& pair);

// Whether images can lie in memory that the CPU cannot touch (4.11).
bool IsCompatibleWithProtectedMemory(const PixelFormatAndModifier& pair);

}  // namespace sysmem::core
