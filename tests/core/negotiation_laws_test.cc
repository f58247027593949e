// SPDX-License-Identifier: Apache-2.0
//
// Laws that hold for any participants: tried on random ones, with the seed printed on failure.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "core/checked.h"
#include "core/format_pair.h"
#include "core/image_layout.h"
#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

constexpr int kRounds = 20000;

Settings TwoHeaps() {
  Settings settings = Machine();
  settings.heaps.push_back(HeapNamed("other", 3));
  return settings;
}

std::vector<Constraints> SomeParticipants(RandomConstraints& random) {
  std::vector<Constraints> all(random.Pick(1, 4));
  for (Constraints& one : all) one = random.Participant();
  return all;
}

// Calls `law` with many random sets of participants.
template <typename Law>
void Try(Law law) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  RandomConstraints random(seed);
  int agreements = 0;
  for (int round = 0; round < kRounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const std::vector<Constraints> all = SomeParticipants(random);
    const Result<Plan> plan = Ask(all, TwoHeaps());
    agreements += plan.ok();
    law(random, all, plan);
  }
  // Else the law was tried on nothing.
  EXPECT_GT(agreements, kRounds / 20);
  EXPECT_LT(agreements, kRounds - kRounds / 20);
}

// The order of participants is allowed to show in the order of this list.
Plan WithSortedLists(Plan plan) {
  if (!plan.settings.image_format) return plan;
  auto& list = plan.settings.image_format->required_max_size_list;
  std::sort(list.begin(), list.end(), [](const SizeU& a, const SizeU& b) {
    return std::tie(a.width, a.height) < std::tie(b.width, b.height);
  });
  return plan;
}

TEST(LawOfOrder, TheOutcomeDoesNotDependOnTheOrderOfTheParticipants) {
  Try([](RandomConstraints& random, const std::vector<Constraints>& all, const Result<Plan>& plan) {
    std::vector<Constraints> shuffled = all;
    std::shuffle(shuffled.begin(), shuffled.end(), random.engine());
    const Result<Plan> again = Ask(shuffled, TwoHeaps());
    ASSERT_EQ(again.ok(), plan.ok()) << RuleOf(plan) << " against " << RuleOf(again);
    if (!plan.ok()) return;
    ASSERT_EQ(WithSortedLists(plan.value()), WithSortedLists(again.value()));
  });
}

TEST(LawOfSilence, AParticipantWithoutConstraintsChangesNothing) {
  Try([](RandomConstraints& random, const std::vector<Constraints>& all, const Result<Plan>& plan) {
    std::vector<Constraints> more = all;
    more.insert(more.begin() + random.Pick(0, static_cast<uint32_t>(all.size())), Constraints{});
    const Result<Plan> again = Ask(more, TwoHeaps());
    ASSERT_EQ(RuleOf(again), RuleOf(plan));
    if (!plan.ok()) return;
    ASSERT_EQ(again.value(), plan.value());
  });
}

TEST(LawOfSilence, AMissingTableIsTheSameAsAnEmptyOne) {
  const Constraints bytes = CpuBytes(kPage);
  const Result<Plan> plan = Negotiate({{1, "a", &bytes}, {2, "b", nullptr}}, Machine());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan.value(), Agreed({bytes, Constraints{}}));
}

TEST(LawOfRepetition, SayingTheSameTwiceChangesOnlyTheCounts) {
  Try([](RandomConstraints& random, const std::vector<Constraints>& all, const Result<Plan>& plan) {
    if (!plan.ok()) return;
    Constraints twice = all[random.Pick(0, static_cast<uint32_t>(all.size()) - 1)];
    twice.min_buffer_count_for_camping.reset();
    twice.min_buffer_count_for_dedicated_slack.reset();
    std::vector<Constraints> more = all;
    more.push_back(twice);
    const Result<Plan> again = Ask(more, TwoHeaps());
    ASSERT_EQ(RuleOf(again), "");
    ASSERT_EQ(WithSortedLists(again.value()), WithSortedLists(plan.value()));
  });
}

// What is chosen satisfies every participant: asked of the constraints as sent.

bool Within(const SizeU& low, const SizeU& high) {
  return low.width <= high.width && low.height <= high.height;
}

bool OffersPair(const Constraints& c, const ImageFormatConstraints& entry,
                const PixelFormatAndModifier& pair) {
  for (const auto& offered : FlattenPairs(entry, c.usage.value_or(BufferUsage{})).value()) {
    if (CombinePairs(offered, pair) == pair) return true;
  }
  return false;
}

