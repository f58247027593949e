// SPDX-License-Identifier: Apache-2.0
//
// The rules for image formats where images are tiled, compressed, or have more behind them than
// pixels: server-behaviour.md 4.4 to 4.9 and 4.11.
#include <gtest/gtest.h>

#include "core/existing_buffers.h"
#include "core/format_pair.h"
#include "core/image_layout.h"
#include "core/merge.h"
#include "core/plan_buffers.h"
#include "core/sanitise.h"
#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;
namespace cs = color_space;
namespace mod = modifier;

ImageFormatConstraints Entry(uint32_t format, uint64_t modifier) {
  ImageFormatConstraints image =
      Image(format, {format == pf::kNv12 || format == pf::kP010 ? cs::kRec709 : cs::kSrgb});
  image.pixel_format_modifier = modifier;
  return image;
}

// Every way to lay out R8G8B8A8 that has a name of its own in the interface, but LINEAR.
const uint64_t kNotLinear[] = {mod::kIntelXTiled,
                               mod::kIntelYTiled,
                               mod::kIntelYfTiled,
                               mod::kIntelYTiledCcs,
                               mod::kIntelYfTiledCcs,
                               mod::kArmAfbc16x16,
                               mod::kArmAfbc32x8,
                               mod::kArmLinearTe,
                               mod::kArmAfbc16x16Te,
                               mod::kArmAfbc32x8Te,
                               mod::kArmAfbc16x16YuvTiledHeader,
                               mod::kArmAfbc16x16SplitBlockSparseYuv,
                               mod::kArmAfbc16x16SplitBlockSparseYuvTe,
                               mod::kArmAfbc16x16SplitBlockSparseYuvTiledHeader,
                               mod::kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader,
                               mod::kGoogleGoldfishOptimal};

TEST(RuleI16, AcceptsEveryModifierOfTheInterfaceForRgba) {
  for (uint64_t modifier : kNotLinear) {
    EXPECT_EQ(RuleForImage(Entry(pf::kR8G8B8A8, modifier)), "") << ModifierName(modifier);
  }
}

TEST(RuleI16, RefusesTiledPairsThatAreNotSupported) {
  EXPECT_EQ(RuleForImage(Entry(pf::kR5G6B5, mod::kIntelXTiled)), "I16");
  EXPECT_EQ(RuleForImage(Entry(pf::kNv12, mod::kArmAfbc16x16)), "I16");
  EXPECT_EQ(RuleForImage(Entry(pf::kNv12, mod::kIntelYTiledCcs)), "I16");
  EXPECT_EQ(RuleForImage(Entry(pf::kR8G8B8A8, mod::kIntelXTiled | mod::kIntelCcsBit)), "I16");
  EXPECT_EQ(RuleForImage(Entry(4711, mod::kGoogleGoldfishOptimal)), "I16");
}

TEST(RulesI16aToI16e, TakeTheSmallestRowOfATiledFormatFromItsTiles) {
  const SanitisedImageFormat nv12 = SaneImage(Entry(pf::kNv12, mod::kIntelYTiled));
  EXPECT_EQ(nv12.size_alignment, (SizeU{2, 2}));
  EXPECT_EQ(nv12.start_offset_divisor, 2u);
  EXPECT_EQ(nv12.bytes_per_row_divisor, 2u) << "the tile is no constraint of the participant";
  EXPECT_EQ(nv12.min_bytes_per_row, 128u);
  ImageFormatConstraints image = Entry(pf::kR8G8B8A8, mod::kIntelXTiled);
  image.min_size = {1366, 768};
  EXPECT_EQ(SaneImage(image).min_bytes_per_row, 5632u);
  image.pixel_format_modifier = mod::kArmAfbc16x16;
  EXPECT_EQ(SaneImage(image).min_bytes_per_row, 86u * 16 * 4);
  image.pixel_format_modifier = mod::kArmLinearTe;
  EXPECT_EQ(SaneImage(image).min_bytes_per_row, 5464u);
}

