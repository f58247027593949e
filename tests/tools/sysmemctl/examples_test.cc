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
     {"format NV12 LINEAR", "color space REC709", "image 1920x1088", "stride 1920 bytes per row",
      "plane 1 at byte 2088960", "size 3133440 bytes each", "buffers 8", "heap SYSTEM_RAM"}},
    {"stride-32-against-256.toml",
     0,
     {"stride 768 bytes per row, a multiple of 256", "size 663552 bytes each", "buffers 8"}},
    {"tiles-by-cost.toml",
     0,
     {"format R8G8B8A8 INTEL_I915_Y_TILED_CCS", "for DRM XB24:0x0100000000000004",
      "image 1920x1080", "plane 0 at byte 0, 7680 bytes per row",
      "plane 3 at byte 8355840, 256 bytes per row", "size 8380416 bytes each", "buffers 3"}},
    {"two-gpus-no-common-modifier.toml", 5, {"No agreement", "render GPU", "display GPU"}},
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
