// SPDX-License-Identifier: Apache-2.0
//
// Arm frame buffer compression with every combination of its flags (image-formats.md 7.3): whole
// blocks of compressed pixels, room for each as if it could not be compressed, and a header of 16
// bytes per block. Rows have no stride, so bytes_per_row plays no part in the size.
#include "core/arm_transaction_elimination.h"
#include "core/checked.h"
#include "core/layout_family.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

constexpr uint32_t kBytesPerPixel = 4;
constexpr uint64_t kHeaderBytesPerBlock = 16;

struct Blocks {
  SizeU block;            // pixels
  SizeU alignment;        // of the image, in pixels: whole blocks, or whole tiles of headers
  uint64_t header_align;  // of all headers together, in bytes
};

Blocks BlocksOf(const PixelFormatAndModifier& pair) {
  const bool tiled_header = (pair.modifier & modifier::kArmTiledHeaderBit) != 0;
  const uint64_t header_align = tiled_header ? 4096 : 1024;
  if ((pair.modifier & ~modifier::kArmFlagBits) == modifier::kArmAfbc16x16) {
    return {{16, 16}, tiled_header ? SizeU{128, 128} : SizeU{16, 16}, header_align};
  }
  return {{32, 8}, tiled_header ? SizeU{256, 64} : SizeU{32, 8}, header_align};
}

bool HasTransactionElimination(const PixelFormatAndModifier& pair) {
  return (pair.modifier & modifier::kArmTeBit) != 0;
}

bool AfbcSupports(const PixelFormatAndModifier& pair) {
  return modifier::IsArmAfbc(pair.modifier) && IsRgb8888(pair.pixel_format);
}

// Headers and pixels, without what may lie behind them.
std::optional<uint64_t> BaseBytes(const ImageLayout& image) {
  const Blocks blocks = BlocksOf(image.format);
  // In 64 bits neither rounding up nor the number of blocks can overflow.
  const uint64_t width = *RoundUp<uint64_t>(image.size.width, blocks.alignment.width);
  const uint64_t height = *RoundUp<uint64_t>(image.size.height, blocks.alignment.height);
  const uint64_t count = (width / blocks.block.width) * (height / blocks.block.height);
  const uint64_t block_bytes = uint64_t{blocks.block.width} * blocks.block.height * kBytesPerPixel;
  const std::optional<uint64_t> pixels = CheckedMul(count, block_bytes);
  const std::optional<uint64_t> headers =
      RoundUp(count * kHeaderBytesPerBlock, blocks.header_align);
  if (!pixels || !headers) return std::nullopt;
  return CheckedAdd(*pixels, *headers);
}

std::optional<uint64_t> AfbcSize(const ImageLayout& image) {
  const std::optional<uint64_t> base = BaseBytes(image);
  if (!base || !HasTransactionElimination(image.format)) return base;
  return WithTransactionElimination(*base, image.size);
}

std::optional<uint64_t> AfbcPlaneOffset(const ImageLayout& image, uint32_t plane) {
  if (plane == 0) return 0;
  if (plane != kTransactionEliminationPlane || !HasTransactionElimination(image.format)) {
    return std::nullopt;
  }
  const std::optional<uint64_t> base = BaseBytes(image);
  return base ? TransactionEliminationOffset(*base) : std::nullopt;
}

// 0 for plane 0: there is no stride (Q6).
std::optional<uint32_t> AfbcPlaneRowBytes(const ImageLayout& image, uint32_t plane) {
  if (plane == 0) return 0;
  if (plane != kTransactionEliminationPlane || !HasTransactionElimination(image.format)) {
    return std::nullopt;
  }
  return TransactionEliminationRowBytes(image.size.width);
}

std::optional<uint32_t> AfbcPlaneRows(const ImageLayout& image, uint32_t plane) {
  if (plane == 0) return 0;
  if (plane != kTransactionEliminationPlane || !HasTransactionElimination(image.format)) {
    return std::nullopt;
  }
  return TransactionEliminationRows(image.size.height);
}

// The original's number, which with tiled headers means nothing (Q5). It sizes nothing: it only
// comes back as the least bytes_per_row that can be asked for.
std::optional<uint32_t> AfbcMinimumRowBytes(const PixelFormatAndModifier& pair,
                                            const RowLimits& limits, uint32_t width) {
  if (width < limits.min_size.width || width > limits.max_size.width) return std::nullopt;
  const Blocks blocks = BlocksOf(pair);
  return CheckedMul(DivideUp(width, blocks.alignment.width), blocks.block.width * kBytesPerPixel);
}

}  // namespace

const LayoutFamily& ArmAfbcLayout() {
  static constexpr LayoutFamily family = {
      .supports = AfbcSupports,
      .image_size = AfbcSize,
      .plane_offset = AfbcPlaneOffset,
      .plane_row_bytes = AfbcPlaneRowBytes,
      .plane_rows = AfbcPlaneRows,
      .minimum_row_bytes = AfbcMinimumRowBytes,
      .non_tiled_single_plane = [](const PixelFormatAndModifier&) { return false; },
      .compatible_with_protected_memory =
          [](const PixelFormatAndModifier& pair) { return !HasTransactionElimination(pair); },
  };
  return family;
}

}  // namespace sysmem::core
