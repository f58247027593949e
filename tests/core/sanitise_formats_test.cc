// SPDX-License-Identifier: Apache-2.0
//
// Rules F and COMB: which pairs of format and modifier a participant's entries stand for.
#include <gtest/gtest.h>

#include "core/format_pair.h"
#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;

using Pairs = std::vector<PixelFormatAndModifier>;

const BufferUsage kSomeUsage{.cpu = 1};
const BufferUsage kNoUsage{.none = kNoneUsage};

PixelFormatAndModifier Any(uint32_t format) { return {format, modifier::kDoNotCare}; }
PixelFormatAndModifier AnyFormat(uint64_t modifier) { return {pf::kDoNotCare, modifier}; }

ImageFormatConstraints Entry(Pairs pairs) {
  ImageFormatConstraints image;
  image.pixel_format_and_modifiers = std::move(pairs);
  image.color_spaces = {color_space::kPassthrough};
  return image;
}

TEST(RuleF1, RefusesAModifierWithoutAPixelFormat) {
  ImageFormatConstraints image = Entry({kRgbaLinear});
  image.pixel_format_modifier = modifier::kLinear;
  EXPECT_EQ(RuleForImage(image), "F1");
}

TEST(RuleF2, RefusesAnEntryWithoutAnyFormat) {
  EXPECT_EQ(RuleForImage(Entry({})), "F2");
  EXPECT_EQ(RuleForImage(Entry({kRgbaLinear})), "");
}

TEST(RuleF3, TakesAnUnsetModifierAsLinearOrAsAnyDependingOnFormatAndUsage) {
  const auto flat = [](uint32_t format, const BufferUsage& usage) {
    return FlattenPairs(Image(format, {}), usage).value();
  };
  EXPECT_EQ(flat(pf::kNv12, kSomeUsage), Pairs{kNv12Linear});
  EXPECT_EQ(flat(pf::kNv12, kNoUsage), Pairs{Any(pf::kNv12)});
  EXPECT_EQ(flat(pf::kDoNotCare, kSomeUsage), Pairs{kAnyPair});
  ImageFormatConstraints explicit_modifier = Image(pf::kNv12, {});
  explicit_modifier.pixel_format_modifier = modifier::kLinear;
  EXPECT_EQ(FlattenPairs(explicit_modifier, kNoUsage).value(), Pairs{kNv12Linear});
}

TEST(RulesF4F5, AppendTheEntrysOwnPairToItsList) {
  ImageFormatConstraints image = Entry({kNv12Linear, Any(pf::kI420)});
  EXPECT_EQ(FlattenPairs(image, kSomeUsage).value(), (Pairs{kNv12Linear, Any(pf::kI420)}));
  image.pixel_format = pf::kR8G8B8A8;
  EXPECT_EQ(FlattenPairs(image, kSomeUsage).value(),
            (Pairs{kNv12Linear, Any(pf::kI420), kRgbaLinear}));
}

TEST(RuleF5, GivesEachPairACopyOfTheEntry) {
  ImageFormatConstraints image = Entry({kRgbaLinear, {pf::kB8G8R8A8, modifier::kLinear}});
  image.color_spaces = {color_space::kSrgb};
  image.min_size = {64, 32};
  const SanitisedConstraints sane = Sane(CpuImages({image}));
  ASSERT_EQ(sane.image_formats.size(), 2u);
  EXPECT_EQ(sane.image_formats[0].format, kRgbaLinear);
  EXPECT_EQ(sane.image_formats[1].format.pixel_format, pf::kB8G8R8A8);
  EXPECT_EQ(sane.image_formats[1].min_size, (SizeU{64, 32}));
}

