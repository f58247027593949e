// SPDX-License-Identifier: Apache-2.0
//
// FFmpeg's libraries with owners: everything libav hands out is freed by a destructor.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>

#include "tools/demo/sentence.h"

namespace sysmem::demo {

namespace detail {
struct FreeAv {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
}  // namespace detail

using FramePtr = std::unique_ptr<AVFrame, detail::FreeAv>;
using PacketPtr = std::unique_ptr<AVPacket, detail::FreeAv>;
using CodecPtr = std::unique_ptr<AVCodecContext, detail::FreeAv>;
using FormatPtr = std::unique_ptr<AVFormatContext, detail::FreeAv>;
using ScalerPtr = std::unique_ptr<SwsContext, detail::FreeAv>;

// "cannot open the video: Invalid data found when processing input"
inline Failure AvSentence(const std::string& what, int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof(text));
  return Sentence(what + ": " + text);
}

}  // namespace sysmem::demo
