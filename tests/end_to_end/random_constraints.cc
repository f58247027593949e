// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/random_constraints.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

// ---- Changes ----

uint32_t SomeCount(Chance& chance) {
  return chance.Of<uint32_t>({0, 1, 1, 2, 3, 5, 8, 64, 128, 129, kMax32});
}

uint64_t SomeBytes(Chance& chance) {
  return chance.Of<uint64_t>({0, 1, kPage - 1, kPage, kPage + 1, 65536, 131072, 1 << 20,
                              uint64_t{1} << 40, std::numeric_limits<uint64_t>::max()});
}

uint32_t SomeLength(Chance& chance) {
  return chance.Of<uint32_t>({0, 1, 2, 3, 15, 16, 64, 255, 256, 640, 2048, 1 << 20, kMax32});
}

uint32_t SomeDivisor(Chance& chance) {
  return chance.Of<uint32_t>({0, 1, 2, 2, 3, 4, 6, 16, 48, 64, 256, 1024, kMax32});
}

sysmem::Size SomeSize(Chance& chance) { return {SomeLength(chance), SomeLength(chance)}; }

sysmem::Size SomeAlignment(Chance& chance) { return {SomeDivisor(chance), SomeDivisor(chance)}; }

uint32_t SomeFormat(Chance& chance) {
  return chance.Of<uint32_t>({SYSMEM_PIXEL_FORMAT_NV12, SYSMEM_PIXEL_FORMAT_NV12,
                              SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_PIXEL_FORMAT_R8G8B8A8,
                              SYSMEM_PIXEL_FORMAT_B8G8R8, SYSMEM_PIXEL_FORMAT_R8,
                              SYSMEM_PIXEL_FORMAT_I420, SYSMEM_PIXEL_FORMAT_P010,
                              SYSMEM_PIXEL_FORMAT_MJPEG, SYSMEM_PIXEL_FORMAT_DO_NOT_CARE, 0, 7});
}

uint64_t SomeModifier(Chance& chance) {
  return chance.Of<uint64_t>({SYSMEM_MODIFIER_LINEAR, SYSMEM_MODIFIER_LINEAR,
                              SYSMEM_MODIFIER_DO_NOT_CARE, SYSMEM_MODIFIER_INTEL_I915_X_TILED,
                              SYSMEM_MODIFIER_ARM_AFBC_16X16, 12345});
}

uint32_t SomeColorSpace(Chance& chance) {
  return chance.Of<uint32_t>({SYSMEM_COLOR_SPACE_REC709, SYSMEM_COLOR_SPACE_SRGB,
                              SYSMEM_COLOR_SPACE_PASSTHROUGH, SYSMEM_COLOR_SPACE_DO_NOT_CARE, 0,
                              77});
}

std::string SomeHeap(Chance& chance) {
  return chance.Of<std::string>({SYSMEM_HEAP_SYSTEM_RAM, SYSMEM_HEAP_SYSTEM_RAM, "", "no such"});
}

// Changes one field. By the mere number of fields most are about images.
template <typename Part>
using Change = void (*)(Part&, Chance&);

constexpr Change<sysmem::Usage> kUsageChanges[] = {
    [](sysmem::Usage& usage, Chance& chance) {
      usage.none = chance.Of<uint32_t>({0, 1, 2});
    },
    [](sysmem::Usage& usage, Chance& chance) {
      usage.cpu = chance.Of<uint32_t>({0, 1, 15, 16});
    },
    [](sysmem::Usage& usage, Chance& chance) {
      usage.vulkan = chance.Of<uint32_t>({0, 1, 8});
    },
    [](sysmem::Usage& usage, Chance& chance) {
      usage.display = chance.Of<uint32_t>({0, 1, 2});
    },
    [](sysmem::Usage& usage, Chance& chance) {
      usage.video = chance.Of<uint32_t>({0, 1, 4});
    },
    [](sysmem::Usage& usage, Chance&) { usage = {.none = SYSMEM_NONE_USAGE}; },
};

