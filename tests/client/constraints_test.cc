// SPDX-License-Identifier: Apache-2.0
//
// The way from the C++ structures over the C setters to the message on the wire.
#include "client/constraints.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <sysmem/constraints.hpp>

namespace sysmem {
namespace {

using google::protobuf::util::MessageDifferencer;

sysmem2::BufferCollectionConstraints Wire(const Constraints& constraints) {
  return detail::ToC(constraints)->message;
}

// How many fields of `message` are present (or, if lists, not empty).
int FieldsSet(const google::protobuf::Message& message) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return static_cast<int>(fields.size());
}

ImageConstraints FullImage() {
  return {.pixel_format = 101,
          .pixel_format_modifier = 0,
          .pixel_format_and_modifiers = {{104, 0}, {102, 0x0100000000000001}},
          .color_spaces = {1, 6},
          .min_size = Size{1, 2},
          .max_size = Size{3, 4},
          .min_bytes_per_row = 5,
          .max_bytes_per_row = 6,
          .max_width_times_height = 7,
          .size_alignment = Size{8, 9},
          .display_rect_alignment = Size{10, 11},
          .required_min_size = Size{12, 13},
          .required_max_size = Size{14, 15},
          .required_max_size_list = {{16, 17}, {18, 19}},
          .bytes_per_row_divisor = 20,
          .start_offset_divisor = 21,
          .require_bytes_per_row_at_pixel_boundary = true,
          .is_alpha_present = false,
          .pad_for_block_size = Size{22, 23},
          .pad_beyond_image_size_bytes = 24};
}

TEST(Constraints, AreAbsentFieldByFieldWhereNothingWasSaid) {
  EXPECT_EQ(FieldsSet(Wire({})), 0);
  const auto wire = Wire({.usage = Usage{}, .memory = MemoryConstraints{}, .image_formats = {{}}});
  EXPECT_EQ(FieldsSet(wire), 3);
  EXPECT_EQ(FieldsSet(wire.usage()), 0);
  EXPECT_EQ(FieldsSet(wire.buffer_memory_constraints()), 0);
  EXPECT_EQ(FieldsSet(wire.image_format_constraints(0)), 0);
}

TEST(Constraints, NoneAtAllIsNotTheSameAsEmptyOnes) {
  EXPECT_EQ(detail::ToC(std::nullopt), nullptr);
  EXPECT_NE(detail::ToC(Constraints{}), nullptr);
}

TEST(Constraints, KeepZeroAndFalseApartFromAbsence) {
  const auto wire = Wire({.usage = Usage{.cpu = 0},
                          .max_buffer_count = 0,
                          .memory = MemoryConstraints{.secure_required = false},
                          .image_formats = {{.pixel_format_modifier = 0}}});
  EXPECT_TRUE(wire.usage().has_cpu());
  EXPECT_FALSE(wire.usage().has_video());
  EXPECT_TRUE(wire.has_max_buffer_count());
  EXPECT_TRUE(wire.buffer_memory_constraints().has_secure_required());
  EXPECT_TRUE(wire.image_format_constraints(0).has_pixel_format_modifier());
}

TEST(Constraints, AnEmptyListOfHeapsIsNotTheSameAsNone) {
  const auto wire =
      Wire({.memory = MemoryConstraints{.permitted_heaps = std::vector<HeapChoice>{}}});
  EXPECT_TRUE(wire.buffer_memory_constraints().has_permitted_heaps());
}

TEST(Constraints, CarryEveryFieldOfTheImageTable) {
  const auto image = Wire({.image_formats = {FullImage()}}).image_format_constraints(0);
  // Nothing that the wire has is missing here.
  EXPECT_EQ(FieldsSet(image), image.GetDescriptor()->field_count());
  EXPECT_EQ(image.pixel_format(), 101u);
  EXPECT_EQ(image.pixel_format_and_modifiers(1).pixel_format(), 102u);
  EXPECT_EQ(image.pixel_format_and_modifiers(1).pixel_format_modifier(), 0x0100000000000001u);
  EXPECT_EQ(image.color_spaces(1), 6u);
  EXPECT_EQ(image.min_size().width(), 1u);
  EXPECT_EQ(image.max_size().height(), 4u);
  EXPECT_EQ(image.min_bytes_per_row(), 5u);
  EXPECT_EQ(image.max_bytes_per_row(), 6u);
  EXPECT_EQ(image.max_width_times_height(), 7u);
  EXPECT_EQ(image.size_alignment().width(), 8u);
  EXPECT_EQ(image.display_rect_alignment().height(), 11u);
  EXPECT_EQ(image.required_min_size().width(), 12u);
  EXPECT_EQ(image.required_max_size().width(), 14u);
  EXPECT_EQ(image.required_max_size_list(1).height(), 19u);
  EXPECT_EQ(image.bytes_per_row_divisor(), 20u);
  EXPECT_EQ(image.start_offset_divisor(), 21u);
  EXPECT_TRUE(image.require_bytes_per_row_at_pixel_boundary());
  EXPECT_FALSE(image.is_alpha_present());
  EXPECT_EQ(image.pad_for_block_size().height(), 23u);
  EXPECT_EQ(image.pad_beyond_image_size_bytes(), 24u);
}

TEST(Constraints, CarryEveryFieldOfTheMemoryTable) {
  const auto memory =
      Wire(
          {.memory = MemoryConstraints{.min_size_bytes = 1,
                                       .max_size_bytes = 2,
                                       .physically_contiguous_required = true,
                                       .secure_required = false,
                                       .cpu_domain_supported = true,
                                       .ram_domain_supported = false,
                                       .inaccessible_domain_supported = true,
                                       .permitted_heaps =
                                           std::vector<HeapChoice>{
                                               {.heap_type = "a"}, {.heap_type = "b", .id = 3}, {}},
                                       .min_physical_base_alignment = 4}})
          .buffer_memory_constraints();
  EXPECT_EQ(FieldsSet(memory), memory.GetDescriptor()->field_count());
  EXPECT_EQ(memory.min_size_bytes(), 1u);
  EXPECT_EQ(memory.max_size_bytes(), 2u);
  EXPECT_TRUE(memory.physically_contiguous_required());
  EXPECT_FALSE(memory.secure_required());
  EXPECT_TRUE(memory.cpu_domain_supported());
  EXPECT_FALSE(memory.ram_domain_supported());
  EXPECT_TRUE(memory.inaccessible_domain_supported());
  EXPECT_EQ(memory.min_physical_base_alignment(), 4u);
  ASSERT_EQ(memory.permitted_heaps().heaps_size(), 3);
  EXPECT_FALSE(memory.permitted_heaps().heaps(0).has_id());
  EXPECT_EQ(memory.permitted_heaps().heaps(1).heap_type(), "b");
  EXPECT_EQ(memory.permitted_heaps().heaps(1).id(), 3u);
  EXPECT_FALSE(memory.permitted_heaps().heaps(2).has_heap_type());
}

TEST(Constraints, CarryUsageAndCounts) {
  const auto wire =
      Wire({.usage = Usage{.none = 1, .cpu = 2, .vulkan = 3, .display = 4, .video = 5},
            .min_buffer_count_for_camping = 6,
            .min_buffer_count_for_dedicated_slack = 7,
            .min_buffer_count_for_shared_slack = 8,
            .min_buffer_count = 9,
            .max_buffer_count = 10});
  EXPECT_EQ(FieldsSet(wire.usage()), wire.usage().GetDescriptor()->field_count());
  EXPECT_EQ(wire.usage().none(), 1u);
  EXPECT_EQ(wire.usage().cpu(), 2u);
  EXPECT_EQ(wire.usage().vulkan(), 3u);
  EXPECT_EQ(wire.usage().display(), 4u);
  EXPECT_EQ(wire.usage().video(), 5u);
  EXPECT_EQ(wire.min_buffer_count_for_camping(), 6u);
  EXPECT_EQ(wire.min_buffer_count_for_dedicated_slack(), 7u);
  EXPECT_EQ(wire.min_buffer_count_for_shared_slack(), 8u);
  EXPECT_EQ(wire.min_buffer_count(), 9u);
  EXPECT_EQ(wire.max_buffer_count(), 10u);
}

TEST(Constraints, ACopyIsIndependent) {
  sysmem_constraints* original = sysmem_constraints_new();
  sysmem_constraints_set_min_buffer_count(original, 3);
  sysmem_constraints* copy = sysmem_constraints_copy(original);
  sysmem_constraints_set_min_buffer_count(original, 4);
  EXPECT_EQ(copy->message.min_buffer_count(), 3u);
  sysmem_constraints_free(original);
  sysmem_constraints_free(copy);
}

TEST(Constraints, AnEntryStaysValidWhileOthersAreAdded) {
  sysmem_constraints* constraints = sysmem_constraints_new();
  sysmem_image_constraints* first = sysmem_constraints_add_image_format(constraints);
  for (int i = 0; i < 63; ++i) sysmem_constraints_add_image_format(constraints);
  sysmem_image_constraints_set_pixel_format(first, 104);
  EXPECT_EQ(constraints->message.image_format_constraints(0).pixel_format(), 104u);
  sysmem_constraints_free(constraints);
}

TEST(Constraints, ThatTheWireCannotCarryAreRefusedBeforeTheyAreSent) {
  EXPECT_FALSE(client::CheckConstraints(nullptr));
  sysmem_constraints* constraints = sysmem_constraints_new();
  EXPECT_FALSE(client::CheckConstraints(constraints));
  sysmem_constraints_add_permitted_heap(constraints, "\xff");
  EXPECT_TRUE(client::CheckConstraints(constraints)) << "not UTF-8";
  sysmem_constraints_free(constraints);

  constraints = sysmem_constraints_new();
  for (int i = 0; i < 30'000; ++i) {
    sysmem_constraints_add_permitted_heap(constraints, "a heap's name");
  }
  EXPECT_TRUE(client::CheckConstraints(constraints)) << "too large";
  sysmem_constraints_free(constraints);
}

}  // namespace
}  // namespace sysmem
