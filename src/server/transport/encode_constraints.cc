// SPDX-License-Identifier: Apache-2.0
#include "server/transport/constraint_fields.h"
#include "server/transport/encode.h"
#include "server/transport/text.h"

namespace sysmem::server::transport {
namespace {

// Bits that are not set were perhaps never sent: the core does not tell, and it means the same.
void EncodeUsage(const core::BufferUsage& from, sysmem2::BufferUsage* to) {
  for (const UsageField& field : fields::kUsage) {
    if (from.*field.member != 0) (to->*field.set)(from.*field.member);
  }
}

void EncodeMemory(const core::MemoryConstraints& from, sysmem2::BufferMemoryConstraints* to) {
  WriteFields(from, *to, fields::kMemoryNumbers);
  WriteFields(from, *to, fields::kMemoryFlags);
  if (!from.permitted_heaps) return;
  sysmem2::HeapList* heaps = to->mutable_permitted_heaps();
  for (const core::HeapWish& wish : *from.permitted_heaps) {
    sysmem2::Heap* heap = heaps->add_heaps();
    if (wish.type) heap->set_heap_type(ValidUtf8(*wish.type));
    if (wish.id) heap->set_id(*wish.id);
  }
}

}  // namespace

void Encode(const core::Heap& from, sysmem2::Heap* to) {
  to->set_heap_type(ValidUtf8(from.type));
  to->set_id(from.id);
}

void Encode(const core::ImageFormatConstraints& from, sysmem2::ImageFormatConstraints* to) {
  WriteFields(from, *to, fields::kImageNumbers);
  WriteFields(from, *to, fields::kImageLongs);
  WriteFields(from, *to, fields::kImageFlags);
  WriteFields(from, *to, fields::kImageSizes);
  for (const core::PixelFormatAndModifier& pair : from.pixel_format_and_modifiers) {
    sysmem2::PixelFormatAndModifier* added = to->add_pixel_format_and_modifiers();
    added->set_pixel_format(pair.pixel_format);
    added->set_pixel_format_modifier(pair.modifier);
  }
  to->mutable_color_spaces()->Add(from.color_spaces.begin(), from.color_spaces.end());
  for (const core::SizeU& size : from.required_max_size_list) {
    WriteSize(size, *to->add_required_max_size_list());
  }
}

void Encode(const core::Constraints& from, sysmem2::BufferCollectionConstraints* to) {
  if (from.usage) EncodeUsage(*from.usage, to->mutable_usage());
  WriteFields(from, *to, fields::kCounts);
  if (from.memory) EncodeMemory(*from.memory, to->mutable_buffer_memory_constraints());
  for (const core::ImageFormatConstraints& image : from.image_formats) {
    Encode(image, to->add_image_format_constraints());
  }
}

}  // namespace sysmem::server::transport
