// SPDX-License-Identifier: Apache-2.0
#include "server/transport/grpc_server.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include <chrono>
#include <limits>
#include <utility>

#include "base/thread_handover.h"
#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/group.pb.h"
#include "sysmem2/heap.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/session.pb.h"
#include "sysmem2/token.pb.h"

namespace sysmem::server::transport {
namespace {

// Every file that declares services, by one of its messages.
std::vector<const google::protobuf::FileDescriptor*> ServiceFiles() {
  return {
      sysmem2::AllocateSharedCollectionRequest::descriptor()->file(),
      sysmem2::DuplicateRequest::descriptor()->file(),
      sysmem2::SetConstraintsRequest::descriptor()->file(),
      sysmem2::CreateChildRequest::descriptor()->file(),
      sysmem2::RegisterHeapRequest::descriptor()->file(),
      sysmem2::RunRequest::descriptor()->file(),
      sysmem2::GetStatusRequest::descriptor()->file(),
  };
}

void Configure(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentCalls);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, std::numeric_limits<int>::max());
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // What each call would pay for and none uses: compression, deadlines (a call that waits has none,
  // see session.proto), gRPC's own inspector.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(CallTarget target) {
  // Protobuf writes a line to stderr for every string that is no UTF-8. Whoever sends one is told
  // in the reply; nobody is to fill the daemon's log.
  google::protobuf::SetLogHandler(nullptr);
  std::unique_ptr<GrpcServer> started(new GrpcServer(std::move(target)));
  if (!started->server_) return absl::InternalError("gRPC does not start its server");
  return started;
}

GrpcServer::GrpcServer(CallTarget target) {
  grpc::ServerBuilder builder;
  Configure(builder);
  for (const auto* file : ServiceFiles()) {
    for (int i = 0; i < file->service_count(); ++i) {
      services_.push_back(std::make_unique<RawService>(*file->service(i), target));
      builder.RegisterService(services_.back().get());
    }
  }
  server_ = builder.BuildAndStart();
}

GrpcServer::~GrpcServer() { Shutdown(); }

std::string GrpcServer::PeerName(base::BorrowedFd socket) {
  return "fd:" + std::to_string(socket.get());
}

void GrpcServer::Adopt(base::UniqueFd socket) {
  grpc::AddInsecureChannelFromFd(server_.get(), socket.release());  // gRPC closes it
}

void GrpcServer::Shutdown() {
  if (down_ || !server_) return;
  down_ = true;
  // A deadline in the past: cancel at once. Without one gRPC waits for calls to end by themselves,
  // which those that wait for buffers never do.
  server_->Shutdown(std::chrono::system_clock::now());
  for (const auto& service : services_) base::TakeOver(service.get());
}

}  // namespace sysmem::server::transport
