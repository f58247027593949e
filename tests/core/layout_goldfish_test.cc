// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

// Q11: the original takes any number, invalid ones too.
TEST(GoldfishLayout, TakesTheFormatsThatHaveALinearSizeAndNoOther) {
  for (uint32_t format = 0; format < 300; ++format) {
    EXPECT_EQ(IsSupported({format, modifier::kGoogleGoldfishOptimal}),
              IsSupported({format, modifier::kLinear}))
        << format;
  }
  EXPECT_FALSE(IsSupported({pixel_format::kDoNotCare, modifier::kGoogleGoldfishOptimal}));
}

TEST(GoldfishLayout, TakesAsManyBytesAsALinearImageInOnePlane) {
  const PixelFormatAndModifier pair{pixel_format::kNv12, modifier::kGoogleGoldfishOptimal};
  const ImageLayout image{pair, {1920, 1080}, 1920};
  EXPECT_EQ(ImageSize(image), 3110400u);
  EXPECT_EQ(PlaneOffset(image, 0), 0u);
  EXPECT_EQ(PlaneRowBytes(image, 0), 1920u);
  for (uint32_t plane : {1, 2, 3}) {
    EXPECT_EQ(PlaneOffset(image, plane), std::nullopt);
    EXPECT_EQ(PlaneRowBytes(image, plane), std::nullopt);
  }
  EXPECT_FALSE(IsNonTiledSinglePlane(pair));
  EXPECT_TRUE(IsCompatibleWithProtectedMemory(pair));
}

TEST(GoldfishLayout, HasNoSmallestRow) {
  EXPECT_EQ(MinimumRowBytes({pixel_format::kR8G8B8A8, modifier::kGoogleGoldfishOptimal}, {}, 64),
            std::nullopt);
}

}  // namespace
}  // namespace sysmem::core
