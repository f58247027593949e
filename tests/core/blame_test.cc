// SPDX-License-Identifier: Apache-2.0
//
// Failures name the rule, the field, and those who set it to what.
#include "core/blame.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
using Named = std::vector<ParticipantValue>;

Failure FailureOf(const std::vector<Constraints>& all) {
  const auto plan = Ask(all);
  EXPECT_FALSE(plan.ok());
  return plan.ok() ? Failure{} : plan.failure();
}

TEST(Blame, AlwaysSaysThatTheIntersectionIsEmpty) {
  const Failure failure = FailureOf({Constraints{}});
  EXPECT_EQ(failure.outcome, Outcome::kError);
  EXPECT_EQ(failure.error, Error::kConstraintsIntersectionEmpty);
  EXPECT_EQ(failure.rule, "MINSIZE");
  EXPECT_FALSE(failure.message.empty());
}

TEST(Blame, NamesWhoSetTheLargestMinimumAndTheSmallestMaximum) {
  Constraints small = CpuBytes(10);
  Constraints large = CpuBytes(300);
  Constraints roomy = CpuBytes(10);
  roomy.memory->max_size_bytes = 1000;
  Constraints tight = CpuBytes(10);
  tight.memory->max_size_bytes = 200;
  const Failure failure = FailureOf({small, large, roomy, tight});
  EXPECT_EQ(failure.rule, "M14");
  EXPECT_EQ(failure.field, "buffer_memory_constraints.min_size_bytes");
  EXPECT_EQ(failure.message, "min_size_bytes 300 is greater than max_size_bytes 200");
  EXPECT_EQ(failure.participants,
            (Named{{2, "p2", "min_size_bytes 300"}, {4, "p4", "max_size_bytes 200"}}));
}

TEST(Blame, PutsAWrongMessageOnItsSenderAloneWithThePositionOfTheEntry) {
  ImageFormatConstraints wrong = Nv12();
  wrong.size_alignment = {1, 3};
  const Failure failure = FailureOf({KNv12(), CpuImages({Rgba(), wrong})});
  EXPECT_EQ(failure.rule, "I8");
  EXPECT_EQ(failure.field, "image_format_constraints[1].size_alignment.height");
  EXPECT_EQ(failure.participants, (Named{{2, "p2", "3"}}));
}

TEST(Blame, SaysThatAFieldWasLeftUnset) {
  const Failure failure = FailureOf({CpuBytes(1), CpuImages({Image(1, {})})});
  EXPECT_EQ(failure.rule, "I20");
  EXPECT_EQ(failure.field, "image_format_constraints[0].color_spaces");
  EXPECT_EQ(failure.participants, (Named{{2, "p2", "unset"}}));
}

TEST(Blame, NamesWhatEverybodyOfferedWhenNoFormatIsLeft) {
  Constraints rgba = CpuImages({Rgba()});
  Constraints bytes = CpuBytes(4096);
  const Failure failure = FailureOf({KNv12(), bytes, rgba});
  EXPECT_EQ(failure.rule, "4.5");
  EXPECT_EQ(failure.field, "image_format_constraints");
  EXPECT_EQ(failure.participants, (Named{{1, "p1", "NV12 LINEAR"}, {3, "p3", "R8G8B8A8 LINEAR"}}));
}

TEST(Blame, NamesTheColorSpacesThatEliminatedTheLastCommonFormat) {
  Constraints pal = KNv12();
  pal.image_formats[0].color_spaces = {color_space::kRec601Pal};
  const Failure failure = FailureOf({KNv12(), pal});
  EXPECT_EQ(failure.field, "image_format_constraints.color_spaces");
  EXPECT_EQ(failure.participants, (Named{{1, "p1", "REC709"}, {2, "p2", "REC601_PAL"}}));
}

TEST(Blame, NamesOnlyEntriesForTheFormatInQuestion) {
  ImageFormatConstraints wide = Nv12();
  wide.min_size = {640, 2};
  ImageFormatConstraints rgba = Rgba();
  rgba.min_size = {9999, 1};
  ImageFormatConstraints narrow = Nv12();
  narrow.max_size = {320, 320};
  const Failure failure = FailureOf({CpuImages({rgba, wide}), CpuImages({narrow})});
  EXPECT_EQ(failure.rule, "I21");
  EXPECT_EQ(failure.field, "image_format_constraints.min_size.width");
  EXPECT_EQ(failure.participants,
            (Named{{1, "p1", "min_size.width 640"}, {2, "p2", "max_size.width 320"}}));
}

