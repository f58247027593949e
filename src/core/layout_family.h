// SPDX-License-Identifier: Apache-2.0
//
// One way of arranging pixels in memory, as a row of functions. image_layout.cc asks the families
// in order and uses the first that supports the pair; a new family is one more file with such a
// row, named in that list. The functions are as in image_layout.h.
// REQUIRES (all but `supports`): the pair is supported by this family.
#pragma once

#include <cstdint>
#include <optional>

#include "core/image_layout.h"

namespace sysmem::core {

struct LayoutFamily {
  bool (*supports)(const PixelFormatAndModifier& pair);
  std::optional<uint64_t> (*image_size)(const ImageLayout& image);
  std::optional<uint64_t> (*plane_offset)(const ImageLayout& image, uint32_t plane);
  std::optional<uint32_t> (*plane_row_bytes)(const ImageLayout& image, uint32_t plane);
  std::optional<uint32_t> (*plane_rows)(const ImageLayout& image, uint32_t plane);
  std::optional<uint32_t> (*minimum_row_bytes)(const PixelFormatAndModifier& pair,
                                               const RowLimits& limits, uint32_t width);
  bool (*non_tiled_single_plane)(const PixelFormatAndModifier& pair);
  bool (*compatible_with_protected_memory)(const PixelFormatAndModifier& pair);
};

// Rows of pixels one below the other: modifier LINEAR (7.1). All but `supports` looks at the pixel
// format alone, so that families whose pixels lie as in linear images can ask it.
const LayoutFamily& LinearLayout();
// Tiles of 4 KiB (7.2).
const LayoutFamily& IntelTiledLayout();
// Compressed blocks (7.3).
const LayoutFamily& ArmAfbcLayout();
// Linear, with a transaction elimination buffer behind it (7.5).
const LayoutFamily& ArmLinearTeLayout();
// What the host of a virtual machine likes best (7.6).
const LayoutFamily& GoldfishLayout();

}  // namespace sysmem::core
