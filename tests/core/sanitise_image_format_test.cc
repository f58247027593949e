// SPDX-License-Identifier: Apache-2.0
//
// The I-rules, one image format at a time.
#include <gtest/gtest.h>

#include "core/merge.h"
#include "core/sanitise.h"
#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;
namespace cs = color_space;
using ImageC = ImageFormatConstraints;

ImageC WithModifier(ImageC image, uint64_t modifier) {
  image.pixel_format_modifier = modifier;
  return image;
}

// Applies one change to an R8G8B8A8 entry.
template <typename Change>
std::string RuleAfter(Change change, ImageC image = Rgba()) {
  change(image);
  return RuleForImage(image);
}

std::string RuleForAggregate(const SanitisedImageFormat& format) {
  SanitisedConstraints merged = NeutralConstraints();
  merged.usage = CpuReadWrite();
  merged.image_formats = {format};
  return RuleOf(SanitiseAggregate(std::move(merged), Machine()));
}

TEST(RulesI1I2, RefuseInvalidFormatsAndModifiers) {
  EXPECT_EQ(RuleForImage(Image(pf::kInvalid, {cs::kSrgb})), "I1");
  EXPECT_EQ(RuleForImage(WithModifier(Rgba(), modifier::kInvalid)), "I2");
}

TEST(RulesI4ToI15, FillInWhatIsUnset) {
  SanitisedImageFormat expected;
  expected.format = {pf::kR8, modifier::kLinear};
  expected.color_spaces = {cs::kSrgb};
  expected.min_size = {1, 1};      // I9
  expected.min_bytes_per_row = 1;  // I16e
  EXPECT_EQ(SaneImage(Image(pf::kR8, {cs::kSrgb})), expected);
}

TEST(RuleI8, RefusesSizeAlignmentsThatAreNoPowersOfTwo) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.size_alignment = {0, 1}; }), "I8");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.size_alignment = {1, 3}; }), "I8");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.size_alignment = {64, 1}; }), "");
}

TEST(RuleI9, MakesTheSmallestSizeAtLeastTheAlignment) {
  ImageC image = Rgba();
  image.size_alignment = {16, 8};
  EXPECT_EQ(SaneImage(image).min_size, (SizeU{16, 8}));
}

TEST(RuleI13, RefusesRequiredSizesWithoutWidthOrHeight) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.required_max_size_list = {{1, 1}, {0, 1}}; }), "I13");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.required_max_size_list = {{1, 0}}; }), "I13");
}

TEST(RuleI16, RefusesUnsupportedPairsThatAreNamedExplicitly) {
  EXPECT_EQ(RuleForImage(Image(pf::kMjpeg, {cs::kSrgb})), "I16");
  EXPECT_EQ(RuleForImage(WithModifier(Rgba(), 0x0200000000000042)), "I16");
  EXPECT_EQ(RuleForImage(WithModifier(Image(pf::kMjpeg, {cs::kSrgb}), modifier::kDoNotCare)), "");
}

TEST(RulesI16aToI16e, FoldInWhatThePixelFormatNeeds) {
  const SanitisedImageFormat nv12 = SaneImage(Nv12());
  EXPECT_EQ(nv12.size_alignment, (SizeU{2, 2}));
  EXPECT_EQ(nv12.min_size, (SizeU{2, 2}));
  EXPECT_EQ(nv12.bytes_per_row_divisor, 2u);
  EXPECT_EQ(nv12.start_offset_divisor, 2u);
  EXPECT_EQ(nv12.min_bytes_per_row, 2u);
  const SanitisedImageFormat p010 = SaneImage(Image(pf::kP010, {cs::kRec2100}));
  EXPECT_EQ(p010.bytes_per_row_divisor, 4u);
  EXPECT_EQ(p010.start_offset_divisor, 4u);
}

TEST(RuleI16b, TakesTheLeastCommonMultipleWithTheSampleAlignment) {
  ImageC image = Rgba();
  image.bytes_per_row_divisor = 6;
  EXPECT_EQ(SaneImage(image).bytes_per_row_divisor, 12u);
  image.bytes_per_row_divisor = UINT32_MAX;  // odd, so 4 times as much
  EXPECT_EQ(RuleForImage(image), "I16b");
}

