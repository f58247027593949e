// SPDX-License-Identifier: Apache-2.0
//
// The negotiation against trying everything (brute_force.h): raw buffers, and images of one format.
#include "tests/core/brute_force.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/plan_buffers.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

// 1. Sizes, domains and counts of raw buffers.

Constraints DrawRaw(RandomConstraints& random) {
  Constraints c;
  c.usage = random.OneIn(2) ? BufferUsage{.cpu = 1} : BufferUsage{.vulkan = 1};
  random.Maybe(c.min_buffer_count_for_camping, 2, random.Pick(0, 2));
  random.Maybe(c.min_buffer_count_for_shared_slack, 3, random.Pick(0, 2));
  random.Maybe(c.min_buffer_count, 3, random.Pick(0, 3));
  random.Maybe(c.max_buffer_count, 3, random.Pick(0, 5));
  MemoryConstraints memory;
  random.Maybe(memory.min_size_bytes, 2, random.Pick(0, 4));
  random.Maybe(memory.max_size_bytes, 3, random.Pick(0, 4));
  random.Maybe(memory.cpu_domain_supported, 2, !random.OneIn(3));
  random.Maybe(memory.ram_domain_supported, 2, !random.OneIn(3));
  random.Maybe(memory.inaccessible_domain_supported, 2, !random.OneIn(3));
  c.memory = memory;
  return c;
}

bool AcceptsDomain(const Constraints& c, CoherencyDomain domain) {
  const bool uses_cpu = c.usage->cpu != 0;
  switch (domain) {
    case CoherencyDomain::kCpu:
      return c.memory->cpu_domain_supported.value_or(true);
    case CoherencyDomain::kRam:
      return c.memory->ram_domain_supported.value_or(!uses_cpu);
    case CoherencyDomain::kInaccessible:
      return c.memory->inaccessible_domain_supported.value_or(!uses_cpu);
  }
  return false;
}

bool AcceptsRaw(const Constraints& c, uint64_t size, uint32_t count, CoherencyDomain domain) {
  // Whoever uses the CPU must be able to (C8), whatever is chosen in the end.
  const bool reachable = c.usage->cpu == 0 || AcceptsDomain(c, CoherencyDomain::kCpu) ||
                         AcceptsDomain(c, CoherencyDomain::kRam);
  return reachable && AcceptsDomain(c, domain) && size >= c.memory->min_size_bytes.value_or(0) &&
         size <= c.memory->max_size_bytes.value_or(UINT64_MAX) &&
         count >= c.min_buffer_count.value_or(0) &&
         count <= c.max_buffer_count.value_or(UINT32_MAX);
}

bool RawExists(const std::vector<Constraints>& all, const Result<Plan>&) {
  uint32_t camping = 0;
  uint32_t shared = 0;
  bool sized = false;
  for (const Constraints& c : all) {
    camping += c.min_buffer_count_for_camping.value_or(0);
    shared = std::max(shared, c.min_buffer_count_for_shared_slack.value_or(0));
    sized = sized || c.memory->min_size_bytes.value_or(0) > 0;
  }
  if (!sized) return false;
  // A count that nobody asked for is never chosen.
  uint32_t count = camping + shared;
  for (const Constraints& c : all) count = std::max(count, c.min_buffer_count.value_or(0));
  if (count == 0) return false;
  for (uint64_t size = 1; size <= 5; ++size) {
    for (uint32_t domain = 0; domain < 3; ++domain) {
      if (std::all_of(all.begin(), all.end(), [&](const Constraints& c) {
            return AcceptsRaw(c, size, count, CoherencyDomain{domain});
          })) {
        return true;
      }
    }
  }
  return false;
}

TEST(BruteForce, AgreesOnRawBuffers) { Compare(DrawRaw, RawExists); }

// 2. Sizes and strides of one image format, one byte or a half-sampled byte per pixel.

