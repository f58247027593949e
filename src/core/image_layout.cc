// SPDX-License-Identifier: Apache-2.0
#include "core/image_layout.h"

#include "core/layout_family.h"

namespace sysmem::core {
namespace {

const LayoutFamily* FamilyOf(const PixelFormatAndModifier& pair) {
  for (const LayoutFamily* family : {&LinearLayout(), &IntelTiledLayout(), &ArmAfbcLayout(),
                                     &ArmLinearTeLayout(), &GoldfishLayout()}) {
    if (family->supports(pair)) return family;
  }
  return nullptr;
}

}  // namespace

bool IsSupported(const PixelFormatAndModifier& pair) { return FamilyOf(pair) != nullptr; }

std::optional<uint64_t> ImageSize(const ImageLayout& image) {
  const LayoutFamily* family = FamilyOf(image.format);
  if (family == nullptr) return std::nullopt;
  return family->image_size(image);
}

std::optional<uint64_t> PlaneOffset(const ImageLayout& image, uint32_t plane) {
  const LayoutFamily* family = FamilyOf(image.format);
  if (family == nullptr) return std::nullopt;
  return family->plane_offset(image, plane);
}

std::optional<uint32_t> PlaneRowBytes(const ImageLayout& image, uint32_t plane) {
  const LayoutFamily* family = FamilyOf(image.format);
  if (family == nullptr) return std::nullopt;
  return family->plane_row_bytes(image, plane);
}

std::optional<uint32_t> PlaneRows(const ImageLayout& image, uint32_t plane) {
  const LayoutFamily* family = FamilyOf(image.format);
  if (family == nullptr) return std::nullopt;
  return family->plane_rows(image, plane);
}

std::optional<uint32_t> MinimumRowBytes(const PixelFormatAndModifier& pair, const RowLimits& limits,
                                        uint32_t width) {
  const LayoutFamily* family = FamilyOf(pair);
  if (family == nullptr) return std::nullopt;
  return family->minimum_row_bytes(pair, limits, width);
}

bool IsNonTiledSinglePlane(const PixelFormatAndModifier& pair) {
  const LayoutFamily* family = FamilyOf(pair);
  return family != nullptr && family->non_tiled_single_plane(pair);
}

bool IsCompatibleWithProtectedMemory(const PixelFormatAndModifier& pair) {
  const LayoutFamily* family = FamilyOf(pair);
  return family != nullptr && family->compatible_with_protected_memory(pair);
}

}  // namespace sysmem::core
