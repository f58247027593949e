// SPDX-License-Identifier: Apache-2.0
//
// Conformance: coherency domains and heaps (HEAP) and padding (PAD), through the library and the
// wire.
#include <sys/stat.h>

#include <optional>
#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

class Heap : public Conformance {};
class Pad : public Conformance {};

// A page of system RAM in the INACCESSIBLE domain.
sysmem::Constraints InaccessibleRam(const sysmem::Usage& usage, std::optional<uint64_t> heap_id) {
  sysmem::MemoryConstraints memory = CpuOnly(kPage, kPage);
  memory.cpu_domain_supported = false;
  memory.inaccessible_domain_supported = true;
  memory.permitted_heaps = {{{.heap_type = SYSMEM_HEAP_SYSTEM_RAM, .id = heap_id}}};
  return {.usage = usage, .min_buffer_count_for_camping = 1, .memory = memory};
}

// Case HEAP-1, without the demand for contiguous memory.
TEST_F(Heap, AHeapWithoutAnIdIsTheOneWithIdZero) {
  for (const std::optional<uint64_t> id : {std::optional<uint64_t>(0), std::optional<uint64_t>()}) {
    auto buffers =
        Allocate(InaccessibleRam({.vulkan = SYSMEM_VULKAN_IMAGE_USAGE_TRANSFER_DST}, id));
    SYSMEM_ASSERT_OK(buffers);
    EXPECT_EQ(buffers->count(), 1u);
    EXPECT_EQ(buffers->settings().coherency_domain, SYSMEM_COHERENCY_DOMAIN_INACCESSIBLE);
    EXPECT_STREQ(buffers->settings().heap_type, SYSMEM_HEAP_SYSTEM_RAM);
    EXPECT_EQ(buffers->settings().heap_id, 0u);
  }
}

// Case HEAP-2, without the demand for contiguous memory, which would fail by itself.
TEST_F(Heap, CpuUsageCannotLiveInTheInaccessibleDomain) {
  EXPECT_TRUE(
      IsClosedOrIntersectionEmpty(Why(Allocate(InaccessibleRam({.cpu = kCpuReadWrite}, 0)))));
}

// Case HEAP-4
TEST_F(Heap, ACpuUserWhoSaysNothingOfDomainsImpliesTheCpuDomain) {
  sysmem::MemoryConstraints all_domains = CpuOnly(1, kMax32);
  all_domains.ram_domain_supported = true;
  all_domains.inaccessible_domain_supported = true;
  const Outcomes outcomes =
      Pair({.usage = sysmem::Usage{.cpu = kCpuReadWrite}, .min_buffer_count_for_camping = 1},
           {.usage = sysmem::Usage{.display = SYSMEM_DISPLAY_USAGE_LAYER},
            .min_buffer_count_for_camping = 1,
            .memory = all_domains});
  SYSMEM_ASSERT_OK(outcomes.parent);
  EXPECT_EQ(outcomes.parent->settings().coherency_domain, SYSMEM_COHERENCY_DOMAIN_CPU);
}

// Case HEAP-7
TEST_F(Heap, CpuUsageMayTolerateTheInaccessibleDomain) {
  sysmem::MemoryConstraints memory = CpuOnly(65536, 131072);
  memory.inaccessible_domain_supported = true;
  auto buffers = Allocate({.usage = sysmem::Usage{.cpu = kCpuReadWrite},
                           .min_buffer_count_for_camping = 3,
                           .memory = memory});
  ASSERT_TRUE(HasSize(buffers, 65536));
  EXPECT_EQ(buffers->count(), 3u);
  EXPECT_EQ(buffers->settings().coherency_domain, SYSMEM_COHERENCY_DOMAIN_CPU);
  EXPECT_EQ(buffers->settings().image, nullptr);
  for (size_t i = 0; i < buffers->count(); ++i) {
    struct stat status {};
    ASSERT_EQ(::fstat((*buffers)[i].fd, &status), 0);
    EXPECT_EQ(status.st_size, 65536);
  }
}

constexpr uint64_t kImageBytes = 835200;        // 450 x 450 in rows of 1856
constexpr uint64_t kPaddedBytes = 205 * kPage;  // and a page more than without padding

// One buffer with an R8G8B8A8 image of 450 x 450 in rows that are a multiple of 64 bytes.
sysmem::Constraints Image450() {
  sysmem::ImageConstraints image =
      Image(SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_COLOR_SPACE_PASSTHROUGH);
  image.pixel_format_modifier = SYSMEM_MODIFIER_LINEAR;
  image.min_size = sysmem::Size{450, 450};
  image.max_size = sysmem::Size{450, 450};
  image.bytes_per_row_divisor = 64;
  image.size_alignment = sysmem::Size{1, 1};
  image.max_bytes_per_row = kMax32;
  return {.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
          .min_buffer_count = 1,
          .image_formats = {image}};
}

void ExpectPadding(const sysmem::Result<sysmem::Buffers>& outcome) {
  ASSERT_TRUE(HasSize(outcome, kImageBytes));
  EXPECT_EQ(outcome->settings().raw_size_bytes, kPaddedBytes);
  struct stat status {};
  ASSERT_EQ(::fstat((*outcome)[0].fd, &status), 0);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), kPaddedBytes);
}

// Case PAD-1
TEST_F(Pad, APageForBlocksIsProvidedBehindTheSize) {
  sysmem::Constraints constraints = Image450();
  auto plain = Allocate(constraints);
  ASSERT_TRUE(HasSize(plain, kImageBytes));
  EXPECT_EQ(plain->settings().raw_size_bytes, kPaddedBytes - kPage);
  constraints.image_formats.front().pad_for_block_size = sysmem::Size{4, 4};
  ExpectPadding(Allocate(constraints));
}

// An image that leaves a page to be read behind it.
sysmem::Constraints ImageWithPageBeyond() {
  sysmem::Constraints constraints = Image450();
  constraints.image_formats.front().pad_beyond_image_size_bytes = kPage;
  return constraints;
}

// Case PAD-2, with strong buffers.
TEST_F(Pad, APageBeyondTheImageIsProvidedBehindTheSize) {
  ExpectPadding(Pair(ImageWithPageBeyond(), ImageWithPageBeyond()).child);
}

// Case PAD-2, with weak buffers.
TEST_F(Pad, APageBeyondTheImageIsProvidedInWeakBuffersToo) {
  sysmem::Token root = Root();
  sysmem::Token weak = Dup(root);
  SYSMEM_EXPECT_OK(weak.SetWeak());
  sysmem::Collection parent = Bind(std::move(root));
  sysmem::Collection child = Bind(std::move(weak));
  SYSMEM_EXPECT_OK(child.SetWeakOk());
  SYSMEM_EXPECT_OK(parent.SetConstraints(ImageWithPageBeyond()));
  SYSMEM_EXPECT_OK(child.SetConstraints(ImageWithPageBeyond()));
  ExpectPadding(Wait(child));
}

}  // namespace
}  // namespace sysmem::testing
