// SPDX-License-Identifier: Apache-2.0
//
// Conformance: image formats, modifiers, colour spaces and alpha (IMG), through the library and the
// wire.
#include <array>
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

constexpr uint32_t kAnyFormat = SYSMEM_PIXEL_FORMAT_DO_NOT_CARE;
constexpr uint32_t kRgba = SYSMEM_PIXEL_FORMAT_R8G8B8A8;
constexpr uint32_t kBgra = SYSMEM_PIXEL_FORMAT_B8G8R8A8;
constexpr uint32_t kBgr = SYSMEM_PIXEL_FORMAT_B8G8R8;
constexpr uint32_t kNv12 = SYSMEM_PIXEL_FORMAT_NV12;
constexpr uint64_t kAny = SYSMEM_MODIFIER_DO_NOT_CARE;
constexpr uint64_t kLinear = SYSMEM_MODIFIER_LINEAR;
constexpr uint64_t kX = SYSMEM_MODIFIER_INTEL_I915_X_TILED;
constexpr uint64_t kY = SYSMEM_MODIFIER_INTEL_I915_Y_TILED;

void ExpectFormat(const sysmem::Result<sysmem::Buffers>& outcome, uint32_t format,
                  uint64_t modifier) {
  SYSMEM_ASSERT_OK(outcome);
  ASSERT_NE(outcome->settings().image, nullptr);
  EXPECT_EQ(outcome->settings().image->pixel_format, format);
  EXPECT_EQ(outcome->settings().image->pixel_format_modifier, modifier);
}

void ExpectColorSpace(const sysmem::Result<sysmem::Buffers>& outcome, uint32_t color_space) {
  SYSMEM_ASSERT_OK(outcome);
  ASSERT_NE(outcome->settings().image, nullptr);
  EXPECT_EQ(outcome->settings().image->color_space, color_space);
}

// K-FMT and K-FMTV, for participants who use the CPU unless said otherwise.
sysmem::Constraints Fmt(const std::vector<Format>& formats, ForCpu cpu = ForCpu::kYes,
                        std::optional<bool> alpha = {}) {
  return Formats(formats, cpu, alpha);
}
sysmem::Constraints FmtV(const std::vector<Format>& formats) {
  return ListedFormats(formats, ForCpu::kYes);
}

class Img : public Conformance {
 protected:
  // Both get this format.
  void ExpectAgreement(const sysmem::Constraints& parent, const sysmem::Constraints& child,
                       uint32_t format, uint64_t modifier) {
    const Outcomes outcomes = Pair(parent, child);
    ExpectFormat(outcomes.parent, format, modifier);
    ExpectFormat(outcomes.child, format, modifier);
  }
  // Neither gets anything.
  void ExpectDisagreement(const sysmem::Constraints& parent, const sysmem::Constraints& child) {
    const Outcomes outcomes = Pair(parent, child);
    EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(outcomes.parent)));
    EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(outcomes.child)));
  }
};

// An NV12 image of no size in one of these colour spaces.
sysmem::Constraints InSpaces(const std::vector<uint32_t>& color_spaces) {
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = 1,
          .memory =
              sysmem::MemoryConstraints{
                  .min_size_bytes = 65536, .max_size_bytes = 131072, .cpu_domain_supported = true},
          .image_formats = {{.pixel_format = kNv12, .color_spaces = color_spaces}}};
}

// Case IMG-1
TEST_F(Img, TheBestColourSpaceWinsWhereverItIsListed) {
  const auto outcome =
      Allocate(InSpaces({SYSMEM_COLOR_SPACE_REC601_PAL, SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE,
                         SYSMEM_COLOR_SPACE_REC709}));
  ExpectFormat(outcome, kNv12, kLinear);
  ExpectColorSpace(outcome, SYSMEM_COLOR_SPACE_REC709);
  EXPECT_EQ(outcome->count(), 1u);
}

// Case IMG-2
TEST_F(Img, TheBestColourSpaceThatBothKnowWins) {
  const Outcomes outcomes =
      Pair(InSpaces({SYSMEM_COLOR_SPACE_REC601_PAL, SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE,
                     SYSMEM_COLOR_SPACE_REC709}),
           InSpaces({SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE, SYSMEM_COLOR_SPACE_REC709}));
  for (const sysmem::Result<sysmem::Buffers>* outcome : {&outcomes.parent, &outcomes.child}) {
    ExpectFormat(*outcome, kNv12, kLinear);
    ExpectColorSpace(*outcome, SYSMEM_COLOR_SPACE_REC709);
    EXPECT_EQ((*outcome)->count(), 2u);
  }
}

