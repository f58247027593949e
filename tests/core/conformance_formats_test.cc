// SPDX-License-Identifier: Apache-2.0
//
// Conformance cases IMG that are decided by the negotiation alone; the suite's name is the case's
// id.
#include <gtest/gtest.h>

#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;
namespace cs = color_space;

PixelFormatAndModifier PairOf(const Plan& plan) {
  const ImageFormatConstraints image = ImageOf(plan);
  return {image.pixel_format.value_or(0), image.pixel_format_modifier.value_or(1)};
}

Constraints RankedColors(std::vector<uint32_t> spaces) {
  Constraints c = CpuImages({Image(pf::kNv12, std::move(spaces))});
  c.memory = MemoryConstraints{
      .min_size_bytes = 65536, .max_size_bytes = 131072, .cpu_domain_supported = true};
  return c;
}

TEST(IMG1, TheBestColorSpaceOfOneParticipantWins) {
  const Plan plan = Agreed({RankedColors({cs::kRec601Pal, cs::kRec601PalFullRange, cs::kRec709})});
  EXPECT_EQ(plan.buffer_count, 1u);
  EXPECT_EQ(ImageOf(plan).pixel_format, pf::kNv12);
  EXPECT_EQ(ImageOf(plan).color_spaces, std::vector{cs::kRec709});
}

TEST(IMG2, TheBestColorSpaceOfSeveralParticipantsWins) {
  const Plan plan = Agreed({RankedColors({cs::kRec601Pal, cs::kRec601PalFullRange, cs::kRec709}),
                            RankedColors({cs::kRec601PalFullRange, cs::kRec709})});
  EXPECT_EQ(plan.buffer_count, 2u);
  EXPECT_EQ(ImageOf(plan).color_spaces, std::vector{cs::kRec709});
}

TEST(IMG4, Bgr24RowsAreRoundedUpToTheirDivisor) {
  ImageFormatConstraints image = Image(pf::kB8G8R8, {cs::kSrgb});
  image.min_size = {600, 1};
  image.min_bytes_per_row = 1800;
  image.bytes_per_row_divisor = 32;
  image.start_offset_divisor = 32;
  Constraints c = CpuImages({image});
  c.min_buffer_count_for_camping = 3;
  c.memory = CpuOnly(1800, 1824);
  c.memory->ram_domain_supported = true;
  c.memory->permitted_heaps = {{{.type = kHeapSystemRam, .id = 0}}};
  const Plan plan = Agreed({c});
  EXPECT_EQ(plan.buffer_count, 3u);
  EXPECT_EQ(plan.settings.buffer.size_bytes, 1824u);
  EXPECT_EQ(plan.settings.buffer.coherency_domain, CoherencyDomain::kCpu);
  EXPECT_EQ(ImageOf(plan).pixel_format, pf::kB8G8R8);
}

Constraints Small(uint32_t format, std::vector<uint32_t> spaces) {
  ImageFormatConstraints image = Image(format, std::move(spaces));
  image.min_size = {32, 32};
  Constraints c = CpuImages({image});
  c.usage = BufferUsage{.cpu = kCpuUsageWriteOften};
  c.memory = MemoryConstraints{.min_size_bytes = 1, .max_size_bytes = 536870912};
  return c;
}

TEST(IMG5, ADoNotCareFormatMeetsAConcreteOne) {
  const Plan plan = Agreed({Small(pf::kDoNotCare, {cs::kRec709}), Small(pf::kNv12, {cs::kRec709})});
  EXPECT_EQ(plan.buffer_count, 2u);
  EXPECT_EQ(ImageOf(plan).pixel_format, pf::kNv12);
}

TEST(IMG7, AFormatThatNobodyNamesFails) {
  const Constraints any = Small(pf::kDoNotCare, {cs::kRec709});
  EXPECT_EQ(PairOf(Agreed({any, Small(pf::kNv12, {cs::kRec709})})), kNv12Linear);
  EXPECT_TRUE(Fails({any, any}));
}

TEST(IMG8, ADoNotCareColorSpaceMeetsAConcreteOne) {
  const Plan plan = Agreed({Small(pf::kNv12, {cs::kDoNotCare}), Small(pf::kNv12, {cs::kRec709})});
  EXPECT_EQ(plan.buffer_count, 2u);
  EXPECT_EQ(ImageOf(plan).color_spaces, std::vector{cs::kRec709});
}

TEST(IMG10, AColorSpaceThatNobodyNamesEliminatesTheFormat) {
  EXPECT_TRUE(Fails({Small(pf::kNv12, {cs::kDoNotCare})}));
}

// K-FMT: the first pair goes into the entry's own fields, the others into its list. An empty
// modifier stays unset.
using Wish = std::pair<uint32_t, std::optional<uint64_t>>;
Constraints KFmt(const std::vector<Wish>& formats, bool usage = true,
                 std::optional<bool> alpha = std::nullopt) {
  ImageFormatConstraints image = Image(formats[0].first, {cs::kSrgb});
  image.pixel_format_modifier = formats[0].second;
  for (size_t i = 1; i < formats.size(); ++i) {
    image.pixel_format_and_modifiers.push_back({formats[i].first, *formats[i].second});
  }
  image.min_size = {256, 256};
  image.is_alpha_present = alpha;
  Constraints c = CpuImages({image});
  if (!usage) c.usage = BufferUsage{.none = kNoneUsage};
  c.memory = CpuOnly();
  c.memory->min_size_bytes = kPage;
  return c;
}

