// SPDX-License-Identifier: Apache-2.0
//
// The negotiation against trying everything (brute_force.h): sizes of tiled and compressed images.
// Limits of rows are whole tiles here, and divisors powers of two: the rules take the smallest row
// of a tiled image as whole tiles, but measure an image by the rows of its pixels (I16e, 4.9 step
// 2). Between the two they ask for more than there need be.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/brute_force.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

constexpr uint32_t kPixelBytes = 4;
constexpr uint32_t kWidest = 40;
constexpr uint32_t kHighest = 40;

template <typename T>
T Cells(T length, T cell) {
  return (length + cell - 1) / cell;
}

struct Shape {
  uint32_t width, height, row;
};

// The arithmetic of image-formats.md 7.2 to 7.5 for R8G8B8A8, written out for small images.
uint64_t XTiledBytes(const Shape& s) {
  return uint64_t{Cells(s.row, 512u)} * Cells(s.height, 8u) * 4096;
}
uint64_t YTiledCcsBytes(const Shape& s) {
  const uint32_t across = Cells(s.row, 128u);
  const uint32_t down = Cells(s.height, 32u);
  return uint64_t{across * down + Cells(across, 32u) * Cells(down, 16u)} * 4096;
}
uint64_t WithTe(uint64_t bytes, const Shape& s) {
  const uint32_t row = Cells(Cells(s.width, 32u) * 16, 64u) * 64;
  return Cells<uint64_t>(bytes, 64) * 64 + 64 + uint64_t{row} * 2 * Cells(s.height, 32u);
}
uint64_t AfbcTeBytes(const Shape& s) {
  const uint32_t blocks = Cells(s.width, 16u) * Cells(s.height, 16u);
  return WithTe(blocks * 1024 + Cells(blocks * 16, 1024u) * 1024, s);
}
uint64_t LinearTeBytes(const Shape& s) { return WithTe(uint64_t{s.row} * s.height, s); }

struct Layout {
  uint64_t modifier;
  uint64_t (*bytes)(const Shape&);
  uint32_t row_unit;  // bytes; 0: bytes_per_row means nothing
};

Constraints DrawImage(RandomConstraints& random, const Layout& layout) {
  ImageFormatConstraints image = Rgba();
  image.pixel_format_modifier = layout.modifier;
  random.Maybe(image.min_size, 2, SizeU{random.Pick(0, 20), random.Pick(0, 20)});
  random.Maybe(image.max_size, 3, SizeU{random.Pick(8, 40), random.Pick(8, 40)});
  random.Maybe(image.size_alignment, 3, SizeU{1u << random.Pick(0, 3), 1u << random.Pick(0, 3)});
  random.Maybe(image.max_width_times_height, 4, random.Pick(1, 900));
  if (layout.row_unit != 0) {
    const uint32_t units = Cells(random.Pick(32, 160), layout.row_unit);
    random.Maybe(image.max_bytes_per_row, 5, units * layout.row_unit);
    random.Maybe(image.bytes_per_row_divisor, 3, 1u << random.Pick(0, 4));
  }
  if (random.OneIn(3)) image.required_max_size_list = {{random.Pick(1, 36), random.Pick(1, 36)}};
  Constraints c = CpuImages({image});
  if (random.OneIn(2)) {
    // Near what some image takes, so that a byte more or less counts.
    const Shape shape{random.Pick(1, 36), random.Pick(1, 36), 4 * random.Pick(1, 36)};
    c.memory = MemoryConstraints{.max_size_bytes = layout.bytes(shape) - random.Pick(0, 1)};
  }
  return c;
}

bool Accepts(const Constraints& c, const Shape& shape, uint64_t bytes) {
  const ImageFormatConstraints& image = c.image_formats[0];
  const SizeU alignment = image.size_alignment.value_or(SizeU{1, 1});
  const SizeU min = image.min_size.value_or(SizeU{});
  const SizeU max = image.max_size.value_or(SizeU{kAllOnes, kAllOnes});
  return shape.width >= min.width && shape.height >= min.height && shape.width <= max.width &&
         shape.height <= max.height && shape.width % alignment.width == 0 &&
         shape.height % alignment.height == 0 &&
         shape.row <= image.max_bytes_per_row.value_or(kAllOnes) &&
         shape.row % image.bytes_per_row_divisor.value_or(1) == 0 &&
         uint64_t{shape.width} * shape.height <=
             image.max_width_times_height.value_or(UINT64_MAX) &&
         bytes <= (c.memory ? c.memory->max_size_bytes.value_or(UINT64_MAX) : UINT64_MAX);
}

// Some image that everybody accepts and that holds `required`.
bool ImageExists(const std::vector<Constraints>& all, const Layout& layout, const SizeU& required) {
  for (Shape shape{std::max(1u, required.width), 0, 0}; shape.width <= kWidest; ++shape.width) {
    for (shape.height = std::max(1u, required.height); shape.height <= kHighest; ++shape.height) {
      const uint32_t first = shape.width * kPixelBytes;
      const uint32_t last = layout.row_unit != 0 ? first + 64 : first;
      for (shape.row = first; shape.row <= last; shape.row += kPixelBytes) {
        const uint64_t bytes = layout.bytes(shape);
        if (std::all_of(all.begin(), all.end(),
                        [&](const Constraints& c) { return Accepts(c, shape, bytes); })) {
          return true;
        }
      }
    }
  }
  return false;
}

bool AllImagesExist(const std::vector<Constraints>& all, const Layout& layout) {
  bool sized = false;
  if (!ImageExists(all, layout, {0, 0})) return false;
  for (const Constraints& c : all) {
    sized = sized || AsksForSize(c);
    for (const SizeU& required : c.image_formats[0].required_max_size_list) {
      if (!ImageExists(all, layout, required)) return false;
    }
  }
  return sized;
}

void CompareLayout(const Layout& layout) {
  Compare([&layout](RandomConstraints& random) { return DrawImage(random, layout); },
          [&layout](const std::vector<Constraints>& all, const Result<Plan>&) {
            return AllImagesExist(all, layout);
          },
          4000);
}

TEST(BruteForce, AgreesOnXTiledImages) {
  CompareLayout({modifier::kIntelXTiled, XTiledBytes, 512});
}
TEST(BruteForce, AgreesOnYTiledImagesWithAControlSurface) {
  CompareLayout({modifier::kIntelYTiledCcs, YTiledCcsBytes, 128});
}
TEST(BruteForce, AgreesOnCompressedImagesWithTransactionElimination) {
  CompareLayout({modifier::kArmAfbc16x16Te, AfbcTeBytes, 0});
}
TEST(BruteForce, AgreesOnLinearImagesWithTransactionElimination) {
  CompareLayout({modifier::kArmLinearTe, LinearTeBytes, 4});
}

}  // namespace
}  // namespace sysmem::core
