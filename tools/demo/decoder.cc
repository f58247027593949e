// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/decoder.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tools/demo/negotiation_report.h"

namespace sysmem::demo {
namespace {

using namespace std::chrono_literals;

constexpr int kMostThreads = 8;
constexpr auto kBetweenProgress = 100ms;
constexpr const char* kConsumers[] = {"analyser", "presenter"};

int ThreadsFor(int asked) {
  if (asked > 0) return asked;
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(processors, 1, kMostThreads);
}

std::string ConsumerName(size_t number) {
  if (number < std::size(kConsumers)) return kConsumers[number];
  return "consumer " + std::to_string(number);
}

}  // namespace

Decoder::Decoder(const ParticipantOptions& options)
    : options_(options),
      threads_(ThreadsFor(options.threads)),
      status_(options.status_fd),
      source_{.path = options.video, .fd = options.video_fd},
      membership_(options, Role::kDecoder),
      is_done_(options.links.size()),
      stop_listening_(::eventfd(0, EFD_CLOEXEC)) {
  for (size_t i = 0; i < options.links.size(); ++i) {
    links_.push_back(std::make_unique<FrameLink>(UniqueFd(options.links[i]), ConsumerName(i)));
  }
}

Decoder::~Decoder() {
  if (pool_) pool_->Stop();  // else a thread of the codec could wait for ever
  StopListening();
}

Result<void> Decoder::Run() {
  Result<VideoFacts> facts = FindVideoFacts(source_, threads_);
  if (!facts.ok()) return facts.failure();
  facts_ = std::move(*facts);
  status_.Line("VIDEO", facts_.codec + ", " + facts_.pixel_format + ", " +
                            std::to_string(facts_.visible.width) + "x" +
                            std::to_string(facts_.visible.height));
  if (Result<void> taken = TakePart(); !taken.ok()) return taken;
  Result<void> streamed = StreamAll();
  if (streamed.ok()) streamed = Finish();
  // What the others did explains what happened here.
  if (const std::optional<Failure> why = failure()) return *why;
  return streamed;
}

// ---- Taking part ----

Result<Token> Decoder::StartCollection() {
  Result<Token> root = membership_.client().CreateToken();
  if (!root.ok()) return root;
  if (Result<void> named = root->SetName(10, "sysmem-demo video"); !named.ok()) {
    return named.failure();
  }
  for (const auto& link : links_) {
    // The consumers may look, but not write.
    Result<UniqueFd> token = root->DuplicateExported(SYSMEM_RIGHTS_WITHOUT_WRITE);
    if (!token.ok()) return token.failure();
    if (Result<void> sent = link->Send({.kind = LinkKind::kToken}, token->get()); !sent.ok()) {
      if (sent.failure().system_errno != EPIPE) return sent.failure();
      return OthersLeft("the " + link->peer() + " has gone before it was given its token");
    }
  }
  if (Result<void> paused = PauseIfTold(options_, Stage::kTokenHeld); !paused.ok()) {
    return paused.failure();
  }
  return root;
}

Result<void> Decoder::TakePart() {
  const Result<Constraints> needs = DecoderNeeds(facts_);
  if (!needs.ok()) return needs.failure();
  if (Result<void> connected = membership_.Connect(); !connected.ok()) return connected;
  Result<Token> root = StartCollection();
  if (!root.ok()) return root.failure();
  status_.Line("NEEDS", DescribeNeeds(facts_, *needs));
  Result<Buffers> buffers = membership_.Negotiate(std::move(*root), *needs);
  if (!buffers.ok()) return buffers.failure();
  ReportBuffers(status_, *buffers);
  Result<SharedPictures> pictures =
      SharedPictures::Map(std::move(*buffers), SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  if (!pictures.ok()) return pictures.failure();
  pictures_ = std::move(*pictures);
  ReportNegotiation(status_, pictures_->buffers(), pictures_->layout(), facts_.visible);
  return {};
}

// ---- Decoding ----

// Whether the codec can write a frame of this kind into our buffers as they are.
bool Decoder::Fits(AVCodecContext* codec, const AVFrame& frame) const {
  if (!IsI420(frame.format)) return false;
  int width = frame.width;
  int height = frame.height;
  int alignments[AV_NUM_DATA_POINTERS] = {};
  avcodec_align_dimensions2(codec, &width, &height, alignments);
  const Size size = pictures_->size();
  if (static_cast<uint32_t>(width) > size.width) return false;
  if (static_cast<uint32_t>(height) > size.height) return false;
  for (size_t i = 0; i < kPlaneCount; ++i) {
    const uint32_t stride = pictures_->layout().planes[i].bytes_per_row;
    if (stride % static_cast<uint32_t>(std::max(alignments[i], 1)) != 0) return false;
  }
  return true;
}

// The codec wants memory for a frame. Comes from any of its threads.
int Decoder::GetBuffer(AVCodecContext* codec, AVFrame* frame, int flags) {
  auto& self = *static_cast<Decoder*>(codec->opaque);
  if (self.Fits(codec, *frame)) {
    switch (self.pool_->Attach(frame, FramePool::Purpose::kDecode)) {
      case FramePool::Outcome::kAttached:
        return 0;
      case FramePool::Outcome::kStopped:
        return AVERROR_EXIT;
      case FramePool::Outcome::kFailed:
        return AVERROR(ENOMEM);
      case FramePool::Outcome::kNoneLeft:
        ++self.counts_.crowded;
        break;
    }
  }
  return avcodec_default_get_buffer2(codec, frame, flags);
}

Result<void> Decoder::StreamAll() {
  pool_.emplace(*pictures_, links_.size());
  converter_.emplace(facts_.visible);
  auto reader = VideoReader::Open(source_, {.threads = threads_, .prepare = [&](auto& codec) {
                                              if (!facts_.is_direct) return;
                                              codec.opaque = this;
                                              codec.get_buffer2 = GetBuffer;
                                              AllowCallsFromThreads(codec);
                                            }});
  if (!reader.ok()) return reader.failure();
  reader_ = std::move(*reader);
  listener_ = std::thread([this] { Listen(); });
  start_ = std::chrono::steady_clock::now();
  for (;;) {
    Result<FramePtr> frame = reader_->Next();
    if (!frame.ok()) return frame.failure();
    if (*frame == nullptr) return {};
    if (Result<void> streamed = Stream(std::move(*frame)); !streamed.ok()) return streamed;
    if (const std::optional<Failure> why = failure()) return *why;
    if (counts_.frames != kFramesUntilStreaming) continue;
    if (Result<void> paused = PauseIfTold(options_, Stage::kStreaming); !paused.ok()) {
      return paused;
    }
  }
}

Result<void> Decoder::Stream(FramePtr frame) {
  Rectangle visible = VisibleRectangle(*frame);
  const int64_t pts = frame->best_effort_timestamp;
  if (converter_->Needs(*frame) || !pool_->IndexOf(*frame)) {
    Result<FramePtr> converted = ConvertToShared(*frame);
    if (!converted.ok()) return converted.failure();
    frame = std::move(*converted);
    visible = {.x = 0, .y = 0, .width = facts_.visible.width, .height = facts_.visible.height};
    ++counts_.converted;
  }
  const LinkMessage message{.kind = LinkKind::kFrame,
                            .buffer = *pool_->IndexOf(*frame),
                            .number = counts_.frames,
                            .pts = pts,
                            .visible = visible};
  if (!pool_->Lend(message.number, std::move(frame))) return Sentence("the pipeline has ended");
  ++counts_.frames;
  ReportProgress(false);
  return Tell(message);
}

Result<FramePtr> Decoder::ConvertToShared(const AVFrame& frame) {
  FramePtr shared(av_frame_alloc());
  if (shared == nullptr) return Sentence("no memory for a frame");
  shared->format = AV_PIX_FMT_YUV420P;
  shared->width = static_cast<int>(facts_.visible.width);
  shared->height = static_cast<int>(facts_.visible.height);
  switch (pool_->Attach(shared.get(), FramePool::Purpose::kConvert)) {
    case FramePool::Outcome::kAttached:
      break;
    case FramePool::Outcome::kStopped:
      return Sentence("the pipeline has ended");
    default:
      return Sentence("no buffer can be had for a converted frame");
  }
  if (Result<void> converted = converter_->Convert(frame, shared.get()); !converted.ok()) {
    return converted.failure();
  }
  return shared;
}

Result<void> Decoder::Tell(const LinkMessage& message) {
  for (const auto& link : links_) {
    if (Result<void> sent = link->Send(message); !sent.ok()) {
      if (sent.failure().system_errno != EPIPE) return sent;
      return membership_.AskWhatHappened("the " + link->peer() + " has gone");
    }
  }
  return {};
}

void Decoder::ReportProgress(bool is_last) {
  const auto now = std::chrono::steady_clock::now();
  if (!is_last && now - last_progress_ < kBetweenProgress) return;
  last_progress_ = now;
  status_.Line("PROGRESS",
               std::to_string(counts_.frames) + " " + std::to_string(facts_.expected_frames));
}

}  // namespace sysmem::demo