constexpr Change<sysmem::Constraints> kCountChanges[] = {
    [](sysmem::Constraints& all, Chance& chance) {
      all.min_buffer_count_for_camping = SomeCount(chance);
    },
    [](sysmem::Constraints& all, Chance& chance) {
      all.min_buffer_count_for_dedicated_slack = SomeCount(chance);
    },
    [](sysmem::Constraints& all, Chance& chance) {
      all.min_buffer_count_for_shared_slack = SomeCount(chance);
    },
    [](sysmem::Constraints& all, Chance& chance) { all.min_buffer_count = SomeCount(chance); },
    [](sysmem::Constraints& all, Chance& chance) { all.max_buffer_count = SomeCount(chance); },
};

using MemoryNeeds = sysmem::MemoryConstraints;
constexpr Change<MemoryNeeds> kMemoryChanges[] = {
    [](MemoryNeeds& memory, Chance& chance) { memory.min_size_bytes = SomeBytes(chance); },
    [](MemoryNeeds& memory, Chance& chance) { memory.max_size_bytes = SomeBytes(chance); },
    [](MemoryNeeds& memory, Chance& chance) {
      memory.physically_contiguous_required = chance.OneIn(2);
    },
    [](MemoryNeeds& memory, Chance& chance) { memory.secure_required = chance.OneIn(2); },
    [](MemoryNeeds& memory, Chance& chance) { memory.cpu_domain_supported = chance.OneIn(2); },
    [](MemoryNeeds& memory, Chance& chance) { memory.ram_domain_supported = chance.OneIn(2); },
    [](MemoryNeeds& memory, Chance& chance) {
      memory.inaccessible_domain_supported = chance.OneIn(2);
    },
    [](MemoryNeeds& memory, Chance& chance) {
      memory.min_physical_base_alignment = SomeDivisor(chance);
    },
    [](MemoryNeeds& memory, Chance& chance) {
      if (!memory.permitted_heaps) memory.permitted_heaps.emplace();
      sysmem::HeapChoice heap;
      if (!chance.OneIn(8)) heap.heap_type = SomeHeap(chance);
      if (chance.OneIn(2)) heap.id = chance.Below(2);
      if (!chance.OneIn(8)) memory.permitted_heaps->push_back(heap);
    },
};

using ImageNeeds = sysmem::ImageConstraints;
constexpr Change<ImageNeeds> kImageChanges[] = {
    [](ImageNeeds& image, Chance& chance) { image.pixel_format = SomeFormat(chance); },
    [](ImageNeeds& image, Chance& chance) { image.pixel_format_modifier = SomeModifier(chance); },
    [](ImageNeeds& image, Chance& chance) {
      image.pixel_format_and_modifiers.push_back({SomeFormat(chance), SomeModifier(chance)});
    },
    [](ImageNeeds& image, Chance&) { image.pixel_format.reset(); },
    [](ImageNeeds& image, Chance& chance) { image.color_spaces = {SomeColorSpace(chance)}; },
    [](ImageNeeds& image, Chance& chance) { image.color_spaces.push_back(SomeColorSpace(chance)); },
    [](ImageNeeds& image, Chance&) { image.color_spaces.clear(); },
    [](ImageNeeds& image, Chance& chance) { image.min_size = SomeSize(chance); },
    [](ImageNeeds& image, Chance& chance) { image.max_size = SomeSize(chance); },
    [](ImageNeeds& image, Chance& chance) { image.min_bytes_per_row = SomeLength(chance); },
    [](ImageNeeds& image, Chance& chance) { image.max_bytes_per_row = SomeLength(chance); },
    [](ImageNeeds& image, Chance& chance) { image.max_width_times_height = SomeBytes(chance); },
    [](ImageNeeds& image, Chance& chance) { image.size_alignment = SomeAlignment(chance); },
    [](ImageNeeds& image, Chance& chance) { image.display_rect_alignment = SomeAlignment(chance); },
    [](ImageNeeds& image, Chance& chance) { image.required_min_size = SomeSize(chance); },
    [](ImageNeeds& image, Chance& chance) { image.required_max_size = SomeSize(chance); },
    [](ImageNeeds& image, Chance& chance) {
      image.required_max_size_list.push_back(SomeSize(chance));
    },
    [](ImageNeeds& image, Chance& chance) { image.bytes_per_row_divisor = SomeDivisor(chance); },
    [](ImageNeeds& image, Chance& chance) { image.start_offset_divisor = SomeDivisor(chance); },
    [](ImageNeeds& image, Chance& chance) {
      image.require_bytes_per_row_at_pixel_boundary = chance.OneIn(2);
    },
    [](ImageNeeds& image, Chance& chance) { image.is_alpha_present = chance.OneIn(2); },
    [](ImageNeeds& image, Chance& chance) { image.pad_for_block_size = SomeAlignment(chance); },
    [](ImageNeeds& image, Chance& chance) {
      image.pad_beyond_image_size_bytes = SomeLength(chance);
    },
};

