// SPDX-License-Identifier: Apache-2.0
#include "client/settings.h"

namespace sysmem::client {
namespace {

sysmem_size FromWire(const sysmem2::SizeU& size) { return {size.width(), size.height()}; }

}  // namespace

Settings::Settings(const sysmem2::SingleBufferSettings& settings,
                   const sysmem2::HandOut& hand_out) {
  const sysmem2::BufferMemorySettings& memory = settings.buffer_settings();
  heap_type_ = memory.heap().heap_type();
  settings_.size_bytes = memory.size_bytes();
  settings_.raw_size_bytes = memory.raw_vmo_size();
  settings_.is_physically_contiguous = memory.is_physically_contiguous();
  settings_.is_secure = memory.is_secure();
  settings_.coherency_domain = static_cast<uint32_t>(memory.coherency_domain());
  settings_.heap_type = heap_type_.c_str();
  settings_.heap_id = memory.heap().id();
  settings_.rights = hand_out.rights();
  settings_.read_only = hand_out.read_only();
  settings_.read_only_enforced = hand_out.read_only_enforced();
  settings_.tells_holders_apart = hand_out.heap_abilities().tells_holders_apart();
  settings_.reports_end = hand_out.heap_abilities().reports_end();
  settings_.reduces_rights = hand_out.heap_abilities().reduces_rights();
  if (settings.has_image_format_constraints()) TakeImage(settings.image_format_constraints());
}

void Settings::TakeImage(const sysmem2::ImageFormatConstraints& image) {
  image_.pixel_format = image.pixel_format();
  image_.pixel_format_modifier = image.pixel_format_modifier();
  image_.color_space = image.color_spaces().empty() ? 0 : image.color_spaces(0);
  image_.min_size = FromWire(image.min_size());
  image_.max_size = FromWire(image.max_size());
  image_.min_bytes_per_row = image.min_bytes_per_row();
  image_.max_bytes_per_row = image.max_bytes_per_row();
  image_.max_width_times_height = image.max_width_times_height();
  image_.size_alignment = FromWire(image.size_alignment());
  image_.display_rect_alignment = FromWire(image.display_rect_alignment());
  image_.required_min_size = FromWire(image.required_min_size());
  image_.required_max_size = FromWire(image.required_max_size());
  for (const sysmem2::SizeU& size : image.required_max_size_list()) {
    required_max_sizes_.push_back(FromWire(size));
  }
  image_.required_max_size_count = required_max_sizes_.size();
  image_.required_max_size_list = required_max_sizes_.data();
  image_.bytes_per_row_divisor = image.bytes_per_row_divisor();
  image_.start_offset_divisor = image.start_offset_divisor();
  image_.require_bytes_per_row_at_pixel_boundary = image.require_bytes_per_row_at_pixel_boundary();
  image_.has_is_alpha_present = image.has_is_alpha_present();
  image_.is_alpha_present = image.is_alpha_present();
  image_.pad_for_block_size = FromWire(image.pad_for_block_size());
  image_.pad_beyond_image_size_bytes = image.pad_beyond_image_size_bytes();
  settings_.image = &image_;
}

}  // namespace sysmem::client
