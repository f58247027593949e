// SPDX-License-Identifier: Apache-2.0
//
// PAD-3: how far access in whole blocks may reach behind the images of a buffer.
//
// An image may be any that the bounds permit and whose bytes fit the buffer. Rounded up to whole
// blocks it takes more rows: the wider the rows, the more bytes. The widest images are low ones, so
// two heights are tried: the lowest permitted one, and the lowest that is one row more than a whole
// number of blocks, where almost a whole block is added.
#include <algorithm>

#include "core/checked.h"
#include "core/pixel_format.h"
#include "core/plan_buffers.h"

namespace sysmem::core {
namespace {

using Format = SanitisedImageFormat;

uint32_t BytesPerPixel(const Format& format) {
  return FindPixelFormat(format.format.pixel_format)->stride_bytes_per_pixel;
}

// Pixels that a stride of at most `bytes` can have, with the stride a multiple of the divisor.
uint64_t PixelsInRow(const Format& format, uint64_t bytes) {
  return RoundDown<uint64_t>(bytes, format.bytes_per_row_divisor) / BytesPerPixel(format);
}

// The widest image of this height that the buffer holds and the bounds permit; 0 if none.
uint32_t WidestImage(const Format& format, uint64_t size_bytes, uint32_t height) {
  const uint64_t pixel = BytesPerPixel(format);
  uint64_t width = std::min<uint64_t>(UINT32_MAX, size_bytes / pixel / height);
  width = PixelsInRow(format, width * pixel);
  width = std::min<uint64_t>(
      {width, format.max_size.width, PixelsInRow(format, format.max_bytes_per_row)});
  width = RoundDown<uint64_t>(width, format.size_alignment.width);
  return width < format.min_size.width ? 0 : static_cast<uint32_t>(width);
}

// Bytes of a one-plane image with the smallest stride for its width.
std::optional<uint64_t> ImageBytes(const Format& format, uint32_t width, uint32_t height) {
  const std::optional<uint32_t> pixels = CheckedMul(BytesPerPixel(format), width);
  if (!pixels) return std::nullopt;
  const std::optional<uint32_t> row =
      RoundUp(std::max(*pixels, format.min_bytes_per_row), format.bytes_per_row_divisor);
  if (!row) return std::nullopt;
  return uint64_t{*row} * height;
}

// What whole blocks add to the widest image of this height.
std::optional<uint64_t> PaddingAtHeight(const Format& format, uint64_t size_bytes,
                                        uint32_t height) {
  const uint32_t width = WidestImage(format, size_bytes, height);
  if (width == 0) return 0;
  const std::optional<uint32_t> block_width = RoundUp(width, format.pad_for_block_size.width);
  const std::optional<uint32_t> block_height = RoundUp(height, format.pad_for_block_size.height);
  if (!block_width || !block_height) return std::nullopt;
  const std::optional<uint64_t> image = ImageBytes(format, width, height);
  const std::optional<uint64_t> blocks = ImageBytes(format, *block_width, *block_height);
  if (!image || !blocks) return std::nullopt;
  return *blocks - *image;
}

// The lowest permitted height that is one row above whole blocks; empty if it is too high.
std::optional<uint32_t> HeightWithBrokenBlock(const Format& format, uint32_t lowest) {
  const uint32_t block = format.pad_for_block_size.height;
  const auto whole = CheckedAdd<uint32_t>(RoundDown(lowest - 1, block), block);
  const auto broken = whole ? CheckedAdd<uint32_t>(*whole, 1) : std::nullopt;
  const auto height = broken ? RoundUp(*broken, format.size_alignment.height) : std::nullopt;
  if (!height || *height > format.max_size.height) return std::nullopt;
  return height;
}

}  // namespace

std::optional<uint64_t> BlockPaddingBytes(const SanitisedImageFormat& format, uint64_t size_bytes) {
  const std::optional<uint32_t> lowest =
      RoundUp(format.min_size.height, format.size_alignment.height);
  if (!lowest) return std::nullopt;
  std::optional<uint64_t> padding = PaddingAtHeight(format, size_bytes, *lowest);
  const std::optional<uint32_t> broken = HeightWithBrokenBlock(format, *lowest);
  if (!padding || !broken) return padding;
  const std::optional<uint64_t> more = PaddingAtHeight(format, size_bytes, *broken);
  if (!more) return std::nullopt;
  return std::max(*padding, *more);
}

}  // namespace sysmem::core
