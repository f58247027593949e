// SPDX-License-Identifier: Apache-2.0
//
// Which field of a wire message is which member of the core's constraints: one row per field, used
// for reading and for writing, so that the two cannot differ. Lists are not here.
#pragma once

#include <cstdint>
#include <optional>

#include "core/constraints.h"
#include "sysmem2/constraints.pb.h"

namespace sysmem::server::transport {

// A field with presence on both sides.
template <typename Wire, typename Core, typename Value>
struct ScalarField {
  bool (Wire::*has)() const;
  Value (Wire::*get)() const;
  void (Wire::*set)(Value);
  std::optional<Value> Core::*member;
};

template <typename Wire, typename Core>
struct SizeField {
  bool (Wire::*has)() const;
  const sysmem2::SizeU& (Wire::*get)() const;
  sysmem2::SizeU* (Wire::*mutate)();
  std::optional<core::SizeU> Core::*member;
};

// Usage bits have no presence in the core: absent is 0 (U2).
struct UsageField {
  uint32_t (sysmem2::BufferUsage::*get)() const;
  void (sysmem2::BufferUsage::*set)(uint32_t);
  uint32_t core::BufferUsage::*member;
};

inline core::SizeU ReadSize(const sysmem2::SizeU& from) { return {from.width(), from.height()}; }
inline void WriteSize(const core::SizeU& from, sysmem2::SizeU& to) {
  to.set_width(from.width);
  to.set_height(from.height);
}

// Copies every field of the table that is set.
template <typename Wire, typename Core, typename Value, size_t N>
void ReadFields(const Wire& from, Core& to, const ScalarField<Wire, Core, Value> (&table)[N]) {
  for (const auto& field : table) {
    if ((from.*field.has)()) to.*field.member = (from.*field.get)();
  }
}
template <typename Wire, typename Core, typename Value, size_t N>
void WriteFields(const Core& from, Wire& to, const ScalarField<Wire, Core, Value> (&table)[N]) {
  for (const auto& field : table) {
    if (from.*field.member) (to.*field.set)(*(from.*field.member));
  }
}
template <typename Wire, typename Core, size_t N>
void ReadFields(const Wire& from, Core& to, const SizeField<Wire, Core> (&table)[N]) {
  for (const auto& field : table) {
    if ((from.*field.has)()) to.*field.member = ReadSize((from.*field.get)());
  }
}
template <typename Wire, typename Core, size_t N>
void WriteFields(const Core& from, Wire& to, const SizeField<Wire, Core> (&table)[N]) {
  for (const auto& field : table) {
    if (from.*field.member) WriteSize(*(from.*field.member), *(to.*field.mutate)());
  }
}

namespace fields {

using Usage = sysmem2::BufferUsage;
inline constexpr UsageField kUsage[] = {
    {&Usage::none, &Usage::set_none, &core::BufferUsage::none},
    {&Usage::cpu, &Usage::set_cpu, &core::BufferUsage::cpu},
    {&Usage::vulkan, &Usage::set_vulkan, &core::BufferUsage::vulkan},
    {&Usage::display, &Usage::set_display, &core::BufferUsage::display},
    {&Usage::video, &Usage::set_video, &core::BufferUsage::video},
};

using Whole = sysmem2::BufferCollectionConstraints;
inline constexpr ScalarField<Whole, core::Constraints, uint32_t> kCounts[] = {
    {&Whole::has_min_buffer_count_for_camping, &Whole::min_buffer_count_for_camping,
     &Whole::set_min_buffer_count_for_camping, &core::Constraints::min_buffer_count_for_camping},
    {&Whole::has_min_buffer_count_for_dedicated_slack, &Whole::min_buffer_count_for_dedicated_slack,
     &Whole::set_min_buffer_count_for_dedicated_slack,
     &core::Constraints::min_buffer_count_for_dedicated_slack},
    {&Whole::has_min_buffer_count_for_shared_slack, &Whole::min_buffer_count_for_shared_slack,
     &Whole::set_min_buffer_count_for_shared_slack,
     &core::Constraints::min_buffer_count_for_shared_slack},
    {&Whole::has_min_buffer_count, &Whole::min_buffer_count, &Whole::set_min_buffer_count,
     &core::Constraints::min_buffer_count},
    {&Whole::has_max_buffer_count, &Whole::max_buffer_count, &Whole::set_max_buffer_count,
     &core::Constraints::max_buffer_count},
};

using Memory = sysmem2::BufferMemoryConstraints;
inline constexpr ScalarField<Memory, core::MemoryConstraints, uint64_t> kMemoryNumbers[] = {
    {&Memory::has_min_size_bytes, &Memory::min_size_bytes, &Memory::set_min_size_bytes,
     &core::MemoryConstraints::min_size_bytes},
    {&Memory::has_max_size_bytes, &Memory::max_size_bytes, &Memory::set_max_size_bytes,
     &core::MemoryConstraints::max_size_bytes},
    {&Memory::has_min_physical_base_alignment, &Memory::min_physical_base_alignment,
     &Memory::set_min_physical_base_alignment,
     &core::MemoryConstraints::min_physical_base_alignment},
};
inline constexpr ScalarField<Memory, core::MemoryConstraints, bool> kMemoryFlags[] = {
    {&Memory::has_physically_contiguous_required, &Memory::physically_contiguous_required,
     &Memory::set_physically_contiguous_required,
     &core::MemoryConstraints::physically_contiguous_required},
    {&Memory::has_secure_required, &Memory::secure_required, &Memory::set_secure_required,
     &core::MemoryConstraints::secure_required},
    {&Memory::has_cpu_domain_supported, &Memory::cpu_domain_supported,
     &Memory::set_cpu_domain_supported, &core::MemoryConstraints::cpu_domain_supported},
    {&Memory::has_ram_domain_supported, &Memory::ram_domain_supported,
     &Memory::set_ram_domain_supported, &core::MemoryConstraints::ram_domain_supported},
    {&Memory::has_inaccessible_domain_supported, &Memory::inaccessible_domain_supported,
     &Memory::set_inaccessible_domain_supported,
     &core::MemoryConstraints::inaccessible_domain_supported},
};

using Image = sysmem2::ImageFormatConstraints;
inline constexpr ScalarField<Image, core::ImageFormatConstraints, uint32_t> kImageNumbers[] = {
    {&Image::has_pixel_format, &Image::pixel_format, &Image::set_pixel_format,
     &core::ImageFormatConstraints::pixel_format},
    {&Image::has_min_bytes_per_row, &Image::min_bytes_per_row, &Image::set_min_bytes_per_row,
     &core::ImageFormatConstraints::min_bytes_per_row},
    {&Image::has_max_bytes_per_row, &Image::max_bytes_per_row, &Image::set_max_bytes_per_row,
     &core::ImageFormatConstraints::max_bytes_per_row},
    {&Image::has_bytes_per_row_divisor, &Image::bytes_per_row_divisor,
     &Image::set_bytes_per_row_divisor, &core::ImageFormatConstraints::bytes_per_row_divisor},
    {&Image::has_start_offset_divisor, &Image::start_offset_divisor,
     &Image::set_start_offset_divisor, &core::ImageFormatConstraints::start_offset_divisor},
};
inline constexpr ScalarField<Image, core::ImageFormatConstraints, uint64_t> kImageLongs[] = {
    {&Image::has_pixel_format_modifier, &Image::pixel_format_modifier,
     &Image::set_pixel_format_modifier, &core::ImageFormatConstraints::pixel_format_modifier},
    {&Image::has_max_width_times_height, &Image::max_width_times_height,
     &Image::set_max_width_times_height, &core::ImageFormatConstraints::max_width_times_height},
    {&Image::has_pad_beyond_image_size_bytes, &Image::pad_beyond_image_size_bytes,
     &Image::set_pad_beyond_image_size_bytes,
     &core::ImageFormatConstraints::pad_beyond_image_size_bytes},
};
inline constexpr ScalarField<Image, core::ImageFormatConstraints, bool> kImageFlags[] = {
    {&Image::has_require_bytes_per_row_at_pixel_boundary,
     &Image::require_bytes_per_row_at_pixel_boundary,
     &Image::set_require_bytes_per_row_at_pixel_boundary,
     &core::ImageFormatConstraints::require_bytes_per_row_at_pixel_boundary},
    {&Image::has_is_alpha_present, &Image::is_alpha_present, &Image::set_is_alpha_present,
     &core::ImageFormatConstraints::is_alpha_present},
};
inline constexpr SizeField<Image, core::ImageFormatConstraints> kImageSizes[] = {
    {&Image::has_min_size, &Image::min_size, &Image::mutable_min_size,
     &core::ImageFormatConstraints::min_size},
    {&Image::has_max_size, &Image::max_size, &Image::mutable_max_size,
     &core::ImageFormatConstraints::max_size},
    {&Image::has_size_alignment, &Image::size_alignment, &Image::mutable_size_alignment,
     &core::ImageFormatConstraints::size_alignment},
    {&Image::has_display_rect_alignment, &Image::display_rect_alignment,
     &Image::mutable_display_rect_alignment, &core::ImageFormatConstraints::display_rect_alignment},
    {&Image::has_required_min_size, &Image::required_min_size, &Image::mutable_required_min_size,
     &core::ImageFormatConstraints::required_min_size},
    {&Image::has_required_max_size, &Image::required_max_size, &Image::mutable_required_max_size,
     &core::ImageFormatConstraints::required_max_size},
    {&Image::has_pad_for_block_size, &Image::pad_for_block_size, &Image::mutable_pad_for_block_size,
     &core::ImageFormatConstraints::pad_for_block_size},
};

}  // namespace fields
}  // namespace sysmem::server::transport
