// SPDX-License-Identifier: Apache-2.0
//
// Which frames are shown as they were decoded, and how all others become so.
//
// The pictures of a pipeline are I420 and have the visible size of the video's first frame. A frame
// that is already like that is taken as it is; any other goes through swscale once. Decoder and
// reference follow this one rule, so they arrive at the same pixels.
//
// Thread-safety: one thread at a time.
#pragma once

#include <optional>
#include <sysmem/constraints.hpp>

#include "tools/demo/libav.h"
#include "tools/demo/picture.h"

namespace sysmem::demo {

// The pixels of an I420 picture by FFmpeg's names; yuvj420p is the same with full range.
bool IsI420(int pixel_format);

// What is shown of a frame whose pixels are I420; empty when that is nothing.
std::optional<PictureView> ViewOf(const AVFrame& frame);

// Whether the matrix of BT.709 belongs to a frame. Videos that do not say follow the custom of
// players: from 720 lines on.
bool IsRec709(const AVFrame& frame);
// Whether the values run from 0 to 255.
bool IsFullRange(const AVFrame& frame);

class Converter {
 public:
  explicit Converter(Size picture) : picture_(picture) {}

  bool Needs(const AVFrame& frame) const;
  // Brings the visible part of `from` into `to`, which has planes for a picture of the size given
  // above: converted if from needs it, else just copied. Errors: swscale does not know the format.
  Result<void> Convert(const AVFrame& from, AVFrame* to);

 private:
  Result<void> Scale(const AVFrame& from, AVFrame* to);
  Result<void> PrepareScaler(const AVFrame& from);

  Size picture_;
  ScalerPtr scaler_;
};

}  // namespace sysmem::demo
