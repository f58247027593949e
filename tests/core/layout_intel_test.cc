// SPDX-License-Identifier: Apache-2.0
//
// Intel tilings against the rows of image-formats.md section 11.
#include <gtest/gtest.h>

#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

namespace pf = pixel_format;
namespace mod = modifier;
constexpr std::optional<uint64_t> kNone;

struct Vector {
  uint64_t modifier;
  uint32_t format;
  SizeU size;
  uint32_t bytes_per_row;
  uint64_t image_size;
  std::optional<uint64_t> plane1;
  std::optional<uint64_t> control;  // plane 3
  std::optional<uint32_t> control_row_bytes;
};

const Vector kVectors[] = {
    {mod::kIntelXTiled, pf::kR8G8B8A8, {1, 1}, 512, 4096, kNone, kNone, {}},
    {mod::kIntelXTiled, pf::kR8G8B8A8, {1920, 1080}, 7680, 8294400, kNone, kNone, {}},
    {mod::kIntelXTiled, pf::kR8G8B8A8, {1366, 768}, 5632, 4325376, kNone, kNone, {}},
    {mod::kIntelYTiled, pf::kR8G8B8A8, {1920, 1080}, 7680, 8355840, kNone, kNone, {}},
    {mod::kIntelYfTiled, pf::kB8G8R8X8, {1920, 1080}, 7680, 8355840, kNone, kNone, {}},
    {mod::kIntelYTiledCcs, pf::kR8G8B8A8, {1920, 1080}, 7680, 8380416, kNone, 8355840, 256},
    {mod::kIntelYfTiledCcs, pf::kB8G8R8A8, {1920, 1080}, 7680, 8380416, kNone, 8355840, 256},
    {mod::kIntelYTiledCcs, pf::kR8G8B8A8, {3840, 2160}, 15360, 33505280, kNone, 33423360, 512},
    {mod::kIntelYTiled, pf::kNv12, {1920, 1080}, 1920, 3133440, 2088960, kNone, {}},
    {mod::kIntelXTiled, pf::kNv12, {1920, 1080}, 2048, 3325952, 2211840, kNone, {}},
};

TEST(IntelTiledLayout, AgreesWithTheTestVectorsOfTheSpecification) {
  for (const Vector& v : kVectors) {
    const ImageLayout image{{v.format, v.modifier}, v.size, v.bytes_per_row};
    SCOPED_TRACE(PairName(image.format) + " " + std::to_string(v.size.width));
    EXPECT_EQ(ImageSize(image), v.image_size);
    EXPECT_EQ(PlaneOffset(image, 0), 0u);
    EXPECT_EQ(PlaneOffset(image, 1), v.plane1);
    EXPECT_EQ(PlaneOffset(image, 2), kNone);
    EXPECT_EQ(PlaneOffset(image, 3), v.control);
    EXPECT_EQ(PlaneOffset(image, 4), kNone);
    EXPECT_EQ(PlaneRowBytes(image, 3), v.control_row_bytes);
  }
}

TEST(IntelTiledLayout, RowsOfImagePlanesAreWholeTiles) {
  const ImageLayout rgba{{pf::kR8G8B8A8, mod::kIntelYTiled}, {1920, 1080}, 7680};
  EXPECT_EQ(PlaneRowBytes(rgba, 0), 7680u);
  EXPECT_EQ(PlaneRowBytes(rgba, 1), std::nullopt);
  const ImageLayout nv12{{pf::kNv12, mod::kIntelXTiled}, {1920, 1080}, 1920};
  EXPECT_EQ(PlaneRowBytes(nv12, 0), 2048u);
  EXPECT_EQ(PlaneRowBytes(nv12, 1), 2048u);
  EXPECT_EQ(PlaneRowBytes(nv12, 2), std::nullopt);
  EXPECT_EQ(PlaneRows(rgba, 0), 1088u);
  EXPECT_EQ(PlaneRows(rgba, 1), std::nullopt);
  EXPECT_EQ(PlaneRows(nv12, 0), 1080u);
  EXPECT_EQ(PlaneRows(nv12, 1), 544u);
}

struct RowVector {
  uint64_t modifier;
  uint32_t format;
  uint32_t width;
  RowLimits limits;
  std::optional<uint32_t> row;
};

