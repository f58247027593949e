// SPDX-License-Identifier: Apache-2.0
//
// Method: wire to core and back. Fields are walked by reflection, so that one added to the wire and
// forgotten in the tables is noticed here.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/transport/encode.h"
#include "server/transport/parse_constraints.h"

namespace sysmem::server::transport {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using Wire = sysmem2::BufferCollectionConstraints;

Wire ThereAndBack(const Wire& wire) {
  const core::Result<core::Constraints> constraints = ParseConstraints(wire);
  EXPECT_TRUE(constraints.ok());
  Wire back;
  if (constraints.ok()) Encode(constraints.value(), &back);
  return back;
}

// Sets a singular field to `value`, or its members if it is a message.
void SetTo(Message& message, const FieldDescriptor& field, uint32_t value) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&message, &field, value);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(&message, &field, value * 0x1'0000'0001u);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&message, &field, value != 0);
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      Message* inner = reflection.MutableMessage(&message, &field);
      for (int i = 0; i < inner->GetDescriptor()->field_count(); ++i) {
        const FieldDescriptor& member = *inner->GetDescriptor()->field(i);
        if (!member.is_repeated() && member.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
          SetTo(*inner, member, value == 0 ? 0 : value + static_cast<uint32_t>(i));
        }
      }
      return;
    }
    default:
      FAIL() << field.full_name();
  }
}

// Every field of `message` alone: set to something, and set to zero.
void EachFieldAlone(Wire& whole, Message& message, const std::vector<std::string>& skipped) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    bool skip = field.is_repeated();
    for (const std::string& name : skipped) skip = skip || field.name() == name;
    if (skip) continue;
    for (const uint32_t value : {7u, 0u}) {
      SetTo(message, field, value);
      const Wire back = ThereAndBack(whole);
      EXPECT_TRUE(MessageDifferencer::Equals(back, whole))
          << field.full_name() << " = " << value << "\nbefore: " << whole.ShortDebugString()
          << "\nafter:  " << back.ShortDebugString();
      message.GetReflection()->ClearField(&message, &field);
    }
  }
}

TEST(Constraints, KeepEveryCountWithItsPresence) {
  Wire wire;
  EachFieldAlone(wire, wire, {"usage", "buffer_memory_constraints"});
}

TEST(Constraints, KeepEveryMemoryFieldWithItsPresence) {
  Wire wire;
  EachFieldAlone(wire, *wire.mutable_buffer_memory_constraints(), {"permitted_heaps"});
}

TEST(Constraints, KeepEveryImageFieldWithItsPresence) {
  Wire wire;
  EachFieldAlone(wire, *wire.add_image_format_constraints(), {});
}

TEST(Constraints, TakeAnUnsetUsageForNoneAndAnUnsetBitSetForZero) {
  EXPECT_FALSE(ParseConstraints(Wire()).value().usage.has_value());
  Wire wire;
  wire.mutable_usage()->set_cpu(5);
  wire.mutable_usage()->set_vulkan(3);
  EXPECT_EQ(ParseConstraints(wire).value().usage, (core::BufferUsage{.cpu = 5, .vulkan = 3}));
  EXPECT_TRUE(MessageDifferencer::Equals(ThereAndBack(wire), wire));
  wire.mutable_usage()->clear_cpu();
  wire.mutable_usage()->clear_vulkan();
  EXPECT_EQ(ParseConstraints(wire).value().usage, core::BufferUsage{});
}

TEST(Constraints, KeepHeapsApartThatAreUnsetEmptyOrIncomplete) {
  Wire wire;
  wire.mutable_buffer_memory_constraints();
  EXPECT_FALSE(ParseConstraints(wire).value().memory->permitted_heaps.has_value());
  auto* heaps = wire.mutable_buffer_memory_constraints()->mutable_permitted_heaps();
  EXPECT_TRUE(ParseConstraints(wire).value().memory->permitted_heaps->empty());
  EXPECT_TRUE(MessageDifferencer::Equals(ThereAndBack(wire), wire));
  heaps->add_heaps();
  heaps->add_heaps()->set_id(0);
  heaps->add_heaps()->set_heap_type("linux.sysmem.heap.HEAP_TYPE.X");
  heaps->add_heaps()->set_heap_type("");
  EXPECT_TRUE(MessageDifferencer::Equals(ThereAndBack(wire), wire));
}

TEST(Constraints, KeepListsInOrder) {
  Wire wire;
  auto* image = wire.add_image_format_constraints();
  for (const uint32_t number : {3u, 1u, 2u, 1u}) {
    image->add_color_spaces(number);
    image->add_required_max_size_list()->set_width(number);
    auto* pair = image->add_pixel_format_and_modifiers();
    pair->set_pixel_format(number);
    pair->set_pixel_format_modifier(0x0800'0000'0000'0000 + number);
  }
  wire.add_image_format_constraints()->set_pixel_format(101);
  EXPECT_TRUE(MessageDifferencer::Equals(ThereAndBack(wire), wire));
}

TEST(Constraints, ReachTheCoreUnderTheRightNames) {
  Wire wire;
  wire.set_min_buffer_count_for_camping(1);
  wire.set_min_buffer_count_for_dedicated_slack(2);
  wire.set_min_buffer_count_for_shared_slack(3);
  wire.set_min_buffer_count(4);
  wire.set_max_buffer_count(5);
  auto* memory = wire.mutable_buffer_memory_constraints();
  memory->set_min_size_bytes(6);
  memory->set_max_size_bytes(7);
  memory->set_secure_required(true);
  memory->set_cpu_domain_supported(false);
  auto* image = wire.add_image_format_constraints();
  image->set_pixel_format(104);
  image->set_pixel_format_modifier(8);
  image->mutable_min_size()->set_width(9);
  image->mutable_min_size()->set_height(10);
  image->set_bytes_per_row_divisor(11);
  image->set_is_alpha_present(false);
  const core::Constraints expected{
      .min_buffer_count_for_camping = 1,
      .min_buffer_count_for_dedicated_slack = 2,
      .min_buffer_count_for_shared_slack = 3,
      .min_buffer_count = 4,
      .max_buffer_count = 5,
      .memory = core::MemoryConstraints{.min_size_bytes = 6,
                                        .max_size_bytes = 7,
                                        .secure_required = true,
                                        .cpu_domain_supported = false},
      .image_formats = {core::ImageFormatConstraints{.pixel_format = 104,
                                                     .pixel_format_modifier = 8,
                                                     .min_size = core::SizeU{9, 10},
                                                     .bytes_per_row_divisor = 11,
                                                     .is_alpha_present = false}}};
  EXPECT_EQ(ParseConstraints(wire).value(), expected);
}

}  // namespace
}  // namespace sysmem::server::transport