TEST(RuleI16c, MakesRowsWholePixelsWhereAsked) {
  ImageC image = Image(pf::kB8G8R8, {cs::kSrgb});
  image.bytes_per_row_divisor = 4;
  EXPECT_EQ(SaneImage(image).bytes_per_row_divisor, 4u);
  image.require_bytes_per_row_at_pixel_boundary = true;
  EXPECT_EQ(SaneImage(image).bytes_per_row_divisor, 12u);
  image.bytes_per_row_divisor = 0x80000000;
  EXPECT_EQ(RuleForImage(image), "I16c");
}

TEST(RuleI16e, DerivesTheSmallestRowFromTheSmallestWidth) {
  ImageC image = Image(pf::kB8G8R8, {cs::kSrgb});
  image.min_size = {1366, 768};
  image.bytes_per_row_divisor = 4;
  EXPECT_EQ(SaneImage(image).min_bytes_per_row, 4100u);
  image.min_bytes_per_row = 5000;
  EXPECT_EQ(SaneImage(image).min_bytes_per_row, 5000u);
}

TEST(RuleI16, LeavesEntriesWithAWildcardAlone) {
  const SanitisedImageFormat any = SaneImage(WithModifier(Nv12(), modifier::kDoNotCare));
  EXPECT_EQ(any.size_alignment, (SizeU{1, 1}));
  EXPECT_EQ(any.bytes_per_row_divisor, 1u);
  EXPECT_EQ(any.min_bytes_per_row, 0u);
}

TEST(RuleI16e, LeavesAWidthThatFitsNoRowToTheStepThatSizesBuffers) {
  ImageC image = Rgba();
  image.min_size = {17, 1};
  image.max_bytes_per_row = 64;
  EXPECT_EQ(RuleForImage(image), "");
  EXPECT_EQ(RuleOf(Ask({CpuImages({image})})), "4.9");
}

TEST(RuleI17, RoundsMinimaUp) {
  ImageC image = Rgba();
  image.min_size = {65, 33};
  image.size_alignment = {16, 32};
  image.bytes_per_row_divisor = 48;
  const SanitisedImageFormat sane = SaneImage(image);
  EXPECT_EQ(sane.min_size, (SizeU{80, 64}));
  EXPECT_EQ(sane.min_bytes_per_row, 336u);  // 80 * 4 = 320, next multiple of 48
}

TEST(RuleI17, RefusesWhatWouldWrapWhenRoundedUp) {
  EXPECT_EQ(RuleAfter([](ImageC& i) {
              i.min_size = {UINT32_MAX, 1};
              i.size_alignment = {2, 1};
            }),
            "I17");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_bytes_per_row = UINT32_MAX; }), "I17");
}

TEST(RuleI18, RoundsMaximaDownUnlessTheyMeanNoLimit) {
  ImageC image = Rgba();
  image.size_alignment = {16, 16};
  image.max_size = {100, UINT32_MAX};
  image.max_bytes_per_row = 1001;
  const SanitisedImageFormat sane = SaneImage(image);
  EXPECT_EQ(sane.max_size, (SizeU{96, UINT32_MAX}));
  EXPECT_EQ(sane.max_bytes_per_row, 1000u);
  EXPECT_EQ(SaneImage(Rgba()).max_bytes_per_row, UINT32_MAX);
}

TEST(RuleI20, RefusesAnEntryWithoutColorSpace) {
  EXPECT_EQ(RuleForImage(Image(pf::kR8G8B8A8, {})), "I20");
}

TEST(RuleI21, RefusesMinimaAboveMaxima) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {9, 1}, i.max_size = {8, 8}; }), "I21");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {1, 9}, i.max_size = {8, 8}; }), "I21");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {8, 8}, i.max_size = {8, 8}; }), "");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_bytes_per_row = 65, i.max_bytes_per_row = 64; }),
            "I21");
}

TEST(RuleI21, ComparesAfterRounding) {
  EXPECT_EQ(RuleAfter([](ImageC& i) {
              i.min_size = {5, 1};
              i.max_size = {7, 7};
              i.size_alignment = {4, 1};
            }),
            "I21");
}

TEST(RuleI22, RefusesASmallestImageOfMorePixelsThanFit32Bits) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {65536, 65536}; }), "I22");
  // 65537 x 65535 is exactly 2^32 - 1.
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {65537, 65535}; }), "");
}

TEST(RuleI23, RefusesASmallestImageAboveTheLimitOfPixels) {
  EXPECT_EQ(RuleAfter([](ImageC& i) {
              i.min_size = {8, 8}, i.max_width_times_height = 63;
            }),
            "I23");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {8, 8}, i.max_width_times_height = 64; }), "");
}

