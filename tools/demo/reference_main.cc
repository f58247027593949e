// SPDX-License-Identifier: Apache-2.0
//
// sysmem-demo-reference: decodes a video into its own memory, without the daemon, and tells the
// hash of each frame. What the analyser saw in the shared buffers must be the same.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <optional>
#include <thread>

#include "tools/demo/converter.h"
#include "tools/demo/participant.h"
#include "tools/demo/plane_hash.h"
#include "tools/demo/video_reader.h"

namespace sysmem::demo {
namespace {

constexpr int kMostThreads = 8;

Result<FramePtr> Convert(Converter& converter, const AVFrame& frame, const Rectangle& picture) {
  FramePtr converted(av_frame_alloc());
  if (converted == nullptr) return Sentence("no memory for a frame");
  converted->format = AV_PIX_FMT_YUV420P;
  converted->width = static_cast<int>(picture.width);
  converted->height = static_cast<int>(picture.height);
  const int status = av_frame_get_buffer(converted.get(), 0);
  if (status < 0) return AvSentence("no memory for a frame", status);
  if (Result<void> done = converter.Convert(frame, converted.get()); !done.ok()) {
    return done.failure();
  }
  return converted;
}

Result<void> Run(const ParticipantOptions& options) {
  const StatusWriter status(options.status_fd);
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  const int threads =
      options.threads > 0 ? options.threads : std::clamp(processors, 1, kMostThreads);
  auto reader =
      VideoReader::Open({.path = options.video, .fd = options.video_fd}, {.threads = threads});
  if (!reader.ok()) return reader.failure();
  std::optional<Converter> converter;
  Rectangle picture;  // visible in the first frame, and so the size of all
  for (uint64_t number = 0;; ++number) {
    Result<FramePtr> frame = (*reader)->Next();
    if (!frame.ok()) return frame.failure();
    if (*frame == nullptr) return {};
    if (!converter) {
      picture = VisibleRectangle(**frame);
      converter.emplace(Size{picture.width, picture.height});
    }
    if (converter->Needs(**frame)) frame = Convert(*converter, **frame, picture);
    if (!frame.ok()) return frame.failure();
    const std::optional<PictureView> view = ViewOf(**frame);
    if (!view) return Sentence("a frame without visible part");
    char hash[17];
    std::snprintf(hash, sizeof(hash), "%016" PRIx64, HashPicture(*view));
    status.Line("FRAME", std::to_string(number) + " " + hash);
  }
}

}  // namespace
}  // namespace sysmem::demo

int main(int argc, char** argv) {
  using namespace sysmem::demo;
  const ParsedOptions parsed = ParseParticipant(argc, argv, Role::kReference);
  if (!parsed.options) return parsed.exit_code;
  return Conclude(Role::kReference, Run(*parsed.options));
}