constexpr uint64_t kLinear = modifier::kLinear;
constexpr uint64_t kAny = modifier::kDoNotCare;
constexpr uint64_t kX = modifier::kIntelXTiled;
constexpr uint64_t kY = modifier::kIntelYTiled;
constexpr PixelFormatAndModifier kRgbaX{pf::kR8G8B8A8, kX};

TEST(IMG11, ADoNotCareModifierMeetsAConcreteOneInEitherOrder) {
  const Constraints any = KFmt({{pf::kR8G8B8A8, kAny}});
  const Constraints tiled = KFmt({{pf::kR8G8B8A8, kX}});
  EXPECT_EQ(PairOf(Agreed({any, tiled})), kRgbaX);
  EXPECT_EQ(PairOf(Agreed({tiled, any})), kRgbaX);
}

TEST(IMG13, EachSideSuppliesTheHalfTheOtherLeftOpen) {
  EXPECT_EQ(PairOf(Agreed({KFmt({{pf::kR8G8B8A8, kAny}}), KFmt({{pf::kDoNotCare, kX}})})), kRgbaX);
}

TEST(IMG14, ADoNotCareFormatWithAnUnsetModifierMeansAnyModifier) {
  EXPECT_EQ(PairOf(Agreed({KFmt({{pf::kR8G8B8A8, kAny}}), KFmt({{pf::kDoNotCare, std::nullopt}}),
                           KFmt({{pf::kDoNotCare, kX}})})),
            kRgbaX);
}

TEST(IMG16, AnUnsetModifierWithoutUsageMeansAnyModifier) {
  EXPECT_EQ(
      PairOf(Agreed({KFmt({{pf::kR8G8B8A8, kX}}), KFmt({{pf::kR8G8B8A8, std::nullopt}}, false)})),
      kRgbaX);
}

TEST(IMG17, OwnFieldsAndListAreOneSet) {
  EXPECT_EQ(PairOf(Agreed({KFmt({{pf::kB8G8R8, kLinear}, {pf::kR8G8B8A8, kLinear}}),
                           KFmt({{pf::kR8G8B8A8, kLinear}, {pf::kB8G8R8A8, kLinear}})})),
            kRgbaLinear);
}

TEST(IMG19, AModifierWithoutAFormatFailsEvenBesideAList) {
  Constraints child = KFmt({{pf::kR8G8B8A8, kX}});
  child.image_formats[0].pixel_format.reset();
  child.image_formats[0].pixel_format_and_modifiers = {{pf::kR8G8B8A8, modifier::kArmAfbc16x16}};
  EXPECT_TRUE(Fails({KFmt({{pf::kR8G8B8A8, kX}, {pf::kR8G8B8A8, kY}}), child}));
}

// K-FMTV: every pair goes into the list.
Constraints KFmtV(const std::vector<PixelFormatAndModifier>& pairs) {
  Constraints c = KFmt({{pairs[0].pixel_format, pairs[0].modifier}});
  c.image_formats[0].pixel_format.reset();
  c.image_formats[0].pixel_format_modifier.reset();
  c.image_formats[0].pixel_format_and_modifiers = pairs;
  return c;
}

TEST(IMG20, FormatAndModifierAreMatchedAsAPair) {
  EXPECT_EQ(PairOf(Agreed({KFmtV({{pf::kB8G8R8A8, modifier::kArmAfbc16x16}, kRgbaX}),
                           KFmtV({{pf::kB8G8R8A8, kY}, kRgbaX})})),
            kRgbaX);
}

TEST(IMG22, AFormatTwiceInOneListFails) {
  EXPECT_FALSE(Fails({KFmtV({kRgbaLinear})}));
  EXPECT_TRUE(Fails({KFmtV({kRgbaLinear, kRgbaLinear})}));
}

TEST(IMG23, WildcardsOfBothHalvesMeet) {
  EXPECT_EQ(PairOf(Agreed({KFmt({{pf::kDoNotCare, kX}}), KFmt({{pf::kR8G8B8A8, kAny}})})), kRgbaX);
}

TEST(IMG25, AModifierThatAWildcardOfTheSameParticipantCoversFails) {
  EXPECT_TRUE(
      Fails({KFmt({{pf::kR8G8B8A8, kAny}, {pf::kR8G8B8A8, kX}}), KFmt({{pf::kDoNotCare, kX}})}));
}

TEST(IMG26, AFormatThatAWildcardOfTheSameParticipantCoversFails) {
  EXPECT_TRUE(Fails({KFmt({{pf::kDoNotCare, kAny}, {pf::kR8G8B8A8, kX}})}));
}

