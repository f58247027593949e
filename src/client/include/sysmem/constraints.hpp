// SPDX-License-Identifier: Apache-2.0
//
// What a participant needs, as C++ structures to be filled by designated initialisers:
//
//   sysmem::Constraints needs{
//       .usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
//       .min_buffer_count_for_camping = 1,
//       .image_formats = {{.pixel_format = SYSMEM_PIXEL_FORMAT_NV12,
//                          .color_spaces = {SYSMEM_COLOR_SPACE_REC709},
//                          .bytes_per_row_divisor = 64}},
//   };
//
// A field that is not given is absent, which differs from every value. What absence means, and how
// values of several participants become one, is said in proto/sysmem2/constraints.proto.
#pragma once

#include <sysmem/constraints.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sysmem {

using Size = ::sysmem_size;  // {width, height}

struct Usage {
  std::optional<uint32_t> none;
  std::optional<uint32_t> cpu;
  std::optional<uint32_t> vulkan;
  std::optional<uint32_t> display;
  std::optional<uint32_t> video;
};

struct HeapChoice {
  std::optional<std::string> heap_type;
  std::optional<uint64_t> id;
};

struct MemoryConstraints {
  std::optional<uint64_t> min_size_bytes;
  std::optional<uint64_t> max_size_bytes;
  std::optional<bool> physically_contiguous_required;
  std::optional<bool> secure_required;
  std::optional<bool> cpu_domain_supported;
  std::optional<bool> ram_domain_supported;
  std::optional<bool> inaccessible_domain_supported;
  std::optional<std::vector<HeapChoice>> permitted_heaps;
  std::optional<uint64_t> min_physical_base_alignment;
};

struct FormatAndModifier {
  uint32_t pixel_format = 0;
  uint64_t modifier = 0;
};

struct ImageConstraints {
  std::optional<uint32_t> pixel_format;
  std::optional<uint64_t> pixel_format_modifier;
  std::vector<FormatAndModifier> pixel_format_and_modifiers;
  std::vector<uint32_t> color_spaces;
  std::optional<Size> min_size;
  std::optional<Size> max_size;
  std::optional<uint32_t> min_bytes_per_row;
  std::optional<uint32_t> max_bytes_per_row;
  std::optional<uint64_t> max_width_times_height;
  std::optional<Size> size_alignment;
  std::optional<Size> display_rect_alignment;
  std::optional<Size> required_min_size;
  std::optional<Size> required_max_size;
  std::vector<Size> required_max_size_list;
  std::optional<uint32_t> bytes_per_row_divisor;
  std::optional<uint32_t> start_offset_divisor;
  std::optional<bool> require_bytes_per_row_at_pixel_boundary;
  std::optional<bool> is_alpha_present;
  std::optional<Size> pad_for_block_size;
  std::optional<uint64_t> pad_beyond_image_size_bytes;
};

struct Constraints {
  std::optional<Usage> usage;
  std::optional<uint32_t> min_buffer_count_for_camping;
  std::optional<uint32_t> min_buffer_count_for_dedicated_slack;
  std::optional<uint32_t> min_buffer_count_for_shared_slack;
  std::optional<uint32_t> min_buffer_count;
  std::optional<uint32_t> max_buffer_count;
  std::optional<MemoryConstraints> memory;
  std::vector<ImageConstraints> image_formats;
};

