// SPDX-License-Identifier: Apache-2.0
//
// The rules every message of the wire keeps, so that transport and library may rely on them without
// knowing the message: where the numbers stand, what a reply looks like, what a batch can hold.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/constants.pb.h"
#include "sysmem2/constraints.pb.h"
#include "sysmem2/group.pb.h"
#include "sysmem2/heap.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/results.pb.h"
#include "sysmem2/session.pb.h"
#include "sysmem2/token.pb.h"

namespace sysmem2 {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using testing::IsEmpty;

std::vector<const ServiceDescriptor*> Services() {
  std::vector<const ServiceDescriptor*> services;
  for (const FileDescriptor* file :
       {GetVmoInfoRequest::descriptor()->file(), DuplicateRequest::descriptor()->file(),
        SetConstraintsRequest::descriptor()->file(), CreateChildRequest::descriptor()->file(),
        RegisterHeapRequest::descriptor()->file(), RunRequest::descriptor()->file(),
        GetStatusRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) services.push_back(file->service(i));
  }
  return services;
}

std::vector<const MethodDescriptor*> Methods() {
  std::vector<const MethodDescriptor*> methods;
  for (const ServiceDescriptor* service : Services()) {
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

std::set<std::string> MethodNames(const ServiceDescriptor* service) {
  std::set<std::string> names;
  for (int i = 0; i < service->method_count(); ++i) names.insert(service->method(i)->name());
  return names;
}

const ServiceDescriptor* ServiceNamed(const std::string& name) {
  for (const ServiceDescriptor* service : Services()) {
    if (service->name() == name) return service;
  }
  return nullptr;
}

// The field of the oneof in `message` that carries `type`, or null.
const FieldDescriptor* FieldOfType(const Descriptor* message, const Descriptor* type) {
  for (int i = 0; i < message->field_count(); ++i) {
    if (message->field(i)->message_type() == type) return message->field(i);
  }
  return nullptr;
}

// Requests that only the methods of a service carry, never a batch.
bool StaysOutOfBatches(const MethodDescriptor* method) {
  return method->service()->name() == "Inspect" || method->input_type() == RunRequest::descriptor();
}

TEST(WireShape, EveryRequestBeginsWithItsRunningNumber) {
  for (const MethodDescriptor* method : Methods()) {
    const FieldDescriptor* number = method->input_type()->FindFieldByName("number");
    ASSERT_NE(number, nullptr) << method->full_name();
    EXPECT_EQ(number->number(), 1) << method->full_name();
    EXPECT_EQ(number->type(), FieldDescriptor::TYPE_FIXED64) << method->full_name();
  }
}

TEST(WireShape, TheRunningNumberIsTheFirstThingOnTheWire) {
  SetConstraintsRequest request;
  request.mutable_constraints()->set_min_buffer_count(3);
  request.set_handle(7);
  request.set_number(0x0102030405060708);
  const std::string bytes = request.SerializeAsString();
  EXPECT_EQ(bytes.substr(0, 9), std::string("\x09\x08\x07\x06\x05\x04\x03\x02\x01"));
}

TEST(WireShape, EveryReplyCarriesItsOrderAndEitherAResultOrAFailure) {
  for (const MethodDescriptor* method : Methods()) {
    const Descriptor* reply = method->output_type();
    const FieldDescriptor* order = reply->FindFieldByNumber(1);
    ASSERT_NE(order, nullptr) << reply->name();
    EXPECT_EQ(order->name(), "order") << reply->name();
    EXPECT_EQ(order->type(), FieldDescriptor::TYPE_FIXED64) << reply->name();
    if (reply == RunReply::descriptor()) continue;  // results and failures of many
    const FieldDescriptor* result = reply->FindFieldByNumber(2);
    const FieldDescriptor* failure = reply->FindFieldByNumber(3);
    ASSERT_NE(result, nullptr) << reply->name();
    ASSERT_NE(failure, nullptr) << reply->name();
    EXPECT_EQ(result->name(), "result") << reply->name();
    EXPECT_EQ(failure->message_type(), Failure::descriptor()) << reply->name();
    ASSERT_NE(result->real_containing_oneof(), nullptr) << reply->name();
    EXPECT_EQ(result->real_containing_oneof(), failure->real_containing_oneof()) << reply->name();
  }
}

TEST(WireShape, ThreeServicesRepeatTheMethodsOfEveryNode) {
  const std::set<std::string> of_every_node = {"Sync",
                                               "Release",
                                               "SetName",
                                               "SetDebugClientInfo",
                                               "GetNodeRef",
                                               "IsAlternateFor",
                                               "SetWeak",
                                               "SetDebugTimeoutLogDeadline",
                                               "SetWeakOk",
                                               "SetVerboseLogging",
                                               "AttachNodeTracking",
                                               "GetBufferCollectionId"};
  for (const char* name :
       {"BufferCollectionToken", "BufferCollection", "BufferCollectionTokenGroup"}) {
    const ServiceDescriptor* service = ServiceNamed(name);
    ASSERT_NE(service, nullptr) << name;
    const std::set<std::string> methods = MethodNames(service);
    std::vector<std::string> missing;
    for (const std::string& method : of_every_node) {
      if (methods.count(method) == 0) missing.push_back(method);
    }
    EXPECT_THAT(missing, IsEmpty()) << name;
  }
}

TEST(WireShape, ABatchHoldsEveryRequestOnce) {
  std::map<const Descriptor*, int> times;
  const Descriptor* operation = Operation::descriptor();
  for (int i = 0; i < operation->field_count(); ++i) ++times[operation->field(i)->message_type()];
  for (const MethodDescriptor* method : Methods()) {
    EXPECT_EQ(times[method->input_type()], StaysOutOfBatches(method) ? 0 : 1)
        << method->full_name();
  }
}

TEST(WireShape, ABatchCanAnswerEveryTwoWayRequestUnderItsRequestsNumber) {
  for (const MethodDescriptor* method : Methods()) {
    if (StaysOutOfBatches(method)) continue;
    const Descriptor* reply = method->output_type();
    const bool exported = method->input_type()->FindFieldByName("exported") != nullptr;
    if (reply == Ack::descriptor() || (reply == CreateReply::descriptor() && !exported)) continue;
    const FieldDescriptor* request = FieldOfType(Operation::descriptor(), method->input_type());
    ASSERT_NE(request, nullptr) << method->full_name();
    const FieldDescriptor* result =
        OperationResult::descriptor()->FindFieldByNumber(request->number());
    ASSERT_NE(result, nullptr) << method->full_name();
    EXPECT_EQ(result->name(), request->name());
    EXPECT_EQ(result->message_type(), reply->FindFieldByName("result")->message_type())
        << method->full_name();
  }
}

// 0 is LINEAR, CPU, "treat A as X": a participant that says nothing must be told from one that says
// 0.
TEST(WireShape, UnsetDiffersFromZeroInEveryFieldOfAConstraint) {
  for (const Descriptor* table :
       {BufferUsage::descriptor(), BufferCollectionConstraints::descriptor(), Heap::descriptor(),
        BufferMemoryConstraints::descriptor(), ImageFormatConstraints::descriptor(),
        VmoBuffer::descriptor(), BufferMemorySettings::descriptor()}) {
    for (int i = 0; i < table->field_count(); ++i) {
      const FieldDescriptor* field = table->field(i);
      EXPECT_TRUE(field->is_repeated() || field->has_presence()) << field->full_name();
    }
  }
}

TEST(WireShape, AnEmptyListOfHeapsSurvivesTheWire) {
  BufferMemoryConstraints sent;
  sent.mutable_permitted_heaps();
  BufferMemoryConstraints received;
  ASSERT_TRUE(received.ParseFromString(sent.SerializeAsString()));
  EXPECT_TRUE(received.has_permitted_heaps());
  EXPECT_EQ(received.permitted_heaps().heaps_size(), 0);
}

TEST(WireShape, NumbersThatFitNoEnumSurviveTheWire) {
  constexpr uint32_t kDoNotCare = 0xFFFFFFFE;
  constexpr uint64_t kModifierDoNotCare = 0x00FFFFFFFFFFFFFE;
  ImageFormatConstraints sent;
  sent.set_pixel_format(kDoNotCare);
  sent.set_pixel_format_modifier(kModifierDoNotCare);
  sent.add_color_spaces(kDoNotCare);
  ImageFormatConstraints received;
  ASSERT_TRUE(received.ParseFromString(sent.SerializeAsString()));
  EXPECT_EQ(received.pixel_format(), kDoNotCare);
  EXPECT_EQ(received.pixel_format_modifier(), kModifierDoNotCare);
  EXPECT_EQ(received.color_spaces(0), kDoNotCare);
}

}  // namespace
}  // namespace sysmem2
