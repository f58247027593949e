// SPDX-License-Identifier: Apache-2.0
//
// Names and numbers both ways, and what DRM calls the same (image-formats.md 12).
#include "core/format_names.h"

#include <gtest/gtest.h>

#include <set>

#include "core/color_space.h"
#include "core/drm_format.h"
#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

namespace pf = pixel_format;
namespace mod = modifier;

TEST(PixelFormatNames, AreReadBackForEveryFormatAndEveryNumber) {
  for (uint32_t number = 0; number < 300; ++number) {
    EXPECT_EQ(ParsePixelFormat(PixelFormatName(number)), number);
    const PixelFormatInfo* info = FindPixelFormat(number);
    if (info == nullptr || info->v1_name == nullptr) continue;
    EXPECT_EQ(ParsePixelFormat(info->v1_name), number) << info->v1_name;
  }
  EXPECT_EQ(ParsePixelFormat("DO_NOT_CARE"), pf::kDoNotCare);
  EXPECT_EQ(ParsePixelFormat("INVALID"), 0u);
  EXPECT_EQ(ParsePixelFormat("0x68"), 104u);
  EXPECT_EQ(ParsePixelFormat("4294967295"), UINT32_MAX);
}

TEST(PixelFormatNames, AreNotGuessed) {
  for (const char* text :
       {"", "nv12", "NV12 ", " NV12", "-1", "4294967296", "0x", "0x1g", "1.0", "DRM_FORMAT_NV99",
        "drm:", "drm:NV1\n", "drm:NV122", "drm:0x3231564E", "ABGR8888", "drm:XXXX"}) {
    EXPECT_EQ(ParsePixelFormat(text), std::nullopt) << text;
  }
}

std::vector<uint64_t> NamedModifiers() {
  std::vector<uint64_t> all = {mod::kLinear,         mod::kDoNotCare,
                               mod::kInvalid,        mod::kIntelXTiled,
                               mod::kIntelYTiled,    mod::kIntelYfTiled,
                               mod::kIntelYTiledCcs, mod::kIntelYfTiledCcs,
                               mod::kArmLinearTe,    mod::kGoogleGoldfishOptimal};
  for (uint64_t bits = 0; bits <= mod::kArmFlagBits; ++bits) {
    if ((bits & ~mod::kArmFlagBits) != 0) continue;
    all.push_back(mod::kArmAfbc16x16 | bits);
    all.push_back(mod::kArmAfbc32x8 | bits);
  }
  return all;
}

TEST(ModifierNames, AreReadBackAndDifferForEveryModifierThatHasALayout) {
  std::set<std::string> names;
  for (uint64_t modifier : NamedModifiers()) {
    const std::string name = ModifierName(modifier);
    EXPECT_NE(name.substr(0, 2), "0x");
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(ParseModifier(name), modifier) << name;
  }
  EXPECT_EQ(names.size(), 10u + 128u);
}

TEST(ModifierNames, AreThoseOfTheInterfaceForAfbc) {
  EXPECT_EQ(ModifierName(mod::kArmAfbc16x16), "ARM_AFBC_16X16");
  EXPECT_EQ(ModifierName(mod::kArmAfbc32x8Te), "ARM_AFBC_32X8_TE");
  EXPECT_EQ(ModifierName(mod::kArmAfbc16x16YuvTiledHeader), "ARM_AFBC_16X16_YUV_TILED_HEADER");
  EXPECT_EQ(ModifierName(mod::kArmAfbc16x16SplitBlockSparseYuv),
            "ARM_AFBC_16X16_SPLIT_BLOCK_SPARSE_YUV");
  EXPECT_EQ(ModifierName(mod::kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader),
            "ARM_AFBC_16X16_SPLIT_BLOCK_SPARSE_YUV_TE_TILED_HEADER");
  EXPECT_EQ(ModifierName(mod::kArmAfbc32x8 | mod::kArmBchBit | mod::kArmSparseBit),
            "ARM_AFBC_32X8_SPARSE_BCH");
}

TEST(ModifierNames, AreNumbersWithoutAName) {
  EXPECT_EQ(ModifierName(0x0800000000000000), "0x0800000000000000");
  EXPECT_EQ(ParseModifier("0x0800000000000000"), 0x0800000000000000u);
  EXPECT_EQ(ParseModifier("18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", "linear", "ARM_AFBC", "ARM_AFBC_16X16_", "ARM_AFBC_16X16_YUV_SPARSE",
                           "ARM_AFBC_16X16_TE_TE", "18446744073709551616", "drm:LINEAR",
                           "drm:0x0800000000001001", "I915_FORMAT_MOD_4_TILED"}) {
    EXPECT_EQ(ParseModifier(text), std::nullopt) << text;
  }
}

