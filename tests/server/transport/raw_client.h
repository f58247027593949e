// SPDX-License-Identifier: Apache-2.0
//
// A client that sends whatever bytes a test likes.
#pragma once

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "base/thread_handover.h"
#include "base/unique_fd.h"
#include "tests/server/transport/wire.h"
#include "tests/support/patience.h"

namespace sysmem::server::transport {

// One call under way. Waits for its end before it goes.
class RawCall {
 public:
  RawCall(grpc::GenericStub& stub, const std::string& path, grpc::ByteBuffer body,
          grpc_compression_algorithm compression = GRPC_COMPRESS_NONE)
      : body_(std::move(body)) {
    context_.set_compression_algorithm(compression);
    base::HandOver(this);
    stub.UnaryCall(&context_, path, grpc::StubOptions(), &body_, &response_,
                   [this](grpc::Status status) {
                     base::TakeOver(this);
                     status_.set_value(std::move(status));
                   });
  }
  ~RawCall() {
    if (future_.valid()) future_.wait();
  }

  void Cancel() { context_.TryCancel(); }

  // Waits for the end of the call. Once only.
  grpc::Status Wait() {
    EXPECT_EQ(future_.wait_for(sysmem::testing::kPatience), std::future_status::ready);
    return future_.get();
  }
  // REQUIRES: Wait returned OK.
  const grpc::ByteBuffer& response() const { return response_; }

 private:
  grpc::ClientContext context_;
  grpc::ByteBuffer body_;
  grpc::ByteBuffer response_;
  std::promise<grpc::Status> status_;
  std::future<grpc::Status> future_ = status_.get_future();
};

class RawClient {
 public:
  explicit RawClient(base::UniqueFd socket)
      : stub_(grpc::CreateInsecureChannelFromFd("sysmem", socket.release())) {}

  // `method`: "Session.Ping".
  std::unique_ptr<RawCall> Start(std::string method, const std::string& body,
                                 grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    method[method.find('.')] = '/';
    return std::make_unique<RawCall>(stub_, "/sysmem2." + method, BodyOf(body), compression);
  }

 private:
  grpc::GenericStub stub_;
};

}  // namespace sysmem::server::transport
