// SPDX-License-Identifier: Apache-2.0
//
// Each story of docs/examples, told by the real sysmemctl: the facts that an engineer looks for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

struct Example {
  const char* file;
  int exit_code;
  std::vector<const char*> facts;  // runs of blanks count as one
};

const Example kExamples[] = {
    {"camera-encoder-display.toml",
     0,
     {"format NV12 LINEAR", "DRM NV12:0x0000000000000000", "color space REC709",
      "image made for 1920x1088", "stride 1920 bytes per row", "plane 1 at byte 2088960",
      "size 3133440 bytes each", "buffers 8", "heap SYSTEM_RAM", "domain RAM"}},
    {"camera-in-a-small-pool.toml",
     0,
     {"heap SYSTEM_RAM, physically contiguous", "size 3110400 bytes each", "buffers 5"}},
    {"colour-space-conflict.toml",
     5,
     {"No agreement", "no colour space in common", "analogue grabber: REC601_PAL, REC601_NTSC",
      "encoder: REC709, REC601_PAL_FULL_RANGE",
      "The smallest conflict is between 2 of 3 participants"}},
    {"compressed-falls-back-to-linear.toml",
     0,
     {"format B8G8R8A8 LINEAR", "DRM AR24:0x0000000000000000", "stride 7680 bytes per row",
      "buffers 4", "compressed (alternative of ways to show it)",
      "Combination 1 of 3 tried, a group of \"ways to show it\" takes child 1 of 3, does not work",
      "-> does not work with the others; a later alternative does"}},
    {"contiguous-camera-memory.toml",
     0,
     {"heap DMA_HEAP_RESERVED, physically contiguous, address a multiple of 65536"}},
    {"decoder-1088-rows.toml",
     0,
     {"image made for 1920x1088", "plane 1 at byte 2088960", "size 3133440 bytes each",
      "buffers 9"}},
    {"industrial-camera-raw.json",
     0,
     {"format R8 LINEAR", "color space PASSTHROUGH", "image made for 2448x2048\n",
      "stride 2560 bytes per row", "size 5242880 bytes each"}},
    {"late-recorder-that-fits.toml",
     0,
     {"buffers 8", "recorder (attached)", "-> gets the buffers, to read and write"}},
    {"late-recorder-without-room.toml",
     5,
     {"Agreed", "buffers 5", "recorder cannot join", "8 buffers are needed",
      "the existing buffers: max_buffer_count 5", "-> gets nothing"}},
    {"neural-accelerator-blocks.toml",
     0,
     {"image made for 1000x700", "stride 4096 bytes per row, a multiple of 256",
      "size 2867200 bytes each, 2883584 with padding"}},
    {"scaler-expects-1080-rows.toml",
     5,
     {"an image takes 3133440 bytes, more than max_size_bytes 3110400",
      "decoder: ", "scaler: max_size_bytes 3110400"}},
    {"secure-video-and-thumbnails.toml",
     5,
     {"decoder: secure_required true",
      "thumbnailer: inaccessible_domain_supported false (implied by usage.cpu)"}},
    {"secure-video-path.toml",
     0,
     {"heap SECURE, secure", "domain INACCESSIBLE", "size 12441600 bytes each", "buffers 7",
      "player asks for nothing"}},
    {"stride-32-against-256.toml",
     0,
     {"stride 768 bytes per row, a multiple of 256", "size 663552 bytes each", "buffers 8"}},
    {"stride-exact-against-256.toml",
     5,
     {"software decoder: max_bytes_per_row 720", "GPU: bytes_per_row_divisor 256"}},
    {"tiles-by-cost.toml",
     0,
     {"format R8G8B8A8 INTEL_I915_Y_TILED_CCS", "DRM XB24:0x0100000000000004",
      "image made for 1920x1080", "plane 0 at byte 0, 7680 bytes per row",
      "plane 3 at byte 8355840, 256 bytes per row", "size 8380416 bytes each", "buffers 3"}},
    {"too-many-buffers.toml",
     5,
     {"18 buffers are needed", "more than max_buffer_count 16",
      "decoder: ", "tone mapper: min_buffer_count_for_camping 4",
      "frame interpolation: min_buffer_count_for_camping 4"}},
    {"two-gpus-no-common-modifier.toml",
     5,
     {"No agreement", "no pixel format and modifier in common",
      "render GPU: B8G8R8A8 INTEL_I915_X_TILED, B8G8R8A8 INTEL_I915_Y_TILED",
      "display GPU: B8G8R8A8 ARM_AFBC_16X16, B8G8R8A8 ARM_AFBC_32X8"}},
    {"weak-preview.toml",
     0,
     {"format YUY2 LINEAR", "preview (dispensable, weak, read only)", "buffers 5"}},
};

std::string WithSingleBlanks(std::string text) {
  const auto both_blank = [](char a, char b) { return a == ' ' && b == ' '; };
  text.erase(std::unique(text.begin(), text.end(), both_blank), text.end());
  return text;
}

class ExampleTest : public ::testing::TestWithParam<Example> {};

TEST_P(ExampleTest, TellsItsStory) {
  const Example& example = GetParam();
  const testing::Ended ended =
      Sysmemctl({"simulate", std::string(SYSMEM_EXAMPLES "/") + example.file});
  EXPECT_EQ(ended.exit_code, example.exit_code);
  for (const char* fact : example.facts) {
    EXPECT_THAT(WithSingleBlanks(ended.output), ::testing::HasSubstr(fact));
  }
}

std::string NameOf(const ::testing::TestParamInfo<Example>& test) {
  std::string name = std::filesystem::path(test.param.file).stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(, ExampleTest, ::testing::ValuesIn(kExamples), NameOf);

TEST(Examples, AreAllTested) {
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(SYSMEM_EXAMPLES)) {
    there.insert(entry.path().filename().string());
  }
  std::set<std::string> tested;
  for (const Example& example : kExamples) tested.insert(example.file);
  EXPECT_EQ(there, tested);
}

}  // namespace
}  // namespace sysmem::ctl
