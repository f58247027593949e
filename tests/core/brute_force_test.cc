// SPDX-License-Identifier: Apache-2.0
//
// The negotiation against trying everything: over tiny domains each possible outcome is held
// against the constraints of each participant, in words of their own, and both must agree on
// whether there is one (and for formats, which). Bounds that clash inside one of several common
// formats are left out: there the rules give up although another format would do (IMG-1, FMT-3).
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/plan_buffers.h"
#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

// Compares both answers on many random sets of one to three participants.
template <typename Draw, typename Exists>
void Compare(Draw draw, Exists exists) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  RandomConstraints random(seed);
  int satisfiable = 0;
  constexpr int kRounds = 20000;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Constraints> all(random.Pick(1, 3));
    for (Constraints& one : all) one = draw(random);
    const Result<Plan> plan = Ask(all);
    const bool expected = exists(all);
    satisfiable += expected;
    ASSERT_EQ(plan.ok(), expected) << "round " << round << " " << RuleOf(plan) << " "
                                   << (plan.ok() ? "" : plan.failure().message);
  }
  EXPECT_GT(satisfiable, kRounds / 20);
  EXPECT_LT(satisfiable, kRounds - kRounds / 20);
}

// 1. Sizes, domains and counts of raw buffers.

Constraints DrawRaw(RandomConstraints& random) {
  Constraints c;
  c.usage = random.OneIn(2) ? BufferUsage{.cpu = 1} : BufferUsage{.vulkan = 1};
  random.Maybe(c.min_buffer_count_for_camping, 2, random.Pick(0, 2));
  random.Maybe(c.min_buffer_count_for_shared_slack, 3, random.Pick(0, 2));
  random.Maybe(c.min_buffer_count, 3, random.Pick(0, 3));
  random.Maybe(c.max_buffer_count, 3, random.Pick(0, 5));
  MemoryConstraints memory;
  random.Maybe(memory.min_size_bytes, 2, random.Pick(0, 4));
  random.Maybe(memory.max_size_bytes, 3, random.Pick(0, 4));
  random.Maybe(memory.cpu_domain_supported, 2, !random.OneIn(3));
  random.Maybe(memory.ram_domain_supported, 2, !random.OneIn(3));
  random.Maybe(memory.inaccessible_domain_supported, 2, !random.OneIn(3));
  c.memory = memory;
  return c;
}

bool AcceptsDomain(const Constraints& c, CoherencyDomain domain) {
  const bool uses_cpu = c.usage->cpu != 0;
  switch (domain) {
    case CoherencyDomain::kCpu:
      return c.memory->cpu_domain_supported.value_or(true);
    case CoherencyDomain::kRam:
      return c.memory->ram_domain_supported.value_or(!uses_cpu);
    case CoherencyDomain::kInaccessible:
      return c.memory->inaccessible_domain_supported.value_or(!uses_cpu);
  }
  return false;
}

bool AcceptsRaw(const Constraints& c, uint64_t size, uint32_t count, CoherencyDomain domain) {
  // Whoever uses the CPU must be able to (C8), whatever is chosen in the end.
  const bool reachable = c.usage->cpu == 0 || AcceptsDomain(c, CoherencyDomain::kCpu) ||
                         AcceptsDomain(c, CoherencyDomain::kRam);
  return reachable && AcceptsDomain(c, domain) && size >= c.memory->min_size_bytes.value_or(0) &&
         size <= c.memory->max_size_bytes.value_or(UINT64_MAX) &&
         count >= c.min_buffer_count.value_or(0) &&
         count <= c.max_buffer_count.value_or(UINT32_MAX);
}

bool RawExists(const std::vector<Constraints>& all) {
  uint32_t camping = 0;
  uint32_t shared = 0;
  bool sized = false;
  for (const Constraints& c : all) {
    camping += c.min_buffer_count_for_camping.value_or(0);
    shared = std::max(shared, c.min_buffer_count_for_shared_slack.value_or(0));
    sized = sized || c.memory->min_size_bytes.value_or(0) > 0;
  }
  if (!sized) return false;
  // A count that nobody asked for is never chosen.
  uint32_t count = camping + shared;
  for (const Constraints& c : all) count = std::max(count, c.min_buffer_count.value_or(0));
  if (count == 0) return false;
  for (uint64_t size = 1; size <= 5; ++size) {
    for (uint32_t domain = 0; domain < 3; ++domain) {
      if (std::all_of(all.begin(), all.end(), [&](const Constraints& c) {
            return AcceptsRaw(c, size, count, CoherencyDomain{domain});
          })) {
        return true;
      }
    }
  }
  return false;
}

