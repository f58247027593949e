// SPDX-License-Identifier: Apache-2.0
//
// Where the pixels of an I420 picture are: what all processes of the demo agree on.
//
// A picture is three planes of bytes: luma, and two of chroma with half the columns and rows. Its
// memory is larger than what is shown: rows are padded, and coded sizes are rounded up. The visible
// rectangle says which part counts.
//
// Plain values; pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sysmem::demo {

inline constexpr size_t kPlaneCount = 3;

struct Rectangle {
  uint32_t x = 0;
  uint32_t y = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  bool operator==(const Rectangle&) const = default;
};

// One plane: `height` rows of `width` bytes, `stride` bytes from one row to the next
// (negative when the last row comes first in memory).
struct PlaneView {
  const uint8_t* data = nullptr;
  std::ptrdiff_t stride = 0;
  uint32_t width = 0;
  uint32_t height = 0;
};

struct PictureView {
  std::array<PlaneView, kPlaneCount> planes;
};

// The planes of a picture of width x height with all its padding.
PictureView I420View(const std::array<const uint8_t*, kPlaneCount>& data,
                     const std::array<std::ptrdiff_t, kPlaneCount>& strides, uint32_t width,
                     uint32_t height);

// The part of an I420 picture that is shown. Odd sizes take half a chroma sample more, odd
// positions half a sample less, as everywhere in video. Empty when `visible` is empty or lies
// outside of the picture.
std::optional<PictureView> Crop(const PictureView& picture, const Rectangle& visible);

}  // namespace sysmem::demo