template <typename Part, size_t kCount>
void ChangeOne(Part& part, const Change<Part> (&changes)[kCount], Chance& chance) {
  changes[chance.Below(kCount)](part, chance);
}

void ChangeImages(std::vector<ImageNeeds>& images, Chance& chance) {
  if (images.empty() || chance.OneIn(8)) {
    images.push_back(
        {.pixel_format = SomeFormat(chance), .color_spaces = {SomeColorSpace(chance)}});
  }
  ChangeOne(images[chance.Below(images.size())], kImageChanges, chance);
}

// Whatever part it hits may turn up, or vanish with all it said.
template <typename Part>
Part& MayVanish(std::optional<Part>& part, Chance& chance) {
  if (!part || chance.OneIn(16)) part.emplace();
  return *part;
}

void ChangeSomething(sysmem::Constraints& all, Chance& chance) {
  switch (chance.Below(8)) {
    case 0:
      return ChangeOne(MayVanish(all.usage, chance), kUsageChanges, chance);
    case 1:
    case 2:
      return ChangeOne(all, kCountChanges, chance);
    case 3:
    case 4:
      return ChangeOne(MayVanish(all.memory, chance), kMemoryChanges, chance);
    default:
      return ChangeImages(all.image_formats, chance);
  }
}

// ---- Judging the outcome ----

// Collects what does not hold.
class Judge {
 public:
  void Expect(bool holds, const char* what) {
    if (!holds) complaints_.emplace_back(what);
  }
  // Unset fields ask for nothing.
  template <typename T, typename U>
  void AtLeast(U actual, const std::optional<T>& wanted, const char* what) {
    if (wanted) Expect(actual >= *wanted, what);
  }
  template <typename T, typename U>
  void AtMost(U actual, const std::optional<T>& wanted, const char* what) {
    if (wanted) Expect(actual <= *wanted, what);
  }
  template <typename T, typename U>
  void Multiple(U actual, const std::optional<T>& wanted, const char* what) {
    if (wanted) Expect(*wanted != 0 && actual % *wanted == 0, what);
  }
  void AtLeast(const sysmem::Size& actual, const std::optional<sysmem::Size>& wanted,
               const char* what) {
    if (wanted) Expect(actual.width >= wanted->width && actual.height >= wanted->height, what);
  }
  void AtMost(const sysmem::Size& actual, const std::optional<sysmem::Size>& wanted,
              const char* what) {
    if (wanted) Expect(actual.width <= wanted->width && actual.height <= wanted->height, what);
  }
  void Multiple(const sysmem::Size& actual, const std::optional<sysmem::Size>& wanted,
                const char* what) {
    if (!wanted) return;
    Multiple(actual.width, std::optional(wanted->width), what);
    Multiple(actual.height, std::optional(wanted->height), what);
  }

  std::vector<std::string> Take() { return std::move(complaints_); }

 private:
  std::vector<std::string> complaints_;
};

void JudgeCount(Judge& judge, const sysmem::Constraints& needs, uint64_t count) {
  const uint64_t own = uint64_t{needs.min_buffer_count_for_camping.value_or(0)} +
                       needs.min_buffer_count_for_dedicated_slack.value_or(0) +
                       needs.min_buffer_count_for_shared_slack.value_or(0);
  judge.Expect(count >= own, "the buffers are fewer than camping and slack");
  judge.Expect(count >= 1, "there are no buffers");
  judge.AtLeast(count, needs.min_buffer_count, "min_buffer_count");
  judge.AtMost(count, needs.max_buffer_count, "max_buffer_count");
}

bool Permits(const sysmem::HeapChoice& choice, const sysmem::Settings& settings) {
  return choice.heap_type == settings.heap_type && choice.id.value_or(0) == settings.heap_id;
}