TEST(BruteForce, AgreesOnRawBuffers) { Compare(DrawRaw, RawExists); }

// 2. Sizes and strides of one image format, one byte or a half-sampled byte per pixel.

template <uint32_t kFormat>
Constraints DrawImage(RandomConstraints& random) {
  ImageFormatConstraints image = Image(kFormat, {color_space::kRec709});
  random.Maybe(image.min_size, 2, SizeU{random.Pick(0, 5), random.Pick(0, 5)});
  random.Maybe(image.max_size, 3, SizeU{random.Pick(2, 8), random.Pick(2, 8)});
  random.Maybe(image.size_alignment, 3, SizeU{1u << random.Pick(0, 2), 1u << random.Pick(0, 2)});
  random.Maybe(image.min_bytes_per_row, 4, random.Pick(0, 9));
  random.Maybe(image.max_bytes_per_row, 4, random.Pick(3, 14));
  random.Maybe(image.bytes_per_row_divisor, 3, random.Pick(1, 4));
  random.Maybe(image.max_width_times_height, 4, random.Pick(1, 30));
  if (random.OneIn(3)) image.required_max_size_list = {{random.Pick(1, 6), random.Pick(1, 6)}};
  Constraints c = CpuImages({image});
  random.Maybe(c.memory, 3, MemoryConstraints{.max_size_bytes = random.Pick(1, 60)});
  return c;
}

struct Shape {
  uint32_t width, height, row;
};

bool AcceptsShape(const ImageFormatConstraints& image, const Shape& shape) {
  const SizeU alignment = image.size_alignment.value_or(SizeU{1, 1});
  const SizeU min = image.min_size.value_or(SizeU{});
  const SizeU max = image.max_size.value_or(SizeU{kAllOnes, kAllOnes});
  return shape.width >= min.width && shape.height >= min.height && shape.width <= max.width &&
         shape.height <= max.height && shape.width % alignment.width == 0 &&
         shape.height % alignment.height == 0 && shape.row >= image.min_bytes_per_row.value_or(0) &&
         shape.row <= image.max_bytes_per_row.value_or(kAllOnes) &&
         shape.row % image.bytes_per_row_divisor.value_or(1) == 0 &&
         uint64_t{shape.width} * shape.height <= image.max_width_times_height.value_or(UINT64_MAX);
}

uint64_t MaxBytes(const Constraints& c) {
  return c.memory ? c.memory->max_size_bytes.value_or(UINT64_MAX) : UINT64_MAX;
}

// Some image that everybody accepts and that holds `required`.
template <uint32_t kFormat>
bool ImageExists(const std::vector<Constraints>& all, const SizeU& required) {
  const bool halved = kFormat == pixel_format::kNv12;
  const uint32_t step = halved ? 2 : 1;
  for (Shape shape{step, 0, 0}; shape.width <= 16; shape.width += step) {
    for (shape.height = step; shape.height <= 16; shape.height += step) {
      if (shape.width < required.width || shape.height < required.height) continue;
      for (shape.row = shape.width; shape.row <= 64; shape.row += step) {
        const uint64_t bytes = uint64_t{shape.row} * shape.height * (halved ? 3 : 2) / 2;
        if (std::all_of(all.begin(), all.end(), [&](const Constraints& c) {
              return AcceptsShape(c.image_formats[0], shape) && bytes <= MaxBytes(c);
            })) {
          return true;
        }
      }
    }
  }
  return false;
}

template <uint32_t kFormat>
bool AllImagesExist(const std::vector<Constraints>& all) {
  bool sized = false;
  if (!ImageExists<kFormat>(all, {0, 0})) return false;
  for (const Constraints& c : all) {
    const ImageFormatConstraints& image = c.image_formats[0];
    sized = sized || AsksForSize(c);
    for (const SizeU& required : image.required_max_size_list) {
      if (!ImageExists<kFormat>(all, required)) return false;
    }
  }
  return sized;
}

TEST(BruteForce, AgreesOnImagesOfOneBytePerPixel) {
  Compare(DrawImage<pixel_format::kR8>, AllImagesExist<pixel_format::kR8>);
}

TEST(BruteForce, AgreesOnImagesWithHalvedChroma) {
  Compare(DrawImage<pixel_format::kNv12>, AllImagesExist<pixel_format::kNv12>);
}

// 3. Formats, modifiers, colour spaces and their wildcards.

const uint32_t kFormats[] = {pixel_format::kR8G8B8A8, pixel_format::kNv12, pixel_format::kR8};
const uint32_t kSpaces[] = {color_space::kSrgb, color_space::kRec709, color_space::kPassthrough};