TEST(RuleI16e, GoesWithoutASmallestRowWhereTheLayoutHasNone) {
  ImageFormatConstraints image = Entry(pf::kR8G8B8A8, mod::kGoogleGoldfishOptimal);
  image.min_size = {64, 64};
  EXPECT_EQ(SaneImage(image).min_bytes_per_row, 4u);
  EXPECT_EQ(Agreed({CpuImages({image})}).settings.buffer.size_bytes, 64u * 64 * 4);
}

// 264 bytes are no whole tiles of 128, 384 are. If passing the rules once more made one of the
// other, buffers could not be joined late.
TEST(RuleI16e, DoesNotRoundRowsUpFurtherEachTimeItIsApplied) {
  for (uint64_t modifier : kNotLinear) {
    for (uint32_t divisor : {1u, 12u, 96u, 600u}) {
      ImageFormatConstraints image = Entry(pf::kR8G8B8A8, modifier);
      image.min_size = {33, 1};
      image.min_bytes_per_row = 258;
      image.bytes_per_row_divisor = divisor;
      SanitisedImageFormat once = SaneImage(image);
      const SanitisedImageFormat before = once;
      EXPECT_EQ(RuleOf(SanitiseImageFormat(once, Limits{})), "");
      EXPECT_EQ(once, before) << ModifierName(modifier) << " " << divisor;
    }
  }
}

TEST(RuleI28, GoesByThePixelFormatWhateverTheModifier) {
  for (uint64_t modifier : kNotLinear) {
    ImageFormatConstraints image = Entry(pf::kR8G8B8A8, modifier);
    image.color_spaces = {cs::kRec709};
    EXPECT_EQ(RuleForImage(image), "I28") << ModifierName(modifier);
    image.color_spaces = {cs::kPassthrough};
    EXPECT_EQ(RuleForImage(image), "") << ModifierName(modifier);
  }
}

TEST(RuleI33, RefusesBlocksForWhateverIsNotLinear) {
  for (uint64_t modifier : kNotLinear) {
    for (const SizeU& block : {SizeU{4, 1}, SizeU{1, 4}, SizeU{4, 4}}) {
      ImageFormatConstraints image = Entry(pf::kR8G8B8A8, modifier);
      image.max_size = {64, 64};
      image.pad_for_block_size = block;
      EXPECT_EQ(RuleForImage(image), "I33") << ModifierName(modifier);
    }
  }
}

TEST(RuleComb, CombinesWildcardsIntoTiledPairsThatAreSupported) {
  const PixelFormatAndModifier any_x{pf::kDoNotCare, mod::kIntelXTiled};
  EXPECT_EQ(CombinePairs({pf::kNv12, mod::kDoNotCare}, any_x),
            (PixelFormatAndModifier{pf::kNv12, mod::kIntelXTiled}));
  EXPECT_EQ(CombinePairs({pf::kR5G6B5, mod::kDoNotCare}, any_x), std::nullopt);
  // Modifiers are never turned into one another.
  EXPECT_EQ(CombinePairs({pf::kR8G8B8A8, mod::kIntelYTiled}, {pf::kR8G8B8A8, mod::kIntelYTiledCcs}),
            std::nullopt);
  EXPECT_EQ(CombinePairs({pf::kR8G8B8X8, mod::kIntelYTiled}, {pf::kR8G8B8A8, mod::kIntelYTiled}),
            std::nullopt);
}

TEST(RuleC16, AllowsWildcardsOfOneParticipantThatMeetInNoSupportedPair) {
  EXPECT_EQ(RuleForOne(CpuImages(
                {Entry(pf::kR5G6B5, mod::kDoNotCare), Entry(pf::kDoNotCare, mod::kIntelXTiled)})),
            "");
  EXPECT_EQ(RuleForOne(CpuImages(
                {Entry(pf::kNv12, mod::kDoNotCare), Entry(pf::kDoNotCare, mod::kIntelXTiled)})),
            "C16");
  EXPECT_EQ(RuleForOne(CpuImages({Entry(pf::kR8G8B8A8, mod::kIntelYTiled),
                                  Entry(pf::kR8G8B8A8, mod::kIntelYTiledCcs)})),
            "");
}

