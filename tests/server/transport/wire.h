// SPDX-License-Identifier: Apache-2.0
//
// Small helpers for tests of the wire: bodies, methods, replies.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/reply.h"
#include "server/transport/method.h"

namespace sysmem::server::transport {

inline grpc::ByteBuffer BodyOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// Many slices of one byte, as an unlucky connection may deliver a body.
inline grpc::ByteBuffer ShreddedBodyOf(const std::string& bytes) {
  std::vector<grpc::Slice> slices;
  for (const char byte : bytes) slices.emplace_back(std::string(1, byte));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

inline std::string BytesOf(const grpc::ByteBuffer& body) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!body.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// "BufferCollection.Sync".
inline Method MethodNamed(const std::string& name) {
  const auto* description =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName("sysmem2." + name);
  EXPECT_NE(description, nullptr) << name;
  return description != nullptr ? DescribeMethod(*description) : Method{};
}

// What a call of this method with this request is read as.
inline ReadCall ReadRequest(const std::string& method, const google::protobuf::Message& request) {
  return Read(MethodNamed(method), BodyOf(request.SerializeAsString()));
}

template <typename Op>
const Op& As(const Operation& operation) {
  static const Op kNone{};
  EXPECT_TRUE(std::holds_alternative<Op>(operation)) << "operation number " << operation.index();
  return std::holds_alternative<Op>(operation) ? std::get<Op>(operation) : kNone;
}

// The event of a message to a node.
template <typename Event>
const Event& EventOf(const Operation& operation) {
  static const Event kNone{};
  const core::Event& event = As<op::NodeMessage>(operation).event;
  EXPECT_TRUE(std::holds_alternative<Event>(event)) << "event number " << event.index();
  return std::holds_alternative<Event>(event) ? std::get<Event>(event) : kNone;
}

template <typename Message>
Message Decode(const grpc::ByteBuffer& body) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(BytesOf(body)));
  return message;
}

}  // namespace sysmem::server::transport