void JudgeMemory(Judge& judge, const MemoryNeeds& needs, const sysmem::Settings& settings) {
  judge.AtLeast(settings.size_bytes, needs.min_size_bytes, "min_size_bytes");
  judge.AtMost(settings.size_bytes, needs.max_size_bytes, "max_size_bytes");
  if (needs.physically_contiguous_required.value_or(false)) {
    judge.Expect(settings.is_physically_contiguous, "physically_contiguous_required");
  }
  if (needs.secure_required.value_or(false)) judge.Expect(settings.is_secure, "secure_required");
  const std::array domains = {needs.cpu_domain_supported, needs.ram_domain_supported,
                              needs.inaccessible_domain_supported};
  judge.Expect(settings.coherency_domain < domains.size() &&
                   domains[settings.coherency_domain].value_or(true),
               "the coherency domain is not supported");
  if (needs.permitted_heaps) {
    judge.Expect(
        std::any_of(needs.permitted_heaps->begin(), needs.permitted_heaps->end(),
                    [&](const sysmem::HeapChoice& choice) { return Permits(choice, settings); }),
        "permitted_heaps");
  }
}

bool Matches(uint32_t format, uint64_t modifier, const sysmem::ImageSettings& got) {
  return (format == SYSMEM_PIXEL_FORMAT_DO_NOT_CARE || format == got.pixel_format) &&
         (modifier == SYSMEM_MODIFIER_DO_NOT_CARE || modifier == got.pixel_format_modifier);
}

// Whether the format came out of this entry.
bool Offers(const ImageNeeds& entry, const sysmem::ImageSettings& got, bool has_none_usage) {
  if (entry.pixel_format) {
    const bool any = has_none_usage || *entry.pixel_format == SYSMEM_PIXEL_FORMAT_DO_NOT_CARE;
    const uint64_t absent = any ? SYSMEM_MODIFIER_DO_NOT_CARE : SYSMEM_MODIFIER_LINEAR;
    if (Matches(*entry.pixel_format, entry.pixel_format_modifier.value_or(absent), got)) {
      return true;
    }
  }
  const auto& pairs = entry.pixel_format_and_modifiers;
  return std::any_of(pairs.begin(), pairs.end(), [&](const sysmem::FormatAndModifier& pair) {
    return Matches(pair.pixel_format, pair.modifier, got);
  });
}

// Whether an image of this size fits, as far as that follows from the settings alone.
bool Holds(const sysmem::Settings& settings, const sysmem::Size& image) {
  const sysmem::ImageSettings& got = *settings.image;
  if (got.pixel_format_modifier != SYSMEM_MODIFIER_LINEAR) return true;
  return uint64_t{got.min_bytes_per_row} * image.height <= settings.size_bytes &&
         image.width <= got.max_size.width && image.height <= got.max_size.height;
}

void JudgeEntry(Judge& judge, const ImageNeeds& entry, const sysmem::Settings& settings) {
  const sysmem::ImageSettings& got = *settings.image;
  judge.Expect(std::any_of(entry.color_spaces.begin(), entry.color_spaces.end(),
                           [&](uint32_t color_space) {
                             return color_space == SYSMEM_COLOR_SPACE_DO_NOT_CARE ||
                                    color_space == got.color_space;
                           }),
               "color_spaces");
  judge.AtLeast(got.min_size, entry.min_size, "min_size");
  judge.AtMost(got.max_size, entry.max_size, "max_size");
  judge.AtLeast(got.min_bytes_per_row, entry.min_bytes_per_row, "min_bytes_per_row");
  judge.AtMost(got.max_bytes_per_row, entry.max_bytes_per_row, "max_bytes_per_row");
  judge.AtMost(got.max_width_times_height, entry.max_width_times_height, "max_width_times_height");
  judge.Multiple(got.size_alignment, entry.size_alignment, "size_alignment");
  judge.Multiple(got.display_rect_alignment, entry.display_rect_alignment,
                 "display_rect_alignment");
  judge.AtMost(got.min_size, entry.required_min_size, "required_min_size");
  judge.AtLeast(got.required_max_size, entry.required_max_size, "required_max_size");
  for (const sysmem::Size& size : entry.required_max_size_list) {
    judge.Expect(Holds(settings, size), "required_max_size_list");
  }
  judge.Multiple(got.bytes_per_row_divisor, entry.bytes_per_row_divisor, "bytes_per_row_divisor");
  judge.Multiple(got.start_offset_divisor, entry.start_offset_divisor, "start_offset_divisor");
  if (entry.require_bytes_per_row_at_pixel_boundary.value_or(false)) {
    judge.Expect(got.require_bytes_per_row_at_pixel_boundary,
                 "require_bytes_per_row_at_pixel_boundary");
  }
  if (entry.is_alpha_present && got.has_is_alpha_present) {
    judge.Expect(got.is_alpha_present == *entry.is_alpha_present, "is_alpha_present");
  }
  judge.AtLeast(got.pad_for_block_size, entry.pad_for_block_size, "pad_for_block_size");
  judge.AtLeast(got.pad_beyond_image_size_bytes, entry.pad_beyond_image_size_bytes,
                "pad_beyond_image_size_bytes");
}