TEST(Blame, NamesWhoDemandedTheRoundingOnlyIfItMatters) {
  ImageFormatConstraints low = Rgba();
  low.min_size = {100, 1};
  ImageFormatConstraints high = Rgba();
  high.max_size = {100, 110};  // fits 100, but not 128
  ImageFormatConstraints aligned = Rgba();
  aligned.size_alignment = {64, 1};
  const Failure rounded = FailureOf({CpuImages({low}), CpuImages({high}), CpuImages({aligned})});
  EXPECT_EQ(rounded.participants, (Named{{1, "p1", "min_size.width 100"},
                                         {2, "p2", "max_size.width 100"},
                                         {3, "p3", "size_alignment.width 64"}}));
  low.min_size = {111, 1};
  const Failure plain = FailureOf({CpuImages({low}), CpuImages({high}), CpuImages({aligned})});
  EXPECT_EQ(plain.participants,
            (Named{{1, "p1", "min_size.width 111"}, {2, "p2", "max_size.width 100"}}));
}

TEST(Blame, NamesWhoRefusesEachDomainAndWhy) {
  Constraints ram_only = CpuBytes(1);
  ram_only.usage = BufferUsage{.vulkan = 1};
  ram_only.memory->cpu_domain_supported = false;
  ram_only.memory->inaccessible_domain_supported = false;
  const Failure failure = FailureOf({CpuBytes(1), ram_only});
  EXPECT_EQ(failure.rule, "DOM-1");
  EXPECT_EQ(failure.participants,
            (Named{{1, "p1",
                    "ram_domain_supported false (implied by usage.cpu), "
                    "inaccessible_domain_supported false (implied by usage.cpu)"},
                   {2, "p2", "cpu_domain_supported false, inaccessible_domain_supported false"}}));
}

TEST(Blame, NamesEverybodyWhoNeedsBuffersAndWhoLimitsThem) {
  Constraints two = CpuBytes(1);
  two.min_buffer_count_for_camping = 2;
  Constraints limit = CpuBytes(1);
  limit.min_buffer_count_for_camping.reset();
  limit.max_buffer_count = 2;
  const Failure failure = FailureOf({CpuBytes(1), two, limit});
  EXPECT_EQ(failure.rule, "4.8");
  EXPECT_EQ(failure.participants, (Named{{1, "p1", "min_buffer_count_for_camping 1"},
                                         {2, "p2", "min_buffer_count_for_camping 2"},
                                         {3, "p3", "max_buffer_count 2"}}));
}

TEST(Blame, ShortensLongOffers) {
  Constraints many = CpuImages({});
  for (uint32_t i = 0; i < 20; ++i) {
    ImageFormatConstraints image = Image(1000 + i, {color_space::kSrgb});
    image.pixel_format_modifier = modifier::kDoNotCare;
    many.image_formats.push_back(image);
  }
  const Failure failure = FailureOf({KNv12(), many});
  ASSERT_EQ(failure.participants.size(), 2u);
  const std::string& text = failure.participants[1].value;
  EXPECT_NE(text.find("1015 DO_NOT_CARE, and 4 more"), std::string::npos) << text;
}

// Failures of several fields: who is named, by what, when one participant sets everything and
// another one adds what conflicts.
struct Several {
  const char* rule;
  const char* field;
  std::function<void(ImageFormatConstraints&, ImageFormatConstraints&)> conflict;
  const char* first;
  const char* second;
};

const Several kSeveral[] = {
    {"I23", "image_format_constraints.max_width_times_height",
     [](auto& a, auto& b) {
       a.min_size = {20, 10}, b.max_width_times_height = 199;
     },
     "min_size.width 20, min_size.height 10", "max_width_times_height 199"},
    {"I22", "image_format_constraints.min_size.width",
     [](auto& a, auto& b) {
       a.min_size = {65536, 1}, b.min_size = {1, 65536};
     },
     "min_size.width 65536", "min_size.height 65536"},
    {"I35", "image_format_constraints.max_size.width",
     [](auto& a, auto& b) {
       a.max_size = {0x80000000, 64};
       b.max_size = {0x80000001, 64};
       b.pad_for_block_size = {1, 4};
     },
     "max_size.width 2147483648", "pad_for_block_size.height 4"},
    {"I21", "image_format_constraints.min_bytes_per_row",
     [](auto& a, auto& b) {
       a.min_size = {100, 1}, b.max_bytes_per_row = 399;
     },
     "min_size.width 100", "max_bytes_per_row 399"},
    {"4.9", "image_format_constraints.max_width_times_height",
     [](auto& a, auto& b) {
       a.required_max_size_list = {{30, 40}};
       b.max_width_times_height = 1199;
     },
     "required_max_size_list.width 30x40, required_max_size_list.height 30x40",
     "max_width_times_height 1199"},
    {"4.9", "image_format_constraints.max_bytes_per_row",
     [](auto& a, auto& b) {
       a.required_max_size_list = {{30, 40}}, b.max_bytes_per_row = 119;
     },
     "required_max_size_list.width 30x40, required_max_size_list.height 30x40",
     "max_bytes_per_row 119"},
    {"4.9", "image_format_constraints.max_size.width",
     [](auto& a, auto& b) {
       a.required_max_size_list = {{kAllOnes, 1}};
       b.size_alignment = {2, 1};
     },
     "required_max_size_list.width 4294967295x1, required_max_size_list.height 4294967295x1",
     "size_alignment.width 2, size_alignment.height 1"},
    {"4.9", "buffer_memory_constraints.min_size_bytes",
     [](auto& a, auto& b) {
       a.min_size = {65536, 1}, b.min_size = {1, 1025};
     },
     "min_size.width 65536", "min_size.height 1025"},
    {"4.5", "image_format_constraints.bytes_per_row_divisor",
     [](auto& a, auto& b) { a.bytes_per_row_divisor = 1u << 30, b.bytes_per_row_divisor = 5; },
     "1073741824", "5"},
};

