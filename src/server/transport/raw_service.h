// SPDX-License-Identifier: Apache-2.0
//
// One gRPC service whose methods receive their requests as raw bytes.
//
// Generated services parse before they call, and answer a body that does not parse with an empty
// UNIMPLEMENTED: the call's running number would be lost, and with it the session. So the service
// is built from the protobuf description, and every body is read by our own hand (method.h).
//
//   RawService allocator(*description, [](ArrivedCall call) { ... });
//   builder.RegisterService(&allocator);
//
// Thread-safe if the target is; gRPC calls it from several threads.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/reply.h"
#include "server/request.h"
#include "server/transport/method.h"

namespace sysmem::server::transport {

// One call as it came from gRPC, parsed.
struct ArrivedCall {
  std::string peer;                // gRPC's name of the connection: "fd:12"
  std::string method;              // "BufferCollection.SetConstraints"
  std::optional<Request> request;  // empty: the call bears no running number
  std::shared_ptr<ReplyPort> port;
};

using CallTarget = std::function<void(ArrivedCall call)>;

class RawService final : public grpc::Service {
 public:
  // REQUIRES: no method of the service streams. It must outlive the server it is registered with.
  RawService(const google::protobuf::ServiceDescriptor& description, CallTarget target);

 private:
  // What handlers and gRPC itself keep pointers to.
  struct Registered {
    std::string path;  // "/sysmem2.Session/Run"
    Method method;
  };

  void Add(int index, const google::protobuf::MethodDescriptor& description);
  grpc::ServerUnaryReactor* OnCall(const Method& method, const grpc::CallbackServerContext& context,
                                   const grpc::ByteBuffer& body, grpc::ByteBuffer* response) const;

  const CallTarget target_;
  std::deque<Registered> methods_;
};

}  // namespace sysmem::server::transport
