// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/converter.h"

#include "tools/demo/video_reader.h"

namespace sysmem::demo {
namespace {

// The same result on every processor and for every stride.
constexpr int kExactly = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT;
constexpr int kFixedPointOne = 1 << 16;  // of swscale's contrast and saturation
constexpr int kHighDefinitionLines = 720;

bool IsRgb(int pixel_format) {
  const AVPixFmtDescriptor* const descriptor =
      av_pix_fmt_desc_get(static_cast<AVPixelFormat>(pixel_format));
  return descriptor != nullptr &&
         (descriptor->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
}

}  // namespace

bool IsI420(int pixel_format) {
  return pixel_format == AV_PIX_FMT_YUV420P || pixel_format == AV_PIX_FMT_YUVJ420P;
}

std::optional<PictureView> ViewOf(const AVFrame& frame) {
  std::array<const uint8_t*, kPlaneCount> data;
  std::array<std::ptrdiff_t, kPlaneCount> strides;
  for (size_t i = 0; i < kPlaneCount; ++i) {
    data[i] = frame.data[i];
    strides[i] = frame.linesize[i];
  }
  return Crop(I420View(data, strides, static_cast<uint32_t>(frame.width),
                       static_cast<uint32_t>(frame.height)),
              VisibleRectangle(frame));
}

bool IsRec709(const AVFrame& frame) {
  if (frame.colorspace == AVCOL_SPC_BT709) return true;
  const bool is_silent = frame.colorspace == AVCOL_SPC_UNSPECIFIED || IsRgb(frame.format);
  return is_silent && frame.height >= kHighDefinitionLines;
}

bool IsFullRange(const AVFrame& frame) {
  return frame.format == AV_PIX_FMT_YUVJ420P || frame.color_range == AVCOL_RANGE_JPEG;
}

bool Converter::Needs(const AVFrame& frame) const {
  const Rectangle visible = VisibleRectangle(frame);
  return !IsI420(frame.format) || visible.width != picture_.width ||
         visible.height != picture_.height;
}

Result<void> Converter::Convert(const AVFrame& from, AVFrame* to) {
  if (Needs(from)) return Scale(from, to);
  const std::optional<PictureView> view = ViewOf(from);
  if (!view) return Sentence("a frame of which nothing is visible");
  for (size_t i = 0; i < kPlaneCount; ++i) {
    const PlaneView& plane = view->planes[i];
    av_image_copy_plane(to->data[i], to->linesize[i], plane.data, static_cast<int>(plane.stride),
                        static_cast<int>(plane.width), static_cast<int>(plane.height));
  }
  return {};
}

Result<void> Converter::Scale(const AVFrame& from, AVFrame* to) {
  FramePtr visible(av_frame_clone(&from));
  if (visible == nullptr) return Sentence("no memory to convert a frame");
  int status = av_frame_apply_cropping(visible.get(), AV_FRAME_CROP_UNALIGNED);
  if (status < 0) return AvSentence("cannot crop a frame", status);
  if (Result<void> prepared = PrepareScaler(*visible); !prepared.ok()) return prepared;
  status = sws_scale(scaler_.get(), visible->data, visible->linesize, 0, visible->height, to->data,
                     to->linesize);
  if (status < 0) return AvSentence("cannot convert a frame", status);
  return {};
}

Result<void> Converter::PrepareScaler(const AVFrame& from) {
  const auto format = static_cast<AVPixelFormat>(from.format);
  scaler_.reset(sws_getCachedContext(
      scaler_.release(), from.width, from.height, format, static_cast<int>(picture_.width),
      static_cast<int>(picture_.height), AV_PIX_FMT_YUV420P, kExactly, nullptr, nullptr, nullptr));
  if (scaler_ == nullptr) {
    const char* const name = av_get_pix_fmt_name(format);
    return Sentence(std::string("cannot convert the pixel format ") + (name ? name : "unknown"));
  }
  const int* const matrix = sws_getCoefficients(IsRec709(from) ? SWS_CS_ITU709 : SWS_CS_ITU601);
  const bool from_full = IsFullRange(from) || IsRgb(from.format);
  const bool to_full = !IsRgb(from.format) && IsFullRange(from);
  // Fails for formats without a matrix, which do not need one.
  sws_setColorspaceDetails(scaler_.get(), matrix, from_full, matrix, to_full, 0, kFixedPointOne,
                           kFixedPointOne);
  return {};
}

}  // namespace sysmem::demo