// Case IMG-4
TEST_F(Img, RowsOfThreeBytesPerPixelAreRoundedUpToTheirDivisor) {
  sysmem::ImageConstraints image = Image(kBgr, SYSMEM_COLOR_SPACE_SRGB);
  image.min_size = sysmem::Size{600, 1};
  image.min_bytes_per_row = 1800;
  OpenTail(image);
  image.size_alignment = sysmem::Size{1, 1};
  image.bytes_per_row_divisor = 32;
  image.start_offset_divisor = 32;
  image.display_rect_alignment = sysmem::Size{1, 1};
  sysmem::MemoryConstraints memory = CpuOnly(1800, 1824);
  memory.ram_domain_supported = true;
  memory.permitted_heaps = {{{.heap_type = SYSMEM_HEAP_SYSTEM_RAM, .id = 0}}};
  const auto outcome = Allocate({.usage = sysmem::Usage{.cpu = kCpuReadWrite},
                                 .min_buffer_count_for_camping = 3,
                                 .memory = memory,
                                 .image_formats = {image}});
  ExpectFormat(outcome, kBgr, kLinear);
  const sysmem::Settings& settings = outcome->settings();
  EXPECT_EQ(outcome->count(), 3u);
  EXPECT_EQ(settings.size_bytes, 1824u);
  EXPECT_FALSE(settings.is_physically_contiguous);
  EXPECT_FALSE(settings.is_secure);
  EXPECT_EQ(settings.coherency_domain, SYSMEM_COHERENCY_DOMAIN_CPU);
  EXPECT_LE((*outcome)[0].usable_start + settings.size_bytes, settings.raw_size_bytes);
}

// A 32 x 32 image to be written.
sysmem::Constraints Small(uint32_t format, uint32_t color_space) {
  sysmem::ImageConstraints image = Image(format, color_space);
  image.min_size = sysmem::Size{32, 32};
  return {
      .usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_WRITE_OFTEN},
      .min_buffer_count_for_camping = 1,
      .memory = sysmem::MemoryConstraints{.min_size_bytes = 1, .max_size_bytes = 512 * 1024 * 1024},
      .image_formats = {image}};
}

// Case IMG-5
TEST_F(Img, OneWhoDoesNotCareTakesTheFormatOfOneWhoDoes) {
  sysmem::Token root = Root();
  sysmem::Token duplicate = Dup(root);
  sysmem::Collection one = Bind(std::move(root));
  sysmem::Collection two = Bind(std::move(duplicate));
  SYSMEM_EXPECT_OK(one.SetVerboseLogging());
  SYSMEM_EXPECT_OK(one.SetConstraints(Small(kAnyFormat, SYSMEM_COLOR_SPACE_REC709)));
  SYSMEM_EXPECT_OK(two.SetConstraints(Small(kNv12, SYSMEM_COLOR_SPACE_REC709)));
  for (sysmem::Collection* each : {&one, &two}) {
    const auto outcome = Wait(*each);
    ExpectFormat(outcome, kNv12, kLinear);
    EXPECT_EQ(outcome->count(), 2u);
  }
}

// Case IMG-7
TEST_F(Img, NobodyInventsAFormatForTwoWhoDoNotCare) {
  const sysmem::Constraints any = Small(kAnyFormat, SYSMEM_COLOR_SPACE_REC709);
  ExpectAgreement(any, Small(kNv12, SYSMEM_COLOR_SPACE_REC709), kNv12, kLinear);
  ExpectDisagreement(any, any);
}

// Case IMG-8
TEST_F(Img, OneWhoDoesNotCareTakesTheColourSpaceOfOneWhoDoes) {
  const Outcomes outcomes =
      Pair(Small(kNv12, SYSMEM_COLOR_SPACE_DO_NOT_CARE), Small(kNv12, SYSMEM_COLOR_SPACE_REC709));
  for (const sysmem::Result<sysmem::Buffers>* outcome : {&outcomes.parent, &outcomes.child}) {
    ExpectFormat(*outcome, kNv12, kLinear);
    ExpectColorSpace(*outcome, SYSMEM_COLOR_SPACE_REC709);
    EXPECT_EQ((*outcome)->count(), 2u);
  }
}

// Case IMG-10. Its pass 0 is IMG-8.
TEST_F(Img, AFormatWhoseColourSpaceNobodyNamesIsNoFormat) {
  EXPECT_TRUE(
      IsClosedOrIntersectionEmpty(Why(Allocate(Small(kNv12, SYSMEM_COLOR_SPACE_DO_NOT_CARE)))));
}

// Case IMG-11
TEST_F(Img, OneWhoDoesNotCareTakesTheModifierOfOneWhoDoesInEitherOrder) {
  const sysmem::Constraints any = Fmt({{kRgba, kAny}});
  const sysmem::Constraints tiled = Fmt({{kRgba, kX}});
  ExpectAgreement(any, tiled, kRgba, kX);
  ExpectAgreement(tiled, any, kRgba, kX);
}

