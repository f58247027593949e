// SPDX-License-Identifier: Apache-2.0
//
// What the transport knows of each method: how its request becomes operations, and how the results
// become its reply.
//
// A method is known by its request message. One this version does not have yet answers
// UNIMPLEMENTED by name.
//
// Thread-safe.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.h"
#include "server/request.h"
#include "server/transport/call.h"

namespace sysmem::server::transport {

struct ReadBody {
  std::vector<Operation> operations;
  ReplyEncoder encode;  // of the results of these operations
};

struct Method {
  std::string name;  // "BufferCollection.SetConstraints", for people
  // The kind of node the service speaks for, if it does.
  std::optional<core::NodeKind> kind;
  const google::protobuf::Descriptor* request = nullptr;
  // REQUIRES: body.size() <= kMaxRequestBytes.
  ReadBody (*read)(const Method& method, std::string_view body) = nullptr;
  // The reply to a call that was refused before its body was parsed.
  grpc::ByteBuffer (*encode_refusal)(const Reply& reply) = nullptr;
};

Method DescribeMethod(const google::protobuf::MethodDescriptor& description);

// One call as it came.
struct ReadCall {
  std::optional<Request> request;  // empty: the body bears no running number
  ReplyEncoder encode;
};
ReadCall Read(const Method& method, const grpc::ByteBuffer& body);

}  // namespace sysmem::server::transport
