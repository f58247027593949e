// SPDX-License-Identifier: Apache-2.0
//
// The negotiation against trying everything (brute_force.h): pixel formats, modifiers, colour
// spaces and their wildcards, secure memory and costs. Both must agree on the choice as well.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "tests/core/brute_force.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;
namespace mod = modifier;
namespace cs = color_space;

constexpr uint64_t kTe = mod::kArmAfbc16x16Te;
const std::vector<uint32_t> kFormats = {pf::kR8G8B8A8, pf::kNv12, pf::kMjpeg, pf::kR5G6B5};
const std::vector<uint64_t> kModifiers = {mod::kLinear, mod::kIntelXTiled, mod::kIntelYTiledCcs,
                                          kTe};
const std::vector<uint32_t> kSpaces = {cs::kSrgb, cs::kRec709, cs::kPassthrough};  // by C15

// 4.11, in short.
bool Supported(uint32_t format, uint64_t modifier) {
  if (format == pf::kMjpeg) return false;
  if (modifier == mod::kLinear) return true;
  if (modifier == mod::kIntelXTiled) return format != pf::kR5G6B5;
  return format == pf::kR8G8B8A8;
}
bool SpaceFits(uint32_t space, uint32_t format) {
  if (space == cs::kPassthrough) return true;
  return (space == cs::kRec709) == (format == pf::kNv12);
}

// A table with a tie, an entry for some usages only, and formats without an entry.
Settings CostlyMachine() {
  Settings settings = Machine();
  settings.heaps.push_back(HeapNamed("secure"));
  settings.secure_heaps = {{"secure", 0}};
  settings.format_costs = {{{pf::kNv12, mod::kIntelXTiled}, {}, 5},
                           {{pf::kR8G8B8A8, mod::kIntelXTiled}, {}, 5},
                           {{pf::kR8G8B8A8, kTe}, {.video = 1}, 1},
                           {{pf::kR5G6B5, mod::kLinear}, {}, 9},
                           {{pf::kR5G6B5, mod::kLinear}, {.video = 1}, 2}};
  return settings;
}
double Cost(uint32_t format, uint64_t modifier, bool video) {
  if (modifier == mod::kIntelXTiled && format != pf::kR5G6B5) return 5;
  if (modifier == kTe && video) return 1;
  if (format == pf::kR5G6B5 && modifier == mod::kLinear) return video ? 2 : 9;
  return 1e9;
}

ImageFormatConstraints DrawOffer(RandomConstraints& random) {
  const auto any_format = [&] { return random.OneIn(4) ? pf::kDoNotCare : random.AnyOf(kFormats); };
  const auto any_modifier = [&] {
    return random.OneIn(3) ? mod::kDoNotCare : random.AnyOf(kModifiers);
  };
  ImageFormatConstraints image;
  const uint32_t listed = random.OneIn(3) ? random.Pick(1, 3) : 0;
  for (uint32_t i = 0; i < listed; ++i) {
    image.pixel_format_and_modifiers.push_back({any_format(), any_modifier()});
  }
  if (listed == 0 || random.OneIn(2)) {
    image.pixel_format = any_format();
    if (!random.OneIn(4)) image.pixel_format_modifier = any_modifier();
  }
  if (random.OneIn(3)) {
    image.color_spaces = {cs::kDoNotCare};
  } else {
    for (uint32_t space : kSpaces) {
      if (random.OneIn(2)) image.color_spaces.push_back(space);
    }
  }
  return image;
}

Constraints DrawOffers(RandomConstraints& random) {
  Constraints c;
  c.usage = random.OneIn(2) ? BufferUsage{.vulkan = 4} : BufferUsage{.video = 1};
  if (random.OneIn(6)) c.usage = BufferUsage{.none = kNoneUsage};
  c.min_buffer_count = 1;
  c.memory = MemoryConstraints{.min_size_bytes = 4096};
  random.Maybe(c.memory->secure_required, 8, true);
  const uint32_t entries = random.Pick(0, 2);
  for (uint32_t i = 0; i < entries; ++i) c.image_formats.push_back(DrawOffer(random));
  return c;
}

// What the entries of a participant come to.
struct Offer {
  PixelFormatAndModifier pair;
  std::vector<uint32_t> spaces;
};

std::vector<Offer> Offers(const Constraints& c) {
  std::vector<Offer> all;
  for (const ImageFormatConstraints& entry : c.image_formats) {
    for (const PixelFormatAndModifier& pair : entry.pixel_format_and_modifiers) {
      all.push_back({pair, entry.color_spaces});
    }
    if (!entry.pixel_format) continue;
    const bool means_any = *entry.pixel_format == pf::kDoNotCare || c.usage->none != 0;
    const uint64_t unset = means_any ? mod::kDoNotCare : mod::kLinear;
    all.push_back(
        {{*entry.pixel_format, entry.pixel_format_modifier.value_or(unset)}, entry.color_spaces});
  }
  return all;
}

