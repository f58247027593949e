// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/video_facts.h"

#include <algorithm>
#include <mutex>

#include "tools/demo/buffer_needs.h"
#include "tools/demo/converter.h"
#include "tools/demo/frame_pool.h"

namespace sysmem::demo {
namespace {

// Optimised code of libavcodec reads this much beyond a plane, its own alignment aside.
constexpr uint32_t kOverread = 16;
// One picture beyond what the standard permits: the pool keeps a buffer for conversions.
constexpr uint32_t kForConversion = 1;
constexpr int kPalLines = 576;

// Notes what the codec asks for, and gives it private memory.
struct Recorder {
  std::mutex mutex;  // calls come from several threads
  Size coded{};
  Size aligned{};
  std::array<int, 3> alignments{};

  void Note(AVCodecContext* codec, const AVFrame& frame) {
    int width = frame.width;
    int height = frame.height;
    int found[AV_NUM_DATA_POINTERS] = {};
    avcodec_align_dimensions2(codec, &width, &height, found);
    const std::lock_guard lock(mutex);
    coded.width = std::max(coded.width, static_cast<uint32_t>(frame.width));
    coded.height = std::max(coded.height, static_cast<uint32_t>(frame.height));
    aligned.width = std::max(aligned.width, static_cast<uint32_t>(width));
    aligned.height = std::max(aligned.height, static_cast<uint32_t>(height));
    for (size_t i = 0; i < alignments.size(); ++i) {
      alignments[i] = std::max(alignments[i], found[i]);
    }
  }

  static int GetBuffer(AVCodecContext* codec, AVFrame* frame, int flags) {
    if (IsI420(frame->format)) static_cast<Recorder*>(codec->opaque)->Note(codec, *frame);
    return avcodec_default_get_buffer2(codec, frame, flags);
  }
};

// Of the colour spaces that I420 can have. There is no BT.709 with full range.
uint32_t ColorSpaceOf(const AVFrame& frame) {
  if (IsRec709(frame)) return SYSMEM_COLOR_SPACE_REC709;
  const bool is_pal = frame.colorspace == AVCOL_SPC_BT470BG ||
                      (frame.colorspace != AVCOL_SPC_SMPTE170M && frame.height == kPalLines);
  const bool is_full = IsFullRange(frame);
  if (is_pal) {
    return is_full ? SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE : SYSMEM_COLOR_SPACE_REC601_PAL;
  }
  return is_full ? SYSMEM_COLOR_SPACE_REC601_NTSC_FULL_RANGE : SYSMEM_COLOR_SPACE_REC601_NTSC;
}

void AddWhatDirectDecodingNeeds(const AVCodecContext& codec, const Recorder& recorder,
                                VideoFacts& facts) {
  facts.is_direct = true;
  facts.aligned = recorder.aligned;
  facts.alignments = recorder.alignments;
  facts.references =
      MostReferenceFrames(codec.codec_id, codec.level, recorder.coded.width, recorder.coded.height);
  if ((codec.active_thread_type & FF_THREAD_FRAME) != 0) {
    facts.frames_in_work = static_cast<uint32_t>(std::max(codec.thread_count, 1));
  }
}

uint32_t CampingOf(const VideoFacts& facts) {
  return facts.is_direct ? facts.references + facts.frames_in_work + kForConversion : 1;
}

}  // namespace

void AllowCallsFromThreads(AVCodecContext& codec) {
  // Without it FFmpeg 5.1 decodes with one thread; later versions take it for granted.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  codec.thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
}

Result<VideoFacts> FindVideoFacts(const VideoSource& source, int threads) {
  Recorder recorder;
  auto reader = VideoReader::Open(source, {.threads = threads, .prepare = [&](AVCodecContext& c) {
                                             c.opaque = &recorder;
                                             c.get_buffer2 = Recorder::GetBuffer;
                                             AllowCallsFromThreads(c);
                                           }});
  if (!reader.ok()) return reader.failure();
  Result<FramePtr> frame = (*reader)->Next();
  if (!frame.ok()) return frame.failure();
  if (*frame == nullptr) return Sentence("no frame of " + source.path + " can be decoded");

  const AVCodecContext& codec = (*reader)->codec();
  const AVFrame& first = **frame;
  const Rectangle visible = VisibleRectangle(first);
  const char* const format = av_get_pix_fmt_name(static_cast<AVPixelFormat>(first.format));
  VideoFacts facts{.codec = codec.codec->name,
                   .pixel_format = format != nullptr ? format : "unknown",
                   .visible = {visible.width, visible.height},
                   .expected_frames = (*reader)->expected_frames(),
                   .color_space = ColorSpaceOf(first)};
  const bool takes_buffers = (codec.codec->capabilities & AV_CODEC_CAP_DR1) != 0;
  const std::lock_guard lock(recorder.mutex);
  if (takes_buffers && IsI420(first.format) && recorder.aligned.width != 0) {
    AddWhatDirectDecodingNeeds(codec, recorder, facts);
  }
  return facts;
}

Result<Constraints> DecoderNeeds(const VideoFacts& facts) {
  const Size wanted = facts.is_direct ? facts.aligned : facts.visible;
  const std::optional<uint32_t> width = RoundUpToEven(wanted.width);
  const std::optional<uint32_t> height = RoundUpToEven(wanted.height);
  const std::optional<uint32_t> divisor = RowDivisor(facts.alignments);
  if (!width || !height || !divisor) return Sentence("no buffer can hold frames of this size");
  const int alignment = *std::max_element(facts.alignments.begin(), facts.alignments.end());
  return Constraints{
      .usage = Usage{.cpu = SYSMEM_CPU_USAGE_READ_OFTEN | SYSMEM_CPU_USAGE_WRITE_OFTEN},
      .min_buffer_count_for_camping = CampingOf(facts),
      .min_buffer_count_for_dedicated_slack = kFramesOnTheWay,
      .image_formats = {{.pixel_format = SYSMEM_PIXEL_FORMAT_I420,
                         .pixel_format_modifier = SYSMEM_MODIFIER_LINEAR,
                         .color_spaces = {facts.color_space},
                         .min_size = Size{*width, *height},
                         .bytes_per_row_divisor = *divisor,
                         .pad_beyond_image_size_bytes =
                             kOverread + static_cast<uint64_t>(alignment)}},
  };
}

std::string DescribeNeeds(const VideoFacts& facts, const Constraints& needs) {
  const ImageConstraints& image = needs.image_formats.front();
  std::string text = "writes; holds " + std::to_string(CampingOf(facts));
  if (facts.is_direct) {
    text += " (" + std::to_string(facts.references) + " references, " +
            std::to_string(facts.frames_in_work) + " in work, 1 spare)";
  }
  text += ", " + std::to_string(kFramesOnTheWay) + " on their way; " +
          std::to_string(image.min_size->width) + "x" + std::to_string(image.min_size->height) +
          " or more";
  const uint32_t divisor = image.bytes_per_row_divisor.value_or(1);
  if (facts.is_direct) text += "; rows a multiple of " + std::to_string(divisor) + " bytes";
  return text;
}

}  // namespace sysmem::demo
