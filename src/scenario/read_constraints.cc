// SPDX-License-Identifier: Apache-2.0
#include "scenario/read_constraints.h"

#include "scenario/kinds.h"

namespace sysmem::scenario {
namespace {

// As many as the protocol's messages hold (MessageLimit).
constexpr size_t kImageFormats = 64;
constexpr size_t kPermittedHeaps = 64;
constexpr size_t kColorSpaces = 32;
constexpr size_t kPairs = 64;
constexpr size_t kRequiredMaxSizes = 64;
constexpr size_t kUsageBits = 32;

core::HeapWish ReadHeapWish(const Value& value, const std::string& path, Mistakes& mistakes) {
  if (const std::optional<core::Heap> heap = kHeapName.read(value)) return {heap->type, heap->id};
  if (!std::holds_alternative<Table>(value.data)) {
    mistakes.Add(value.where, path,
                 "expected " + kHeapName.allowed() + ", or a table with heap_type and id; not " +
                     Describe(value));
    return {};
  }
  core::HeapWish wish;
  Fields fields(value, path, mistakes);
  fields.Read("heap_type", wish.type, kText);
  fields.Read("id", wish.id, kNumber64);
  fields.Finish();
  return wish;
}

core::MemoryConstraints ReadMemory(const Value& value, const std::string& path,
                                   Mistakes& mistakes) {
  core::MemoryConstraints memory;
  Fields fields(value, path, mistakes);
  fields.Read("min_size_bytes", memory.min_size_bytes, kBytes64);
  fields.Read("max_size_bytes", memory.max_size_bytes, kBytes64);
  fields.Read("physically_contiguous_required", memory.physically_contiguous_required, kFlag);
  fields.Read("secure_required", memory.secure_required, kFlag);
  fields.Read("cpu_domain_supported", memory.cpu_domain_supported, kFlag);
  fields.Read("ram_domain_supported", memory.ram_domain_supported, kFlag);
  fields.Read("inaccessible_domain_supported", memory.inaccessible_domain_supported, kFlag);
  fields.Read("min_physical_base_alignment", memory.min_physical_base_alignment, kBytes64);
  if (fields.Find("permitted_heaps") != nullptr) memory.permitted_heaps.emplace();
  fields.ReadEach("permitted_heaps", "the name of a heap", kPermittedHeaps,
                  [&](const Value& one, const std::string& where) {
                    memory.permitted_heaps->push_back(ReadHeapWish(one, where, mistakes));
                  });
  fields.Finish();
  return memory;
}

core::ImageFormatConstraints ReadImage(const Value& value, const std::string& path,
                                       Mistakes& mistakes) {
  core::ImageFormatConstraints image;
  Fields fields(value, path, mistakes);
  fields.Read("pixel_format", image.pixel_format, kPixelFormat);
  fields.Read("pixel_format_modifier", image.pixel_format_modifier, kModifier);
  fields.ReadList("pixel_format_and_modifiers", image.pixel_format_and_modifiers, kPair, kPairs);
  fields.ReadList("color_spaces", image.color_spaces, kColorSpace, kColorSpaces);
  fields.Read("min_size", image.min_size, kSize);
  fields.Read("max_size", image.max_size, kSize);
  fields.Read("min_bytes_per_row", image.min_bytes_per_row, kBytes32);
  fields.Read("max_bytes_per_row", image.max_bytes_per_row, kBytes32);
  fields.Read("max_width_times_height", image.max_width_times_height, kNumber64);
  fields.Read("size_alignment", image.size_alignment, kSize);
  fields.Read("display_rect_alignment", image.display_rect_alignment, kSize);
  fields.Read("required_min_size", image.required_min_size, kSize);
  fields.Read("required_max_size", image.required_max_size, kSize);
  fields.ReadList("required_max_size_list", image.required_max_size_list, kSize, kRequiredMaxSizes);
  fields.Read("bytes_per_row_divisor", image.bytes_per_row_divisor, kBytes32);
  fields.Read("start_offset_divisor", image.start_offset_divisor, kBytes32);
  fields.Read("require_bytes_per_row_at_pixel_boundary",
              image.require_bytes_per_row_at_pixel_boundary, kFlag);
  fields.Read("is_alpha_present", image.is_alpha_present, kFlag);
  fields.Read("pad_for_block_size", image.pad_for_block_size, kSize);
  fields.Read("pad_beyond_image_size_bytes", image.pad_beyond_image_size_bytes, kBytes64);
  fields.Finish();
  return image;
}

}  // namespace

core::BufferUsage ReadUsage(const Value& value, const std::string& path, Mistakes& mistakes) {
  core::BufferUsage usage;
  Fields fields(value, path, mistakes);
  const auto read = [&](const char* key, uint32_t& bits, const Kind<uint32_t>& kind) {
    std::vector<uint32_t> list;
    fields.ReadList(key, list, kind, kUsageBits);
    for (const uint32_t bit : list) bits |= bit;
  };
  read("none", usage.none, kNoneUsageBit);
  read("cpu", usage.cpu, kCpuUsageBit);
  read("vulkan", usage.vulkan, kVulkanUsageBit);
  read("display", usage.display, kDisplayUsageBit);
  read("video", usage.video, kVideoUsageBit);
  fields.Finish();
  return usage;
}

std::optional<core::Constraints> ReadConstraints(Fields& participant, Mistakes& mistakes) {
  core::Constraints c;
  if (const Member* usage = participant.Find("usage")) {
    c.usage = ReadUsage(usage->value, participant.PathOf("usage"), mistakes);
  }
  participant.Read("min_buffer_count_for_camping", c.min_buffer_count_for_camping, kNumber32);
  participant.Read("min_buffer_count_for_dedicated_slack", c.min_buffer_count_for_dedicated_slack,
                   kNumber32);
  participant.Read("min_buffer_count_for_shared_slack", c.min_buffer_count_for_shared_slack,
                   kNumber32);
  participant.Read("min_buffer_count", c.min_buffer_count, kNumber32);
  participant.Read("max_buffer_count", c.max_buffer_count, kNumber32);
  if (const Member* memory = participant.Find("buffer_memory_constraints")) {
    c.memory = ReadMemory(memory->value, participant.PathOf("buffer_memory_constraints"), mistakes);
  }
  participant.ReadEach("image_format_constraints", "a table", kImageFormats,
                       [&](const Value& one, const std::string& where) {
                         c.image_formats.push_back(ReadImage(one, where, mistakes));
                       });
  if (c == core::Constraints{}) return std::nullopt;
  return c;
}

}  // namespace sysmem::scenario
