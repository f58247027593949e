// SPDX-License-Identifier: Apache-2.0
//
// Merging lists of image formats: which survive, and what becomes of two entries for the same one.
#include <gtest/gtest.h>

#include "core/merge.h"
#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;
namespace cs = color_space;
using Format = SanitisedImageFormat;
using Formats = std::vector<Format>;

Format Of(PixelFormatAndModifier pair, std::vector<uint32_t> spaces = {cs::kPassthrough}) {
  Format format;
  format.format = pair;
  format.color_spaces = std::move(spaces);
  return format;
}

PixelFormatAndModifier Linear(uint32_t format) { return {format, modifier::kLinear}; }
PixelFormatAndModifier AnyModifier(uint32_t format) { return {format, modifier::kDoNotCare}; }

std::vector<PixelFormatAndModifier> PairsOf(const Formats& formats) {
  std::vector<PixelFormatAndModifier> pairs;
  for (const Format& format : formats) pairs.push_back(format.format);
  return pairs;
}

// Merges b into a copy of a. Failing is an empty list.
Formats Merged(Formats a, const Formats& b) {
  if (MergeImageFormats(a, b, Limits{})) return {};
  return a;
}

// Merges two entries for R8G8B8A8 LINEAR that differ in what the changes do.
template <typename A, typename B>
std::optional<Format> MergedEntry(A change_a, B change_b) {
  Format a = Of(kRgbaLinear);
  Format b = a;
  change_a(a);
  change_b(b);
  const Formats merged = Merged({a}, {b});
  if (merged.empty()) return std::nullopt;
  return merged[0];
}

TEST(MergingFormats, TakesTheOtherListWhereOneIsEmpty) {
  const Formats some = {Of(kNv12Linear), Of(kRgbaLinear)};
  EXPECT_EQ(Merged({}, some), some);
  EXPECT_EQ(Merged(some, {}), some);
}

TEST(MergingFormats, KeepsPairsThatBothHaveInTheOrderOfTheFirst) {
  const Formats a = {Of(kRgbaLinear), Of(kNv12Linear), Of(Linear(pf::kI420))};
  const Formats b = {Of(Linear(pf::kI420)), Of(Linear(pf::kYv12)), Of(kRgbaLinear)};
  EXPECT_EQ(PairsOf(Merged(a, b)), (std::vector{kRgbaLinear, Linear(pf::kI420)}));
}

TEST(MergingFormats, FailsWhenAllAreEliminated) {
  Formats total = {Of(kRgbaLinear)};
  const MaybeRejection no = MergeImageFormats(total, {Of(kNv12Linear)}, Limits{});
  ASSERT_TRUE(no);
  EXPECT_EQ(no->rule, "4.5");
  EXPECT_EQ(no->fields, std::vector<std::string>{"image_format_constraints"});
}

TEST(MergingWildcards, FansOutOnEitherSide) {
  const Formats concrete = {Of(kNv12Linear), Of(kRgbaLinear)};
  for (const PixelFormatAndModifier& wild :
       {kAnyPair, PixelFormatAndModifier{pf::kDoNotCare, modifier::kLinear}}) {
    EXPECT_EQ(PairsOf(Merged({Of(wild)}, concrete)), PairsOf(concrete));
    EXPECT_EQ(PairsOf(Merged(concrete, {Of(wild)})), PairsOf(concrete));
  }
}

TEST(MergingWildcards, EachSideMaySupplyTheHalfTheOtherLeftOpen) {
  const Format any_modifier = Of(AnyModifier(pf::kNv12));
  const Format any_format = Of({pf::kDoNotCare, modifier::kLinear});
  EXPECT_EQ(PairsOf(Merged({any_modifier}, {any_format})), std::vector{kNv12Linear});
  EXPECT_EQ(PairsOf(Merged({any_format}, {any_modifier})), std::vector{kNv12Linear});
}

TEST(MergingWildcards, MayStayWild) {
  const std::vector expected = {AnyModifier(pf::kNv12)};
  EXPECT_EQ(PairsOf(Merged({Of(kAnyPair)}, {Of(AnyModifier(pf::kNv12))})), expected);
  EXPECT_EQ(PairsOf(Merged({Of(kAnyPair)}, {Of(kAnyPair)})), std::vector{kAnyPair});
}