// Case IMG-13, IMG-23
TEST_F(Img, EachSuppliesTheHalfThatTheOtherLeftOpen) {
  ExpectAgreement(Fmt({{kRgba, kAny}}), Fmt({{kAnyFormat, kX}}), kRgba, kX);
}

// Case IMG-14
TEST_F(Img, OneWhoDoesNotCareForTheFormatCaresForNoModifierEither) {
  sysmem::Token root = Root();
  sysmem::Token child = Dup(root);
  sysmem::Token grandchild = Dup(child);
  std::array<sysmem::Collection, 3> chain = {Bind(std::move(root)), Bind(std::move(child)),
                                             Bind(std::move(grandchild))};
  SYSMEM_EXPECT_OK(chain[0].SetConstraints(Fmt({{kRgba, kAny}})));
  SYSMEM_EXPECT_OK(chain[1].SetConstraints(Fmt({{kAnyFormat, {}}})));
  SYSMEM_EXPECT_OK(chain[2].SetConstraints(Fmt({{kAnyFormat, kX}})));
  for (sysmem::Collection& each : chain) ExpectFormat(Wait(each), kRgba, kX);
}

// Case IMG-16
TEST_F(Img, OneWhoUsesNothingCaresForNoModifierThatItDoesNotSay) {
  ExpectAgreement(Fmt({{kRgba, kX}}), Fmt({{kRgba, {}}}, ForCpu::kNo), kRgba, kX);
}

// Case IMG-17
TEST_F(Img, OwnFieldsAndListOfAnImageAreOneSet) {
  ExpectAgreement(Fmt({{kBgr, kLinear}, {kRgba, kLinear}}),
                  Fmt({{kRgba, kLinear}, {kBgra, kLinear}}), kRgba, kLinear);
}

// Case IMG-19
TEST_F(Img, AModifierWithoutAFormatIsRefusedEvenBesideAList) {
  sysmem::Constraints child = FmtV({{kRgba, SYSMEM_MODIFIER_ARM_AFBC_16X16}});
  child.image_formats.front().pixel_format_modifier = kX;
  ExpectDisagreement(Fmt({{kRgba, kX}, {kRgba, kY}}), child);
  EXPECT_TRUE(Root());
}

// Case IMG-20
TEST_F(Img, FormatAndModifierAreMatchedAsAPair) {
  ExpectAgreement(FmtV({{kBgra, SYSMEM_MODIFIER_ARM_AFBC_16X16}, {kRgba, kX}}),
                  FmtV({{kBgra, kY}, {kRgba, kX}}), kRgba, kX);
}

// Case IMG-22
TEST_F(Img, AFormatMayStandInAListOnceOnly) {
  ExpectFormat(Allocate(FmtV({{kRgba, kLinear}})), kRgba, kLinear);
  EXPECT_TRUE(
      IsClosedOrIntersectionEmpty(Why(Allocate(FmtV({{kRgba, kLinear}, {kRgba, kLinear}})))));
}

// Case IMG-25
TEST_F(Img, AModifierThatOnesOwnWildcardCoversIsRefused) {
  ExpectDisagreement(Fmt({{kRgba, kAny}, {kRgba, kX}}), Fmt({{kAnyFormat, kX}}));
}

// Case IMG-26
TEST_F(Img, AFormatThatOnesOwnWildcardCoversIsRefused) {
  EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Allocate(Fmt({{kAnyFormat, kAny}, {kRgba, kX}})))));
}

// Case IMG-28
TEST_F(Img, AnUnsupportedFormatThatIsOnlyImpliedIsLeftOut) {
  ExpectAgreement(Fmt({{kRgba, kAny}, {SYSMEM_PIXEL_FORMAT_MJPEG, kAny}}), Fmt({{kAnyFormat, kX}}),
                  kRgba, kX);
}

// One 64 x 64 image to be written.
sysmem::Constraints Written(sysmem::ImageConstraints image) {
  image.min_size = sysmem::Size{64, 64};
  return {.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_WRITE_OFTEN},
          .min_buffer_count = 1,
          .image_formats = {std::move(image)}};
}

// Case IMG-29
TEST_F(Img, AnUnsupportedColourSpaceThatIsOnlyImpliedIsLeftOut) {
  ExpectAgreement(Written({.pixel_format = kRgba,
                           .pixel_format_modifier = kAny,
                           .color_spaces = {SYSMEM_COLOR_SPACE_SRGB}}),
                  Written({.pixel_format = kAnyFormat,
                           .pixel_format_modifier = kX,
                           .color_spaces = {SYSMEM_COLOR_SPACE_SRGB, SYSMEM_COLOR_SPACE_REC2020}}),
                  kRgba, kX);
}