TEST(RuleI24, RefusesDisplayAlignmentsThatAreNoPowersOfTwo) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.display_rect_alignment = {0, 1}; }), "I24");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.display_rect_alignment = {1, 6}; }), "I24");
}

TEST(RuleI25, RefusesAZeroRowDivisorBeforeItDivides) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.bytes_per_row_divisor = 0; }), "I25");
  EXPECT_EQ(RuleAfter([](ImageC& i) {
              i.bytes_per_row_divisor = 0;
              i.pixel_format_modifier = modifier::kDoNotCare;
            }),
            "I25");
}

TEST(RuleI26, AcceptsStartDivisorsThatArePowersOfTwoUpToAPage) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.start_offset_divisor = 0; }), "I26");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.start_offset_divisor = 24; }), "I26");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.start_offset_divisor = 4096; }), "");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.start_offset_divisor = 8192; }), "I26");
}

TEST(RuleI27, RefusesAWildcardBesideAnotherColorSpace) {
  EXPECT_EQ(RuleForImage(Image(pf::kR8G8B8A8, {cs::kSrgb, cs::kDoNotCare})), "I27");
  EXPECT_EQ(RuleForImage(Image(pf::kR8G8B8A8, {cs::kDoNotCare})), "");
  EXPECT_EQ(RuleForImage(Image(pf::kR8G8B8A8, {cs::kSrgb, cs::kSrgb})), "");  // no other repeat
}

TEST(RuleI28, RefusesColorSpacesThatDoNotGoWithTheFormat) {
  EXPECT_EQ(RuleForImage(Image(pf::kR8G8B8A8, {cs::kSrgb, cs::kRec709})), "I28");
  EXPECT_EQ(RuleForImage(Image(pf::kNv12, {cs::kRec2020})), "I28");
  EXPECT_EQ(RuleForImage(Image(pf::kP010, {cs::kRec2020})), "");
  EXPECT_EQ(RuleForImage(Image(pf::kR8G8B8A8, {4711})), "I28");
  const ImageC any_modifier =
      WithModifier(Image(pf::kR8G8B8A8, {cs::kRec709}), modifier::kDoNotCare);
  EXPECT_EQ(RuleForImage(any_modifier), "");
}

TEST(RulesI29I31, RefuseARequiredMinimumThatIsZeroOrBelowTheSmallestSize) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.required_min_size = {0, 1}; }), "I29");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.required_min_size = {1, 0}; }), "I31");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {8, 8}, i.required_min_size = {7, 8}; }), "I29");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {8, 8}, i.required_min_size = {8, 7}; }), "I31");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.min_size = {8, 8}, i.required_min_size = {8, 8}; }), "");
}

TEST(RulesI30I31, RefuseARequiredMaximumAboveTheLargestSize) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.max_size = {8, 8}, i.required_max_size = {9, 1}; }), "I30");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.max_size = {8, 8}, i.required_max_size = {1, 9}; }), "I31");
  EXPECT_EQ(RuleAfter([](ImageC& i) {
              i.max_size = {8, 8}, i.required_max_size_list = {{9, 1}};
            }),
            "I30");
  EXPECT_EQ(RuleAfter([](ImageC& i) {
              i.max_size = {8, 8}, i.required_max_size_list = {{1, 9}};
            }),
            "I31");
  EXPECT_EQ(RuleAfter([](ImageC& i) {
              i.max_size = {8, 8}, i.required_max_size_list = {{8, 8}};
            }),
            "");
}

TEST(RuleI32, RefusesBlocksThatAreNoPowersOfTwo) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.pad_for_block_size = {0, 1}; }), "I32");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.pad_for_block_size = {1, 3}; }), "I32");
}

TEST(RuleI33, AllowsBlocksOnlyForOnePlaneInEitherDimension) {
  for (const SizeU& block : {SizeU{4, 1}, SizeU{1, 4}, SizeU{4, 4}}) {
    const auto pad = [&block](ImageC& i) { i.pad_for_block_size = block, i.max_size = {64, 64}; };
    EXPECT_EQ(RuleAfter(pad), "");
    EXPECT_EQ(RuleAfter(pad, Image(pf::kYuy2, {cs::kRec709})), "");
    EXPECT_EQ(RuleAfter(pad, Nv12()), "I33");
    EXPECT_EQ(RuleAfter(pad, Image(pf::kP010, {cs::kRec709})), "I33");
    EXPECT_EQ(RuleAfter(pad, Image(pf::kDoNotCare, {cs::kSrgb})), "I33");
    EXPECT_EQ(RuleAfter(pad, WithModifier(Rgba(), modifier::kDoNotCare)), "I33");
  }
}

