// SPDX-License-Identifier: Apache-2.0
#include "client/constraints.h"

#include "client/text.h"

namespace {

// Half of what a message may have, so that it fits beside what is queued already.
constexpr size_t kMaxConstraintsBytes = 128 << 10;

using Image = sysmem2::ImageFormatConstraints;

// An entry of the list is the wire's message under an opaque name; it never exists by itself.
sysmem_image_constraints* FromImage(Image* image) {
  return reinterpret_cast<sysmem_image_constraints*>(image);
}
Image* ToImage(sysmem_image_constraints* image) { return reinterpret_cast<Image*>(image); }

sysmem2::BufferUsage* Usage(sysmem_constraints* constraints) {
  return constraints->message.mutable_usage();
}
sysmem2::BufferMemoryConstraints* Memory(sysmem_constraints* constraints) {
  return constraints->message.mutable_buffer_memory_constraints();
}

sysmem2::Heap* AddHeap(sysmem_constraints* constraints, const char* heap_type) {
  sysmem2::Heap* heap = Memory(constraints)->mutable_permitted_heaps()->add_heaps();
  if (heap_type != nullptr) heap->set_heap_type(heap_type);
  return heap;
}

}  // namespace

namespace sysmem::client {

sysmem2::SizeU ToWire(sysmem_size size) {
  sysmem2::SizeU message;
  message.set_width(size.width);
  message.set_height(size.height);
  return message;
}

std::optional<Failure> CheckConstraints(const sysmem_constraints* constraints) {
  if (constraints == nullptr) return std::nullopt;
  const sysmem2::BufferCollectionConstraints& message = constraints->message;
  if (message.ByteSizeLong() > kMaxConstraintsBytes) {
    return InvalidArgument("constraints", "they take more than 128 KiB");
  }
  if (message.image_format_constraints_size() > sysmem2::MESSAGE_LIMIT_IMAGE_FORMAT_CONSTRAINTS) {
    return InvalidArgument("image_format_constraints", "there are more than 64");
  }
  for (const sysmem2::Heap& heap : message.buffer_memory_constraints().permitted_heaps().heaps()) {
    if (IsUtf8(heap.heap_type())) continue;
    return InvalidArgument("buffer_memory_constraints.permitted_heaps", "a name is not UTF-8");
  }
  return std::nullopt;
}

}  // namespace sysmem::client

using sysmem::client::ToWire;

sysmem_constraints* sysmem_constraints_new(void) { return new sysmem_constraints; }
sysmem_constraints* sysmem_constraints_copy(const sysmem_constraints* constraints) {
  return constraints == nullptr ? nullptr : new sysmem_constraints(*constraints);
}
void sysmem_constraints_free(sysmem_constraints* constraints) { delete constraints; }

void sysmem_constraints_set_none_usage(sysmem_constraints* constraints, uint32_t bits) {
  Usage(constraints)->set_none(bits);
}
void sysmem_constraints_set_cpu_usage(sysmem_constraints* constraints, uint32_t bits) {
  Usage(constraints)->set_cpu(bits);
}
void sysmem_constraints_set_vulkan_usage(sysmem_constraints* constraints, uint32_t bits) {
  Usage(constraints)->set_vulkan(bits);
}
void sysmem_constraints_set_display_usage(sysmem_constraints* constraints, uint32_t bits) {
  Usage(constraints)->set_display(bits);
}
void sysmem_constraints_set_video_usage(sysmem_constraints* constraints, uint32_t bits) {
  Usage(constraints)->set_video(bits);
}
void sysmem_constraints_include_usage(sysmem_constraints* constraints) { Usage(constraints); }

void sysmem_constraints_set_min_buffer_count_for_camping(sysmem_constraints* constraints,
                                                         uint32_t count) {
  constraints->message.set_min_buffer_count_for_camping(count);
}
void sysmem_constraints_set_min_buffer_count_for_dedicated_slack(sysmem_constraints* constraints,
                                                                 uint32_t count) {
  constraints->message.set_min_buffer_count_for_dedicated_slack(count);
}
void sysmem_constraints_set_min_buffer_count_for_shared_slack(sysmem_constraints* constraints,
                                                              uint32_t count) {
  constraints->message.set_min_buffer_count_for_shared_slack(count);
}
void sysmem_constraints_set_min_buffer_count(sysmem_constraints* constraints, uint32_t count) {
  constraints->message.set_min_buffer_count(count);
}
void sysmem_constraints_set_max_buffer_count(sysmem_constraints* constraints, uint32_t count) {
  constraints->message.set_max_buffer_count(count);
}

