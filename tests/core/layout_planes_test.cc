// SPDX-License-Identifier: Apache-2.0
//
// What holds for the planes of any layout: each lies inside the image, and none touches another.
#include <gtest/gtest.h>

#include <random>

#include "core/image_layout.h"
#include "core/pixel_format.h"
#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

std::vector<PixelFormatAndModifier> EverySupportedPair() {
  std::vector<uint64_t> modifiers = {modifier::kLinear,
                                     modifier::kIntelXTiled,
                                     modifier::kIntelYTiled,
                                     modifier::kIntelYfTiled,
                                     modifier::kIntelYTiledCcs,
                                     modifier::kIntelYfTiledCcs,
                                     modifier::kArmLinearTe,
                                     modifier::kArmAfbc16x16,
                                     modifier::kArmAfbc32x8,
                                     modifier::kArmAfbc16x16Te,
                                     modifier::kArmAfbc32x8Te,
                                     modifier::kGoogleGoldfishOptimal,
                                     modifier::kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader};
  std::vector<PixelFormatAndModifier> pairs;
  for (uint64_t modifier : modifiers) {
    for (uint32_t format = 0; format < 300; ++format) {
      if (IsSupported({format, modifier})) pairs.push_back({format, modifier});
    }
  }
  return pairs;
}

TEST(Planes, LieInsideTheImageOneAfterTheOther) {
  const uint32_t seed = recipes::Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  recipes::RandomConstraints random(seed);
  const std::vector<PixelFormatAndModifier> pairs = EverySupportedPair();
  ASSERT_EQ(pairs.size(), 20u + 3 * 5 + 2 * 4 + 20 + 5 * 4 + 20);
  for (int round = 0; round < 20000; ++round) {
    const PixelFormatAndModifier pair = random.AnyOf(pairs);
    const PixelFormatInfo& format = *FindPixelFormat(pair.pixel_format);
    const SizeU size{random.Pick(1, 5000) * format.min_divisor,
                     random.Pick(1, 5000) * format.min_divisor};
    const uint32_t row = MinimumRowBytes(pair, {.bytes_per_row_divisor = 2}, size.width)
                             .value_or(size.width * format.stride_bytes_per_pixel);
    const ImageLayout image{pair, size, row};
    SCOPED_TRACE(PairName(pair) + " " + std::to_string(size.width) + "x" +
                 std::to_string(size.height));
    const uint64_t bytes = ImageSize(image).value();
    uint64_t end = 0;
    for (uint32_t plane = 0; plane < kMaxPlanes; ++plane) {
      const std::optional<uint64_t> offset = PlaneOffset(image, plane);
      const std::optional<uint32_t> row_bytes = PlaneRowBytes(image, plane);
      const std::optional<uint32_t> rows = PlaneRows(image, plane);
      ASSERT_EQ(row_bytes.has_value(), offset.has_value()) << plane;
      ASSERT_EQ(rows.has_value(), offset.has_value()) << plane;
      if (!offset) continue;
      ASSERT_GE(*offset, end) << plane;
      end = *offset + uint64_t{*row_bytes} * *rows;
    }
    ASSERT_LE(end, bytes);
    ASSERT_EQ(PlaneOffset(image, kMaxPlanes), std::nullopt);
  }
}

}  // namespace
}  // namespace sysmem::core