ImageFormatConstraints DrawOffer(RandomConstraints& random) {
  ImageFormatConstraints image;
  image.pixel_format = random.OneIn(4) ? pixel_format::kDoNotCare : kFormats[random.Pick(0, 2)];
  image.pixel_format_modifier = random.OneIn(3) ? modifier::kDoNotCare : modifier::kLinear;
  if (random.OneIn(4)) {
    image.color_spaces = {color_space::kDoNotCare};
  } else {
    for (uint32_t space : kSpaces) {
      if (random.OneIn(2)) image.color_spaces.push_back(space);
    }
  }
  return image;
}

Constraints DrawOffers(RandomConstraints& random) {
  Constraints c = CpuImages({});
  c.memory = MemoryConstraints{.min_size_bytes = 4096};
  const uint32_t entries = random.Pick(0, 2);
  for (uint32_t i = 0; i < entries; ++i) c.image_formats.push_back(DrawOffer(random));
  return c;
}

bool Covers(uint32_t wish, uint32_t value) { return wish == value || wish == UINT32_MAX - 1; }

bool NamesSpace(const ImageFormatConstraints& offer, uint32_t space) {
  return std::find(offer.color_spaces.begin(), offer.color_spaces.end(), space) !=
         offer.color_spaces.end();
}

// A participant's message makes sense by itself: spaces fit the format they were named with, and no
// two entries mean the same pair.
bool MakesSense(const Constraints& c) {
  for (const ImageFormatConstraints& offer : c.image_formats) {
    if (offer.color_spaces.empty()) return false;
    const bool definite = *offer.pixel_format != pixel_format::kDoNotCare &&
                          *offer.pixel_format_modifier != modifier::kDoNotCare;
    for (uint32_t space : offer.color_spaces) {
      if (definite && space != color_space::kDoNotCare &&
          !IsColorSpaceSupported(space, *offer.pixel_format)) {
        return false;
      }
    }
  }
  if (c.image_formats.size() < 2) return true;
  const uint32_t a = *c.image_formats[0].pixel_format;
  const uint32_t b = *c.image_formats[1].pixel_format;
  return !Covers(a, b) && !Covers(b, a);  // there is one modifier: LINEAR or any
}

// Everybody who offers images offers this one, and somebody names each part of it.
bool Offered(const std::vector<Constraints>& all, uint32_t format, uint32_t space) {
  bool format_named = false;
  bool modifier_named = false;
  bool space_named = false;
  for (const Constraints& c : all) {
    if (c.image_formats.empty()) continue;
    const ImageFormatConstraints* suiting = nullptr;
    for (const ImageFormatConstraints& offer : c.image_formats) {
      const bool any_space = offer.color_spaces.front() == color_space::kDoNotCare;
      if (Covers(*offer.pixel_format, format) && (any_space || NamesSpace(offer, space))) {
        suiting = &offer;
      }
    }
    if (suiting == nullptr) return false;
    format_named |= *suiting->pixel_format == format;
    modifier_named |= *suiting->pixel_format_modifier == modifier::kLinear;
    space_named |= NamesSpace(*suiting, space);
  }
  return format_named && modifier_named && space_named && IsColorSpaceSupported(space, format);
}

// The outcome that the rules prefer: the smallest format number, then the best colour space.
std::optional<std::pair<uint32_t, uint32_t>> BestOffer(const std::vector<Constraints>& all) {
  for (uint32_t format : {pixel_format::kR8G8B8A8, pixel_format::kNv12, pixel_format::kR8}) {
    for (uint32_t space : kSpaces) {  // in the order of C15
      if (Offered(all, format, space)) return std::pair(format, space);
    }
  }
  return std::nullopt;
}

TEST(BruteForce, AgreesOnFormatsAndColorSpacesAndOnTheChoice) {
  Compare(DrawOffers, [](const std::vector<Constraints>& all) {
    if (!std::all_of(all.begin(), all.end(), MakesSense)) return false;
    if (std::all_of(all.begin(), all.end(),
                    [](const Constraints& c) { return c.image_formats.empty(); })) {
      return true;
    }
    const auto best = BestOffer(all);
    const Result<Plan> plan = Ask(all);
    if (best && plan.ok()) {
      EXPECT_EQ(ImageOf(plan.value()).pixel_format, best->first);
      EXPECT_EQ(ImageOf(plan.value()).color_spaces, std::vector{best->second});
    }
    return best.has_value();
  });
}

}  // namespace
}  // namespace sysmem::core
