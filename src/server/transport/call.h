// SPDX-License-Identifier: Apache-2.0
//
// One gRPC call from its arrival to its end.
//
//            StartCall                 Finish(reply)          OnDone
//   arrived -----------> under way -------------------> done --------> deleted
//                            |        Abort(reason)       ^
//                            +-----------------------------+
//                              OnCancel; the port is dropped
//
// gRPC holds the reactor, the engine holds the port. Whoever comes first ends the call: the engine
// with its answer, or gRPC when the client is gone or the server shuts down. A cancelled call is
// carried out all the same, in its place; only its result is dropped. A reactor that nobody ends
// would block the server's shutdown for ever, so a port that is dropped without an answer ends its
// call as well.
//
// The engine's reason for an abort becomes the text of gRPC status UNAVAILABLE, cut below 1 KiB.
//
// Thread-safe.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <string>

#include "server/reply.h"

namespace sysmem::server::transport {

// Turns the engine's answer into the bytes of the method's reply message.
using ReplyEncoder = std::function<grpc::ByteBuffer(const Reply& reply)>;

struct StartedCall {
  grpc::ServerUnaryReactor* reactor = nullptr;  // for gRPC; deletes itself when the call is over
  std::shared_ptr<ReplyPort> port;              // for the engine
};

// `response` is the call's own buffer for the reply; gRPC keeps it until the call is over.
StartedCall StartCall(ReplyEncoder encode, grpc::ByteBuffer* response);

}  // namespace sysmem::server::transport
