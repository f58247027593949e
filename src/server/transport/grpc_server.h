// SPDX-License-Identifier: Apache-2.0
//
// A gRPC server that listens nowhere: connections are handed to it one by one.
//
//   auto server = GrpcServer::Start([](ArrivedCall call) { ... });
//   ...note GrpcServer::PeerName(our_end), which the connection's calls will bear...
//   (*server)->Adopt(std::move(our_end));
//   ...
//   (*server)->Shutdown();
//
// It serves every service of the wire, raw (raw_service.h). Messages are at most 1 MiB, connections
// carry at most 1,024 calls at a time; nothing is sent to keep a connection alive, because the
// kernel tells at once when the peer of a socketpair is gone; compressed messages are not unpacked
// (a few bytes may unpack to a gigabyte) and thus bear no number.
#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "server/transport/raw_service.h"

namespace sysmem::server::transport {

// Between this and kMaxRequestBytes a request is refused in its place; beyond, gRPC ends the call.
inline constexpr int kMaxMessageBytes = 1 << 20;
// Twice the waits a session may have pending: one whose waits filled its streams could not send the
// call that ends them.
inline constexpr int kMaxConcurrentCalls = 1024;
// Of all HTTP/2 headers of a call together. Ours have a few hundred bytes.
inline constexpr int kMaxMetadataBytes = 8 << 10;

class GrpcServer {
 public:
  // `target` is called from gRPC's threads, which must not be made to wait.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(CallTarget target);
  // Shuts down.
  ~GrpcServer();

  // ArrivedCall::peer of the calls that come by `socket` once it is adopted. The name is used again
  // only when the connection and every call of it are over, as the descriptor's number is.
  static std::string PeerName(base::BorrowedFd socket);

  // Serves the peer of `socket`, a connected non-blocking stream socket. REQUIRES: Shutdown was not
  // called.
  void Adopt(base::UniqueFd socket);

  // Cancels every call and closes every connection; returns when no call is left. Hold no lock:
  // calls are cancelled meanwhile. The first call counts.
  void Shutdown();

 private:
  explicit GrpcServer(CallTarget target);

  std::vector<std::unique_ptr<RawService>> services_;
  std::unique_ptr<grpc::Server> server_;
  bool down_ = false;
};

}  // namespace sysmem::server::transport