bool Covers(const PixelFormatAndModifier& wish, uint32_t format, uint64_t modifier) {
  return (wish.pixel_format == format || wish.pixel_format == pf::kDoNotCare) &&
         (wish.modifier == modifier || wish.modifier == mod::kDoNotCare);
}

bool IsDefinite(const PixelFormatAndModifier& pair) {
  return pair.pixel_format != pf::kDoNotCare && pair.modifier != mod::kDoNotCare;
}

// Whether some pair of both is the same, or could become the same.
bool Overlap(const PixelFormatAndModifier& a, const PixelFormatAndModifier& b) {
  const uint32_t format = a.pixel_format == pf::kDoNotCare ? b.pixel_format : a.pixel_format;
  const uint64_t modifier = a.modifier == mod::kDoNotCare ? b.modifier : a.modifier;
  if (!Covers(a, format, modifier) || !Covers(b, format, modifier)) return false;
  return !IsDefinite({format, modifier}) || Supported(format, modifier);
}

bool Names(const std::vector<uint32_t>& spaces, uint32_t space) {
  return std::find(spaces.begin(), spaces.end(), space) != spaces.end();
}

// A participant's message makes sense by itself.
bool MakesSense(const Constraints& c) {
  const std::vector<Offer> offers = Offers(c);
  for (size_t i = 0; i < offers.size(); ++i) {
    const auto& [pair, spaces] = offers[i];
    if (spaces.empty()) return false;
    if (IsDefinite(pair) && !Supported(pair.pixel_format, pair.modifier)) return false;
    const bool fit = std::all_of(spaces.begin(), spaces.end(), [&pair = pair](uint32_t space) {
      return space == cs::kDoNotCare || SpaceFits(space, pair.pixel_format);
    });
    if (IsDefinite(pair) && !fit) return false;
    for (size_t j = i + 1; j < offers.size(); ++j) {
      if (Overlap(pair, offers[j].pair)) return false;
    }
  }
  return true;
}

// Everybody who offers images offers this one, and somebody names each part of it.
bool Offered(const std::vector<Constraints>& all, uint32_t format, uint64_t modifier,
             uint32_t space) {
  bool format_named = false;
  bool modifier_named = false;
  bool space_named = false;
  for (const Constraints& c : all) {
    if (c.image_formats.empty()) continue;
    bool suits = false;
    for (const auto& [pair, spaces] : Offers(c)) {
      if (!Covers(pair, format, modifier)) continue;
      if (!Names(spaces, space) && !Names(spaces, cs::kDoNotCare)) continue;
      suits = true;
      format_named |= pair.pixel_format == format;
      modifier_named |= pair.modifier == modifier;
      space_named |= Names(spaces, space);
    }
    if (!suits) return false;
  }
  return format_named && modifier_named && space_named && Supported(format, modifier) &&
         SpaceFits(space, format);
}

struct Choice {
  uint32_t format;
  uint64_t modifier;
  uint32_t space;
};

// The outcome that the rules prefer: the cheapest pair, then the smallest numbers, and for it the
// best colour space.
std::optional<Choice> BestChoice(const std::vector<Constraints>& all) {
  bool video = false;
  bool secure = false;
  for (const Constraints& c : all) {
    video |= c.usage->video != 0;
    secure |= c.memory->secure_required.value_or(false);
  }
  const auto rank = [video](const Choice& one) {
    return std::tuple(Cost(one.format, one.modifier, video), one.format, one.modifier);
  };
  std::optional<Choice> best;
  for (uint32_t format : kFormats) {
    for (uint64_t modifier : kModifiers) {
      if (secure && modifier == kTe) continue;
      for (uint32_t space : kSpaces) {
        const Choice one{format, modifier, space};
        if (!Offered(all, format, modifier, space)) continue;
        if (!best || rank(one) < rank(*best)) best = one;
      }
    }
  }
  return best;
}

bool ChoiceExists(const std::vector<Constraints>& all, const Result<Plan>& plan) {
  if (!std::all_of(all.begin(), all.end(), MakesSense)) return false;
  const auto used = [](const Constraints& c) { return c.usage->none == 0; };
  if (std::none_of(all.begin(), all.end(), used)) return false;
  const auto silent = [](const Constraints& c) { return c.image_formats.empty(); };
  if (std::all_of(all.begin(), all.end(), silent)) return true;
  const std::optional<Choice> best = BestChoice(all);
  if (best && plan.ok()) {
    const ImageFormatConstraints image = ImageOf(plan.value());
    EXPECT_EQ(PixelFormatName(*image.pixel_format), PixelFormatName(best->format));
    EXPECT_EQ(ModifierName(*image.pixel_format_modifier), ModifierName(best->modifier));
    EXPECT_EQ(image.color_spaces, std::vector{best->space});
  }
  return best.has_value();
}

TEST(BruteForce, AgreesOnFormatsModifiersAndColorSpacesAndOnTheChoice) {
  Compare(DrawOffers, ChoiceExists, 40000, CostlyMachine());
}

}  // namespace
}  // namespace sysmem::core
