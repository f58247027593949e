// SPDX-License-Identifier: Apache-2.0
//
// Arm frame buffer compression and transaction elimination against the rows of image-formats.md
// section 11.
#include <gtest/gtest.h>

#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

namespace pf = pixel_format;
namespace mod = modifier;
constexpr std::optional<uint64_t> kNone;

constexpr uint64_t k16x16 = mod::kArmAfbc16x16;
constexpr uint64_t k32x8 = mod::kArmAfbc32x8;
constexpr uint64_t kTe = mod::kArmTeBit;
constexpr uint64_t kTiled = mod::kArmTiledHeaderBit;

struct Vector {
  uint64_t modifier;
  SizeU size;
  uint64_t image_size;
  std::optional<uint64_t> te_offset;
  std::optional<uint32_t> te_row_bytes;
};

const Vector kVectors[] = {
    {k16x16, {1920, 1080}, 8486912, kNone, {}},
    {k16x16 | kTiled, {1920, 1080}, 8986624, kNone, {}},
    {k16x16 | kTe, {1920, 1080}, 8552256, 8486912, 960},
    {k16x16 | kTe | kTiled, {1920, 1080}, 9051968, 8986624, 960},
    {k32x8, {1920, 1080}, 8424448, kNone, {}},
    {k32x8 | kTiled, {1920, 1080}, 9052160, kNone, {}},
    {k32x8 | kTe, {1920, 1080}, 8489792, 8424448, 960},
    {k16x16, {1, 1}, 2048, kNone, {}},
    {k16x16 | kTiled, {1, 1}, 69632, kNone, {}},
    {k16x16 | kTe, {1000, 1000}, 4161600, 4128768, 512},
};

TEST(ArmAfbcLayout, AgreesWithTheTestVectorsOfTheSpecification) {
  for (const Vector& v : kVectors) {
    const ImageLayout image{{pf::kR8G8B8A8, v.modifier}, v.size, 4711};
    SCOPED_TRACE(ModifierName(v.modifier) + " " + std::to_string(v.size.width));
    EXPECT_EQ(ImageSize(image), v.image_size);
    EXPECT_EQ(PlaneOffset(image, 0), 0u);
    EXPECT_EQ(PlaneRowBytes(image, 0), 0u) << "there is no stride (Q6)";
    for (uint32_t plane : {1, 2, 4}) {
      EXPECT_EQ(PlaneOffset(image, plane), kNone);
      EXPECT_EQ(PlaneRowBytes(image, plane), std::nullopt);
    }
    EXPECT_EQ(PlaneOffset(image, 3), v.te_offset);
    EXPECT_EQ(PlaneRowBytes(image, 3), v.te_row_bytes);
  }
}

constexpr uint64_t kFlags[] = {mod::kArmYuvBit, mod::kArmSplitBlockBit, mod::kArmSparseBit,
                               mod::kArmBchBit, mod::kArmTeBit,         mod::kArmTiledHeaderBit};

// The block size with every combination of the six flags.
std::vector<uint64_t> EveryAfbcModifier() {
  std::vector<uint64_t> all;
  for (uint64_t modifier : {k16x16, k32x8}) {
    for (uint32_t choice = 0; choice < 64; ++choice) {
      uint64_t flags = 0;
      for (uint32_t i = 0; i < 6; ++i) flags |= (choice >> i & 1) != 0 ? kFlags[i] : 0;
      all.push_back(modifier | flags);
    }
  }
  return all;
}

TEST(ArmAfbcLayout, TakesEveryCombinationOfFlagsOfWhichOnlyTwoChangeTheSize) {
  for (uint64_t modifier : EveryAfbcModifier()) {
    SCOPED_TRACE(ModifierName(modifier));
    for (uint32_t format : {pf::kR8G8B8A8, pf::kR8G8B8X8, pf::kB8G8R8A8, pf::kB8G8R8X8}) {
      EXPECT_TRUE(IsSupported({format, modifier}));
    }
    EXPECT_FALSE(IsSupported({pf::kNv12, modifier}));
    const uint64_t plain = modifier & (k16x16 | k32x8 | kTe | kTiled);
    EXPECT_EQ(ImageSize({{pf::kB8G8R8A8, modifier}, {1000, 700}, 0}),
              ImageSize({{pf::kR8G8B8A8, plain}, {1000, 700}, 0}));
    // FMT-1: transaction elimination sometimes needs writes by the CPU.
    EXPECT_EQ(IsCompatibleWithProtectedMemory({pf::kR8G8B8A8, modifier}), (modifier & kTe) == 0);
    EXPECT_FALSE(IsNonTiledSinglePlane({pf::kR8G8B8A8, modifier}));
  }
}

TEST(ArmAfbcLayout, NeedsABlockSizeAndNoBitBesideTheFlags) {
  for (uint64_t modifier : {uint64_t{0x0800000000000000}, uint64_t{0x0800000000000003},
                            k16x16 | 0x100, k16x16 | 0x4000, mod::kArmYuvBit | k16x16 << 8}) {
    EXPECT_FALSE(IsSupported({pf::kR8G8B8A8, modifier})) << ModifierName(modifier);
  }
}

