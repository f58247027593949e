// SPDX-License-Identifier: Apache-2.0
//
// Intel X, Y and Yf tiling, the latter two also with a colour control surface (image-formats.md
// 7.2). A tile is 4 KiB and holds some rows of some bytes; an image is whole tiles, plane after
// plane, and last the surface, which is plane 3.
#include <algorithm>

#include "core/checked.h"
#include "core/layout_family.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

constexpr uint32_t kTileBytes = 4096;
constexpr uint32_t kControlPlane = 3;
// One tile of the control surface stands for this many tiles of the image.
constexpr uint32_t kControlledAcross = 32;
constexpr uint32_t kControlledDown = 16;
constexpr uint32_t kControlTileRowBytes = 128;
constexpr uint32_t kControlTileRows = 32;

struct Tile {
  uint32_t row_bytes;
  uint32_t rows;
};

// Whole tiles of one plane, or of the control surface.
struct Tiles {
  uint32_t across;
  uint32_t down;
};

bool HasControlSurface(const PixelFormatAndModifier& pair) {
  return (pair.modifier & modifier::kIntelCcsBit) != 0;
}

Tile TileOf(const PixelFormatAndModifier& pair) {
  const bool is_x = pair.modifier == modifier::kIntelXTiled;
  return is_x ? Tile{.row_bytes = 512, .rows = 8} : Tile{.row_bytes = 128, .rows = 32};
}

uint32_t PlanesOf(const PixelFormatAndModifier& pair) {
  return pair.pixel_format == pixel_format::kNv12 ? 2 : 1;
}

// DRM knows the control surface for 8:8:8:8 RGB only, and the original measured it by the chroma
// plane (Q3): NV12 goes without.
bool IntelSupports(const PixelFormatAndModifier& pair) {
  switch (pair.modifier) {
    case modifier::kIntelXTiled:
    case modifier::kIntelYTiled:
    case modifier::kIntelYfTiled:
      return IsRgb8888(pair.pixel_format) || pair.pixel_format == pixel_format::kNv12;
    case modifier::kIntelYTiledCcs:
    case modifier::kIntelYfTiledCcs:
      return IsRgb8888(pair.pixel_format);
    default:
      return false;
  }
}

Tiles TilesOfPlane(const ImageLayout& image, uint32_t plane) {
  const Tile tile = TileOf(image.format);
  const uint32_t rows = plane == 0 ? image.size.height : DivideUp(image.size.height, 2u);
  return {.across = DivideUp(image.bytes_per_row, tile.row_bytes),
          .down = DivideUp(rows, tile.rows)};
}

Tiles TilesOfControlSurface(const ImageLayout& image) {
  const Tiles tiles = TilesOfPlane(image, 0);
  return {.across = DivideUp(tiles.across, kControlledAcross),
          .down = DivideUp(tiles.down, kControlledDown)};
}

// A plane of 4 GiB or more has no layout.
std::optional<uint32_t> Bytes(const Tiles& tiles) {
  const std::optional<uint32_t> count = CheckedMul(tiles.across, tiles.down);
  return count ? CheckedMul(*count, kTileBytes) : std::nullopt;
}

// Bytes of the planes before this one; of all planes for PlanesOf().
std::optional<uint64_t> BytesBefore(const ImageLayout& image, uint32_t plane) {
  uint64_t total = 0;  // of at most two numbers of 32 bits
  for (uint32_t i = 0; i < plane; ++i) {
    const std::optional<uint32_t> bytes = Bytes(TilesOfPlane(image, i));
    if (!bytes) return std::nullopt;
    total += *bytes;
  }
  return total;
}

std::optional<uint64_t> IntelSize(const ImageLayout& image) {
  const std::optional<uint64_t> planes = BytesBefore(image, PlanesOf(image.format));
  if (!planes || !HasControlSurface(image.format)) return planes;
  const std::optional<uint32_t> control = Bytes(TilesOfControlSurface(image));
  if (!control) return std::nullopt;
  return *planes + *control;
}

std::optional<uint64_t> IntelPlaneOffset(const ImageLayout& image, uint32_t plane) {
  const uint32_t planes = PlanesOf(image.format);
  if (plane < planes) return BytesBefore(image, plane);
  if (plane == kControlPlane && HasControlSurface(image.format)) return BytesBefore(image, planes);
  return std::nullopt;
}

std::optional<uint32_t> IntelPlaneRowBytes(const ImageLayout& image, uint32_t plane) {
  const uint32_t row_bytes = TileOf(image.format).row_bytes;
  if (plane < PlanesOf(image.format)) {
    return CheckedMul(TilesOfPlane(image, plane).across, row_bytes);
  }
  if (plane == kControlPlane && HasControlSurface(image.format)) {
    return CheckedMul(TilesOfControlSurface(image).across, kControlTileRowBytes);
  }
  return std::nullopt;
}

std::optional<uint32_t> IntelPlaneRows(const ImageLayout& image, uint32_t plane) {
  if (plane < PlanesOf(image.format)) {
    return CheckedMul(TilesOfPlane(image, plane).down, TileOf(image.format).rows);
  }
  if (plane == kControlPlane && HasControlSurface(image.format)) {
    return CheckedMul(TilesOfControlSurface(image).down, kControlTileRows);
  }
  return std::nullopt;
}

// Unlike in linear images the width is aligned before it is compared with the bounds (Q7).
std::optional<uint32_t> IntelMinimumRowBytes(const PixelFormatAndModifier& pair,
                                             const RowLimits& limits, uint32_t width) {
  const std::optional<uint32_t> aligned = RoundUp(width, limits.size_alignment.width);
  if (!aligned || *aligned < limits.min_size.width || *aligned > limits.max_size.width) {
    return std::nullopt;
  }
  const std::optional<uint32_t> divisor =
      RoundUp(limits.bytes_per_row_divisor, TileOf(pair).row_bytes);
  const std::optional<uint32_t> pixels =
      CheckedMul(FindPixelFormat(pair.pixel_format)->stride_bytes_per_pixel, *aligned);
  if (!divisor || !pixels) return std::nullopt;
  const std::optional<uint32_t> row =
      RoundUp(std::max(*pixels, limits.min_bytes_per_row), *divisor);
  if (!row || *row > limits.max_bytes_per_row) return std::nullopt;
  return row;
}

}  // namespace

const LayoutFamily& IntelTiledLayout() {
  static constexpr LayoutFamily family = {
      .supports = IntelSupports,
      .image_size = IntelSize,
      .plane_offset = IntelPlaneOffset,
      .plane_row_bytes = IntelPlaneRowBytes,
      .plane_rows = IntelPlaneRows,
      .minimum_row_bytes = IntelMinimumRowBytes,
      .non_tiled_single_plane = [](const PixelFormatAndModifier&) { return false; },
      .compatible_with_protected_memory = [](const PixelFormatAndModifier&) { return true; },
  };
  return family;
}

}  // namespace sysmem::core
