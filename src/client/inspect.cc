// SPDX-License-Identifier: Apache-2.0
//
// The Inspect service by name, in JSON: tools need no generated code, and a tool of this version
// shows fields it does not know.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <cstring>
#include <memory>
#include <utility>

#include "client/nodes.h"
#include "sysmem2/inspect.pb.h"

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::Reflection;
using sysmem::client::Failure;
using sysmem::client::FromWire;
using sysmem::client::InvalidArgument;
using sysmem::client::Outcome;
using sysmem::client::Report;

namespace {

std::unique_ptr<Message> NewMessage(const google::protobuf::Descriptor* type) {
  const Message* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  return std::unique_ptr<Message>(prototype->New());
}

const MethodDescriptor* FindMethod(const char* name) {
  const auto* service =
      sysmem2::GetStatusRequest::descriptor()->file()->FindServiceByName("Inspect");
  return name == nullptr ? nullptr : service->FindMethodByName(name);
}

// The request's bytes, without its number.
Outcome<std::string> RequestBytes(const MethodDescriptor& method, const char* json) {
  const auto request = NewMessage(method.input_type());
  if (json != nullptr) {
    const auto parsed = google::protobuf::util::JsonStringToMessage(json, request.get());
    if (!parsed.ok()) {
      return InvalidArgument("request_json", std::string(parsed.message()));
    }
  }
  const FieldDescriptor* number = method.input_type()->FindFieldByName("number");
  if (number != nullptr) request->GetReflection()->ClearField(request.get(), number);
  return request->SerializeAsString();
}

Outcome<std::string> ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!printed.ok()) {
    return Failure{.status = SYSMEM_SYSTEM, .message = std::string(printed.message())};
  }
  return json;
}

// The result as JSON, or the failure that took its place.
Outcome<std::string> ReplyToJson(const MethodDescriptor& method, const std::string& bytes) {
  const auto reply = NewMessage(method.output_type());
  const FieldDescriptor* result = method.output_type()->FindFieldByName("result");
  const FieldDescriptor* failure = method.output_type()->FindFieldByName("failure");
  if (result == nullptr || failure == nullptr || !reply->ParseFromString(bytes)) {
    return Failure{.status = SYSMEM_SYSTEM, .message = "the daemon's reply cannot be read"};
  }
  const Reflection& reflection = *reply->GetReflection();
  if (reflection.HasField(*reply, failure)) {
    return FromWire(static_cast<const sysmem2::Failure&>(reflection.GetMessage(*reply, failure)));
  }
  return ToJson(reflection.GetMessage(*reply, result));
}

}  // namespace

sysmem_status sysmem_inspect(sysmem_client* client, const char* method_name,
                             const char* request_json, int64_t deadline_ns, char** json_out,
                             sysmem_failure** failure) {
  const MethodDescriptor* method = FindMethod(method_name);
  if (method == nullptr) {
    return Report(InvalidArgument("method_name", "the Inspect service has no such method"),
                  failure);
  }
  auto request = RequestBytes(*method, request_json);
  if (!request.ok()) return Report(std::move(request.failure()), failure);
  auto reply =
      client->connection->CallByName("/sysmem2.Inspect/" + method->name(), *request, deadline_ns);
  if (!reply.ok()) return Report(std::move(reply.failure()), failure);
  auto json = ReplyToJson(*method, *reply);
  if (!json.ok()) return Report(std::move(json.failure()), failure);
  *json_out = ::strdup(json->c_str());
  return SYSMEM_OK;
}
