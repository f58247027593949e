// SPDX-License-Identifier: Apache-2.0
//
// Who can be served by buffers that exist: EXIST, LATE-1 to LATE-5 and LATE-H1 of
// server-behaviour.md 3.7 and 3.8, without a tree.
#include "core/existing_buffers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
using testing::HasSubstr;

// What `newcomer` is told when it joins those who agreed on `plan`.
std::optional<Failure> Join(const std::vector<Constraints>& present, const Constraints& newcomer,
                            const Plan& plan, const Settings& settings = Machine()) {
  std::vector<Participant> participants;
  for (const Constraints& one : present) {
    const NodeId node = participants.size() + 1;
    participants.push_back({node, "p" + std::to_string(node), &one});
  }
  participants.push_back({99, "newcomer", &newcomer});
  return WhyNotServed(participants, plan, settings);
}

// "" if the newcomer is served, else the rule that says no.
std::string RuleForJoining(const std::vector<Constraints>& present, const Constraints& newcomer,
                           const Settings& settings = Machine()) {
  const auto no = Join(present, newcomer, Agreed(present, settings), settings);
  EXPECT_TRUE(!no || no->error == Error::kConstraintsIntersectionEmpty);
  return no ? no->rule : "";
}

// An entry that leaves room to tighten every bound.
ImageFormatConstraints RoomyNv12() {
  ImageFormatConstraints image = Nv12();
  image.min_size = {64, 64};
  image.max_size = {1024, 1024};
  image.max_bytes_per_row = 4096;
  image.max_width_times_height = 1 << 20;
  image.required_max_size_list = {{256, 128}, {128, 256}};
  image.required_min_size = {512, 512};
  return image;
}

Constraints WithImage(ImageFormatConstraints image) {
  Constraints c = CpuImages({std::move(image)});
  c.min_buffer_count = 4;
  return c;
}

TEST(AsConstraints, SaysExactlyWhatTheBuffersAre_EXIST) {
  Plan plan;
  plan.buffer_count = 5;
  plan.settings.buffer = {.size_bytes = 10000,
                          .is_physically_contiguous = true,
                          .is_secure = true,
                          .coherency_domain = CoherencyDomain::kInaccessible,
                          .heap = {"tee", 3},
                          .raw_vmo_size = 12288};
  plan.settings.image_format = Nv12();
  plan.physical_alignment = 65536;
  const Constraints exact = AsConstraints(plan);
  EXPECT_EQ(exact.usage, (BufferUsage{.none = kNoneUsage}));
  EXPECT_EQ(exact.min_buffer_count, 5u);
  EXPECT_EQ(exact.max_buffer_count, 5u);
  EXPECT_FALSE(exact.min_buffer_count_for_camping);
  EXPECT_EQ(exact.memory, (MemoryConstraints{
                              .min_size_bytes = 10000,
                              .max_size_bytes = 10000,
                              .physically_contiguous_required = true,
                              .secure_required = true,
                              .cpu_domain_supported = false,
                              .ram_domain_supported = false,
                              .inaccessible_domain_supported = true,
                              .permitted_heaps = std::vector<HeapWish>{{.type = "tee", .id = 3}}}));
  EXPECT_EQ(exact.image_formats, std::vector<ImageFormatConstraints>{Nv12()});
}

TEST(AsConstraints, LeavesUnsetWhatTheBuffersAreNot_EXIST) {
  const Constraints exact = AsConstraints(Agreed({CpuBytes(kPage)}));
  EXPECT_FALSE(exact.memory->physically_contiguous_required);
  EXPECT_FALSE(exact.memory->secure_required);
  EXPECT_EQ(exact.memory->cpu_domain_supported, true);
  EXPECT_EQ(exact.memory->ram_domain_supported, false);
  EXPECT_TRUE(exact.image_formats.empty());
}

TEST(WhyNotServed, ServesWhoAsksForLess_LATE_2) {
  Constraints roomy = CpuBytes(2 * kPage);
  roomy.min_buffer_count = 4;
  EXPECT_EQ(RuleForJoining({roomy}, CpuBytes(kPage)), "");
  EXPECT_EQ(RuleForJoining({roomy}, Constraints{}), "");
  EXPECT_EQ(RuleForJoining({WithImage(RoomyNv12())}, CpuImages({Nv12()})), "");
}