// 4.9: what one participant's image takes.
uint64_t SizeFor(uint32_t format, uint64_t modifier, SizeU size) {
  ImageFormatConstraints image = Entry(format, modifier);
  image.min_size = size;
  return Agreed({CpuImages({image})}).settings.buffer.size_bytes;
}

TEST(BufferSize, HoldsTiledAndCompressedImages) {
  EXPECT_EQ(SizeFor(pf::kR8G8B8A8, mod::kIntelXTiled, {1366, 768}), 4325376u);
  EXPECT_EQ(SizeFor(pf::kR8G8B8A8, mod::kIntelYTiledCcs, {1920, 1080}), 8380416u);
  EXPECT_EQ(SizeFor(pf::kNv12, mod::kIntelYTiled, {1920, 1080}), 3133440u);
  EXPECT_EQ(SizeFor(pf::kNv12, mod::kIntelXTiled, {1920, 1080}), 3325952u);
  EXPECT_EQ(SizeFor(pf::kR8G8B8A8, mod::kArmAfbc16x16, {1920, 1080}), 8486912u);
  EXPECT_EQ(SizeFor(pf::kR8G8B8A8, mod::kArmAfbc16x16Te, {1920, 1080}), 8552256u);
  EXPECT_EQ(SizeFor(pf::kR8G8B8A8, mod::kArmAfbc32x8, {1, 1}), 2048u);
  EXPECT_EQ(SizeFor(pf::kR8G8B8A8, mod::kArmLinearTe, {33, 33}), 4736u);
}

TEST(HazardImgH3, TiledImagesThatDoNotFitTheirTypesAreRefused) {
  for (uint64_t modifier : kNotLinear) {
    ImageFormatConstraints image = Entry(pf::kR8G8B8A8, modifier);
    image.required_max_size_list = {{UINT32_MAX, 1}};
    EXPECT_EQ(RuleOf(Ask({CpuImages({image})})), "4.9") << ModifierName(modifier);
    image.required_max_size_list = {{65535, 65535}};
    EXPECT_EQ(RuleOf(Ask({CpuImages({image})})), "4.9") << ModifierName(modifier);
    image.required_max_size_list = {{0x3FFFFFFF, 4}};
    EXPECT_EQ(RuleOf(Ask({CpuImages({image})})), "4.9") << ModifierName(modifier);
  }
}

// FMT-1.

Settings SecureMachine() {
  Settings settings = Machine();
  settings.heaps.push_back(HeapNamed("secure"));
  settings.secure_heaps = {{"secure", 0}};
  return settings;
}

Constraints Secure(std::vector<ImageFormatConstraints> images) {
  Constraints c;
  c.usage = BufferUsage{.video = 1};
  c.min_buffer_count = 1;
  c.memory = MemoryConstraints{.min_size_bytes = 1, .secure_required = true};
  c.image_formats = std::move(images);
  return c;
}

TEST(RuleFmt1, LeavesOutOfSecureMemoryWhatHasTransactionElimination) {
  Settings settings = SecureMachine();
  for (uint64_t modifier : kNotLinear) {
    const bool has_te =
        mod::IsArmAfbc(modifier) ? (modifier & mod::kArmTeBit) != 0 : modifier == mod::kArmLinearTe;
    const auto plan = Ask({Secure({Entry(pf::kR8G8B8A8, modifier)})}, settings);
    EXPECT_EQ(RuleOf(plan), has_te ? "FMT-1" : "") << ModifierName(modifier);
  }
  // Where there is another format, that one is taken although it is dearer.
  settings.format_costs = {{.format = {pf::kR8G8B8A8, mod::kArmAfbc16x16Te}, .cost = 1}};
  const Constraints both =
      Secure({Entry(pf::kR8G8B8A8, mod::kArmAfbc16x16Te), Entry(pf::kR8G8B8A8, mod::kLinear)});
  EXPECT_EQ(ImageOf(Agreed({both}, settings)).pixel_format_modifier, mod::kLinear);
  Constraints in_the_open = both;
  in_the_open.memory->secure_required = false;
  EXPECT_EQ(ImageOf(Agreed({in_the_open}, settings)).pixel_format_modifier, mod::kArmAfbc16x16Te);
}

