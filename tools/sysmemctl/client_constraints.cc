// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/client_constraints.h"

#include <optional>
#include <vector>

namespace sysmem::ctl {
namespace {

Size ToClient(const core::SizeU& size) { return {size.width, size.height}; }
std::optional<Size> ToClient(const std::optional<core::SizeU>& size) {
  return size ? std::optional(ToClient(*size)) : std::nullopt;
}

MemoryConstraints ToClient(const core::MemoryConstraints& from) {
  MemoryConstraints to{
      .min_size_bytes = from.min_size_bytes,
      .max_size_bytes = from.max_size_bytes,
      .physically_contiguous_required = from.physically_contiguous_required,
      .secure_required = from.secure_required,
      .cpu_domain_supported = from.cpu_domain_supported,
      .ram_domain_supported = from.ram_domain_supported,
      .inaccessible_domain_supported = from.inaccessible_domain_supported,
      .permitted_heaps = std::nullopt,
      .min_physical_base_alignment = from.min_physical_base_alignment,
  };
  if (!from.permitted_heaps) return to;
  to.permitted_heaps.emplace();
  for (const core::HeapWish& heap : *from.permitted_heaps) {
    to.permitted_heaps->push_back({.heap_type = heap.type, .id = heap.id});
  }
  return to;
}

ImageConstraints ToClient(const core::ImageFormatConstraints& from) {
  ImageConstraints to{
      .pixel_format = from.pixel_format,
      .pixel_format_modifier = from.pixel_format_modifier,
      .pixel_format_and_modifiers = {},
      .color_spaces = from.color_spaces,
      .min_size = ToClient(from.min_size),
      .max_size = ToClient(from.max_size),
      .min_bytes_per_row = from.min_bytes_per_row,
      .max_bytes_per_row = from.max_bytes_per_row,
      .max_width_times_height = from.max_width_times_height,
      .size_alignment = ToClient(from.size_alignment),
      .display_rect_alignment = ToClient(from.display_rect_alignment),
      .required_min_size = ToClient(from.required_min_size),
      .required_max_size = ToClient(from.required_max_size),
      .required_max_size_list = {},
      .bytes_per_row_divisor = from.bytes_per_row_divisor,
      .start_offset_divisor = from.start_offset_divisor,
      .require_bytes_per_row_at_pixel_boundary = from.require_bytes_per_row_at_pixel_boundary,
      .is_alpha_present = from.is_alpha_present,
      .pad_for_block_size = ToClient(from.pad_for_block_size),
      .pad_beyond_image_size_bytes = from.pad_beyond_image_size_bytes,
  };
  for (const core::PixelFormatAndModifier& pair : from.pixel_format_and_modifiers) {
    to.pixel_format_and_modifiers.push_back({pair.pixel_format, pair.modifier});
  }
  for (const core::SizeU& size : from.required_max_size_list) {
    to.required_max_size_list.push_back(ToClient(size));
  }
  return to;
}

}  // namespace

Constraints ToClient(const core::Constraints& from) {
  Constraints to{
      .usage = std::nullopt,
      .min_buffer_count_for_camping = from.min_buffer_count_for_camping,
      .min_buffer_count_for_dedicated_slack = from.min_buffer_count_for_dedicated_slack,
      .min_buffer_count_for_shared_slack = from.min_buffer_count_for_shared_slack,
      .min_buffer_count = from.min_buffer_count,
      .max_buffer_count = from.max_buffer_count,
      .memory = from.memory ? std::optional(ToClient(*from.memory)) : std::nullopt,
      .image_formats = {},
  };
  if (from.usage) {
    to.usage = Usage{.none = from.usage->none,
                     .cpu = from.usage->cpu,
                     .vulkan = from.usage->vulkan,
                     .display = from.usage->display,
                     .video = from.usage->video};
  }
  for (const core::ImageFormatConstraints& image : from.image_formats) {
    to.image_formats.push_back(ToClient(image));
  }
  return to;
}

}  // namespace sysmem::ctl