void ExpectImageSuits(const ImageFormatConstraints& wish, const ImageFormatConstraints& chosen) {
  const uint32_t space = chosen.color_spaces.at(0);
  EXPECT_TRUE(std::any_of(wish.color_spaces.begin(), wish.color_spaces.end(), [&](uint32_t one) {
    return one == space || one == color_space::kDoNotCare;
  }));
  EXPECT_TRUE(Within(wish.min_size.value_or(SizeU{}), *chosen.min_size));
  EXPECT_TRUE(Within(*chosen.max_size, wish.max_size.value_or(SizeU{kAllOnes, kAllOnes})));
  EXPECT_TRUE(Within(*chosen.min_size, wish.required_min_size.value_or(SizeU{kAllOnes, kAllOnes})));
  EXPECT_GE(*chosen.min_bytes_per_row, wish.min_bytes_per_row.value_or(0));
  EXPECT_LE(*chosen.max_bytes_per_row, wish.max_bytes_per_row.value_or(kAllOnes));
  EXPECT_EQ(*chosen.bytes_per_row_divisor % wish.bytes_per_row_divisor.value_or(1), 0u);
  EXPECT_EQ(*chosen.start_offset_divisor % wish.start_offset_divisor.value_or(1), 0u);
  const SizeU alignment = wish.size_alignment.value_or(SizeU{1, 1});
  EXPECT_EQ(chosen.size_alignment->width % alignment.width, 0u);
  EXPECT_EQ(chosen.size_alignment->height % alignment.height, 0u);
  if (wish.is_alpha_present && chosen.is_alpha_present) {
    EXPECT_EQ(wish.is_alpha_present, chosen.is_alpha_present);
  }
}

// Bytes of the smallest permitted image that holds `wanted`.
uint64_t BytesToHold(const ImageFormatConstraints& chosen, const SizeU& wanted) {
  const SizeU size{std::max(wanted.width, chosen.min_size->width),
                   std::max(wanted.height, chosen.min_size->height)};
  const SizeU aligned{*RoundUp(size.width, chosen.size_alignment->width),
                      *RoundUp(size.height, chosen.size_alignment->height)};
  EXPECT_TRUE(Within(aligned, *chosen.max_size));
  const PixelFormatAndModifier pair{*chosen.pixel_format, *chosen.pixel_format_modifier};
  const uint32_t pixels =
      FindPixelFormat(pair.pixel_format)->stride_bytes_per_pixel * aligned.width;
  const uint32_t row =
      *RoundUp(std::max(pixels, *chosen.min_bytes_per_row), *chosen.bytes_per_row_divisor);
  EXPECT_LE(row, *chosen.max_bytes_per_row);
  return ImageSize({pair, aligned, row}).value();
}

void ExpectSuits(const Constraints& c, const Plan& plan) {
  const BufferMemorySettings& buffer = plan.settings.buffer;
  const MemoryConstraints memory = c.memory.value_or(MemoryConstraints{});
  EXPECT_GE(buffer.size_bytes, memory.min_size_bytes.value_or(0));
  EXPECT_LE(buffer.size_bytes, memory.max_size_bytes.value_or(UINT64_MAX));
  EXPECT_LE(plan.buffer_count, c.max_buffer_count.value_or(UINT32_MAX));
  EXPECT_GE(plan.buffer_count, c.min_buffer_count.value_or(0));
  const std::optional<bool> domains[] = {memory.cpu_domain_supported, memory.ram_domain_supported,
                                         memory.inaccessible_domain_supported};
  EXPECT_NE(domains[static_cast<size_t>(buffer.coherency_domain)], false);
  if (memory.permitted_heaps) {
    const HeapWish chosen{buffer.heap.type, buffer.heap.id};
    EXPECT_TRUE(std::any_of(memory.permitted_heaps->begin(), memory.permitted_heaps->end(),
                            [&](const HeapWish& one) {
                              return HeapWish{one.type, one.id.value_or(0)} == chosen;
                            }));
  }
  if (c.image_formats.empty()) return;
  ASSERT_TRUE(plan.settings.image_format.has_value());
  const ImageFormatConstraints& chosen = *plan.settings.image_format;
  int suiting = 0;
  for (const ImageFormatConstraints& entry : c.image_formats) {
    if (!OffersPair(c, entry, {*chosen.pixel_format, *chosen.pixel_format_modifier})) continue;
    ++suiting;
    ExpectImageSuits(entry, chosen);
    std::vector<SizeU> wanted = entry.required_max_size_list;
    const SizeU box = entry.required_max_size.value_or(SizeU{});
    if (box.width > 0 && box.height > 0) wanted.push_back(box);  // RMSL
    for (const SizeU& size : wanted) EXPECT_LE(BytesToHold(chosen, size), buffer.size_bytes);
    const uint64_t beyond = entry.pad_beyond_image_size_bytes.value_or(0);
    EXPECT_LE(buffer.size_bytes + beyond, buffer.raw_vmo_size);
  }
  EXPECT_EQ(suiting, 1);
}

TEST(LawOfContent, WhatIsChosenSuitsEveryParticipant) {
  Try([](RandomConstraints&, const std::vector<Constraints>& all, const Result<Plan>& plan) {
    if (!plan.ok()) {
      ASSERT_EQ(plan.failure().error, Error::kConstraintsIntersectionEmpty);
      ASSERT_FALSE(plan.failure().rule.empty());
      ASSERT_FALSE(plan.failure().field.empty());
      return;
    }
    uint64_t needed = 0;
    uint64_t shared = 0;
    for (const Constraints& c : all) {
      ExpectSuits(c, plan.value());
      needed += c.min_buffer_count_for_camping.value_or(0);
      needed += c.min_buffer_count_for_dedicated_slack.value_or(0);
      shared = std::max<uint64_t>(shared, c.min_buffer_count_for_shared_slack.value_or(0));
    }
    EXPECT_GE(plan.value().buffer_count, std::max<uint64_t>(1, needed + shared));
    EXPECT_EQ(plan.value().settings.buffer.raw_vmo_size % kPage, 0u);
  });
}

}  // namespace
}  // namespace sysmem::core
