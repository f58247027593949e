// SPDX-License-Identifier: Apache-2.0
#include "server/transport/used_up.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string_view>
#include <variant>

namespace sysmem::server::transport {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Every field of a request that holds the number of a descriptor, by name.
constexpr std::string_view kDescriptorFields[] = {
    "descriptor_number",     "must_match_vmo", "node_ref", "server_end", "token_descriptor", "vmo",
    "vmo_settings_to_check",
};

bool HoldsDescriptor(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64 && !field.is_repeated() &&
         std::find(std::begin(kDescriptorFields), std::end(kDescriptorFields), field.name()) !=
             std::end(kDescriptorFields);
}

void Collect(const Message& message, std::vector<DescriptorNumber>& numbers) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> set_fields;
  reflection.ListFields(message, &set_fields);
  for (const FieldDescriptor* field : set_fields) {
    if (HoldsDescriptor(*field)) {
      numbers.push_back(reflection.GetUInt64(message, field));
    } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    } else if (!field->is_repeated()) {
      Collect(reflection.GetMessage(message, field), numbers);
    } else {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        Collect(reflection.GetRepeatedMessage(message, field, i), numbers);
      }
    }
  }
}

}  // namespace

std::vector<DescriptorNumber> DescriptorsNamedIn(const Message& request) {
  std::vector<DescriptorNumber> numbers;
  Collect(request, numbers);
  return numbers;
}

void NoteUsedUp(const Message& request, Operation& operation) {
  if (auto* malformed = std::get_if<op::Malformed>(&operation)) {
    malformed->used_up = DescriptorsNamedIn(request);
  }
  auto* const message = std::get_if<op::NodeMessage>(&operation);
  if (message == nullptr || !std::holds_alternative<core::event::BadMessage>(message->event)) {
    return;
  }
  // A message for a node names one at most.
  const std::vector<DescriptorNumber> named = DescriptorsNamedIn(request);
  if (!named.empty()) message->descriptor = named.front();
}

}  // namespace sysmem::server::transport