TEST(ColorSpaceNames, AreReadBack) {
  for (uint32_t number = 0; number < 20; ++number) {
    EXPECT_EQ(ParseColorSpace(ColorSpaceName(number)), number);
  }
  EXPECT_EQ(ParseColorSpace("DO_NOT_CARE"), color_space::kDoNotCare);
  EXPECT_EQ(ParseColorSpace("REC709"), color_space::kRec709);
  EXPECT_EQ(ParseColorSpace("rec709"), std::nullopt);
}

TEST(PairNames, AreReadBackAndMeanLinearWithoutAModifier) {
  for (uint32_t format : {pf::kNv12, pf::kR8, pf::kDoNotCare, 4711u}) {
    for (uint64_t modifier : NamedModifiers()) {
      const PixelFormatAndModifier pair{format, modifier};
      EXPECT_EQ(ParsePair(PairName(pair)), pair) << PairName(pair);
    }
  }
  EXPECT_EQ(ParsePair("NV12"), (PixelFormatAndModifier{pf::kNv12, mod::kLinear}));
  EXPECT_EQ(ParsePair("drm:R8 drm:0x0100000000000001"),
            (PixelFormatAndModifier{pf::kR8, mod::kIntelXTiled}));
  for (const char* text :
       {"", " ", "NV12 ", " LINEAR", "LINEAR NV12", "NV12 LINEAR ", "NV12  LINEAR"}) {
    EXPECT_EQ(ParsePair(text), std::nullopt) << text;
  }
}

struct FourccCase {
  uint32_t pixel_format;
  uint32_t with_alpha;  // 0: none
  uint32_t without;
};

// The numbers of drm_fourcc.h.
const FourccCase kFourccCases[] = {
    {pf::kR8G8B8A8, 0x34324241, 0x34324258},
    {pf::kR8G8B8X8, 0x34324258, 0x34324258},
    {pf::kB8G8R8A8, 0x34325241, 0x34325258},
    {pf::kB8G8R8X8, 0x34325258, 0x34325258},
    {pf::kB8G8R8, 0x34324752, 0x34324752},
    {pf::kR8G8B8, 0x34324742, 0x34324742},
    {pf::kR5G6B5, 0x36314752, 0x36314752},
    {pf::kR3G3B2, 0x38424752, 0x38424752},
    {pf::kR2G2B2X2, 0, 0},
    {pf::kL8, 0x20203852, 0x20203852},
    {pf::kR8, 0x20203852, 0x20203852},
    {pf::kR8G8, 0x38385247, 0x38385247},
    {pf::kA2R10G10B10, 0x30335241, 0x30335258},
    {pf::kA2B10G10R10, 0x30334241, 0x30334258},
    {pf::kI420, 0x32315559, 0x32315559},
    {pf::kYv12, 0x32315659, 0x32315659},
    {pf::kNv12, 0x3231564E, 0x3231564E},
    {pf::kP010, 0x30313050, 0x30313050},
    {pf::kYuy2, 0x56595559, 0x56595559},
    {pf::kM420, 0, 0},
    {pf::kMjpeg, 0, 0},
};

TEST(DrmFormats, HaveTheFourCharactersOfTheSpecification) {
  const auto optional = [](uint32_t code) {
    return code == 0 ? std::nullopt : std::optional(code);
  };
  std::set<uint32_t> seen;
  for (const FourccCase& one : kFourccCases) {
    SCOPED_TRACE(PixelFormatName(one.pixel_format));
    seen.insert(one.pixel_format);
    EXPECT_EQ(DrmFourcc(one.pixel_format, true), optional(one.with_alpha));
    EXPECT_EQ(DrmFourcc(one.pixel_format, std::nullopt), optional(one.with_alpha));
    EXPECT_EQ(DrmFourcc(one.pixel_format, false), optional(one.without));
  }
  for (uint32_t number = 0; number < 300; ++number) {
    EXPECT_EQ(seen.count(number) == 1, FindPixelFormat(number) != nullptr) << number;
  }
}

