// SPDX-License-Identifier: Apache-2.0
//
// Modifier GOOGLE_GOLDFISH_OPTIMAL: whatever the host of a virtual machine likes best, in as many
// bytes as a linear image takes (image-formats.md 7.6). The original takes any number for a pixel
// format here; we take those that have a linear size (Q11).
#include "core/layout_family.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

bool GoldfishSupports(const PixelFormatAndModifier& pair) {
  return pair.modifier == modifier::kGoogleGoldfishOptimal &&
         LinearLayout().supports(AsLinear(pair));
}

std::optional<uint64_t> GoldfishSize(const ImageLayout& image) {
  return LinearLayout().image_size(image);
}

std::optional<uint64_t> GoldfishPlaneOffset(const ImageLayout&, uint32_t plane) {
  return plane == 0 ? std::optional<uint64_t>(0) : std::nullopt;
}

std::optional<uint32_t> GoldfishPlaneRowBytes(const ImageLayout& image, uint32_t plane) {
  return plane == 0 ? std::optional(image.bytes_per_row) : std::nullopt;
}

std::optional<uint32_t> GoldfishPlaneRows(const ImageLayout& image, uint32_t plane) {
  return plane == 0 ? std::optional(image.size.height) : std::nullopt;
}

// Nobody but the host knows its rows.
std::optional<uint32_t> GoldfishMinimumRowBytes(const PixelFormatAndModifier&, const RowLimits&,
                                                uint32_t) {
  return std::nullopt;
}

}  // namespace

const LayoutFamily& GoldfishLayout() {
  static constexpr LayoutFamily family = {
      .supports = GoldfishSupports,
      .image_size = GoldfishSize,
      .plane_offset = GoldfishPlaneOffset,
      .plane_row_bytes = GoldfishPlaneRowBytes,
      .plane_rows = GoldfishPlaneRows,
      .minimum_row_bytes = GoldfishMinimumRowBytes,
      .non_tiled_single_plane = [](const PixelFormatAndModifier&) { return false; },
      .compatible_with_protected_memory = [](const PixelFormatAndModifier&) { return true; },
  };
  return family;
}

}  // namespace sysmem::core