// Q5: with tiled headers the numbers mean nothing; they are kept because clients may compare them.
TEST(ArmAfbcLayout, MinimumRowBytesAgreeWithTheTestVectorsOfTheSpecification) {
  const RowLimits ignored{.size_alignment = {64, 64},
                          .min_bytes_per_row = 100000,
                          .max_bytes_per_row = 10,
                          .bytes_per_row_divisor = 7};
  for (const RowLimits& limits : {RowLimits{}, ignored}) {
    EXPECT_EQ(MinimumRowBytes({pf::kR8G8B8A8, k16x16}, limits, 1920), 7680u);
    EXPECT_EQ(MinimumRowBytes({pf::kR8G8B8A8, k16x16 | kTiled}, limits, 1920), 960u);
    EXPECT_EQ(MinimumRowBytes({pf::kR8G8B8A8, k32x8 | kTiled}, limits, 1920), 1024u);
  }
  EXPECT_EQ(MinimumRowBytes({pf::kR8G8B8A8, k16x16}, {.min_size = {8, 8}}, 7), std::nullopt);
  EXPECT_EQ(MinimumRowBytes({pf::kR8G8B8A8, k16x16}, {.max_size = {8, 8}}, 9), std::nullopt);
  EXPECT_EQ(MinimumRowBytes({pf::kR8G8B8A8, k16x16}, {}, UINT32_MAX), std::nullopt);
}

TEST(ArmAfbcLayout, WhatDoesNotFit64BitsIsEmpty) {
  for (uint64_t modifier : EveryAfbcModifier()) {
    const ImageLayout image{{pf::kR8G8B8A8, modifier}, {UINT32_MAX, UINT32_MAX}, 0};
    EXPECT_EQ(ImageSize(image), kNone);
    EXPECT_EQ(PlaneOffset(image, 3), kNone);
  }
  EXPECT_EQ(ImageSize({{pf::kR8G8B8A8, k16x16}, {UINT32_MAX, 16}, 0}),
            (uint64_t{1} << 28) * (16 * 16 * 4 + 16));
}

struct TeVector {
  uint32_t format;
  SizeU size;
  uint32_t bytes_per_row;
  uint64_t te_offset;
  uint64_t image_size;
};

TEST(ArmLinearTeLayout, AgreesWithTheTestVectorsOfTheSpecification) {
  const TeVector vectors[] = {
      {pf::kR8G8B8A8, {1920, 1080}, 7680, 8294400, 8359744},
      {pf::kNv12, {1920, 1080}, 1920, 3110400, 3175744},
      {pf::kR8G8B8A8, {33, 33}, 132, 4416, 4736},
  };
  for (const TeVector& v : vectors) {
    const ImageLayout image{{v.format, mod::kArmLinearTe}, v.size, v.bytes_per_row};
    EXPECT_EQ(ImageSize(image), v.image_size);
    EXPECT_EQ(PlaneOffset(image, 3), v.te_offset);
  }
}

TEST(ArmLinearTeLayout, IsALinearImageWithAnotherPlane) {
  int supported = 0;
  for (uint32_t format = 0; format < 300; ++format) {
    const PixelFormatAndModifier pair{format, mod::kArmLinearTe};
    EXPECT_EQ(IsSupported(pair), IsSupported({format, mod::kLinear}));
    if (!IsSupported(pair)) continue;
    ++supported;
    const ImageLayout image{pair, {64, 64}, 512};
    const ImageLayout linear{{format, mod::kLinear}, {64, 64}, 512};
    for (uint32_t plane : {0, 1, 2, 4}) {
      EXPECT_EQ(PlaneOffset(image, plane), PlaneOffset(linear, plane));
      EXPECT_EQ(PlaneRowBytes(image, plane), PlaneRowBytes(linear, plane));
    }
    EXPECT_EQ(PlaneOffset(image, 3), ImageSize(linear)) << "which is a multiple of 64";
    EXPECT_EQ(PlaneRowBytes(image, 3), 64u);
    EXPECT_EQ(MinimumRowBytes(pair, {.bytes_per_row_divisor = 96}, 62),
              MinimumRowBytes(linear.format, {.bytes_per_row_divisor = 96}, 62));
    EXPECT_FALSE(IsNonTiledSinglePlane(pair));
    EXPECT_FALSE(IsCompatibleWithProtectedMemory(pair));
  }
  EXPECT_EQ(supported, 20);
}

TEST(ArmLinearTeLayout, WhatDoesNotFit64BitsIsEmpty) {
  const PixelFormatAndModifier pair{pf::kNv12, mod::kArmLinearTe};
  EXPECT_EQ(ImageSize({pair, {1, UINT32_MAX}, UINT32_MAX}), kNone);
  EXPECT_EQ(PlaneOffset({pair, {1, UINT32_MAX}, UINT32_MAX}, 3), kNone);
  const PixelFormatAndModifier r8{pf::kR8, mod::kArmLinearTe};
  EXPECT_EQ(PlaneOffset({r8, {UINT32_MAX, UINT32_MAX}, UINT32_MAX}, 3), 0xFFFFFFFE00000040u);
  EXPECT_EQ(ImageSize({r8, {UINT32_MAX, UINT32_MAX}, UINT32_MAX}), kNone);
}

}  // namespace
}  // namespace sysmem::core
