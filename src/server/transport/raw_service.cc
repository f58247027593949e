// SPDX-License-Identifier: Apache-2.0
#include "server/transport/raw_service.h"

#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>

#include <utility>

#include "base/thread_handover.h"
#include "server/transport/call.h"

namespace sysmem::server::transport {
namespace {

using RawHandler = grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>;

}  // namespace

RawService::RawService(const google::protobuf::ServiceDescriptor& description, CallTarget target)
    : target_(std::move(target)) {
  for (int i = 0; i < description.method_count(); ++i) Add(i, *description.method(i));
}

void RawService::Add(int index, const google::protobuf::MethodDescriptor& description) {
  const Registered& added = methods_.emplace_back(
      Registered{"/" + description.service()->full_name() + "/" + description.name(),
                 DescribeMethod(description)});
  // The handler comes with the call that marks the method; until then there is none.
  AddMethod(new grpc::internal::RpcServiceMethod(added.path.c_str(),
                                                 grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
  MarkMethodRawCallback(
      index, new RawHandler([this, method = &added.method](grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* body,
                                                           grpc::ByteBuffer* response) {
        return OnCall(*method, *context, *body, response);
      }));
}

grpc::ServerUnaryReactor* RawService::OnCall(const Method& method,
                                             const grpc::CallbackServerContext& context,
                                             const grpc::ByteBuffer& body,
                                             grpc::ByteBuffer* response) const {
  ReadCall read = Read(method, body);
  StartedCall call = StartCall(std::move(read.encode), response);
  target_({context.peer(), method.name, std::move(read.request), std::move(call.port)});
  base::HandOver(this);  // to the thread that shuts gRPC down (grpc_server.cc)
  return call.reactor;
}

}  // namespace sysmem::server::transport
