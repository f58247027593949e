// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/consumer.h"

#include <poll.h>

#include <cerrno>
#include <utility>

#include "tools/demo/membership.h"
#include "tools/demo/shared_picture.h"

namespace sysmem::demo {
namespace {

class Consumer {
 public:
  Consumer(const ParticipantOptions& options, Role role, FrameViewer& viewer)
      : options_(options),
        status_(options.status_fd),
        membership_(options, role),
        link_(UniqueFd(options.links.front()), "decoder"),
        viewer_(viewer) {}

  Result<void> Run(const Constraints& needs) {
    if (Result<void> connected = membership_.Connect(); !connected.ok()) return connected;
    Result<Buffers> buffers = TakePart(needs);
    if (!buffers.ok()) return buffers.failure();
    ReportBuffers(status_, *buffers);
    if (Result<void> told = viewer_.OnBuffers(*buffers); !told.ok()) return told;
    Result<SharedPictures> pictures = SharedPictures::Map(std::move(*buffers), SYSMEM_ACCESS_READ);
    if (!pictures.ok()) return pictures.failure();
    if (Result<void> looked = LookAtAll(*pictures); !looked.ok()) return looked;
    return Finish();
  }

 private:
  Result<Buffers> TakePart(const Constraints& needs) {
    Result<FrameLink::Received> first = NextMessage();
    if (!first.ok()) return first.failure();
    if (!first->descriptor) return Sentence("the decoder sent something else before the token");
    Result<Token> token = membership_.Import(std::move(first->descriptor));
    if (!token.ok()) return token.failure();
    return membership_.Negotiate(std::move(*token), needs);
  }

  // The next message, or what ended the pipeline first.
  Result<FrameLink::Received> NextMessage() {
    pollfd sources[] = {{.fd = link_.fd(), .events = POLLIN, .revents = 0},
                        {.fd = membership_.fd(), .events = POLLIN, .revents = 0}};
    for (;;) {
      if (::poll(sources, std::size(sources), -1) < 0 && errno != EINTR) {
        return ErrnoSentence("cannot poll");
      }
      if (sources[1].revents != 0) {
        if (Result<void> news = membership_.Dispatch(); !news.ok()) return news.failure();
      }
      if (sources[0].revents == 0) continue;
      Result<FrameLink::Received> received = link_.Receive();
      if (!received.ok() || received->message) return received;
      return membership_.AskWhatHappened("the decoder has gone");
    }
  }

  Result<void> LookAtAll(SharedPictures& pictures) {
    for (;;) {
      Result<FrameLink::Received> received = NextMessage();
      if (!received.ok()) return received.failure();
      const LinkMessage& message = *received->message;
      if (message.kind == LinkKind::kEnd) return {};
      if (message.kind != LinkKind::kFrame) return Sentence("the decoder sent a wrong message");
      if (Result<void> looked = LookAt(pictures, message); !looked.ok()) return looked;
      if (message.number + 1 != kFramesUntilStreaming) continue;
      if (Result<void> paused = PauseIfTold(options_, Stage::kStreaming); !paused.ok()) {
        return paused;
      }
    }
  }

  Result<void> LookAt(SharedPictures& pictures, const LinkMessage& frame) {
    const std::optional<PictureView> view = pictures.View(frame.buffer, frame.visible);
    if (!view) return Sentence("the decoder named a picture that does not exist");
    Result<CpuAccess> access = pictures.mapping(frame.buffer).Access(SYSMEM_ACCESS_READ);
    if (!access.ok()) return access.failure();
    if (Result<void> seen = viewer_.OnFrame(frame, *view); !seen.ok()) return seen;
    if (Result<void> ended = access->End(); !ended.ok()) return ended;
    return Send({.kind = LinkKind::kReturn, .buffer = frame.buffer, .number = frame.number});
  }

  Result<void> Send(const LinkMessage& message) {
    Result<void> sent = link_.Send(message);
    if (sent.ok() || sent.failure().system_errno != EPIPE) return sent;
    return membership_.AskWhatHappened("the decoder has gone");
  }

  Result<void> Finish() {
    if (Result<void> ended = viewer_.OnEnd(); !ended.ok()) return ended;
    if (Result<void> sent = Send({.kind = LinkKind::kDone}); !sent.ok()) return sent;
    membership_.Leave();
    return {};
  }

  const ParticipantOptions& options_;
  StatusWriter status_;
  Membership membership_;
  FrameLink link_;
  FrameViewer& viewer_;
};

}  // namespace

Constraints ReaderNeeds() {
  return {
      .usage = Usage{.cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_READ_OFTEN},
      .min_buffer_count_for_camping = 1,
      .image_formats = {{.pixel_format = SYSMEM_PIXEL_FORMAT_I420,
                         .pixel_format_modifier = SYSMEM_MODIFIER_LINEAR,
                         .color_spaces = {SYSMEM_COLOR_SPACE_REC709, SYSMEM_COLOR_SPACE_REC601_NTSC,
                                          SYSMEM_COLOR_SPACE_REC601_NTSC_FULL_RANGE,
                                          SYSMEM_COLOR_SPACE_REC601_PAL,
                                          SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE}}},
  };
}

Result<void> RunConsumer(const ParticipantOptions& options, Role role, const Constraints& needs,
                         FrameViewer& viewer) {
  return Consumer(options, role, viewer).Run(needs);
}

}  // namespace sysmem::demo