// The image is one that anybody could use.
void JudgeImage(Judge& judge, const sysmem::Settings& settings) {
  const sysmem::ImageSettings& got = *settings.image;
  judge.Expect(got.pixel_format != SYSMEM_PIXEL_FORMAT_DO_NOT_CARE && got.pixel_format != 0,
               "no format was chosen");
  judge.Expect(got.pixel_format_modifier != SYSMEM_MODIFIER_DO_NOT_CARE, "no modifier was chosen");
  judge.Expect(got.color_space != SYSMEM_COLOR_SPACE_DO_NOT_CARE && got.color_space != 0,
               "no color space was chosen");
  judge.Expect(got.min_size.width > 0 && got.min_size.height > 0, "the smallest image is empty");
  judge.AtMost(got.min_size, std::optional(got.max_size), "the smallest image is too large");
  judge.Expect(got.min_bytes_per_row <= got.max_bytes_per_row, "rows are longer than they may be");
  judge.Expect(Holds(settings, got.min_size), "the smallest image does not fit");
}

void JudgeBuffers(Judge& judge, const sysmem::Buffers& buffers, bool gets_descriptors) {
  const sysmem::Settings& settings = buffers.settings();
  judge.Expect(settings.raw_size_bytes >= settings.size_bytes, "raw_size_bytes");
  for (size_t i = 0; i < buffers.count(); ++i) {
    judge.Expect((buffers[i].fd >= 0) == gets_descriptors, "a descriptor, or that there is none");
    struct stat status {};
    if (buffers[i].fd < 0) continue;
    judge.Expect(::fstat(buffers[i].fd, &status) == 0 &&
                     static_cast<uint64_t>(status.st_size) == settings.raw_size_bytes,
                 "the file's size");
  }
}

bool HasNoneUsage(const sysmem::Constraints& needs) {
  return !needs.usage || needs.usage->none.value_or(0) != 0;
}

}  // namespace

sysmem::Constraints Reasonable(Chance& chance) {
  switch (chance.Below(5)) {
    case 0:
      return Camp(3);
    case 1:
      return Picky(16 * kPage);
    case 2:
      return Formats({{SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_MODIFIER_LINEAR}}, ForCpu::kYes);
    default:
      return Nv12();
  }
}

sysmem::Constraints Changed(sysmem::Constraints constraints, Chance& chance) {
  for (size_t left = chance.Below(5); left > 0; --left) ChangeSomething(constraints, chance);
  return constraints;
}

std::vector<std::string> Complaints(const sysmem::Constraints& needs,
                                    const sysmem::Buffers& buffers) {
  Judge judge;
  const sysmem::Settings& settings = buffers.settings();
  const bool has_none_usage = HasNoneUsage(needs);
  JudgeCount(judge, needs, buffers.count());
  if (needs.memory) JudgeMemory(judge, *needs.memory, settings);
  JudgeBuffers(judge, buffers, !has_none_usage);
  if (settings.image != nullptr) JudgeImage(judge, settings);
  if (needs.image_formats.empty()) return judge.Take();
  judge.Expect(settings.image != nullptr, "there is no image");
  if (settings.image == nullptr) return judge.Take();
  // The pairs of one participant's entries do not overlap, so that one entry is the one.
  const auto offers = [&](const ImageNeeds& entry) {
    return Offers(entry, *settings.image, has_none_usage);
  };
  const auto entry = std::find_if(needs.image_formats.begin(), needs.image_formats.end(), offers);
  judge.Expect(entry != needs.image_formats.end(), "nobody offered this format");
  if (entry != needs.image_formats.end()) JudgeEntry(judge, *entry, settings);
  return judge.Take();
}

}  // namespace sysmem::testing