TEST(WhyNotServed, RefusesLargerBuffers_LATE_5_M14) {
  Constraints roomy = CpuBytes(kPage);
  roomy.min_buffer_count = 4;
  EXPECT_EQ(RuleForJoining({roomy}, CpuBytes(kPage + 1)), "M14");
}

TEST(WhyNotServed, AddsUpTheCounts_LATE_4) {
  Constraints roomy = CpuBytes(kPage);  // camps with one
  roomy.min_buffer_count = 3;
  Constraints newcomer = CpuBytes(kPage);
  newcomer.min_buffer_count_for_camping = 2;
  EXPECT_EQ(RuleForJoining({roomy}, newcomer), "");
  newcomer.min_buffer_count_for_camping = 3;
  EXPECT_EQ(RuleForJoining({roomy}, newcomer), "4.8");
  newcomer.min_buffer_count_for_camping = 0;
  newcomer.min_buffer_count = 4;
  EXPECT_EQ(RuleForJoining({roomy}, newcomer), "C5") << "more than the buffers there are";
  newcomer.min_buffer_count = 0;
  newcomer.max_buffer_count = 2;
  EXPECT_EQ(RuleForJoining({roomy}, newcomer), "C5") << "fewer than the buffers there are";
}

TEST(WhyNotServed, KeepsTheDomainThatWasChosen_EXIST) {
  Constraints either = CpuBytes(kPage);
  either.min_buffer_count = 2;
  either.memory->ram_domain_supported = true;
  Constraints display = either;
  display.usage->display = 1;
  const Plan plan = Agreed({either});
  EXPECT_EQ(plan.settings.buffer.coherency_domain, CoherencyDomain::kCpu);
  EXPECT_EQ(RuleForJoining({either}, display), "") << "it would have preferred RAM";
  Constraints ram_only = display;
  ram_only.memory->cpu_domain_supported = false;
  EXPECT_NE(RuleForJoining({either}, ram_only), "");
}

TEST(WhyNotServed, KeepsTheHeapThatWasChosen_EXIST) {
  Settings settings = Machine();
  settings.heaps.push_back(HeapNamed("other"));
  Constraints anywhere = CpuBytes(kPage);
  anywhere.min_buffer_count = 2;
  Constraints elsewhere = CpuBytes(kPage);
  elsewhere.memory->permitted_heaps = {{.type = "other"}};
  EXPECT_EQ(RuleForJoining({anywhere}, elsewhere, settings), "4.5");
}

TEST(WhyNotServed, KeepsTheFormatThatWasChosen_EXIST) {
  Constraints both = CpuImages({Nv12(), Rgba()});
  both.image_formats[0].min_size = {64, 64};
  both.image_formats[1].min_size = {64, 64};
  both.min_buffer_count = 4;
  const uint32_t chosen = *ImageOf(Agreed({both})).pixel_format;
  const uint32_t passed_over =
      chosen == pixel_format::kNv12 ? pixel_format::kR8G8B8A8 : pixel_format::kNv12;
  for (const ImageFormatConstraints& image : {Nv12(), Rgba()}) {
    EXPECT_EQ(RuleForJoining({both}, CpuImages({image})),
              image.pixel_format == passed_over ? "4.5" : "");
  }
}

TEST(WhyNotServed, RefusesImagesInRawBuffers_LATE_2) {
  Constraints raw = CpuBytes(1 << 20);
  raw.min_buffer_count = 4;
  const auto no = Join({raw}, CpuImages({Nv12()}), Agreed({raw}));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->rule, "LATE-2");
  EXPECT_EQ(no->field, "image_format_constraints.pixel_format");
}

