// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/conformance_recipes.h"

#include <unistd.h>

#include <algorithm>

namespace sysmem::testing {

sysmem::MemoryConstraints CpuOnly(uint64_t min_bytes, std::optional<uint64_t> max_bytes) {
  return {.min_size_bytes = min_bytes,
          .max_size_bytes = max_bytes,
          .physically_contiguous_required = false,
          .secure_required = false,
          .cpu_domain_supported = true,
          .ram_domain_supported = false,
          .inaccessible_domain_supported = false};
}

sysmem::Constraints Picky(uint64_t bytes) {
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = 1,
          .memory = CpuOnly(bytes, bytes)};
}

sysmem::Constraints Camp(uint32_t count) {
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = count,
          .memory = CpuOnly(kPage, kPage)};
}

void OpenTail(sysmem::ImageConstraints& image) {
  image.max_size = sysmem::Size{kMax32, kMax32};
  image.max_bytes_per_row = kMax32;
  image.max_width_times_height = kMax32;
}

sysmem::ImageConstraints Image(uint32_t format, uint32_t color_space) {
  return {.pixel_format = format, .color_spaces = {color_space}};
}

sysmem::Constraints Nv12() {
  sysmem::ImageConstraints image = Image(SYSMEM_PIXEL_FORMAT_NV12, SYSMEM_COLOR_SPACE_REC709);
  image.min_size = sysmem::Size{256, 256};
  image.min_bytes_per_row = 256;
  OpenTail(image);
  image.size_alignment = sysmem::Size{2, 2};
  image.bytes_per_row_divisor = 2;
  image.start_offset_divisor = 2;
  image.display_rect_alignment = sysmem::Size{1, 1};
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = 3,
          .memory = CpuOnly(65536, 131072),
          .image_formats = {image}};
}

bool IsZero(const sysmem::Buffers& buffers, size_t index) {
  std::vector<uint8_t> bytes(buffers.settings().raw_size_bytes, 0xff);
  const ssize_t size = ::pread(buffers[index].fd, bytes.data(), bytes.size(), 0);
  EXPECT_EQ(static_cast<size_t>(size), bytes.size());
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

sysmem::Collection Conformance::Single() {
  auto token = client().CreateToken();
  auto collection = std::move(*token).Bind();
  EXPECT_TRUE(collection.ok());
  SYSMEM_EXPECT_OK(collection->SetName(1000000, "sysmem-test-v2"));
  return *std::move(collection);
}

sysmem::Result<sysmem::Buffers> Conformance::Allocate(const sysmem::Constraints& constraints) {
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.SetConstraints(constraints));
  return collection.Wait(Patience());
}

bool Conformance::Basic(const std::function<void(sysmem::Constraints&)>& change) {
  sysmem::Constraints constraints = Nv12();
  change(constraints);
  auto buffers = Allocate(constraints);
  return buffers.ok() && IsZero(*buffers, 0);
}

}  // namespace sysmem::testing