TEST(RuleComb, CombinesEqualHalvesAndWildcards) {
  EXPECT_EQ(CombinePairs(kNv12Linear, kNv12Linear), kNv12Linear);
  EXPECT_EQ(CombinePairs(kNv12Linear, kAnyPair), kNv12Linear);
  EXPECT_EQ(CombinePairs(Any(pf::kNv12), AnyFormat(modifier::kLinear)), kNv12Linear);
  EXPECT_EQ(CombinePairs(Any(pf::kNv12), kAnyPair), Any(pf::kNv12));
  EXPECT_EQ(CombinePairs(kAnyPair, kAnyPair), kAnyPair);
  EXPECT_EQ(CombinePairs(kNv12Linear, kRgbaLinear), std::nullopt);
  EXPECT_EQ(CombinePairs(AnyFormat(1), AnyFormat(modifier::kLinear)), std::nullopt);
}

TEST(RuleComb, DoesNotCombineIntoAnUnsupportedPair) {
  EXPECT_EQ(CombinePairs(Any(pf::kMjpeg), AnyFormat(modifier::kLinear)), std::nullopt);
  EXPECT_EQ(CombinePairs(Any(pf::kNv12), AnyFormat(0x0200000000000042)), std::nullopt);
  EXPECT_EQ(CombinePairs(Any(pf::kMjpeg), kAnyPair), Any(pf::kMjpeg));
}

TEST(RuleC16, RefusesAPairThatIsGivenTwice) {
  EXPECT_EQ(RuleForImage(Entry({kRgbaLinear, kRgbaLinear})), "C16");
  EXPECT_EQ(RuleForOne(CpuImages({Rgba(), Rgba()})), "C16");
  ImageFormatConstraints by_default = Entry({kRgbaLinear});
  by_default.pixel_format = pf::kR8G8B8A8;  // F3 makes it the same pair
  EXPECT_EQ(RuleForImage(by_default), "C16");
}

TEST(RuleC16, RefusesPairsThatCanBeCombined) {
  EXPECT_EQ(RuleForImage(Entry({kAnyPair, kRgbaLinear})), "C16");
  EXPECT_EQ(RuleForImage(Entry({kAnyPair, Any(pf::kMjpeg)})), "C16");
  EXPECT_EQ(RuleForImage(Entry({kAnyPair, AnyFormat(0x0200000000000042)})), "C16");
  EXPECT_EQ(RuleForImage(Entry({Any(pf::kNv12), kNv12Linear})), "C16");
  EXPECT_EQ(RuleForImage(Entry({kNv12Linear, AnyFormat(modifier::kLinear)})), "C16");
  EXPECT_EQ(RuleForImage(Entry({Any(pf::kNv12), AnyFormat(modifier::kLinear)})), "C16");
}

TEST(RuleC16, AcceptsPairsThatCannotBeCombined) {
  EXPECT_EQ(RuleForImage(Entry({kNv12Linear, kRgbaLinear, Any(pf::kI420)})), "");
  EXPECT_EQ(RuleForImage(Entry({Any(pf::kMjpeg), AnyFormat(modifier::kLinear)})), "");
  EXPECT_EQ(RuleForImage(Entry({AnyFormat(modifier::kLinear), AnyFormat(1)})), "");
  EXPECT_EQ(RuleForImage(Entry({kAnyPair})), "");
}

// The set-based search must find what comparing each with each would find.
TEST(RuleC16, AgreesWithComparingEachPairWithEachOther) {
  const Pairs pool = {kNv12Linear,
                      kRgbaLinear,
                      kAnyPair,
                      Any(pf::kNv12),
                      Any(pf::kMjpeg),
                      Any(4711),
                      AnyFormat(modifier::kLinear),
                      AnyFormat(modifier::kIntelXTiled)};
  for (unsigned subset = 0; subset < (1u << pool.size()); ++subset) {
    Pairs pairs;
    for (size_t i = 0; i < pool.size(); ++i) {
      if ((subset >> i & 1) != 0) pairs.push_back(pool[i]);
    }
    bool overlap = false;
    for (size_t i = 0; i < pairs.size(); ++i) {
      for (size_t j = i + 1; j < pairs.size(); ++j) {
        overlap = overlap || CombinePairs(pairs[i], pairs[j]).has_value();
      }
    }
    EXPECT_EQ(FindRedundantPair(pairs).has_value(), overlap) << subset;
  }
}

}  // namespace
}  // namespace sysmem::core