TEST(IntelTiledLayout, MinimumRowBytesAgreeWithTheTestVectorsOfTheSpecification) {
  const RowLimits narrow{.max_size = {6, UINT32_MAX}, .size_alignment = {4, 1}};
  const RowVector vectors[] = {
      {mod::kIntelXTiled, pf::kR8G8B8A8, 5, narrow, std::nullopt},
      {mod::kIntelXTiled, pf::kR8G8B8A8, 1366, {}, 5632},
      {mod::kIntelXTiled, pf::kR8G8B8A8, 1366, {.bytes_per_row_divisor = 600}, 6144},
      {mod::kIntelYTiled, pf::kR8G8B8A8, 1366, {}, 5504},
      {mod::kIntelYTiled, pf::kR8G8B8A8, 1366, {.bytes_per_row_divisor = 192}, 5632},
      {mod::kIntelYTiledCcs, pf::kR8G8B8A8, 1366, {}, 5504},
      {mod::kIntelXTiled, pf::kNv12, 1920, {}, 2048},
      {mod::kIntelYTiled, pf::kNv12, 1366, {}, 1408},
      {mod::kIntelYTiled, pf::kNv12, 1366, {.max_bytes_per_row = 1407}, std::nullopt},
      {mod::kIntelYTiled, pf::kNv12, 1366, {.min_bytes_per_row = 1409}, 1536},
  };
  for (const RowVector& v : vectors) {
    EXPECT_EQ(MinimumRowBytes({v.format, v.modifier}, v.limits, v.width), v.row)
        << ModifierName(v.modifier) << " " << v.width;
  }
}

// Q3: the original accepts NV12 with a control surface that it measures by the wrong plane.
TEST(IntelTiledLayout, HasAControlSurfaceForRgbOnlyAndNotWithXTiles) {
  for (uint32_t format : {pf::kR8G8B8A8, pf::kR8G8B8X8, pf::kB8G8R8A8, pf::kB8G8R8X8}) {
    for (uint64_t modifier : {mod::kIntelXTiled, mod::kIntelYTiled, mod::kIntelYfTiled,
                              mod::kIntelYTiledCcs, mod::kIntelYfTiledCcs}) {
      EXPECT_TRUE(IsSupported({format, modifier})) << PairName({format, modifier});
    }
    EXPECT_FALSE(IsSupported({format, mod::kIntelXTiled | mod::kIntelCcsBit}));
  }
  EXPECT_TRUE(IsSupported({pf::kNv12, mod::kIntelYfTiled}));
  EXPECT_FALSE(IsSupported({pf::kNv12, mod::kIntelYTiledCcs}));
  EXPECT_FALSE(IsSupported({pf::kP010, mod::kIntelYTiled}));
  EXPECT_FALSE(IsSupported({pf::kR8, mod::kIntelXTiled}));
  EXPECT_FALSE(IsSupported({pf::kR8G8B8A8, mod::kIntelYfTiled + 1}));
}

// Q4: the original tells an offset of plane 3 whether there is one or not.
TEST(IntelTiledLayout, HasNoPlaneThreeWithoutAControlSurface) {
  EXPECT_EQ(PlaneOffset({{pf::kR8G8B8A8, mod::kIntelYTiled}, {64, 64}, 256}, 3), kNone);
}

TEST(IntelTiledLayout, EndsAtFourGibibytesPerPlane) {
  const PixelFormatAndModifier x{pf::kR8G8B8A8, mod::kIntelXTiled};
  constexpr uint32_t kRow = 1u << 20;
  EXPECT_EQ(ImageSize({x, {1, 4088}, kRow}), uint64_t{4088} * kRow);
  EXPECT_EQ(ImageSize({x, {1, 4089}, kRow}), kNone);
  EXPECT_EQ(ImageSize({x, {1, UINT32_MAX}, UINT32_MAX}), kNone);
  EXPECT_EQ(PlaneRowBytes({x, {1, 1}, UINT32_MAX}, 0), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(x, {}, UINT32_MAX), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(x, {.bytes_per_row_divisor = UINT32_MAX}, 1), std::nullopt);
  EXPECT_EQ(MinimumRowBytes(x, {.min_bytes_per_row = UINT32_MAX}, 1), std::nullopt);
  const PixelFormatAndModifier nv12{pf::kNv12, mod::kIntelXTiled};
  EXPECT_EQ(PlaneOffset({nv12, {2, 4090}, kRow}, 1), kNone);
  EXPECT_EQ(ImageSize({nv12, {2, UINT32_MAX}, 512}), kNone);
}

}  // namespace
}  // namespace sysmem::core