// Every field of the settings that a newcomer can tighten, alone.
TEST(WhyNotServed, RefusesEveryTighterField_LATE_5) {
  using Image = ImageFormatConstraints;
  const struct {
    const char* field;
    void (*tighten)(Image&);
  } cases[] = {
      {"min_size.width",
       [](Image& i) {
         i.min_size = {66, 64};
       }},
      {"min_size.height",
       [](Image& i) {
         i.min_size = {64, 66};
       }},
      {"max_size.width",
       [](Image& i) {
         i.max_size = {1022, 1024};
       }},
      {"max_size.height",
       [](Image& i) {
         i.max_size = {1024, 1022};
       }},
      {"min_bytes_per_row", [](Image& i) { i.min_bytes_per_row = 512; }},
      {"max_bytes_per_row", [](Image& i) { i.max_bytes_per_row = 4000; }},
      {"max_width_times_height", [](Image& i) { i.max_width_times_height = 1 << 19; }},
      {"size_alignment.width",
       [](Image& i) {
         i.size_alignment = {32, 2};
       }},
      {"size_alignment.height",
       [](Image& i) {
         i.size_alignment = {2, 32};
       }},
      {"display_rect_alignment.width",
       [](Image& i) {
         i.display_rect_alignment = {8, 2};
       }},
      {"display_rect_alignment.height",
       [](Image& i) {
         i.display_rect_alignment = {2, 8};
       }},
      {"required_min_size.width",
       [](Image& i) {
         i.required_min_size = {500, 512};
       }},
      {"required_min_size.height",
       [](Image& i) {
         i.required_min_size = {512, 500};
       }},
      {"required_max_size.width",
       [](Image& i) {
         i.required_max_size = {64, 64};
       }},
      {"bytes_per_row_divisor", [](Image& i) { i.bytes_per_row_divisor = 32; }},
      {"start_offset_divisor", [](Image& i) { i.start_offset_divisor = 64; }},
      {"require_bytes_per_row_at_pixel_boundary",
       [](Image& i) { i.require_bytes_per_row_at_pixel_boundary = true; }},
      {"pad_for_block_size.width",
       [](Image& i) {
         i.pad_for_block_size = {4, 1};
       }},
      {"pad_for_block_size.height",
       [](Image& i) {
         i.pad_for_block_size = {1, 4};
         i.max_size = {1024, 1024};  // required beside it (I34)
       }},
      {"pad_beyond_image_size_bytes", [](Image& i) { i.pad_beyond_image_size_bytes = 100; }},
  };
  Image linear = Rgba();
  linear.min_size = {64, 64};
  linear.max_size = {1024, 1024};
  linear.max_bytes_per_row = 4096;
  linear.max_width_times_height = 1 << 20;
  linear.required_min_size = {512, 512};
  // Large enough for all that follows: it is not the size that is refused.
  std::vector<Constraints> present = {WithImage(linear)};
  present[0].memory = MemoryConstraints{.min_size_bytes = 4 * kMiB};
  for (const auto& one : cases) {
    Constraints newcomer = CpuImages({Rgba()});
    one.tighten(newcomer.image_formats[0]);
    const auto no = Join(present, newcomer, Agreed(present));
    ASSERT_TRUE(no) << one.field;
    EXPECT_EQ(no->rule, "LATE-2") << one.field << ": " << no->message;
    EXPECT_THAT(no->message, HasSubstr(std::string("image_format_constraints.") + one.field));
    EXPECT_EQ(no->error, Error::kConstraintsIntersectionEmpty);
  }
}

TEST(WhyNotServed, RefusesAlphaThatWasLeftOpen_LATE_2) {
  ImageFormatConstraints open = Rgba();
  open.min_size = {64, 64};
  Constraints newcomer = CpuImages({Rgba()});
  newcomer.image_formats[0].is_alpha_present = false;
  EXPECT_EQ(RuleForJoining({WithImage(open)}, newcomer), "LATE-2") << "presence counts";
  open.is_alpha_present = false;
  EXPECT_EQ(RuleForJoining({WithImage(open)}, newcomer), "");
}

TEST(WhyNotServed, NamesOldValueNewValueAndWhoWantsIt) {
  Constraints newcomer = CpuImages({Nv12()});
  newcomer.image_formats[0].min_size = {100, 64};
  const std::vector<Constraints> present = {WithImage(RoomyNv12())};
  const auto no = Join(present, newcomer, Agreed(present));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->field, "image_format_constraints.min_size.width");
  EXPECT_THAT(no->message, HasSubstr("min_size.width is 64 and would have to be 100"));
  ASSERT_FALSE(no->participants.empty());
  EXPECT_EQ(no->participants.front().node, 99u);
  EXPECT_EQ(no->participants.front().name, "newcomer");
}

