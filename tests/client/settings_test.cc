// SPDX-License-Identifier: Apache-2.0
#include "client/settings.h"

#include <gtest/gtest.h>

namespace sysmem::client {
namespace {

TEST(Settings, AreTakenOverFieldByField) {
  sysmem2::SingleBufferSettings wire;
  auto* memory = wire.mutable_buffer_settings();
  memory->set_size_bytes(100);
  memory->set_raw_vmo_size(4096);
  memory->set_is_physically_contiguous(true);
  memory->set_is_secure(true);
  memory->set_coherency_domain(sysmem2::COHERENCY_DOMAIN_RAM);
  memory->mutable_heap()->set_heap_type("a heap");
  memory->mutable_heap()->set_id(5);
  sysmem2::HandOut hand_out;
  hand_out.set_rights(6);
  hand_out.set_read_only(true);
  hand_out.set_read_only_enforced(true);
  hand_out.mutable_heap_abilities()->set_reports_end(true);

  const Settings taken(wire, hand_out);
  const sysmem_settings& settings = taken.get();
  EXPECT_EQ(settings.size_bytes, 100u);
  EXPECT_EQ(settings.raw_size_bytes, 4096u);
  EXPECT_TRUE(settings.is_physically_contiguous);
  EXPECT_TRUE(settings.is_secure);
  EXPECT_EQ(settings.coherency_domain, SYSMEM_COHERENCY_DOMAIN_RAM);
  EXPECT_STREQ(settings.heap_type, "a heap");
  EXPECT_EQ(settings.heap_id, 5u);
  EXPECT_EQ(settings.rights, 6u);
  EXPECT_TRUE(settings.read_only);
  EXPECT_TRUE(settings.read_only_enforced);
  EXPECT_TRUE(settings.reports_end);
  EXPECT_FALSE(settings.reduces_rights);
  EXPECT_EQ(settings.image, nullptr) << "these are raw buffers";
}

TEST(Settings, OfImagesCarryTheWholeTable) {
  sysmem2::SingleBufferSettings wire;
  auto* image = wire.mutable_image_format_constraints();
  image->set_pixel_format(104);
  image->set_pixel_format_modifier(7);
  image->add_color_spaces(6);
  image->mutable_min_size()->set_width(1);
  image->mutable_max_size()->set_height(2);
  image->set_min_bytes_per_row(3);
  image->set_max_bytes_per_row(4);
  image->set_max_width_times_height(5);
  image->mutable_size_alignment()->set_width(8);
  image->mutable_display_rect_alignment()->set_width(9);
  image->mutable_required_min_size()->set_width(10);
  image->mutable_required_max_size()->set_width(11);
  image->add_required_max_size_list()->set_width(12);
  image->add_required_max_size_list()->set_height(13);
  image->set_bytes_per_row_divisor(14);
  image->set_start_offset_divisor(15);
  image->set_require_bytes_per_row_at_pixel_boundary(true);
  image->set_is_alpha_present(false);
  image->mutable_pad_for_block_size()->set_width(16);
  image->set_pad_beyond_image_size_bytes(17);

  const Settings taken(wire, {});
  ASSERT_NE(taken.get().image, nullptr);
  const sysmem_image_settings& settings = *taken.get().image;
  EXPECT_EQ(settings.pixel_format, 104u);
  EXPECT_EQ(settings.pixel_format_modifier, 7u);
  EXPECT_EQ(settings.color_space, 6u);
  EXPECT_EQ(settings.min_size.width, 1u);
  EXPECT_EQ(settings.max_size.height, 2u);
  EXPECT_EQ(settings.min_bytes_per_row, 3u);
  EXPECT_EQ(settings.max_bytes_per_row, 4u);
  EXPECT_EQ(settings.max_width_times_height, 5u);
  EXPECT_EQ(settings.size_alignment.width, 8u);
  EXPECT_EQ(settings.display_rect_alignment.width, 9u);
  EXPECT_EQ(settings.required_min_size.width, 10u);
  EXPECT_EQ(settings.required_max_size.width, 11u);
  ASSERT_EQ(settings.required_max_size_count, 2u);
  EXPECT_EQ(settings.required_max_size_list[1].height, 13u);
  EXPECT_EQ(settings.bytes_per_row_divisor, 14u);
  EXPECT_EQ(settings.start_offset_divisor, 15u);
  EXPECT_TRUE(settings.require_bytes_per_row_at_pixel_boundary);
  EXPECT_TRUE(settings.has_is_alpha_present);
  EXPECT_FALSE(settings.is_alpha_present);
  EXPECT_EQ(settings.pad_for_block_size.width, 16u);
  EXPECT_EQ(settings.pad_beyond_image_size_bytes, 17u);
}

}  // namespace
}  // namespace sysmem::client