template <uint32_t kFormat>
Constraints DrawImage(RandomConstraints& random) {
  ImageFormatConstraints image = Image(kFormat, {color_space::kRec709});
  random.Maybe(image.min_size, 2, SizeU{random.Pick(0, 5), random.Pick(0, 5)});
  random.Maybe(image.max_size, 3, SizeU{random.Pick(2, 8), random.Pick(2, 8)});
  random.Maybe(image.size_alignment, 3, SizeU{1u << random.Pick(0, 2), 1u << random.Pick(0, 2)});
  random.Maybe(image.min_bytes_per_row, 4, random.Pick(0, 9));
  random.Maybe(image.max_bytes_per_row, 4, random.Pick(3, 14));
  random.Maybe(image.bytes_per_row_divisor, 3, random.Pick(1, 4));
  random.Maybe(image.max_width_times_height, 4, random.Pick(1, 30));
  if (random.OneIn(3)) image.required_max_size_list = {{random.Pick(1, 6), random.Pick(1, 6)}};
  Constraints c = CpuImages({image});
  random.Maybe(c.memory, 3, MemoryConstraints{.max_size_bytes = random.Pick(1, 60)});
  return c;
}

struct Shape {
  uint32_t width, height, row;
};

bool AcceptsShape(const ImageFormatConstraints& image, const Shape& shape) {
  const SizeU alignment = image.size_alignment.value_or(SizeU{1, 1});
  const SizeU min = image.min_size.value_or(SizeU{});
  const SizeU max = image.max_size.value_or(SizeU{kAllOnes, kAllOnes});
  return shape.width >= min.width && shape.height >= min.height && shape.width <= max.width &&
         shape.height <= max.height && shape.width % alignment.width == 0 &&
         shape.height % alignment.height == 0 && shape.row >= image.min_bytes_per_row.value_or(0) &&
         shape.row <= image.max_bytes_per_row.value_or(kAllOnes) &&
         shape.row % image.bytes_per_row_divisor.value_or(1) == 0 &&
         uint64_t{shape.width} * shape.height <= image.max_width_times_height.value_or(UINT64_MAX);
}

uint64_t MaxBytes(const Constraints& c) {
  return c.memory ? c.memory->max_size_bytes.value_or(UINT64_MAX) : UINT64_MAX;
}

// Some image that everybody accepts and that holds `required`.
template <uint32_t kFormat>
bool ImageExists(const std::vector<Constraints>& all, const SizeU& required) {
  const bool halved = kFormat == pixel_format::kNv12;
  const uint32_t step = halved ? 2 : 1;
  for (Shape shape{step, 0, 0}; shape.width <= 16; shape.width += step) {
    for (shape.height = step; shape.height <= 16; shape.height += step) {
      if (shape.width < required.width || shape.height < required.height) continue;
      for (shape.row = shape.width; shape.row <= 64; shape.row += step) {
        const uint64_t bytes = uint64_t{shape.row} * shape.height * (halved ? 3 : 2) / 2;
        if (std::all_of(all.begin(), all.end(), [&](const Constraints& c) {
              return AcceptsShape(c.image_formats[0], shape) && bytes <= MaxBytes(c);
            })) {
          return true;
        }
      }
    }
  }
  return false;
}

template <uint32_t kFormat>
bool AllImagesExist(const std::vector<Constraints>& all, const Result<Plan>&) {
  bool sized = false;
  if (!ImageExists<kFormat>(all, {0, 0})) return false;
  for (const Constraints& c : all) {
    const ImageFormatConstraints& image = c.image_formats[0];
    sized = sized || AsksForSize(c);
    for (const SizeU& required : image.required_max_size_list) {
      if (!ImageExists<kFormat>(all, required)) return false;
    }
  }
  return sized;
}

TEST(BruteForce, AgreesOnImagesOfOneBytePerPixel) {
  Compare(DrawImage<pixel_format::kR8>, AllImagesExist<pixel_format::kR8>);
}

TEST(BruteForce, AgreesOnImagesWithHalvedChroma) {
  Compare(DrawImage<pixel_format::kNv12>, AllImagesExist<pixel_format::kNv12>);
}

}  // namespace
}  // namespace sysmem::core