TEST(DrmFormats, AreReadAsTheFormatThatIsNotDeprecated) {
  for (const FourccCase& one : kFourccCases) {
    if (one.without == 0) continue;
    const uint32_t expected = one.pixel_format == pf::kR8G8B8X8   ? pf::kR8G8B8A8
                              : one.pixel_format == pf::kB8G8R8X8 ? pf::kB8G8R8A8
                              : one.pixel_format == pf::kL8       ? pf::kR8
                                                                  : one.pixel_format;
    EXPECT_EQ(PixelFormatOfDrm(one.with_alpha), expected);
    EXPECT_EQ(PixelFormatOfDrm(one.without), expected);
  }
  EXPECT_EQ(PixelFormatOfDrm(0x38384752), std::nullopt) << "RG88, which is not GR88";
  EXPECT_EQ(ParsePixelFormat("drm:NV12"), pf::kNv12);
  EXPECT_EQ(ParsePixelFormat("drm:R8  "), pf::kR8);
  EXPECT_EQ(ParsePixelFormat("DRM_FORMAT_XRGB8888"), pf::kB8G8R8A8);
  EXPECT_EQ(ParsePixelFormat("DRM_FORMAT_YUYV"), pf::kYuy2);
}

struct DrmModifierCase {
  uint64_t modifier;
  std::optional<uint64_t> drm;
};

TEST(DrmModifiers, AreTranslatedWhereTheNumbersDiffer) {
  const DrmModifierCase cases[] = {
      {mod::kLinear, 0},
      {mod::kIntelXTiled, 0x0100000000000001},
      {mod::kIntelYTiled, 0x0100000000000002},
      {mod::kIntelYfTiled, 0x0100000000000003},
      {mod::kIntelYTiledCcs, 0x0100000000000004},
      {mod::kIntelYfTiledCcs, 0x0100000000000005},
      {mod::kArmAfbc16x16, 0x0800000000000001},
      {mod::kArmAfbc32x8, 0x0800000000000002},
      {mod::kArmAfbc16x16SplitBlockSparseYuv, 0x0800000000000071},
      {mod::kArmAfbc16x16YuvTiledHeader, 0x0800000000000111},
      {mod::kArmAfbc16x16SplitBlockSparseYuvTiledHeader, 0x0800000000000171},
      {mod::kArmAfbc32x8 | mod::kArmBchBit, 0x0800000000000802},
      {mod::kArmLinearTe, std::nullopt},
      {mod::kArmAfbc16x16Te, std::nullopt},
      {mod::kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader, std::nullopt},
      {mod::kGoogleGoldfishOptimal, std::nullopt},
      {mod::kDoNotCare, std::nullopt},
      {mod::kInvalid, std::nullopt},
  };
  for (const DrmModifierCase& one : cases) {
    EXPECT_EQ(DrmModifier(one.modifier), one.drm) << ModifierName(one.modifier);
    if (!one.drm) continue;
    EXPECT_EQ(ModifierOfDrm(*one.drm), one.modifier);
  }
}

TEST(DrmModifiers, ComeBackAsTheyWereOrAreNotKnown) {
  for (uint64_t modifier : NamedModifiers()) {
    const std::optional<uint64_t> drm = DrmModifier(modifier);
    if (!drm) continue;
    EXPECT_EQ(ModifierOfDrm(*drm), modifier) << ModifierName(modifier);
  }
  // Uncompressed storage mode, which sysmem2's transaction elimination looks like; other blocks.
  for (uint64_t drm : {0x0800000000001001u, 0x0800000000000003u, 0x0100000000000006u,
                       0x0800000000000201u, 0x0800000000000081u, 0x0800000000000000u}) {
    EXPECT_EQ(ModifierOfDrm(drm), std::nullopt) << drm;
  }
  EXPECT_EQ(ParseModifier("I915_FORMAT_MOD_Yf_TILED_CCS"), mod::kIntelYfTiledCcs);
  EXPECT_EQ(ParseModifier("DRM_FORMAT_MOD_LINEAR"), mod::kLinear);
  EXPECT_EQ(ParseModifier("drm:0x0800000000000111"), mod::kArmAfbc16x16YuvTiledHeader);
}

TEST(DrmFormats, AreWrittenWithTheirModifier) {
  const auto text = [](uint32_t format, uint64_t modifier, std::optional<bool> alpha) {
    const std::optional<DrmFormat> drm = DrmFormatOf({format, modifier}, alpha);
    return drm ? DrmText(*drm) : "none";
  };
  EXPECT_EQ(text(pf::kR8G8B8A8, mod::kIntelYTiledCcs, false), "XB24:0x0100000000000004");
  EXPECT_EQ(text(pf::kNv12, mod::kLinear, {}), "NV12:0x0000000000000000");
  EXPECT_EQ(text(pf::kNv12, mod::kIntelYTiledCcs, {}), "none");
  EXPECT_EQ(text(pf::kR8G8B8A8, mod::kArmAfbc16x16Te, {}), "none");
  EXPECT_EQ(text(pf::kM420, mod::kLinear, {}), "none");
}

}  // namespace
}  // namespace sysmem::core
