// SPDX-License-Identifier: Apache-2.0
//
// A contact sheet: small pictures of some frames side by side, as a PNG.
//
// Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <sysmem/constraints.hpp>
#include <vector>

#include "tools/demo/libav.h"
#include "tools/demo/picture.h"

namespace sysmem::demo {

// RGB, three bytes a pixel, rows without padding. All thumbnails of a sheet are of one size.
struct Thumbnail {
  uint32_t width = 0;
  uint32_t height = 0;
  std::vector<uint8_t> pixels;
};

// Scales pictures down, reading them where they are.
class ThumbnailMaker {
 public:
  // `color_space`: one of SYSMEM_COLOR_SPACE_.
  explicit ThumbnailMaker(uint32_t color_space) : color_space_(color_space) {}
  // A thumbnail as large as the first one made, which keeps the proportions of its picture.
  Result<Thumbnail> Make(const PictureView& picture);

 private:
  uint32_t color_space_;
  Size size_{};
  ScalerPtr scaler_;
};

// The size of a thumbnail of such a picture: at most 320 x 320, never empty.
Size ThumbnailSize(uint32_t width, uint32_t height);

// Arranges thumbnails in rows of four on a dark ground. REQUIRES: at least one thumbnail.
Thumbnail ArrangeSheet(const std::vector<Thumbnail>& thumbnails);

// The bytes of a PNG file.
Result<std::vector<uint8_t>> EncodePng(const Thumbnail& image);

}  // namespace sysmem::demo
