// SPDX-License-Identifier: Apache-2.0
//
// sysmem-demo-presenter: reads the shared frames and draws sixteen of them into one PNG.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <span>

#include "tools/demo/consumer.h"
#include "tools/demo/contact_sheet.h"
#include "tools/demo/even_sample.h"

namespace sysmem::demo {
namespace {

constexpr size_t kPictures = 16;
constexpr mode_t kNewFileMode = 0644;

Result<void> WriteAll(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoSentence("cannot write the contact sheet");
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

class Presenter : public FrameViewer {
 public:
  explicit Presenter(const ParticipantOptions& options)
      : options_(options), status_(options.status_fd) {
    status_.Line("NEEDS", "reads; holds 1");
  }

  Result<void> OnBuffers(const Buffers& buffers) override {
    const ImageSettings* const image = buffers.settings().image;
    maker_.emplace(image != nullptr ? image->color_space : SYSMEM_COLOR_SPACE_REC709);
    return {};
  }

  Result<void> OnFrame(const LinkMessage& frame, const PictureView& picture) override {
    if (!sample_.Wants(frame.number)) return {};
    Result<Thumbnail> thumbnail = maker_->Make(picture);
    if (!thumbnail.ok()) return thumbnail.failure();
    sample_.Add(std::move(*thumbnail));
    return {};
  }

  Result<void> OnEnd() override {
    const std::vector<Thumbnail> thumbnails = std::move(sample_).Take();
    if (thumbnails.empty()) return Sentence("there was no frame to draw");
    Result<std::vector<uint8_t>> png = EncodePng(ArrangeSheet(thumbnails));
    if (!png.ok()) return png.failure();
    if (options_.output_fd >= 0) return WriteAll(options_.output_fd, *png);
    if (options_.output.empty()) return {};
    const UniqueFd file(
        ::open(options_.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kNewFileMode));
    if (!file) return ErrnoSentence("cannot write " + options_.output);
    return WriteAll(file.get(), *png);
  }

 private:
  const ParticipantOptions& options_;
  StatusWriter status_;
  std::optional<ThumbnailMaker> maker_;
  EvenSample<Thumbnail> sample_{kPictures};
};

}  // namespace
}  // namespace sysmem::demo

int main(int argc, char** argv) {
  using namespace sysmem::demo;
  const ParsedOptions parsed = ParseParticipant(argc, argv, Role::kPresenter);
  if (!parsed.options) return parsed.exit_code;
  Presenter presenter(*parsed.options);
  return Conclude(Role::kPresenter,
                  RunConsumer(*parsed.options, Role::kPresenter, ReaderNeeds(), presenter));
}
