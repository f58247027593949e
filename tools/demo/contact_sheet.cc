// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sysmem::demo {
namespace {

constexpr uint32_t kLongestSide = 320;
constexpr size_t kColumns = 4;
constexpr uint32_t kGap = 6;
constexpr uint8_t kGround = 24;
constexpr size_t kBytesPerPixel = 3;
constexpr int kFixedPointOne = 1 << 16;

bool IsFullRange(uint32_t color_space) {
  return color_space == SYSMEM_COLOR_SPACE_REC601_NTSC_FULL_RANGE ||
         color_space == SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE;
}

void SetColors(SwsContext* scaler, uint32_t color_space) {
  const bool is_709 = color_space == SYSMEM_COLOR_SPACE_REC709;
  const int* const matrix = sws_getCoefficients(is_709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
  sws_setColorspaceDetails(scaler, matrix, IsFullRange(color_space), matrix, 1, 0, kFixedPointOne,
                           kFixedPointOne);
}

void CopyInto(Thumbnail& sheet, const Thumbnail& from, size_t left, size_t top) {
  const size_t row_bytes = from.width * kBytesPerPixel;
  for (size_t y = 0; y < from.height; ++y) {
    std::memcpy(&sheet.pixels[((top + y) * sheet.width + left) * kBytesPerPixel],
                &from.pixels[y * row_bytes], row_bytes);
  }
}

}  // namespace

Size ThumbnailSize(uint32_t width, uint32_t height) {
  const uint64_t longest = std::max(width, height);
  if (longest <= kLongestSide) return {std::max(width, 1u), std::max(height, 1u)};
  const auto scale = [&](uint32_t side) {
    return static_cast<uint32_t>(std::max<uint64_t>(uint64_t{side} * kLongestSide / longest, 1));
  };
  return {scale(width), scale(height)};
}

Result<Thumbnail> ThumbnailMaker::Make(const PictureView& picture) {
  const PlaneView& luma = picture.planes[0];
  if (size_.width == 0) size_ = ThumbnailSize(luma.width, luma.height);
  scaler_.reset(sws_getCachedContext(scaler_.release(), static_cast<int>(luma.width),
                                     static_cast<int>(luma.height), AV_PIX_FMT_YUV420P,
                                     static_cast<int>(size_.width), static_cast<int>(size_.height),
                                     AV_PIX_FMT_RGB24, SWS_AREA, nullptr, nullptr, nullptr));
  if (scaler_ == nullptr) return Sentence("cannot scale the frames down");
  SetColors(scaler_.get(), color_space_);
  const uint8_t* planes[kPlaneCount];
  int strides[kPlaneCount];
  for (size_t i = 0; i < kPlaneCount; ++i) {
    planes[i] = picture.planes[i].data;
    strides[i] = static_cast<int>(picture.planes[i].stride);
  }
  // swscale's fast code may write some bytes beyond the last row.
  constexpr size_t kOverwrite = 64;
  const size_t row_bytes = size_.width * kBytesPerPixel;
  Thumbnail thumbnail{.width = size_.width, .height = size_.height};
  thumbnail.pixels.resize(row_bytes * size_.height + kOverwrite);
  uint8_t* const to[] = {thumbnail.pixels.data()};
  const int to_stride[] = {static_cast<int>(row_bytes)};
  sws_scale(scaler_.get(), planes, strides, 0, static_cast<int>(luma.height), to, to_stride);
  thumbnail.pixels.resize(row_bytes * size_.height);
  return thumbnail;
}

Thumbnail ArrangeSheet(const std::vector<Thumbnail>& thumbnails) {
  const size_t columns = std::min(kColumns, thumbnails.size());
  const size_t rows = (thumbnails.size() + kColumns - 1) / kColumns;
  const uint32_t width = thumbnails.front().width;
  const uint32_t height = thumbnails.front().height;
  Thumbnail sheet{.width = static_cast<uint32_t>(columns * (width + kGap)) + kGap,
                  .height = static_cast<uint32_t>(rows * (height + kGap)) + kGap};
  sheet.pixels.assign(size_t{sheet.width} * sheet.height * kBytesPerPixel, kGround);
  for (size_t i = 0; i < thumbnails.size(); ++i) {
    CopyInto(sheet, thumbnails[i], kGap + i % kColumns * (width + kGap),
             kGap + i / kColumns * (height + kGap));
  }
  return sheet;
}

Result<std::vector<uint8_t>> EncodePng(const Thumbnail& image) {
  const AVCodec* const encoder = avcodec_find_encoder(AV_CODEC_ID_PNG);
  if (encoder == nullptr) return Sentence("this FFmpeg cannot write PNG");
  const CodecPtr codec(avcodec_alloc_context3(encoder));
  const FramePtr frame(av_frame_alloc());
  const PacketPtr packet(av_packet_alloc());
  if (codec == nullptr || frame == nullptr || packet == nullptr) {
    return Sentence("no memory to write a PNG");
  }
  frame->width = codec->width = static_cast<int>(image.width);
  frame->height = codec->height = static_cast<int>(image.height);
  frame->format = codec->pix_fmt = AV_PIX_FMT_RGB24;
  codec->time_base = {1, 1};
  int status = avcodec_open2(codec.get(), encoder, nullptr);
  if (status >= 0) status = av_frame_get_buffer(frame.get(), 0);
  if (status < 0) return AvSentence("cannot write a PNG", status);
  const size_t row_bytes = image.width * kBytesPerPixel;
  av_image_copy_plane(frame->data[0], frame->linesize[0], image.pixels.data(),
                      static_cast<int>(row_bytes), static_cast<int>(row_bytes), frame->height);
  status = avcodec_send_frame(codec.get(), frame.get());
  if (status >= 0) status = avcodec_send_frame(codec.get(), nullptr);
  if (status >= 0) status = avcodec_receive_packet(codec.get(), packet.get());
  if (status < 0) return AvSentence("cannot write a PNG", status);
  return std::vector<uint8_t>(packet->data, packet->data + packet->size);
}

}  // namespace sysmem::demo
