// SPDX-License-Identifier: Apache-2.0
//
// Random constraints from small domains, so that participants agree often and disagree often.
#pragma once

#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/core/recipes.h"

namespace sysmem::core::recipes {

// A new seed for each run; SYSMEM_TEST_SEED repeats one that a failing test has printed.
inline uint32_t Seed() {
  const char* given = std::getenv("SYSMEM_TEST_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                          : std::random_device{}();
}

class RandomConstraints {
 public:
  explicit RandomConstraints(uint32_t seed) : random_(seed) {}

  std::mt19937& engine() { return random_; }

  // low..high, both included.
  uint32_t Pick(uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random_);
  }
  bool OneIn(uint32_t n) { return Pick(1, n) == 1; }
  template <typename T>
  T AnyOf(const std::vector<T>& values) {
    return values[Pick(0, static_cast<uint32_t>(values.size()) - 1)];
  }

  // Sets the field now and then.
  template <typename T, typename V>
  void Maybe(std::optional<T>& field, uint32_t one_in, V value) {
    if (OneIn(one_in)) field = value;
  }

  Constraints Participant() {
    Constraints c;
    if (OneIn(8)) return c;
    c.usage = AnyOf<BufferUsage>({{.cpu = 1},
                                  {.cpu = 4},
                                  {.vulkan = 2},
                                  {.display = 1},
                                  {.video = 1},
                                  {.none = kNoneUsage}});
    Maybe(c.min_buffer_count_for_camping, 2, Pick(0, 3));
    Maybe(c.min_buffer_count_for_dedicated_slack, 4, Pick(0, 2));
    Maybe(c.min_buffer_count_for_shared_slack, 4, Pick(0, 2));
    Maybe(c.min_buffer_count, 4, Pick(0, 4));
    Maybe(c.max_buffer_count, 6, Pick(4, 12));
    if (!OneIn(4)) c.memory = Memory();
    if (OneIn(2)) c.image_formats = Images();
    return c;
  }

  MemoryConstraints Memory() {
    MemoryConstraints memory;
    Maybe(memory.min_size_bytes, 2, Pick(0, 5000));
    Maybe(memory.max_size_bytes, 5, Pick(4000, 40000));
    Maybe(memory.cpu_domain_supported, 6, !OneIn(3));
    Maybe(memory.ram_domain_supported, 3, !OneIn(3));
    Maybe(memory.inaccessible_domain_supported, 4, !OneIn(3));
    // At most one heap beside system RAM: which of several is taken depends on their order
    // (HEAP-3).
    const HeapWish ram{.type = kHeapSystemRam};
    const HeapWish other{.type = "other", .id = 3};
    Maybe(memory.permitted_heaps, 5,
          AnyOf<std::vector<HeapWish>>({{ram}, {ram, other}, {other, ram}, {other}}));
    return memory;
  }

  std::vector<ImageFormatConstraints> Images() {
    std::vector<ImageFormatConstraints> images;
    const std::vector<uint32_t> formats = {pixel_format::kR8G8B8A8, pixel_format::kNv12,
                                           pixel_format::kB8G8R8};
    for (uint32_t format : formats) {
      if (!OneIn(3)) images.push_back(Entry(format));
    }
    if (images.empty()) images.push_back(Entry(pixel_format::kDoNotCare));
    return images;
  }

  // Mostly one that goes with the format.
  uint64_t Modifier(uint32_t format) {
    std::vector<uint64_t> all = {modifier::kLinear, modifier::kLinear, modifier::kDoNotCare};
    if (format != pixel_format::kB8G8R8 || OneIn(8)) all.push_back(modifier::kIntelXTiled);
    if (format == pixel_format::kR8G8B8A8 || OneIn(8)) {
      all.insert(all.end(), {modifier::kIntelYTiledCcs, modifier::kArmAfbc16x16Te});
    }
    return AnyOf(all);
  }

  ImageFormatConstraints Entry(uint32_t format) {
    ImageFormatConstraints image;
    image.pixel_format = format;
    Maybe(image.pixel_format_modifier, 2, Modifier(format));
    // More ways to lay out the same format, none of them twice.
    if (image.pixel_format_modifier == modifier::kLinear && OneIn(2)) {
      image.pixel_format_and_modifiers = {{format, modifier::kIntelXTiled}};
      if (format == pixel_format::kR8G8B8A8) {
        image.pixel_format_and_modifiers.push_back({format, modifier::kArmAfbc16x16Te});
      }
    }
    const uint32_t fitting =
        format == pixel_format::kNv12 ? color_space::kRec709 : color_space::kSrgb;
    image.color_spaces = AnyOf<std::vector<uint32_t>>(
        {{color_space::kDoNotCare}, {fitting}, {fitting}, {fitting, color_space::kPassthrough}});
    Maybe(image.min_size, 3, SizeU{Pick(0, 20), Pick(0, 20)});
    Maybe(image.max_size, 5, SizeU{Pick(16, 60), Pick(16, 60)});
    Maybe(image.min_bytes_per_row, 6, Pick(0, 100));
    Maybe(image.max_bytes_per_row, 8, Pick(60, 400));
    Maybe(image.max_width_times_height, 8, Pick(200, 2000));
    Maybe(image.size_alignment, 4, SizeU{1u << Pick(0, 3), 1u << Pick(0, 3)});
    Maybe(image.display_rect_alignment, 8, SizeU{1u << Pick(0, 3), 1u << Pick(0, 3)});
    Maybe(image.required_min_size, 12, SizeU{Pick(16, 40), Pick(16, 40)});
    Maybe(image.required_max_size, 8, SizeU{Pick(0, 30), Pick(0, 30)});
    if (OneIn(4)) image.required_max_size_list.push_back({Pick(1, 30), Pick(1, 30)});
    if (OneIn(4)) image.required_max_size_list.push_back({Pick(1, 30), Pick(1, 30)});
    Maybe(image.bytes_per_row_divisor, 4, Pick(1, 24));
    Maybe(image.start_offset_divisor, 8, 1u << Pick(0, 6));
    Maybe(image.require_bytes_per_row_at_pixel_boundary, 6, OneIn(2));
    Maybe(image.is_alpha_present, 8, OneIn(2));
    Maybe(image.pad_beyond_image_size_bytes, 8, Pick(0, 9000));
    if (OneIn(8)) {
      image.pad_for_block_size = SizeU{1u << Pick(0, 2), 1u << Pick(0, 2)};
      if (!image.max_size) image.max_size = {60, 60};
    }
    return image;
  }

 private:
  std::mt19937 random_;
};

}  // namespace sysmem::core::recipes
