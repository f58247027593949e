// SPDX-License-Identifier: Apache-2.0
//
// Modifier ARM_LINEAR_TE: a linear image with a transaction elimination buffer behind it
// (image-formats.md 7.5).
#include "core/arm_transaction_elimination.h"
#include "core/layout_family.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

bool TeSupports(const PixelFormatAndModifier& pair) {
  return pair.modifier == modifier::kArmLinearTe && LinearLayout().supports(AsLinear(pair));
}

std::optional<uint64_t> TeSize(const ImageLayout& image) {
  const std::optional<uint64_t> pixels = LinearLayout().image_size(image);
  return pixels ? WithTransactionElimination(*pixels, image.size) : std::nullopt;
}

std::optional<uint64_t> TePlaneOffset(const ImageLayout& image, uint32_t plane) {
  if (plane != kTransactionEliminationPlane) return LinearLayout().plane_offset(image, plane);
  const std::optional<uint64_t> pixels = LinearLayout().image_size(image);
  return pixels ? TransactionEliminationOffset(*pixels) : std::nullopt;
}

std::optional<uint32_t> TePlaneRowBytes(const ImageLayout& image, uint32_t plane) {
  if (plane != kTransactionEliminationPlane) return LinearLayout().plane_row_bytes(image, plane);
  return TransactionEliminationRowBytes(image.size.width);
}

std::optional<uint32_t> TePlaneRows(const ImageLayout& image, uint32_t plane) {
  if (plane != kTransactionEliminationPlane) return LinearLayout().plane_rows(image, plane);
  return TransactionEliminationRows(image.size.height);
}

std::optional<uint32_t> TeMinimumRowBytes(const PixelFormatAndModifier& pair,
                                          const RowLimits& limits, uint32_t width) {
  return LinearLayout().minimum_row_bytes(pair, limits, width);
}

}  // namespace

const LayoutFamily& ArmLinearTeLayout() {
  static constexpr LayoutFamily family = {
      .supports = TeSupports,
      .image_size = TeSize,
      .plane_offset = TePlaneOffset,
      .plane_row_bytes = TePlaneRowBytes,
      .plane_rows = TePlaneRows,
      .minimum_row_bytes = TeMinimumRowBytes,
      .non_tiled_single_plane = [](const PixelFormatAndModifier&) { return false; },
      .compatible_with_protected_memory = [](const PixelFormatAndModifier&) { return false; },
  };
  return family;
}

}  // namespace sysmem::core