TEST(RuleI34, NeedsALimitOnTheWidthForHighBlocks) {
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.pad_for_block_size = {1, 4}; }), "I34");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.pad_for_block_size = {4, 4}; }), "I34");
  EXPECT_EQ(RuleAfter([](ImageC& i) { i.pad_for_block_size = {4, 1}; }), "");
  const auto limit = [](SizeU max) {
    return [max](ImageC& i) { i.pad_for_block_size = {1, 4}, i.max_size = max; };
  };
  EXPECT_EQ(RuleAfter(limit({64, kAllOnes})), "");
  EXPECT_EQ(RuleAfter(limit({kAllOnes, 64})), "I34");
}

TEST(RuleI35, RefusesVeryWideAggregatesWithHighBlocks) {
  ImageC image = Rgba();
  image.pad_for_block_size = {1, 4};
  image.max_size = {0x80000000, 64};
  EXPECT_EQ(RuleForImage(image), "");
  EXPECT_EQ(RuleForAggregate(SaneImage(image)), "I35");
  image.max_size = {0x7FFFFFFF, 64};
  EXPECT_EQ(RuleForAggregate(SaneImage(image)), "");
}

TEST(RulesI, DoNotChangeAFormatThatHasPassedThemOnce) {
  ImageC image = Image(pf::kB8G8R8, {cs::kSrgb});
  image.min_size = {1365, 767};
  image.max_size = {4001, 4001};
  image.size_alignment = {4, 2};
  image.bytes_per_row_divisor = 20;
  image.max_bytes_per_row = 20001;
  image.require_bytes_per_row_at_pixel_boundary = true;
  SanitisedImageFormat once = SaneImage(image);
  const SanitisedImageFormat before = once;
  EXPECT_EQ(RuleOf(SanitiseImageFormat(once, Limits{})), "");
  EXPECT_EQ(once, before);
}

TEST(HazardAccH2, BlockWidthsShapeTheRowsOfASingleParticipantToo) {
  ImageC image = Rgba();
  image.min_size = {10, 10};
  image.pad_for_block_size = {8, 1};
  SanitisedConstraints merged = NeutralConstraints();
  merged.usage = CpuReadWrite();
  merged.image_formats = {SaneImage(image)};
  const auto agreed = SanitiseAggregate(merged, Machine());
  ASSERT_TRUE(agreed.ok());
  EXPECT_EQ(agreed.value().image_formats[0].bytes_per_row_divisor, 32u);
  EXPECT_EQ(agreed.value().image_formats[0].min_bytes_per_row, 64u);
}

TEST(RulesC13C14, DropFormatsThatNobodyMadeDefinite) {
  SanitisedConstraints merged = NeutralConstraints();
  merged.usage = CpuReadWrite();
  merged.image_formats = {SaneImage(WithModifier(Rgba(), modifier::kDoNotCare)), SaneImage(Nv12())};
  const auto agreed = SanitiseAggregate(merged, Machine());
  ASSERT_TRUE(agreed.ok());
  ASSERT_EQ(agreed.value().image_formats.size(), 1u);
  EXPECT_EQ(agreed.value().image_formats[0].format, kNv12Linear);
  EXPECT_EQ(RuleForAggregate(merged.image_formats[0]), "C13");
  EXPECT_EQ(RuleForAggregate(SaneImage(Image(pf::kNv12, {cs::kDoNotCare}))), "C14");
}

TEST(RuleC15, KeepsTheBestColorSpaceOnly) {
  SanitisedConstraints merged = NeutralConstraints();
  merged.usage = CpuReadWrite();
  merged.image_formats = {
      SaneImage(Image(pf::kNv12, {cs::kPassthrough, cs::kRec601Ntsc, cs::kRec709}))};
  const auto agreed = SanitiseAggregate(merged, Machine());
  ASSERT_TRUE(agreed.ok());
  EXPECT_EQ(agreed.value().image_formats[0].color_spaces, std::vector<uint32_t>{cs::kRec709});
}

}  // namespace
}  // namespace sysmem::core
