// SPDX-License-Identifier: Apache-2.0
//
// gRPC as this library uses it: numbered unary calls of raw bytes over one connection.
//
// Whoever waits for a reply polls for it on his own thread: a call belongs to the completion queue
// given when it is started, and comes out of that queue when it is answered.
//
// A request is `0x09` and eight bytes of running number, then the serialized message without its
// number; a reply begins with its order in the same form. Both are read and written by hand here,
// so that no message needs to be parsed to be put in its place.
//
// Thread-safe. Calls cannot be cancelled and have no deadline (a running number may not be lost).
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace sysmem::client {

// One call under way: the tag in its completion queue.
class RawCall {
 public:
  RawCall() = default;
  virtual ~RawCall() = default;
  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // Not a call: the tag of an alarm that makes a thread look up (threads.cc).
  virtual bool is_wake_up() const { return false; }

  // After the call came out of its queue:
  // Whether the transport brought a reply. Otherwise the session is lost; see transport_error().
  bool arrived() const { return status_.ok(); }
  std::string transport_error() const;
  // Moves the reply's bytes out and reads its order; 0 if it has none. REQUIRES: arrived().
  uint64_t TakeReply(std::string& bytes);

 private:
  friend class CallChannel;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer reply_;
  grpc::Status status_;
};

class CallChannel {
 public:
  // Takes the client's end of the call channel. Starts gRPC's threads, with all signals blocked.
  explicit CallChannel(base::UniqueFd socket);
  ~CallChannel();

  // Sends `body` (a serialized request without its number) as number `number`. `call` must live
  // until it comes out of `queue`.
  void Start(const std::string& method, uint64_t number, std::string_view body,
             grpc::CompletionQueue* queue, RawCall* call);

  // Breaks the connection: every call under way comes out of its queue soon, not arrived.
  void Break();

 private:
  base::UniqueFd socket_;  // of the same socket as gRPC's descriptor
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

// Waits for the next call that comes out of `queue`, until the deadline (CLOCK_MONOTONIC,
// INT64_MAX: none). nullptr: the deadline has passed.
RawCall* NextAnswered(grpc::CompletionQueue& queue, int64_t deadline_ns);

}  // namespace sysmem::client