namespace detail {

struct FreeConstraints {
  void operator()(sysmem_constraints* constraints) const { sysmem_constraints_free(constraints); }
};
using OwnedConstraints = std::unique_ptr<sysmem_constraints, FreeConstraints>;

template <typename Target, typename Setter, typename Value>
void SetIfGiven(Target* target, Setter setter, const std::optional<Value>& value) {
  if (value) setter(target, *value);
}

inline void AddUsage(sysmem_constraints* out, const Usage& usage) {
  sysmem_constraints_include_usage(out);
  SetIfGiven(out, sysmem_constraints_set_none_usage, usage.none);
  SetIfGiven(out, sysmem_constraints_set_cpu_usage, usage.cpu);
  SetIfGiven(out, sysmem_constraints_set_vulkan_usage, usage.vulkan);
  SetIfGiven(out, sysmem_constraints_set_display_usage, usage.display);
  SetIfGiven(out, sysmem_constraints_set_video_usage, usage.video);
}

inline void AddHeaps(sysmem_constraints* out, const std::vector<HeapChoice>& heaps) {
  sysmem_constraints_include_permitted_heaps(out);
  for (const HeapChoice& heap : heaps) {
    const char* type = heap.heap_type ? heap.heap_type->c_str() : nullptr;
    if (heap.id) {
      sysmem_constraints_add_permitted_heap_with_id(out, type, *heap.id);
    } else {
      sysmem_constraints_add_permitted_heap(out, type);
    }
  }
}

inline void AddMemory(sysmem_constraints* out, const MemoryConstraints& memory) {
  sysmem_constraints_include_memory(out);
  SetIfGiven(out, sysmem_constraints_set_min_size_bytes, memory.min_size_bytes);
  SetIfGiven(out, sysmem_constraints_set_max_size_bytes, memory.max_size_bytes);
  SetIfGiven(out, sysmem_constraints_set_physically_contiguous_required,
             memory.physically_contiguous_required);
  SetIfGiven(out, sysmem_constraints_set_secure_required, memory.secure_required);
  SetIfGiven(out, sysmem_constraints_set_cpu_domain_supported, memory.cpu_domain_supported);
  SetIfGiven(out, sysmem_constraints_set_ram_domain_supported, memory.ram_domain_supported);
  SetIfGiven(out, sysmem_constraints_set_inaccessible_domain_supported,
             memory.inaccessible_domain_supported);
  if (memory.permitted_heaps) AddHeaps(out, *memory.permitted_heaps);
  SetIfGiven(out, sysmem_constraints_set_min_physical_base_alignment,
             memory.min_physical_base_alignment);
}

inline void AddImage(sysmem_constraints* constraints, const ImageConstraints& image) {
  sysmem_image_constraints* out = sysmem_constraints_add_image_format(constraints);
  SetIfGiven(out, sysmem_image_constraints_set_pixel_format, image.pixel_format);
  SetIfGiven(out, sysmem_image_constraints_set_pixel_format_modifier, image.pixel_format_modifier);
  for (const FormatAndModifier& pair : image.pixel_format_and_modifiers) {
    sysmem_image_constraints_add_pixel_format_and_modifier(out, pair.pixel_format, pair.modifier);
  }
  for (uint32_t color_space : image.color_spaces) {
    sysmem_image_constraints_add_color_space(out, color_space);
  }
  SetIfGiven(out, sysmem_image_constraints_set_min_size, image.min_size);
  SetIfGiven(out, sysmem_image_constraints_set_max_size, image.max_size);
  SetIfGiven(out, sysmem_image_constraints_set_min_bytes_per_row, image.min_bytes_per_row);
  SetIfGiven(out, sysmem_image_constraints_set_max_bytes_per_row, image.max_bytes_per_row);
  SetIfGiven(out, sysmem_image_constraints_set_max_width_times_height,
             image.max_width_times_height);
  SetIfGiven(out, sysmem_image_constraints_set_size_alignment, image.size_alignment);
  SetIfGiven(out, sysmem_image_constraints_set_display_rect_alignment,
             image.display_rect_alignment);
  SetIfGiven(out, sysmem_image_constraints_set_required_min_size, image.required_min_size);
  SetIfGiven(out, sysmem_image_constraints_set_required_max_size, image.required_max_size);
  for (const Size& size : image.required_max_size_list) {
    sysmem_image_constraints_add_required_max_size(out, size);
  }
  SetIfGiven(out, sysmem_image_constraints_set_bytes_per_row_divisor, image.bytes_per_row_divisor);
  SetIfGiven(out, sysmem_image_constraints_set_start_offset_divisor, image.start_offset_divisor);
  SetIfGiven(out, sysmem_image_constraints_set_require_bytes_per_row_at_pixel_boundary,
             image.require_bytes_per_row_at_pixel_boundary);
  SetIfGiven(out, sysmem_image_constraints_set_is_alpha_present, image.is_alpha_present);
  SetIfGiven(out, sysmem_image_constraints_set_pad_for_block_size, image.pad_for_block_size);
  SetIfGiven(out, sysmem_image_constraints_set_pad_beyond_image_size_bytes,
             image.pad_beyond_image_size_bytes);
}

// The C form. Unset gives NULL: no constraints, NONE usage.
inline OwnedConstraints ToC(const std::optional<Constraints>& constraints) {
  if (!constraints) return nullptr;
  OwnedConstraints out(sysmem_constraints_new());
  if (constraints->usage) AddUsage(out.get(), *constraints->usage);
  SetIfGiven(out.get(), sysmem_constraints_set_min_buffer_count_for_camping,
             constraints->min_buffer_count_for_camping);
  SetIfGiven(out.get(), sysmem_constraints_set_min_buffer_count_for_dedicated_slack,
             constraints->min_buffer_count_for_dedicated_slack);
  SetIfGiven(out.get(), sysmem_constraints_set_min_buffer_count_for_shared_slack,
             constraints->min_buffer_count_for_shared_slack);
  SetIfGiven(out.get(), sysmem_constraints_set_min_buffer_count, constraints->min_buffer_count);
  SetIfGiven(out.get(), sysmem_constraints_set_max_buffer_count, constraints->max_buffer_count);
  if (constraints->memory) AddMemory(out.get(), *constraints->memory);
  for (const ImageConstraints& image : constraints->image_formats) AddImage(out.get(), image);
  return out;
}

}  // namespace detail
}  // namespace sysmem