TEST(WhyNotServed, AcceptsARequiredSizeThatOthersCover_RMSL_LATE_5) {
  Constraints newcomer = CpuImages({Nv12()});
  newcomer.image_formats[0].required_max_size_list = {{128, 128}, {256, 128}};
  EXPECT_EQ(RuleForJoining({WithImage(RoomyNv12())}, newcomer), "");
  newcomer.image_formats[0].required_max_size_list = {{130, 130}};
  EXPECT_EQ(RuleForJoining({WithImage(RoomyNv12())}, newcomer), "LATE-2");
}

TEST(WhyNotServed, ComparesListsInTheirOrder_LATE_2) {
  ImageFormatConstraints wide = Nv12();
  wide.required_max_size_list = {{256, 128}};
  ImageFormatConstraints high = Nv12();
  high.required_max_size_list = {{128, 256}};
  const Plan plan = Agreed({WithImage(wide), WithImage(high)});
  EXPECT_EQ(ImageOf(plan).required_max_size_list, (std::vector<SizeU>{{128, 256}, {256, 128}}));
  // The first of the two has left: its size is required by the buffers alone, and stands behind.
  const auto no = Join({WithImage(high)}, Constraints{}, plan);
  ASSERT_TRUE(no);
  EXPECT_EQ(no->field, "image_format_constraints.required_max_size_list");
  EXPECT_FALSE(Join({WithImage(wide)}, Constraints{}, plan)) << "the order is as it was";
}

// ---- Padding (LATE-H1)

Constraints Padded(uint64_t bytes_behind) {
  ImageFormatConstraints image = Rgba();
  image.min_size = {64, 64};
  image.max_size = {64, 64};
  image.pad_beyond_image_size_bytes = bytes_behind;
  return WithImage(image);
}

TEST(WhyNotServed, ServesBuffersWithPadding_LATE_H1) {
  const std::vector<Constraints> present = {Padded(10000)};
  const Plan plan = Agreed(present);
  ASSERT_EQ(plan.settings.buffer.size_bytes, 64u * 64 * 4);
  ASSERT_GT(plan.settings.buffer.raw_vmo_size, 64u * 64 * 4 + 9999);
  EXPECT_EQ(RuleForJoining(present, CpuImages({Rgba()})), "");
  EXPECT_EQ(RuleForJoining(present, Constraints{}), "");
}

TEST(WhyNotServed, ServesBuffersPaddedForBlocks_LATE_H1) {
  ImageFormatConstraints image = Rgba();
  image.min_size = {60, 30};
  image.max_size = {60, 30};
  image.pad_for_block_size = {8, 4};
  const Plan plan = Agreed({WithImage(image)});
  ASSERT_NE(plan.settings.buffer.raw_vmo_size, plan.settings.buffer.size_bytes);
  EXPECT_EQ(RuleForJoining({WithImage(image)}, CpuImages({Rgba()})), "");
}

TEST(WhyNotServed, HoldsPaddingAgainstTheBoundsOfRealParticipants_LATE_H1) {
  Constraints newcomer = CpuImages({Rgba()});
  newcomer.memory = MemoryConstraints{.max_size_bytes = 64 * 64 * 4};
  EXPECT_EQ(RuleForJoining({Padded(10000)}, newcomer), "PAD-2");
  newcomer.memory->max_size_bytes = 64 * 64 * 4 + 10000;
  EXPECT_EQ(RuleForJoining({Padded(10000)}, newcomer), "");
}

TEST(WhyNotServed, LetsNobodyMakeTheImageLarger_LATE_H1) {
  Constraints newcomer = CpuImages({Rgba()});
  newcomer.image_formats[0].bytes_per_row_divisor = 1024;
  const auto no = Join({Padded(10000)}, newcomer, Agreed({Padded(10000)}));
  ASSERT_TRUE(no);
  EXPECT_EQ(no->rule, "4.9") << "the padding is no room for a larger image";
}

// ---- Alignment

