// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/picture.h"

namespace sysmem::demo {
namespace {

uint32_t HalfRoundedUp(uint32_t value) { return value / 2 + value % 2; }

bool IsInside(const PlaneView& luma, const Rectangle& visible) {
  if (visible.width == 0 || visible.height == 0) return false;
  return uint64_t{visible.x} + visible.width <= luma.width &&
         uint64_t{visible.y} + visible.height <= luma.height;
}

}  // namespace

PictureView I420View(const std::array<const uint8_t*, kPlaneCount>& data,
                     const std::array<std::ptrdiff_t, kPlaneCount>& strides, uint32_t width,
                     uint32_t height) {
  PictureView view;
  for (size_t i = 0; i < kPlaneCount; ++i) {
    const bool is_luma = i == 0;
    view.planes[i] = {.data = data[i],
                      .stride = strides[i],
                      .width = is_luma ? width : HalfRoundedUp(width),
                      .height = is_luma ? height : HalfRoundedUp(height)};
  }
  return view;
}

std::optional<PictureView> Crop(const PictureView& picture, const Rectangle& visible) {
  if (!IsInside(picture.planes[0], visible)) return std::nullopt;
  std::array<const uint8_t*, kPlaneCount> data;
  std::array<std::ptrdiff_t, kPlaneCount> strides;
  for (size_t i = 0; i < kPlaneCount; ++i) {
    const PlaneView& plane = picture.planes[i];
    const uint32_t divisor = i == 0 ? 1 : 2;
    data[i] = plane.data + std::ptrdiff_t{visible.y / divisor} * plane.stride + visible.x / divisor;
    strides[i] = plane.stride;
  }
  return I420View(data, strides, visible.width, visible.height);
}

}  // namespace sysmem::demo
