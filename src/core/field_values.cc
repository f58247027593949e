// SPDX-License-Identifier: Apache-2.0
#include "core/field_values.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <string_view>

#include "core/color_space.h"
#include "core/format_pair.h"
#include "core/pixel_format.h"
#include "core/rejection.h"

namespace sysmem::core {
namespace {

using Found = std::optional<FieldValue>;
using Image = ImageFormatConstraints;
using Memory = MemoryConstraints;

template <typename T>
Found Number(const std::optional<T>& value) {
  if (!value) return std::nullopt;
  return FieldValue{*value, std::to_string(*value)};
}

// A flag that asks for something when it has the value `asks`.
Found Flag(const std::optional<bool>& value, bool asks) {
  if (value != asks) return std::nullopt;
  return FieldValue{asks, asks ? "true" : "false"};
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

BufferUsage UsageOf(const Constraints& c) { return c.usage.value_or(BufferUsage{}); }

// Getters of single fields, named by a member pointer.

template <auto kMember>
Found Count(const Constraints& c) {
  return Number(c.*kMember);
}

template <auto kMember>
Found MemoryNumber(const Constraints& c) {
  return c.memory ? Number((*c.memory).*kMember) : std::nullopt;
}

template <auto kMember>
Found MemoryDemand(const Constraints& c) {
  return c.memory ? Flag((*c.memory).*kMember, true) : std::nullopt;
}

// A domain counts when it is not supported: said so, or implied by the usage (M8 to M10).
template <auto kMember>
Found DomainRefused(const Constraints& c) {
  const Memory memory = c.memory.value_or(Memory{});
  if (memory.*kMember) return Flag(memory.*kMember, false);
  const bool secure = memory.secure_required.value_or(false);
  const bool uses_cpu = UsageOf(c).cpu != 0;
  constexpr bool kIsCpu = kMember == &Memory::cpu_domain_supported;
  constexpr bool kIsInaccessible = kMember == &Memory::inaccessible_domain_supported;
  if (secure && !kIsInaccessible) return FieldValue{0, "false (implied by secure_required)"};
  if (uses_cpu && !kIsCpu) return FieldValue{0, "false (implied by usage.cpu)"};
  return std::nullopt;
}

template <auto kMember>
Found ImageNumber(const Image& image) {
  return Number(image.*kMember);
}

template <auto kMember, auto kSide>
Found ImageSide(const Image& image) {
  const std::optional<SizeU>& size = image.*kMember;
  return size ? Number(std::optional((*size).*kSide)) : std::nullopt;
}

template <auto kSide>
Found ListSide(const Image& image) {
  uint32_t largest = 0;
  std::vector<std::string> texts;
  for (const SizeU& size : image.required_max_size_list) {
    largest = std::max(largest, size.*kSide);
    texts.push_back(std::to_string(size.width) + "x" + std::to_string(size.height));
  }
  if (texts.empty()) return std::nullopt;
  return FieldValue{largest, Joined(texts)};
}

// Getters of fields that are more than a number.

std::string UsageText(const BufferUsage& usage) {
  const std::pair<const char*, uint32_t> parts[] = {{"none", usage.none},
                                                    {"cpu", usage.cpu},
                                                    {"vulkan", usage.vulkan},
                                                    {"display", usage.display},
                                                    {"video", usage.video}};
  std::vector<std::string> texts;
  for (const auto& [name, bits] : parts) {
    char hex[16];
    std::snprintf(hex, sizeof(hex), "0x%x", bits);
    if (bits != 0) texts.push_back(std::string(name) + " " + hex);
  }
  return texts.empty() ? "no bit set" : Joined(texts);
}

Found Usage(const Constraints& c) { return FieldValue{0, UsageText(UsageOf(c))}; }

Found PermittedHeaps(const Constraints& c) {
  if (!c.memory || !c.memory->permitted_heaps) return std::nullopt;
  std::vector<std::string> texts;
  for (const HeapWish& heap : *c.memory->permitted_heaps) {
    texts.push_back(heap.type.value_or("(no heap_type)") + " " +
                    std::to_string(heap.id.value_or(0)));
  }
  return FieldValue{0, texts.empty() ? "an empty list" : Joined(texts)};
}

// At most this many formats are spelled out; a participant may name thousands.
constexpr size_t kFormatsInText = 16;

Found OfferedFormats(const Constraints& c) {
  std::vector<std::string> texts;
  size_t offered = 0;
  for (const Image& image : c.image_formats) {
    const auto pairs = FlattenPairs(image, UsageOf(c));
    if (!pairs.ok()) continue;
    for (const PixelFormatAndModifier& pair : pairs.value()) {
      if (++offered <= kFormatsInText) texts.push_back(PairName(pair));
    }
  }
  if (offered == 0) return std::nullopt;
  if (offered > kFormatsInText) {
    texts.push_back("and " + std::to_string(offered - kFormatsInText) + " more");
  }
  return FieldValue{0, Joined(texts)};
}

Found PixelFormatOf(const Image& image) {
  if (!image.pixel_format) return std::nullopt;
  return FieldValue{0, PixelFormatName(*image.pixel_format)};
}

Found ModifierOf(const Image& image) {
  if (!image.pixel_format_modifier) return std::nullopt;
  return FieldValue{0, ModifierName(*image.pixel_format_modifier)};
}

Found PairsOf(const Image& image) {
  std::vector<std::string> texts;
  for (const auto& pair : image.pixel_format_and_modifiers) texts.push_back(PairName(pair));
  if (texts.empty()) return std::nullopt;
  return FieldValue{0, Joined(texts)};
}

Found ColorSpacesOf(const Image& image) {
  std::vector<std::string> texts;
  for (uint32_t space : image.color_spaces) texts.push_back(ColorSpaceName(space));
  if (texts.empty()) return std::nullopt;
  return FieldValue{0, Joined(texts)};
}

Found AtPixelBoundary(const Image& image) {
  return Flag(image.require_bytes_per_row_at_pixel_boundary, true);
}

Found Alpha(const Image& image) {
  if (!image.is_alpha_present) return std::nullopt;
  return FieldValue{*image.is_alpha_present, *image.is_alpha_present ? "true" : "false"};
}

// The tables: one row per field.

using enum Decides;

struct CollectionRow {
  std::string_view path;
  Decides decides;
  Found (*find)(const Constraints&);
};

constexpr CollectionRow kCollectionFields[] = {
    {"usage", kEverybody, Usage},
    {"usage.none", kEverybody, Usage},
    {"min_buffer_count_for_camping", kEverybody, Count<&Constraints::min_buffer_count_for_camping>},
    {"min_buffer_count_for_dedicated_slack", kEverybody,
     Count<&Constraints::min_buffer_count_for_dedicated_slack>},
    {"min_buffer_count_for_shared_slack", kLargest,
     Count<&Constraints::min_buffer_count_for_shared_slack>},
    {"min_buffer_count", kLargest, Count<&Constraints::min_buffer_count>},
    {"max_buffer_count", kSmallest, Count<&Constraints::max_buffer_count>},
    {"buffer_memory_constraints.min_size_bytes", kLargest, MemoryNumber<&Memory::min_size_bytes>},
    {"buffer_memory_constraints.max_size_bytes", kSmallest, MemoryNumber<&Memory::max_size_bytes>},
    {"buffer_memory_constraints.physically_contiguous_required", kEverybody,
     MemoryDemand<&Memory::physically_contiguous_required>},
    {"buffer_memory_constraints.secure_required", kEverybody,
     MemoryDemand<&Memory::secure_required>},
    {"buffer_memory_constraints.cpu_domain_supported", kEverybody,
     DomainRefused<&Memory::cpu_domain_supported>},
    {"buffer_memory_constraints.ram_domain_supported", kEverybody,
     DomainRefused<&Memory::ram_domain_supported>},
    {"buffer_memory_constraints.inaccessible_domain_supported", kEverybody,
     DomainRefused<&Memory::inaccessible_domain_supported>},
    {"buffer_memory_constraints.permitted_heaps", kEverybody, PermittedHeaps},
    {"buffer_memory_constraints.min_physical_base_alignment", kLargest,
     MemoryNumber<&Memory::min_physical_base_alignment>},
    {"image_format_constraints", kEverybody, OfferedFormats},
};

struct ImageRow {
  std::string_view field;  // behind "image_format_constraints."
  Decides decides;
  Found (*find)(const Image&);
};

constexpr auto kWidth = &SizeU::width;
constexpr auto kHeight = &SizeU::height;

constexpr ImageRow kImageFields[] = {
    {"pixel_format", kEverybody, PixelFormatOf},
    {"pixel_format_modifier", kEverybody, ModifierOf},
    {"pixel_format_and_modifiers", kEverybody, PairsOf},
    {"color_spaces", kEverybody, ColorSpacesOf},
    {"min_size.width", kLargest, ImageSide<&Image::min_size, kWidth>},
    {"min_size.height", kLargest, ImageSide<&Image::min_size, kHeight>},
    {"max_size.width", kSmallest, ImageSide<&Image::max_size, kWidth>},
    {"max_size.height", kSmallest, ImageSide<&Image::max_size, kHeight>},
    {"min_bytes_per_row", kLargest, ImageNumber<&Image::min_bytes_per_row>},
    {"max_bytes_per_row", kSmallest, ImageNumber<&Image::max_bytes_per_row>},
    {"max_width_times_height", kSmallest, ImageNumber<&Image::max_width_times_height>},
    {"size_alignment.width", kLargest, ImageSide<&Image::size_alignment, kWidth>},
    {"size_alignment.height", kLargest, ImageSide<&Image::size_alignment, kHeight>},
    {"display_rect_alignment.width", kLargest, ImageSide<&Image::display_rect_alignment, kWidth>},
    {"display_rect_alignment.height", kLargest, ImageSide<&Image::display_rect_alignment, kHeight>},
    {"required_min_size.width", kSmallest, ImageSide<&Image::required_min_size, kWidth>},
    {"required_min_size.height", kSmallest, ImageSide<&Image::required_min_size, kHeight>},
    {"required_max_size.width", kLargest, ImageSide<&Image::required_max_size, kWidth>},
    {"required_max_size.height", kLargest, ImageSide<&Image::required_max_size, kHeight>},
    {"required_max_size_list", kEverybody, ListSide<kWidth>},
    {"required_max_size_list.width", kLargest, ListSide<kWidth>},
    {"required_max_size_list.height", kLargest, ListSide<kHeight>},
    {"bytes_per_row_divisor", kEverybody, ImageNumber<&Image::bytes_per_row_divisor>},
    {"start_offset_divisor", kLargest, ImageNumber<&Image::start_offset_divisor>},
    {"require_bytes_per_row_at_pixel_boundary", kEverybody, AtPixelBoundary},
    {"is_alpha_present", kEverybody, Alpha},
    {"pad_for_block_size.width", kLargest, ImageSide<&Image::pad_for_block_size, kWidth>},
    {"pad_for_block_size.height", kLargest, ImageSide<&Image::pad_for_block_size, kHeight>},
    {"pad_beyond_image_size_bytes", kLargest, ImageNumber<&Image::pad_beyond_image_size_bytes>},
};

const CollectionRow* FindCollectionRow(std::string_view path) {
  for (const CollectionRow& row : kCollectionFields) {
    if (row.path == path) return &row;
  }
  return nullptr;
}

const ImageRow* FindImageRow(std::string_view path) {
  constexpr std::string_view kPrefix = kImagePath;
  if (path.substr(0, kPrefix.size()) != kPrefix) return nullptr;
  for (const ImageRow& row : kImageFields) {
    if (row.field == path.substr(kPrefix.size())) return &row;
  }
  return nullptr;
}

bool InQuestion(const Constraints& c, size_t index, const FormatFilter& filter) {
  if (filter.entry) return *filter.entry == index;
  if (!filter.pair) return true;
  const auto pairs = FlattenPairs(c.image_formats[index], UsageOf(c));
  if (!pairs.ok()) return false;
  return std::any_of(
      pairs.value().begin(), pairs.value().end(),
      [&](const PixelFormatAndModifier& pair) { return CombinePairs(pair, *filter.pair); });
}

bool DecidesOver(Decides decides, const FieldValue& a, const FieldValue& b) {
  return decides == kSmallest ? a.rank < b.rank : decides == kLargest && a.rank > b.rank;
}

}  // namespace

Decides WhoDecides(const std::string& path) {
  if (const CollectionRow* row = FindCollectionRow(path)) return row->decides;
  const ImageRow* row = FindImageRow(path);
  assert(row != nullptr && "a rule names a field that the table does not know");
  return row != nullptr ? row->decides : kEverybody;
}

std::optional<FieldValue> FindFieldValue(const Constraints& constraints, const std::string& path,
                                         const FormatFilter& filter) {
  if (const CollectionRow* row = FindCollectionRow(path)) return row->find(constraints);
  const ImageRow* row = FindImageRow(path);
  if (row == nullptr) return std::nullopt;
  Found decisive;
  for (size_t i = 0; i < constraints.image_formats.size(); ++i) {
    if (!InQuestion(constraints, i, filter)) continue;
    Found value = row->find(constraints.image_formats[i]);
    if (value && (!decisive || DecidesOver(row->decides, *value, *decisive))) {
      decisive = std::move(value);
    }
  }
  return decisive;
}

}  // namespace sysmem::core