TEST(WhyNotServed, RefusesACoarserAlignmentThanTheBuffersHave) {
  Settings settings = Machine();
  settings.heaps[0].physically_contiguous = true;
  auto contiguous = [](std::optional<uint64_t> alignment) {
    Constraints c = CpuBytes(kPage);
    c.min_buffer_count = 4;
    c.memory->physically_contiguous_required = true;
    c.memory->min_physical_base_alignment = alignment;
    return c;
  };
  const std::vector<Constraints> present = {contiguous(65536)};
  EXPECT_EQ(RuleForJoining(present, contiguous(65536), settings), "");
  EXPECT_EQ(RuleForJoining(present, contiguous(4096), settings), "");
  EXPECT_EQ(RuleForJoining(present, contiguous(std::nullopt), settings), "");
  const auto no = Join(present, contiguous(131072), Agreed(present, settings), settings);
  ASSERT_TRUE(no);
  EXPECT_EQ(no->rule, "LATE-2");
  EXPECT_EQ(no->field, "buffer_memory_constraints.min_physical_base_alignment");
  // Who needed it has left; the buffers lie where they lie.
  EXPECT_FALSE(
      Join({contiguous(std::nullopt)}, Constraints{}, Agreed(present, settings), settings));
}

TEST(WhyNotServed, RefusesContiguityTheBuffersDoNotHave_LATE_2) {
  Settings settings = Machine();
  settings.heaps[0].physically_contiguous = true;
  Constraints newcomer = CpuBytes(kPage);
  newcomer.memory->physically_contiguous_required = true;
  Constraints roomy = CpuBytes(kPage);
  roomy.min_buffer_count = 2;
  const auto no = Join({roomy}, newcomer, Agreed({roomy}, settings), settings);
  ASSERT_TRUE(no);
  EXPECT_EQ(no->rule, "LATE-2");
  EXPECT_EQ(no->field, "buffer_memory_constraints.physically_contiguous_required");
}

// ---- Laws, on random participants

Settings TwoHeaps() {
  Settings settings = Machine();
  settings.heaps.push_back(HeapNamed("other", 3));
  return settings;
}

// Calls `law` for many sets of participants that agree.
template <typename Law>
void TryAgreements(Law law) {
  constexpr int kRounds = 10000;
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  RandomConstraints random(seed);
  int agreements = 0;
  for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::vector<Constraints> all(random.Pick(1, 4));
    for (Constraints& one : all) one = random.Participant();
    const Result<Plan> plan = Ask(all, TwoHeaps());
    if (!plan.ok()) continue;
    ++agreements;
    law(random, all, plan.value());
  }
  EXPECT_GT(agreements, kRounds / 20) << "else the law was tried on nothing";
}

TEST(LawOfLateness, WhoHasNoWishesIsAlwaysServed) {
  TryAgreements([](RandomConstraints&, const std::vector<Constraints>& all, const Plan& plan) {
    const auto no = Join(all, Constraints{}, plan, TwoHeaps());
    ASSERT_FALSE(no) << no->rule << ": " << no->message;
  });
}

TEST(LawOfLateness, WhoIsServedLateWouldHaveChangedNothingEarly) {
  int served = 0;
  int refused = 0;
  TryAgreements(
      [&](RandomConstraints& random, const std::vector<Constraints>& all, const Plan& plan) {
        const Constraints newcomer = random.Participant();
        if (const auto no = Join(all, newcomer, plan, TwoHeaps())) {
          ++refused;
          ASSERT_EQ(no->error, Error::kConstraintsIntersectionEmpty);
          ASSERT_FALSE(no->rule.empty() || no->message.empty());
          return;
        }
        ++served;
        // The choice between several formats, heaps or domains may have been another.
        std::vector<Constraints> with_buffers = all;
        with_buffers.push_back(newcomer);
        with_buffers.push_back(AsConstraints(plan));
        with_buffers.back().memory->max_size_bytes.reset();  // padding
        const Result<Plan> together = Ask(with_buffers, TwoHeaps());
        ASSERT_TRUE(together.ok()) << together.failure().message;
        ASSERT_EQ(together.value(), plan);
      });
  EXPECT_GT(served, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace sysmem::core
