// SPDX-License-Identifier: Apache-2.0
//
// The frames of a video, one by one: demultiplexing and decoding with FFmpeg.
//
//   auto reader = VideoReader::Open({.path = "film.mkv"}, {});
//   for (;;) {
//     Result<FramePtr> frame = (*reader)->Next();
//     if (!frame.ok() || *frame == nullptr) break;   // an error, or the end
//   }
//
// Decoder and reference use this same class, so that they see the same frames; only where the
// pixels go differs (VideoOptions::prepare).
//
// Frames keep what the encoder had cropped: visible is VisibleRectangle(frame), not all of it.
// Damaged packets are skipped and counted, as players do.
//
// Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tools/demo/libav.h"
#include "tools/demo/picture.h"

namespace sysmem::demo {

struct VideoSource {
  std::string path;  // a file or an address that FFmpeg knows
  int fd = -1;       // the same file, already open, for a process that may not open the path
};

struct VideoOptions {
  int threads = 1;
  // Last changes to the codec before it is opened.
  std::function<void(AVCodecContext& codec)> prepare;
};

// What is shown of a frame.
Rectangle VisibleRectangle(const AVFrame& frame);

class VideoReader {
 public:
  static Result<std::unique_ptr<VideoReader>> Open(const VideoSource& source,
                                                   const VideoOptions& options);
  ~VideoReader();
  VideoReader(const VideoReader&) = delete;
  VideoReader& operator=(const VideoReader&) = delete;

  // The next frame; null at the end.
  Result<FramePtr> Next();

  const AVCodecContext& codec() const { return *codec_; }
  // By what the container says; 0 when it says nothing.
  uint64_t expected_frames() const;
  // Packets that could not be decoded.
  uint64_t damaged() const { return damaged_; }

 private:
  struct FileInput;
  VideoReader();

  Result<void> OpenFormat(const VideoSource& source);
  Result<void> OpenCodec(const VideoOptions& options);
  // False: there is nothing more to feed.
  Result<bool> FeedPacket();

  std::unique_ptr<FileInput> file_;  // outlives format_
  FormatPtr format_;
  CodecPtr codec_;
  PacketPtr packet_;
  int stream_ = -1;
  bool is_draining_ = false;
  uint64_t damaged_ = 0;
};

}  // namespace sysmem::demo
