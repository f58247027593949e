// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/video_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sysmem::demo {
namespace {

constexpr int kReadBufferSize = 64 * 1024;

// A decoder that answers nothing but errors while it is drained would never end.
constexpr int kMostErrorsWhileDraining = 64;

}  // namespace

// Lets libav read an open file. It reads at positions of its own: others may share the descriptor.
struct VideoReader::FileInput {
  explicit FileInput(int file) : fd(file) {
    auto* const buffer = static_cast<uint8_t*>(av_malloc(kReadBufferSize));
    context = avio_alloc_context(buffer, kReadBufferSize, 0, this, Read, nullptr, Seek);
  }
  ~FileInput() {
    if (context != nullptr) av_freep(&context->buffer);
    avio_context_free(&context);
  }
  FileInput(const FileInput&) = delete;
  FileInput& operator=(const FileInput&) = delete;

  static int Read(void* opaque, uint8_t* buffer, int size) {
    auto& self = *static_cast<FileInput*>(opaque);
    const ssize_t count = ::pread(self.fd, buffer, static_cast<size_t>(size), self.position);
    if (count == 0) return AVERROR_EOF;
    if (count < 0) return AVERROR(errno);
    self.position += count;
    return static_cast<int>(count);
  }

  static int64_t Seek(void* opaque, int64_t offset, int whence) {
    auto& self = *static_cast<FileInput*>(opaque);
    const off_t size = ::lseek(self.fd, 0, SEEK_END);
    if (size < 0) return AVERROR(errno);
    switch (whence & ~AVSEEK_FORCE) {
      case AVSEEK_SIZE:
        return size;
      case SEEK_SET:
        break;
      case SEEK_CUR:
        offset += self.position;
        break;
      case SEEK_END:
        offset += size;
        break;
      default:
        return AVERROR(EINVAL);
    }
    if (offset < 0) return AVERROR(EINVAL);
    return self.position = offset;
  }

  int fd;
  off_t position = 0;
  AVIOContext* context = nullptr;
};

Rectangle VisibleRectangle(const AVFrame& frame) {
  const auto left = static_cast<uint32_t>(frame.crop_left);
  const auto top = static_cast<uint32_t>(frame.crop_top);
  return {
      .x = left,
      .y = top,
      .width = static_cast<uint32_t>(frame.width) - left - static_cast<uint32_t>(frame.crop_right),
      .height =
          static_cast<uint32_t>(frame.height) - top - static_cast<uint32_t>(frame.crop_bottom)};
}

VideoReader::VideoReader() = default;
VideoReader::~VideoReader() = default;

Result<std::unique_ptr<VideoReader>> VideoReader::Open(const VideoSource& source,
                                                       const VideoOptions& options) {
  av_log_set_level(AV_LOG_FATAL);  // what a damaged video does to FFmpeg is told by damaged()
  std::unique_ptr<VideoReader> reader(new VideoReader);
  if (Result<void> opened = reader->OpenFormat(source); !opened.ok()) return opened.failure();
  if (Result<void> opened = reader->OpenCodec(options); !opened.ok()) return opened.failure();
  return reader;
}

Result<void> VideoReader::OpenFormat(const VideoSource& source) {
  AVFormatContext* format = avformat_alloc_context();
  if (format == nullptr) return Sentence("no memory to open the video");
  // By its path if possible: some formats name further files beside their own.
  if (source.fd >= 0 && ::access(source.path.c_str(), R_OK) != 0) {
    file_ = std::make_unique<FileInput>(source.fd);
    format->pb = file_->context;
  }
  // Frees `format` when it fails.
  int status = avformat_open_input(&format, source.path.c_str(), nullptr, nullptr);
  if (status < 0) return AvSentence("cannot open the video " + source.path, status);
  format_.reset(format);
  status = avformat_find_stream_info(format, nullptr);
  if (status < 0) return AvSentence("cannot make sense of " + source.path, status);
  stream_ = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (stream_ < 0) return Sentence("there is no video in " + source.path);
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    if (static_cast<int>(i) != stream_) format->streams[i]->discard = AVDISCARD_ALL;
  }
  return {};
}

Result<void> VideoReader::OpenCodec(const VideoOptions& options) {
  const AVCodecParameters& parameters = *format_->streams[stream_]->codecpar;
  const AVCodec* const decoder = avcodec_find_decoder(parameters.codec_id);
  if (decoder == nullptr) {
    return Sentence(std::string("this FFmpeg has no decoder for ") +
                    avcodec_get_name(parameters.codec_id));
  }
  codec_.reset(avcodec_alloc_context3(decoder));
  packet_.reset(av_packet_alloc());
  if (codec_ == nullptr || packet_ == nullptr) return Sentence("no memory to decode the video");
  int status = avcodec_parameters_to_context(codec_.get(), &parameters);
  if (status < 0) return AvSentence("cannot set up the decoder", status);
  codec_->pkt_timebase = format_->streams[stream_]->time_base;
  codec_->thread_count = options.threads;
  // Cropping moves pointers, by rules that depend on strides. We crop by ourselves.
  codec_->apply_cropping = 0;
  if (options.prepare) options.prepare(*codec_);
  status = avcodec_open2(codec_.get(), decoder, nullptr);
  if (status < 0)
    return AvSentence(std::string("cannot open the decoder ") + decoder->name, status);
  return {};
}

Result<FramePtr> VideoReader::Next() {
  FramePtr frame(av_frame_alloc());
  if (frame == nullptr) return Sentence("no memory for a frame");
  for (int errors_while_draining = 0;;) {
    const int status = avcodec_receive_frame(codec_.get(), frame.get());
    if (status == 0) return frame;
    if (status == AVERROR_EOF) return FramePtr();
    if (status == AVERROR(EAGAIN)) {
      if (Result<bool> fed = FeedPacket(); !fed.ok()) return fed.failure();
      continue;
    }
    if (status == AVERROR_EXIT || status == AVERROR(ENOMEM)) {
      return AvSentence("cannot decode", status);
    }
    ++damaged_;
    if (is_draining_ && ++errors_while_draining > kMostErrorsWhileDraining) return FramePtr();
  }
}

Result<bool> VideoReader::FeedPacket() {
  int status = 0;
  do {
    av_packet_unref(packet_.get());
    status = av_read_frame(format_.get(), packet_.get());
  } while (status >= 0 && packet_->stream_index != stream_);
  if (status < 0) {  // the end; also that of a file cut off in the middle
    is_draining_ = true;
    avcodec_send_packet(codec_.get(), nullptr);
    return false;
  }
  status = avcodec_send_packet(codec_.get(), packet_.get());
  av_packet_unref(packet_.get());
  if (status == AVERROR_EXIT || status == AVERROR(ENOMEM)) {
    return AvSentence("cannot decode", status);
  }
  if (status < 0) ++damaged_;
  return true;
}

uint64_t VideoReader::expected_frames() const {
  const AVStream& stream = *format_->streams[stream_];
  if (stream.nb_frames > 0) return static_cast<uint64_t>(stream.nb_frames);
  const AVRational rate = stream.avg_frame_rate;
  if (format_->duration <= 0 || rate.num <= 0 || rate.den <= 0) return 0;
  const double seconds = static_cast<double>(format_->duration) / AV_TIME_BASE;
  return static_cast<uint64_t>(std::max(0.0, seconds * av_q2d(rate)));
}

}  // namespace sysmem::demo