TEST(RuleFmt1, ChoosesAmongModifiersByCostAndWithoutOneByNumber) {
  Settings settings = Machine();
  const Constraints all = [] {
    Constraints c = CpuImages({Entry(pf::kR8G8B8A8, mod::kLinear)});
    for (uint64_t modifier : kNotLinear) {
      c.image_formats[0].pixel_format_and_modifiers.push_back({pf::kR8G8B8A8, modifier});
    }
    c.image_formats[0].min_size = {64, 64};
    return c;
  }();
  EXPECT_EQ(ImageOf(Agreed({all}, settings)).pixel_format_modifier, mod::kLinear);
  settings.format_costs = {{.format = {pf::kR8G8B8A8, mod::kIntelYTiledCcs}, .cost = 600},
                           {.format = {pf::kR8G8B8A8, mod::kArmAfbc32x8}, .cost = 700}};
  EXPECT_EQ(ImageOf(Agreed({all}, settings)).pixel_format_modifier, mod::kIntelYTiledCcs);
}

// FMT-2.
TEST(RuleFmt2, ReportsAlphaOfTiledFormatsAsOfLinearOnes) {
  for (uint64_t modifier : kNotLinear) {
    for (uint32_t format : {pf::kR8G8B8A8, pf::kR8G8B8X8, pf::kB8G8R8A8, pf::kB8G8R8X8}) {
      ImageFormatConstraints image = Entry(format, modifier);
      image.min_size = {64, 64};
      image.is_alpha_present = false;
      EXPECT_EQ(ImageOf(Agreed({CpuImages({image})})).is_alpha_present, false);
    }
  }
  ImageFormatConstraints nv12 = Entry(pf::kNv12, mod::kIntelXTiled);
  nv12.min_size = {64, 64};
  nv12.is_alpha_present = false;
  EXPECT_EQ(ImageOf(Agreed({CpuImages({nv12})})).is_alpha_present, std::nullopt);
}

// Buffers that exist.

std::optional<Failure> Join(const Constraints& present, const Constraints& newcomer,
                            const Settings& settings) {
  const Plan plan = Agreed({present}, settings);
  return WhyNotServed({{1, "present", &present}, {2, "newcomer", &newcomer}}, plan, settings);
}

TEST(WhyNotServed, ServesBuffersOfEveryLayout_EXIST) {
  for (uint64_t modifier : kNotLinear) {
    ImageFormatConstraints image = Entry(pf::kR8G8B8A8, modifier);
    image.min_size = {61, 33};
    image.required_max_size_list = {{200, 100}, {100, 200}};
    Constraints present = CpuImages({image});
    present.min_buffer_count = 3;
    EXPECT_FALSE(Join(present, CpuImages({image}), Machine())) << ModifierName(modifier);
    EXPECT_FALSE(Join(present, CpuImages({Entry(pf::kDoNotCare, modifier)}), Machine()));
    EXPECT_FALSE(Join(present, CpuImages({Entry(pf::kR8G8B8A8, mod::kDoNotCare)}), Machine()));
    EXPECT_TRUE(Join(present, CpuImages({Entry(pf::kR8G8B8A8, mod::kLinear)}), Machine()));
  }
}

// A secure heap is no proof of secure buffers: nobody required them, and it was the only heap.
TEST(HazardExistH1, OpenBuffersInASecureHeapCanBeJoined) {
  const Settings settings = SecureMachine();
  Constraints present = Secure({Entry(pf::kR8G8B8A8, mod::kLinear)});
  present.memory->secure_required = false;
  present.memory->permitted_heaps = {{{.type = "secure", .id = 0}}};
  const Plan plan = Agreed({present}, settings);
  EXPECT_EQ(plan.settings.buffer.heap.type, "secure");
  EXPECT_FALSE(plan.settings.buffer.is_secure);
  EXPECT_FALSE(Join(present, present, settings));
  EXPECT_FALSE(Join(present, Constraints{}, settings));
  EXPECT_TRUE(Join(present, Secure({Entry(pf::kR8G8B8A8, mod::kLinear)}), settings))
      << "what is open does not become secure";
}

}  // namespace
}  // namespace sysmem::core