TEST(IMG28, AnUnsupportedFormatThatIsOnlyImpliedIsFilteredOut) {
  EXPECT_EQ(PairOf(Agreed(
                {KFmt({{pf::kR8G8B8A8, kAny}, {pf::kMjpeg, kAny}}), KFmt({{pf::kDoNotCare, kX}})})),
            kRgbaX);
}

TEST(IMG29, AnUnsupportedColorSpaceThatIsOnlyImpliedIsFilteredOut) {
  const auto constraints = [](uint32_t format, uint64_t modifier, std::vector<uint32_t> spaces) {
    ImageFormatConstraints image = Image(format, std::move(spaces));
    image.pixel_format_modifier = modifier;
    image.min_size = {64, 64};
    Constraints c;
    c.usage = BufferUsage{.cpu = kCpuUsageWriteOften};
    c.min_buffer_count = 1;
    c.image_formats = {image};
    return c;
  };
  const Plan plan = Agreed({constraints(pf::kR8G8B8A8, kAny, {cs::kSrgb}),
                            constraints(pf::kDoNotCare, kX, {cs::kSrgb, cs::kRec2020})});
  EXPECT_EQ(PairOf(plan), kRgbaX);
  EXPECT_EQ(ImageOf(plan).color_spaces, std::vector{cs::kSrgb});
}

TEST(IMG31, TheDeprecatedXFormatsStillAllocate) {
  for (uint32_t format : {pf::kB8G8R8X8, pf::kR8G8B8X8}) {
    EXPECT_EQ(PairOf(Agreed({KFmt({{format, kLinear}})})).pixel_format, format);
  }
}

TEST(IMG32, AlphaSaidToBeAbsentIsReportedAsAbsent) {
  const Plan plan = Agreed({KFmt({{pf::kR8G8B8A8, kLinear}}, true, false)});
  EXPECT_EQ(ImageOf(plan).is_alpha_present, false);
}

struct AlphaFormat {
  uint32_t format;
  uint32_t color_space;
  bool has_alpha;
};

constexpr AlphaFormat kAlphaFormats[] = {
    {pf::kI420, cs::kRec709, false},     {pf::kM420, cs::kRec709, false},
    {pf::kNv12, cs::kRec709, false},     {pf::kYuy2, cs::kRec709, false},
    {pf::kYv12, cs::kRec709, false},     {pf::kP010, cs::kRec2100, false},
    {pf::kR8G8B8A8, cs::kSrgb, true},    {pf::kB8G8R8A8, cs::kSrgb, true},
    {pf::kB8G8R8, cs::kSrgb, false},     {pf::kR5G6B5, cs::kSrgb, false},
    {pf::kR3G3B2, cs::kSrgb, false},     {pf::kR2G2B2X2, cs::kSrgb, true},
    {pf::kL8, cs::kSrgb, false},         {pf::kR8, cs::kSrgb, false},
    {pf::kR8G8, cs::kSrgb, false},       {pf::kA2R10G10B10, cs::kSrgb, true},
    {pf::kA2B10G10R10, cs::kSrgb, true}, {pf::kR8G8B8, cs::kSrgb, false},
};

Constraints WithAlpha(const AlphaFormat& format, std::optional<bool> alpha) {
  ImageFormatConstraints image = Image(format.format, {format.color_space});
  image.min_size = {64, 64};
  image.is_alpha_present = alpha;
  Constraints c;
  c.usage = BufferUsage{.cpu = kCpuUsageWriteOften};
  c.min_buffer_count = 1;
  c.image_formats = {image};
  return c;
}

TEST(IMG34, AlphaMustAgreeAndIsReportedForFormatsThatCanHaveIt) {
  const std::optional<bool> all[] = {std::nullopt, false, true};
  for (const AlphaFormat& format : kAlphaFormats) {
    for (const std::optional<bool>& parent : all) {
      for (const std::optional<bool>& child : all) {
        const std::vector<Constraints> pair = {WithAlpha(format, parent), WithAlpha(format, child)};
        if (parent && child && parent != child) {
          EXPECT_TRUE(Fails(pair)) << PixelFormatName(format.format);
          continue;
        }
        const std::optional<bool> said = parent ? parent : child;
        EXPECT_EQ(ImageOf(Agreed(pair)).is_alpha_present, format.has_alpha ? said : std::nullopt)
            << PixelFormatName(format.format);
      }
    }
  }
}

// Rows 34 and 35 of server-behaviour.md section 9.
TEST(WorkedConsequence34, AModifierThatNobodyNamesFails) {
  EXPECT_TRUE(Fails({KFmt({{pf::kR8G8B8A8, kAny}}), KFmt({{pf::kR8G8B8A8, kAny}})}));
}

TEST(WorkedConsequence35, AColorSpaceThatNeitherOfTwoNamesFails) {
  const Constraints any = Small(pf::kNv12, {cs::kDoNotCare});
  EXPECT_TRUE(Fails({any, any}));
  EXPECT_FALSE(Fails({any, Small(pf::kNv12, {cs::kRec709})}));
}

}  // namespace
}  // namespace sysmem::core
