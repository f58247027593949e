// SPDX-License-Identifier: Apache-2.0
//
// sysmem-demo-analyser: reads the shared frames; tells a hash of each, and how bright they are.
#include <cinttypes>
#include <cstdio>
#include <string>

#include "tools/demo/consumer.h"
#include "tools/demo/luma_histogram.h"
#include "tools/demo/plane_hash.h"

namespace sysmem::demo {
namespace {

constexpr uint32_t kRowDivisor = 64;  // its loops want rows to begin where cache lines do
constexpr size_t kDrawingColumns = 32;

class Analyser : public FrameViewer {
 public:
  explicit Analyser(const ParticipantOptions& options) : status_(options.status_fd) {
    status_.Line("NEEDS",
                 "reads; holds 1; rows a multiple of " + std::to_string(kRowDivisor) + " bytes");
  }

  Result<void> OnBuffers(const Buffers&) override { return {}; }

  Result<void> OnFrame(const LinkMessage& frame, const PictureView& picture) override {
    char hash[17];
    std::snprintf(hash, sizeof(hash), "%016" PRIx64, HashPicture(picture));
    histogram_.Add(picture.planes[0]);
    status_.Line("FRAME", std::to_string(frame.number) + " " + hash);
    return {};
  }

  Result<void> OnEnd() override {
    char text[256];
    std::snprintf(text, sizeof(text), "%d to %d, mean %.1f  |%s|", histogram_.Darkest(),
                  histogram_.Brightest(), histogram_.Mean(),
                  histogram_.Draw(kDrawingColumns).c_str());
    status_.Line("LUMA", text);
    return {};
  }

 private:
  StatusWriter status_;
  LumaHistogram histogram_;
};

Constraints AnalyserNeeds() {
  Constraints needs = ReaderNeeds();
  needs.image_formats.front().bytes_per_row_divisor = kRowDivisor;
  return needs;
}

}  // namespace
}  // namespace sysmem::demo

int main(int argc, char** argv) {
  using namespace sysmem::demo;
  const ParsedOptions parsed = ParseParticipant(argc, argv, Role::kAnalyser);
  if (!parsed.options) return parsed.exit_code;
  Analyser analyser(*parsed.options);
  return Conclude(Role::kAnalyser,
                  RunConsumer(*parsed.options, Role::kAnalyser, AnalyserNeeds(), analyser));
}