TEST(Blame, NamesTheFieldsOfBothSidesWhereSeveralAreInQuestion) {
  for (const Several& one : kSeveral) {
    ImageFormatConstraints first = Rgba();
    ImageFormatConstraints second = Rgba();
    one.conflict(first, second);
    if (!AsksForSize(CpuImages({first, second}))) first.required_max_size_list = {{1, 1}};
    const Failure failure = FailureOf({CpuImages({first}), CpuImages({second})});
    SCOPED_TRACE(std::string(one.rule) + " " + one.field);
    EXPECT_EQ(failure.rule, one.rule) << failure.message;
    EXPECT_EQ(failure.field, one.field);
    ASSERT_EQ(failure.participants.size(), 2u);
    EXPECT_EQ(failure.participants[0].value, one.first);
    EXPECT_EQ(failure.participants[1].value, one.second);
  }
}

// One way to plant a conflict of two participants among many who get along.
struct Plant {
  const char* rule;
  const char* field;
  std::function<void(Constraints&)> low;
  std::function<void(Constraints&)> high;
};

ImageFormatConstraints& ImageOf(Constraints& c) { return c.image_formats[0]; }

const Plant kPlants[] = {
    {"M14", "buffer_memory_constraints.min_size_bytes",
     [](Constraints& c) { c.memory->min_size_bytes = 9000; },
     [](Constraints& c) { c.memory->max_size_bytes = 8000; }},
    {"C5", "min_buffer_count", [](Constraints& c) { c.min_buffer_count = 90; },
     [](Constraints& c) { c.max_buffer_count = 80; }},
    {"I21", "image_format_constraints.min_size.width",
     [](Constraints& c) {
       ImageOf(c).min_size = {90, 1};
     },
     [](Constraints& c) {
       ImageOf(c).max_size = {80, 1000};
     }},
    {"I21", "image_format_constraints.min_size.height",
     [](Constraints& c) {
       ImageOf(c).min_size = {1, 90};
     },
     [](Constraints& c) {
       ImageOf(c).max_size = {1000, 80};
     }},
    {"I21", "image_format_constraints.min_bytes_per_row",
     [](Constraints& c) { ImageOf(c).min_bytes_per_row = 9000; },
     [](Constraints& c) { ImageOf(c).max_bytes_per_row = 8000; }},
    {"I30", "image_format_constraints.required_max_size_list.width",
     [](Constraints& c) {
       ImageOf(c).required_max_size_list = {{90, 1}};
     },
     [](Constraints& c) {
       ImageOf(c).max_size = {80, 1000};
     }},
    {"I29", "image_format_constraints.min_size.width",
     [](Constraints& c) {
       ImageOf(c).min_size = {90, 1};
     },
     [](Constraints& c) {
       ImageOf(c).required_min_size = {80, 1000};
     }},
    {"4.5", "image_format_constraints.is_alpha_present",
     [](Constraints& c) { ImageOf(c).is_alpha_present = true; },
     [](Constraints& c) { ImageOf(c).is_alpha_present = false; }},
    {"4.5", "buffer_memory_constraints.permitted_heaps",
     [](Constraints& c) { c.memory->permitted_heaps = {{{.type = kHeapSystemRam}}}; },
     [](Constraints& c) { c.memory->permitted_heaps = {{{.type = "other"}}}; }},
};

TEST(Blame, FindsExactlyThePlantedConflictAmongMany) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 1000; ++round) {
    const Plant& plant = kPlants[random() % std::size(kPlants)];
    std::vector<Constraints> all(2 + random() % 20, CpuImages({Rgba()}));
    for (Constraints& c : all) c.memory = MemoryConstraints{.min_size_bytes = 1 + random() % 100};
    const size_t low = random() % all.size();
    const size_t high = (low + 1 + random() % (all.size() - 1)) % all.size();
    plant.low(all[low]);
    plant.high(all[high]);
    const Failure failure = FailureOf(all);
    ASSERT_EQ(failure.rule, plant.rule) << failure.message;
    ASSERT_EQ(failure.field, plant.field);
    ASSERT_EQ(failure.participants.size(), 2u) << failure.message;
    ASSERT_EQ(failure.participants[0].node, std::min(low, high) + 1);
    ASSERT_EQ(failure.participants[1].node, std::max(low, high) + 1);
  }
}

}  // namespace
}  // namespace sysmem::core
