// SPDX-License-Identifier: Apache-2.0
//
// Conformance: validation of constraints, sizes and strides (CON) and buffer counts (CNT), through
// the library and the wire.
#include <algorithm>
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytesOf512x1024 = 512 * 1024 * 3 / 2;

class Con : public Conformance {};
class Cnt : public Conformance {};
// No buffer is larger than a page.
class ConOfSmallBuffers : public Conformance {
 protected:
  ConOfSmallBuffers() : Conformance({.arguments = {"--max-buffer-size", "4096"}}) {}
};

sysmem::Constraints RawBuffers(const sysmem::Usage& usage) {
  return {.usage = usage,
          .min_buffer_count_for_camping = 3,
          .min_buffer_count = 5,
          .memory = CpuOnly(65536, 131072)};
}

// One image, no memory part, one camping buffer.
sysmem::Constraints OneImage(const sysmem::ImageConstraints& image) {
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = 1,
          .image_formats = {image}};
}

// As in K-NV12, without its alignments.
sysmem::ImageConstraints Nv12WithOpenTail() {
  sysmem::ImageConstraints image = Nv12().image_formats.front();
  image.size_alignment = sysmem::Size{1, 1};
  image.bytes_per_row_divisor = 1;
  image.start_offset_divisor = 1;
  return image;
}

std::vector<std::pair<uint32_t, uint32_t>> RequiredMaxSizes(const sysmem::Settings& settings) {
  std::vector<std::pair<uint32_t, uint32_t>> sizes;
  for (size_t i = 0; i < settings.image->required_max_size_count; ++i) {
    const sysmem::Size& size = settings.image->required_max_size_list[i];
    sizes.emplace_back(size.width, size.height);
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

// Case CON-1
TEST_F(Con, FailsWithNothingButNoneUsage) {
  // A wait that comes after the failure sees no more than that the collection is closed.
  EXPECT_FALSE(Allocate(RawBuffers({.none = SYSMEM_NONE_USAGE})).ok());
}

// Case CON-2
TEST_F(Con, FailsWithNoneUsageBesideAnother) {
  EXPECT_FALSE(
      Allocate(RawBuffers({.none = SYSMEM_NONE_USAGE, .cpu = SYSMEM_CPU_USAGE_READ_OFTEN})).ok());
}

// Case CON-4
TEST_F(Con, TooManyFormatsAreRefusedBeforeTheyAreSent) {
  sysmem::ImageConstraints image = Image(SYSMEM_PIXEL_FORMAT_NV12, SYSMEM_COLOR_SPACE_REC709);
  image.required_max_size = sysmem::Size{512, 1024};
  sysmem::Constraints constraints = OneImage(image);
  constraints.memory = sysmem::MemoryConstraints{.min_size_bytes = 1};
  constraints.image_formats.assign(65, image);
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_STATUS(collection.SetConstraints(constraints), sysmem::Status::kInvalidArgument);
  SYSMEM_EXPECT_OK(collection.Sync());
}

// Case CON-7, CON-8
TEST_F(Con, FailsWithARequiredMinimumOfZero) {
  EXPECT_TRUE(Basic([](sysmem::Constraints&) {}));
  EXPECT_FALSE(Basic([](sysmem::Constraints& constraints) {
    constraints.image_formats[0].required_min_size = sysmem::Size{0, 1};
  }));
  EXPECT_FALSE(Basic([](sysmem::Constraints& constraints) {
    constraints.image_formats[0].required_min_size = sysmem::Size{1, 0};
  }));
}

// Case CON-13
TEST_F(Con, HasDefaultsThatWorkForAllOtherFieldsOfAnImage) {
  sysmem::ImageConstraints image = Image(SYSMEM_PIXEL_FORMAT_NV12, SYSMEM_COLOR_SPACE_REC709);
  image.required_max_size = sysmem::Size{512, 1024};
  auto buffers = Allocate(OneImage(image));
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_GE(buffers->settings().size_bytes, kBytesOf512x1024);
  EXPECT_GE(buffers->settings().raw_size_bytes, kBytesOf512x1024);
}

// Case CON-14
TEST_F(ConOfSmallBuffers, RefusesABufferAboveTheDaemonsLimit) {
  const auto asking_for = [](uint64_t bytes) {
    return sysmem::Constraints{
        .usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
        .min_buffer_count = 1,
        .memory = sysmem::MemoryConstraints{.min_size_bytes = bytes, .cpu_domain_supported = true}};
  };
  auto too_large = Allocate(asking_for(2 * kPage));
  ASSERT_FALSE(too_large.ok());
  EXPECT_EQ(too_large.failure().rule, "4.9") << too_large.failure().message;
  SYSMEM_EXPECT_OK(Allocate(asking_for(kPage)));
}

// Case CON-16
TEST_F(Con, LetsTheSizeAlignmentFlowIntoMinimumSizeAndStride) {
  sysmem::ImageConstraints image = Image(SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_COLOR_SPACE_SRGB);
  image.size_alignment = sysmem::Size{16, 8};
  image.required_max_size_list = {{32, 32}};
  auto buffers = Allocate({.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
                           .min_buffer_count = 1,
                           .image_formats = {image}});
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->settings().image->min_size.width, 16u);
  EXPECT_EQ(buffers->settings().image->min_size.height, 8u);
  EXPECT_EQ(buffers->settings().image->min_bytes_per_row, 64u);
}

// Case CON-17
TEST_F(Con, RoundsTheMinimumStrideUpToItsDivisor) {
  sysmem::ImageConstraints image = Image(SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_COLOR_SPACE_SRGB);
  image.min_size = sysmem::Size{254, 256};
  image.min_bytes_per_row = 256;
  OpenTail(image);
  image.size_alignment = sysmem::Size{1, 1};
  image.bytes_per_row_divisor = 64;
  image.start_offset_divisor = 1;
  image.display_rect_alignment = sysmem::Size{1, 1};
  auto buffers = Allocate(OneImage(image));
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->settings().image->min_bytes_per_row, 1024u);
}