void sysmem_constraints_include_memory(sysmem_constraints* constraints) { Memory(constraints); }
void sysmem_constraints_set_min_size_bytes(sysmem_constraints* constraints, uint64_t bytes) {
  Memory(constraints)->set_min_size_bytes(bytes);
}
void sysmem_constraints_set_max_size_bytes(sysmem_constraints* constraints, uint64_t bytes) {
  Memory(constraints)->set_max_size_bytes(bytes);
}
void sysmem_constraints_set_physically_contiguous_required(sysmem_constraints* constraints,
                                                           bool required) {
  Memory(constraints)->set_physically_contiguous_required(required);
}
void sysmem_constraints_set_secure_required(sysmem_constraints* constraints, bool required) {
  Memory(constraints)->set_secure_required(required);
}
void sysmem_constraints_set_cpu_domain_supported(sysmem_constraints* constraints, bool supported) {
  Memory(constraints)->set_cpu_domain_supported(supported);
}
void sysmem_constraints_set_ram_domain_supported(sysmem_constraints* constraints, bool supported) {
  Memory(constraints)->set_ram_domain_supported(supported);
}
void sysmem_constraints_set_inaccessible_domain_supported(sysmem_constraints* constraints,
                                                          bool supported) {
  Memory(constraints)->set_inaccessible_domain_supported(supported);
}
void sysmem_constraints_include_permitted_heaps(sysmem_constraints* constraints) {
  Memory(constraints)->mutable_permitted_heaps();
}
void sysmem_constraints_add_permitted_heap(sysmem_constraints* constraints, const char* heap_type) {
  AddHeap(constraints, heap_type);
}
void sysmem_constraints_add_permitted_heap_with_id(sysmem_constraints* constraints,
                                                   const char* heap_type, uint64_t id) {
  AddHeap(constraints, heap_type)->set_id(id);
}
void sysmem_constraints_set_min_physical_base_alignment(sysmem_constraints* constraints,
                                                        uint64_t bytes) {
  Memory(constraints)->set_min_physical_base_alignment(bytes);
}

sysmem_image_constraints* sysmem_constraints_add_image_format(sysmem_constraints* constraints) {
  return FromImage(constraints->message.add_image_format_constraints());
}

void sysmem_image_constraints_set_pixel_format(sysmem_image_constraints* image,
                                               uint32_t pixel_format) {
  ToImage(image)->set_pixel_format(pixel_format);
}
void sysmem_image_constraints_set_pixel_format_modifier(sysmem_image_constraints* image,
                                                        uint64_t modifier) {
  ToImage(image)->set_pixel_format_modifier(modifier);
}
void sysmem_image_constraints_add_pixel_format_and_modifier(sysmem_image_constraints* image,
                                                            uint32_t pixel_format,
                                                            uint64_t modifier) {
  sysmem2::PixelFormatAndModifier* pair = ToImage(image)->add_pixel_format_and_modifiers();
  pair->set_pixel_format(pixel_format);
  pair->set_pixel_format_modifier(modifier);
}
void sysmem_image_constraints_add_color_space(sysmem_image_constraints* image,
                                              uint32_t color_space) {
  ToImage(image)->add_color_spaces(color_space);
}
void sysmem_image_constraints_set_min_size(sysmem_image_constraints* image, sysmem_size size) {
  *ToImage(image)->mutable_min_size() = ToWire(size);
}
void sysmem_image_constraints_set_max_size(sysmem_image_constraints* image, sysmem_size size) {
  *ToImage(image)->mutable_max_size() = ToWire(size);
}
void sysmem_image_constraints_set_min_bytes_per_row(sysmem_image_constraints* image,
                                                    uint32_t bytes) {
  ToImage(image)->set_min_bytes_per_row(bytes);
}
void sysmem_image_constraints_set_max_bytes_per_row(sysmem_image_constraints* image,
                                                    uint32_t bytes) {
  ToImage(image)->set_max_bytes_per_row(bytes);
}
void sysmem_image_constraints_set_max_width_times_height(sysmem_image_constraints* image,
                                                         uint64_t pixels) {
  ToImage(image)->set_max_width_times_height(pixels);
}
void sysmem_image_constraints_set_size_alignment(sysmem_image_constraints* image,
                                                 sysmem_size alignment) {
  *ToImage(image)->mutable_size_alignment() = ToWire(alignment);
}
void sysmem_image_constraints_set_display_rect_alignment(sysmem_image_constraints* image,
                                                         sysmem_size alignment) {
  *ToImage(image)->mutable_display_rect_alignment() = ToWire(alignment);
}
void sysmem_image_constraints_set_required_min_size(sysmem_image_constraints* image,
                                                    sysmem_size size) {
  *ToImage(image)->mutable_required_min_size() = ToWire(size);
}
void sysmem_image_constraints_set_required_max_size(sysmem_image_constraints* image,
                                                    sysmem_size size) {
  *ToImage(image)->mutable_required_max_size() = ToWire(size);
}
void sysmem_image_constraints_add_required_max_size(sysmem_image_constraints* image,
                                                    sysmem_size size) {
  *ToImage(image)->add_required_max_size_list() = ToWire(size);
}
void sysmem_image_constraints_set_bytes_per_row_divisor(sysmem_image_constraints* image,
                                                        uint32_t divisor) {
  ToImage(image)->set_bytes_per_row_divisor(divisor);
}
void sysmem_image_constraints_set_start_offset_divisor(sysmem_image_constraints* image,
                                                       uint32_t divisor) {
  ToImage(image)->set_start_offset_divisor(divisor);
}
void sysmem_image_constraints_set_require_bytes_per_row_at_pixel_boundary(
    sysmem_image_constraints* image, bool required) {
  ToImage(image)->set_require_bytes_per_row_at_pixel_boundary(required);
}
void sysmem_image_constraints_set_is_alpha_present(sysmem_image_constraints* image, bool present) {
  ToImage(image)->set_is_alpha_present(present);
}
void sysmem_image_constraints_set_pad_for_block_size(sysmem_image_constraints* image,
                                                     sysmem_size block) {
  *ToImage(image)->mutable_pad_for_block_size() = ToWire(block);
}
void sysmem_image_constraints_set_pad_beyond_image_size_bytes(sysmem_image_constraints* image,
                                                              uint64_t bytes) {
  ToImage(image)->set_pad_beyond_image_size_bytes(bytes);
}