TEST(MergingWildcards, VanishWithoutACombinableCounterpart) {
  const Formats b = {Of(AnyModifier(pf::kMjpeg)), Of(kNv12Linear)};
  EXPECT_EQ(PairsOf(Merged({Of({pf::kDoNotCare, modifier::kLinear})}, b)),
            std::vector{kNv12Linear});
  EXPECT_TRUE(Merged({Of(AnyModifier(pf::kI420))}, {Of(kNv12Linear)}).empty());
}

TEST(MergingWildcards, DropColorSpacesThatTheFormatCannotHave) {
  const Format wild = Of({pf::kDoNotCare, modifier::kLinear}, {cs::kSrgb, cs::kRec2020});
  const Formats merged = Merged({wild}, {Of(kRgbaLinear, {cs::kSrgb})});
  ASSERT_EQ(merged.size(), 1u);
  EXPECT_EQ(merged[0].color_spaces, std::vector{cs::kSrgb});
}

TEST(MergingWildcards, OmitACopyThatHasNoColorSpaceLeft) {
  const Format wild = Of(kAnyPair, {cs::kSrgb});
  const Formats concrete = {Of(kNv12Linear, {cs::kRec709}), Of(kRgbaLinear, {cs::kSrgb})};
  EXPECT_EQ(PairsOf(Merged({wild}, concrete)), std::vector{kRgbaLinear});
  EXPECT_EQ(PairsOf(Merged(concrete, {wild})), std::vector{kRgbaLinear});
}

TEST(MergingWildcards, FailsWhenAListOf512HasToGrow) {
  Formats unknown_formats;
  for (uint32_t i = 0; i < 512; ++i) unknown_formats.push_back(Of(AnyModifier(1000 + i)));
  EXPECT_EQ(Merged({Of(kAnyPair)}, unknown_formats).size(), 512u);
  unknown_formats.push_back(Of(AnyModifier(2000)));
  EXPECT_TRUE(Merged({Of(kAnyPair)}, unknown_formats).empty());
  EXPECT_TRUE(Merged(unknown_formats, {Of(kAnyPair)}).empty());
}

TEST(MergingColorSpaces, IntersectsAndReplacesWildcards) {
  const Format any = Of(kNv12Linear, {cs::kDoNotCare});
  const Format two = Of(kNv12Linear, {cs::kRec709, cs::kRec601Pal});
  const Format pal = Of(kNv12Linear, {cs::kRec601Pal});
  EXPECT_EQ(Merged({any}, {two})[0].color_spaces, two.color_spaces);
  EXPECT_EQ(Merged({two}, {any})[0].color_spaces, two.color_spaces);
  EXPECT_EQ(Merged({any}, {any})[0].color_spaces, any.color_spaces);
  EXPECT_EQ(Merged({two}, {pal})[0].color_spaces, pal.color_spaces);
}

TEST(MergingColorSpaces, EliminatesOnlyTheFormatThatHasNoneInCommon) {
  const Formats a = {Of(kNv12Linear, {cs::kRec709}), Of(kRgbaLinear, {cs::kSrgb})};
  const Formats b = {Of(kNv12Linear, {cs::kRec601Pal}), Of(kRgbaLinear, {cs::kSrgb})};
  EXPECT_EQ(PairsOf(Merged(a, b)), std::vector{kRgbaLinear});
}

// One row per field: two values, and what they become whichever comes first.
template <typename T>
struct Row {
  const char* name;
  T Format::*field;
  T a;
  T b;
  T merged;
};

template <typename T>
void ExpectMerges(const std::vector<Row<T>>& rows) {
  for (const Row<T>& row : rows) {
    const auto set_a = [&row](Format& f) { f.*row.field = row.a; };
    const auto set_b = [&row](Format& f) { f.*row.field = row.b; };
    const auto forwards = MergedEntry(set_a, set_b);
    const auto backwards = MergedEntry(set_b, set_a);
    ASSERT_TRUE(forwards && backwards) << row.name;
    EXPECT_EQ((*forwards).*row.field, row.merged) << row.name;
    EXPECT_EQ((*backwards).*row.field, row.merged) << row.name;
  }
}