// Case IMG-31
TEST_F(Img, TheDeprecatedFormatsWithoutAlphaAreServed) {
  for (uint32_t format : {SYSMEM_PIXEL_FORMAT_B8G8R8X8, SYSMEM_PIXEL_FORMAT_R8G8B8X8}) {
    ExpectFormat(Allocate(Fmt({{format, kLinear}})), format, kLinear);
  }
}

// Case IMG-32
TEST_F(Img, AlphaThatIsSaidToBeAbsentIsReportedAsAbsent) {
  const auto outcome = Allocate(Fmt({{kRgba, kLinear}}, ForCpu::kYes, false));
  ExpectFormat(outcome, kRgba, kLinear);
  EXPECT_TRUE(outcome->settings().image->has_is_alpha_present);
  EXPECT_FALSE(outcome->settings().image->is_alpha_present);
}

struct AlphaFormat {
  uint32_t format;
  uint32_t color_space;
  bool can_have_alpha;  // an alpha channel, or one that may stand for it
};

constexpr AlphaFormat kAlphaFormats[] = {
    {SYSMEM_PIXEL_FORMAT_I420, SYSMEM_COLOR_SPACE_REC709, false},
    {SYSMEM_PIXEL_FORMAT_M420, SYSMEM_COLOR_SPACE_REC709, false},
    {SYSMEM_PIXEL_FORMAT_NV12, SYSMEM_COLOR_SPACE_REC709, false},
    {SYSMEM_PIXEL_FORMAT_YUY2, SYSMEM_COLOR_SPACE_REC709, false},
    {SYSMEM_PIXEL_FORMAT_YV12, SYSMEM_COLOR_SPACE_REC709, false},
    {SYSMEM_PIXEL_FORMAT_P010, SYSMEM_COLOR_SPACE_REC2100, false},
    {SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_COLOR_SPACE_SRGB, true},
    {SYSMEM_PIXEL_FORMAT_B8G8R8A8, SYSMEM_COLOR_SPACE_SRGB, true},
    {SYSMEM_PIXEL_FORMAT_B8G8R8, SYSMEM_COLOR_SPACE_SRGB, false},
    {SYSMEM_PIXEL_FORMAT_R5G6B5, SYSMEM_COLOR_SPACE_SRGB, false},
    {SYSMEM_PIXEL_FORMAT_R3G3B2, SYSMEM_COLOR_SPACE_SRGB, false},
    {SYSMEM_PIXEL_FORMAT_R2G2B2X2, SYSMEM_COLOR_SPACE_SRGB, true},
    {SYSMEM_PIXEL_FORMAT_L8, SYSMEM_COLOR_SPACE_SRGB, false},
    {SYSMEM_PIXEL_FORMAT_R8, SYSMEM_COLOR_SPACE_SRGB, false},
    {SYSMEM_PIXEL_FORMAT_R8G8, SYSMEM_COLOR_SPACE_SRGB, false},
    {SYSMEM_PIXEL_FORMAT_A2R10G10B10, SYSMEM_COLOR_SPACE_SRGB, true},
    {SYSMEM_PIXEL_FORMAT_A2B10G10R10, SYSMEM_COLOR_SPACE_SRGB, true},
    {SYSMEM_PIXEL_FORMAT_R8G8B8, SYSMEM_COLOR_SPACE_SRGB, false},
};

sysmem::Constraints WithAlpha(const AlphaFormat& format, std::optional<bool> alpha) {
  sysmem::ImageConstraints image = Image(format.format, format.color_space);
  image.is_alpha_present = alpha;
  return Written(std::move(image));
}

// Case IMG-34. What the sides do not set has no value, so 9 of the 16 combinations differ.
TEST_F(Img, AlphaMustAgreeAndIsReportedForFormatsThatCanHaveIt) {
  const std::optional<bool> all[] = {std::nullopt, false, true};
  for (const AlphaFormat& format : kAlphaFormats) {
    for (const std::optional<bool>& parent : all) {
      for (const std::optional<bool>& child : all) {
        SCOPED_TRACE(sysmem::PixelFormatName(format.format));
        const auto outcome = Pair(WithAlpha(format, parent), WithAlpha(format, child)).parent;
        if (parent && child && parent != child) {
          EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(outcome)));
          continue;
        }
        SYSMEM_ASSERT_OK(outcome);
        const sysmem::ImageSettings& image = *outcome->settings().image;
        const std::optional<bool> said = parent ? parent : child;
        EXPECT_EQ(image.has_is_alpha_present, said.has_value() && format.can_have_alpha);
        if (image.has_is_alpha_present) {
          EXPECT_EQ(image.is_alpha_present, said);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sysmem::testing