// Case CON-19
TEST_F(Con, AppendsTheOldRequiredSizeToTheList) {
  sysmem::ImageConstraints image = Nv12WithOpenTail();
  image.required_max_size = sysmem::Size{512, 1024};
  auto buffers = Allocate(OneImage(image));
  SYSMEM_ASSERT_OK(buffers);
  using Sizes = std::vector<std::pair<uint32_t, uint32_t>>;
  EXPECT_EQ(RequiredMaxSizes(buffers->settings()), (Sizes{{512, 1024}}));
  EXPECT_GE(buffers->settings().size_bytes, kBytesOf512x1024);
}

// Case CON-20
TEST_F(Con, DoesNotLetTheListFlowBackIntoTheOldRequiredSize) {
  sysmem::ImageConstraints image = Nv12WithOpenTail();
  image.required_max_size_list = {{512, 1024}};
  auto buffers = Allocate(OneImage(image));
  SYSMEM_ASSERT_OK(buffers);
  using Sizes = std::vector<std::pair<uint32_t, uint32_t>>;
  EXPECT_EQ(RequiredMaxSizes(buffers->settings()), (Sizes{{512, 1024}}));
  EXPECT_EQ(buffers->settings().image->required_max_size.width, 0u);
  EXPECT_EQ(buffers->settings().image->required_max_size.height, 0u);
  EXPECT_GE(buffers->settings().size_bytes, kBytesOf512x1024);
}

// Case CON-22
TEST_F(Con, DropsRequiredSizesThatALargerOneOfAnotherCovers) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  auto child = root->Duplicate();
  SYSMEM_ASSERT_OK(child);
  auto one = std::move(*root).Bind();
  auto two = std::move(*child).Bind();
  sysmem::ImageConstraints image = Nv12WithOpenTail();
  image.required_max_size_list = {{500, 1000}, {1000, 500}};
  SYSMEM_EXPECT_OK(one->SetConstraints(OneImage(image)));
  image.required_max_size_list = {{502, 1002}, {1002, 502}};
  SYSMEM_EXPECT_OK(two->SetConstraints(OneImage(image)));
  using Sizes = std::vector<std::pair<uint32_t, uint32_t>>;
  for (sysmem::Collection* each : {&*one, &*two}) {
    auto buffers = each->Wait(Patience());
    SYSMEM_ASSERT_OK(buffers);
    const sysmem::Settings& settings = buffers->settings();
    EXPECT_EQ(RequiredMaxSizes(settings), (Sizes{{502, 1002}, {1002, 502}}));
    EXPECT_EQ(settings.image->required_max_size.width, 0u);
    EXPECT_GE(settings.size_bytes, 1002u * 502 * 3 / 2);
    EXPECT_LT(settings.size_bytes, 1002u * 1002 * 3 / 2);
  }
}

// Case CON-23
TEST_F(Con, AllocatesThreeNv12Images) {
  auto buffers = Allocate(Nv12());
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 3u);
  const sysmem::Settings& settings = buffers->settings();
  EXPECT_EQ(settings.size_bytes, 98304u);
  EXPECT_FALSE(settings.is_physically_contiguous);
  EXPECT_FALSE(settings.is_secure);
  EXPECT_EQ(settings.coherency_domain, SYSMEM_COHERENCY_DOMAIN_CPU);
  ASSERT_NE(settings.image, nullptr);
  EXPECT_EQ(settings.image->pixel_format, SYSMEM_PIXEL_FORMAT_NV12);
  for (size_t i = 0; i < buffers->count(); ++i) {
    EXPECT_GE((*buffers)[i].fd, 0);
    EXPECT_LE((*buffers)[i].usable_start + settings.size_bytes, settings.raw_size_bytes);
  }
  auto layout = buffers->Layout(256, 256);
  SYSMEM_ASSERT_OK(layout);
  EXPECT_EQ(layout->plane_count, 2u);
  EXPECT_EQ(layout->size_bytes, 98304u);
}

// Case CNT-1
TEST_F(Cnt, IsTheLargerOfCampingAndMinimum) {
  auto buffers = Allocate(RawBuffers({.cpu = kCpuReadWrite}));
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 5u);
}

// Case CNT-2
TEST_F(Cnt, FailsWithAMaximumOfZero) {
  EXPECT_FALSE(Basic([](sysmem::Constraints& constraints) { constraints.max_buffer_count = 0; }));
}

// Case CNT-4
TEST_F(Cnt, FailsWithMoreBuffersThanACollectionCanHave) {
  auto collection = client().CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetConstraints(sysmem::Constraints{
      .usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
      .min_buffer_count = static_cast<uint32_t>((1 << 30) / kPage),
      .memory = sysmem::MemoryConstraints{.min_size_bytes = kPage, .cpu_domain_supported = true}}));
  EXPECT_FALSE(collection->Wait(Patience()).ok());
  auto another = client().CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(another);
  SYSMEM_EXPECT_OK(another->Sync());
}

}  // namespace
}  // namespace sysmem::testing
