// SPDX-License-Identifier: Apache-2.0
//
// Modifier LINEAR: rows of pixels, planes one after the other without a gap (image-formats.md 7.1).
#include <algorithm>

#include "core/checked.h"
#include "core/layout_family.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

const PixelFormatInfo& Info(const PixelFormatAndModifier& pair) {
  return *FindPixelFormat(pair.pixel_format);
}

bool Supports(const PixelFormatAndModifier& pair) {
  if (pair.modifier != modifier::kLinear) return false;
  const PixelFormatInfo* format = FindPixelFormat(pair.pixel_format);
  return format != nullptr && format->arrangement != Arrangement::kCompressed;
}

uint64_t Plane0Bytes(const ImageLayout& image) {
  // Two 32-bit numbers: the product fits.
  return uint64_t{image.size.height} * image.bytes_per_row;
}

bool HasChromaPlanes(const PixelFormatInfo& format) {
  return format.arrangement == Arrangement::kTwoPlanes420 ||
         format.arrangement == Arrangement::kThreePlanes420;
}

std::optional<uint64_t> LinearSize(const ImageLayout& image) {
  if (Info(image.format).arrangement == Arrangement::kPacked) return Plane0Bytes(image);
  // 4:2:0: half as many chroma samples as there are of luma. For odd heights this may be less than
  // the planes take (Q8); min divisors of 2 keep those away.
  const std::optional<uint64_t> triple = CheckedMul<uint64_t>(Plane0Bytes(image), 3);
  if (!triple) return std::nullopt;
  return *triple / 2;
}

std::optional<uint64_t> LinearPlaneOffset(const ImageLayout& image, uint32_t plane) {
  const PixelFormatInfo& format = Info(image.format);
  if (plane == 0) return 0;
  if (plane == 1 && HasChromaPlanes(format)) return Plane0Bytes(image);
  if (plane == 2 && format.arrangement == Arrangement::kThreePlanes420) {
    const uint64_t chroma = uint64_t{image.size.height / 2} * (image.bytes_per_row / 2);
    return CheckedAdd<uint64_t>(Plane0Bytes(image), chroma);
  }
  return std::nullopt;
}

std::optional<uint32_t> LinearPlaneRowBytes(const ImageLayout& image, uint32_t plane) {
  const PixelFormatInfo& format = Info(image.format);
  if (plane == 0) return image.bytes_per_row;
  if (plane == 1 && format.arrangement == Arrangement::kTwoPlanes420) return image.bytes_per_row;
  if (plane <= 2 && format.arrangement == Arrangement::kThreePlanes420) {
    return image.bytes_per_row / 2;
  }
  return std::nullopt;
}

std::optional<uint32_t> LinearPlaneRows(const ImageLayout& image, uint32_t plane) {
  const PixelFormatInfo& format = Info(image.format);
  if (!LinearPlaneRowBytes(image, plane)) return std::nullopt;
  if (plane > 0) return image.size.height / 2;
  if (format.arrangement != Arrangement::kInterleaved420) return image.size.height;
  return CheckedAdd(image.size.height, image.size.height / 2);
}

// The width is compared with the bounds before it is aligned, as image-formats.md 7.1 has it (Q7);
// the server aligns first where it matters (4.9).
std::optional<uint32_t> LinearMinimumRowBytes(const PixelFormatAndModifier& pair,
                                              const RowLimits& limits, uint32_t width) {
  if (width < limits.min_size.width || width > limits.max_size.width) return std::nullopt;
  const std::optional<uint32_t> aligned = RoundUp(width, limits.size_alignment.width);
  if (!aligned) return std::nullopt;
  const std::optional<uint32_t> pixels =
      CheckedMul<uint32_t>(Info(pair).stride_bytes_per_pixel, *aligned);
  if (!pixels) return std::nullopt;
  const std::optional<uint32_t> row =
      RoundUp(std::max(*pixels, limits.min_bytes_per_row), limits.bytes_per_row_divisor);
  if (!row || *row > limits.max_bytes_per_row) return std::nullopt;
  return row;
}

bool LinearNonTiledSinglePlane(const PixelFormatAndModifier& pair) {
  return Info(pair).arrangement == Arrangement::kPacked;
}

bool LinearCompatibleWithProtectedMemory(const PixelFormatAndModifier&) { return true; }

}  // namespace

const LayoutFamily& LinearLayout() {
  static constexpr LayoutFamily family = {
      .supports = Supports,
      .image_size = LinearSize,
      .plane_offset = LinearPlaneOffset,
      .plane_row_bytes = LinearPlaneRowBytes,
      .plane_rows = LinearPlaneRows,
      .minimum_row_bytes = LinearMinimumRowBytes,
      .non_tiled_single_plane = LinearNonTiledSinglePlane,
      .compatible_with_protected_memory = LinearCompatibleWithProtectedMemory,
  };
  return family;
}

}  // namespace sysmem::core