TEST(MergingEntries, CombinesSizesPerDimension) {
  ExpectMerges<SizeU>({
      {"min_size", &Format::min_size, {3, 8}, {5, 2}, {5, 8}},
      {"max_size", &Format::max_size, {3, 8}, {5, 2}, {3, 2}},
      {"size_alignment", &Format::size_alignment, {4, 8}, {16, 2}, {16, 8}},
      {"display_rect_alignment", &Format::display_rect_alignment, {4, 8}, {16, 2}, {16, 8}},
      {"required_min_size", &Format::required_min_size, {3, 8}, {5, 2}, {3, 2}},
      {"required_max_size", &Format::required_max_size, {3, 8}, {5, 2}, {5, 8}},
      {"pad_for_block_size", &Format::pad_for_block_size, {4, 8}, {16, 2}, {16, 8}},
  });
}

TEST(MergingEntries, CombinesRowsAndDivisors) {
  ExpectMerges<uint32_t>({
      {"min_bytes_per_row", &Format::min_bytes_per_row, 3, 5, 5},
      {"max_bytes_per_row", &Format::max_bytes_per_row, 3, 5, 3},
      {"bytes_per_row_divisor", &Format::bytes_per_row_divisor, 6, 8, 24},
      {"start_offset_divisor", &Format::start_offset_divisor, 4, 16, 16},
  });
}

TEST(MergingEntries, CombinesWideNumbers) {
  ExpectMerges<uint64_t>({
      {"max_width_times_height", &Format::max_width_times_height, 1ull << 40, 7, 7},
      {"pad_beyond_image_size_bytes", &Format::pad_beyond_image_size_bytes, 1ull << 40, 7,
       1ull << 40},
  });
}

TEST(MergingEntries, OrsThePixelBoundary) {
  ExpectMerges<bool>({{"require_bytes_per_row_at_pixel_boundary",
                       &Format::require_bytes_per_row_at_pixel_boundary, true, false, true}});
}

TEST(MergingEntries, ConcatenatesRequiredSizes) {
  const auto merged = MergedEntry(
      [](Format& f) {
        f.required_max_size_list = {{1, 2}, {3, 4}};
      },
      [](Format& f) {
        f.required_max_size_list = {{3, 4}};
      });
  EXPECT_EQ(merged->required_max_size_list, (std::vector<SizeU>{{1, 2}, {3, 4}, {3, 4}}));
}

TEST(MergingEntries, LongListsOfRequiredSizesLoseWhatIsCoveredEarly) {
  const auto many = [](Format& f) { f.required_max_size_list.assign(40, {3, 4}); };
  EXPECT_EQ(MergedEntry(many, many)->required_max_size_list, (std::vector<SizeU>{{3, 4}}));
}

TEST(MergingEntries, NeedsAgreementOnAlphaAmongThoseWhoSetIt) {
  const auto alpha = [](std::optional<bool> value) {
    return [value](Format& f) { f.is_alpha_present = value; };
  };
  EXPECT_EQ(MergedEntry(alpha({}), alpha({}))->is_alpha_present, std::nullopt);
  EXPECT_EQ(MergedEntry(alpha({}), alpha(false))->is_alpha_present, false);
  EXPECT_EQ(MergedEntry(alpha(true), alpha({}))->is_alpha_present, true);
  EXPECT_EQ(MergedEntry(alpha(true), alpha(true))->is_alpha_present, true);
  EXPECT_EQ(MergedEntry(alpha(true), alpha(false)), std::nullopt);
}

TEST(MergingEntries, DropsTheFormatWhenDivisorsHaveNoCommonMultiple) {
  const auto divisor = [](uint32_t value) {
    return [value](Format& f) { f.bytes_per_row_divisor = value; };
  };
  EXPECT_EQ(MergedEntry(divisor(0x80000000), divisor(3)), std::nullopt);
  EXPECT_EQ(MergedEntry(divisor(0x80000000), divisor(2))->bytes_per_row_divisor, 0x80000000);
}

TEST(MergingEntries, MakesRowsAMultipleOfTheWidestBlock) {
  const auto merged = MergedEntry(
      [](Format& f) {
        f.pad_for_block_size = {8, 1};
      },
      [](Format& f) { f.bytes_per_row_divisor = 24; });
  EXPECT_EQ(merged->bytes_per_row_divisor, 96u);  // of 24 and 8 pixels of 4 bytes
  EXPECT_EQ(MergedEntry(
                [](Format& f) {
                  f.pad_for_block_size = {0x40000000, 1};
                },
                [](Format&) {}),
            std::nullopt);
}

}  // namespace
}  // namespace sysmem::core
