// SPDX-License-Identifier: Apache-2.0
//
// A client without manners: speaks the wire by hand, so that it can break every rule of it.
//
//   RawClient client(daemon.socket_path());
//   auto reply = client.Do<sysmem2::Ack>("Session.Ping", sysmem2::PingRequest());
//
// Numbers are given out in order unless the test gives one. Nothing is read from the handle channel
// until the test asks. Not thread-safe.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/handle_channel.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "sysmem2/session.pb.h"

namespace sysmem::testing {

// A connection that has not said hello. As another uid for this one call, if the test run is
// root's.
base::UniqueFd ConnectSilently(const std::string& path, std::optional<uid_t> uid = {});

// The bytes of a message of the handle channel, sound or not, before any check.
struct RawMessage {
  uint32_t kind = 0;
  std::optional<uint32_t> size;  // the true one unless given
  uint64_t order = 0;
  uint64_t first = 0;
  std::optional<uint32_t> count;  // the true one unless given
  uint32_t reserved = 0;
  std::string body;
  std::vector<base::UniqueFd> descriptors;
};
std::string Encode(const RawMessage& message);
// False when the daemon has closed.
bool SendRaw(const base::UniqueFd& channel, const std::string& bytes,
             const std::vector<base::UniqueFd>& descriptors = {});
bool SendRaw(const base::UniqueFd& channel, const RawMessage& message);

// Reads until the daemon says why it ends this connection, or hangs up without a word (nothing).
std::optional<sysmem2::SessionEnded> AwaitEnd(const base::UniqueFd& channel);

// A call that was sent.
class RawCall {
 public:
  // REQUIRES: RawClient::Await returned true.
  const grpc::Status& status() const { return status_; }
  template <typename Reply>
  Reply As() const {
    Reply reply;
    EXPECT_TRUE(reply.ParseFromString(reply_)) << "the reply is no " << reply.GetTypeName();
    return reply;
  }
  bool done() const { return done_; }
  void Cancel() { context_.TryCancel(); }

 private:
  friend class RawClient;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer reply_buffer_;
  grpc::Status status_;
  std::string reply_;
  bool done_ = false;
};

class RawClient {
 public:
  explicit RawClient(const std::string& path, std::optional<uid_t> uid = {});
  ~RawClient();

  // False when the daemon refused; refusal() says why.
  bool open() const { return session_id_ != 0; }
  const std::optional<sysmem2::SessionEnded>& refusal() const { return refusal_; }
  uint64_t session_id() const { return session_id_; }
  base::UniqueFd& channel() { return channel_; }
  // The connection for calls, before the first call.
  base::UniqueFd TakeWire() { return std::move(wire_); }

  // ---- Calls. A method is "Session.Ping" ----

  uint64_t NextNumber() { return ++last_number_; }
  // Sends `body` as it is.
  RawCall& SendBytes(const std::string& method, const std::string& body);
  // Under the next number.
  template <typename Request>
  RawCall& Send(const std::string& method, Request request) {
    request.set_number(NextNumber());
    return SendBytes(method, request.SerializeAsString());
  }
  template <typename Request>
  RawCall& SendAs(uint64_t number, const std::string& method, Request request) {
    request.set_number(number);
    return SendBytes(method, request.SerializeAsString());
  }
  // Waits with kPatience until the call is over. False, with a test failure, when it is not.
  bool Await(RawCall& call);
  // Sends and waits. Fails the test when the call breaks.
  template <typename Reply, typename Request>
  Reply Do(const std::string& method, const Request& request) {
    RawCall& call = Send(method, request);
    if (!Await(call)) return {};
    EXPECT_TRUE(call.status().ok()) << method << ": " << call.status().error_message();
    Reply reply = call.As<Reply>();
    Forget(call);
    return reply;
  }
  // Several operations in one message.
  sysmem2::RunReply Run(const std::vector<sysmem2::Operation>& operations);
  // Lets go of what is kept of a finished call. The others are kept as long as the client.
  void Forget(RawCall& call) { calls_.erase(&call); }

  // ---- Descriptors ----

  // The number of the first.
  uint64_t Push(std::vector<base::UniqueFd> descriptors);
  uint64_t Push(base::UniqueFd descriptor);
  // The descriptor with this number, which the daemon sent.
  base::UniqueFd Take(uint64_t number);
  // The handle of the next node that the daemon announces closed.
  uint64_t AwaitNodeClosed();
  // Why the session ends: everything before it is passed over.
  std::optional<sysmem2::SessionEnded> AwaitEnd() { return testing::AwaitEnd(channel_); }

  uint64_t NewHandle() { return ++last_handle_; }

 private:
  bool ReadOne();

  base::UniqueFd channel_;
  base::UniqueFd wire_;
  std::optional<sysmem2::SessionEnded> refusal_;
  uint64_t session_id_ = 0;
  uint64_t last_number_ = 0;
  uint64_t last_pushed_ = 0;
  uint64_t last_handle_ = uint64_t{1} << 40;  // out of the way of those that tests choose
  std::map<uint64_t, base::UniqueFd> received_;
  std::vector<uint64_t> closed_nodes_;

  grpc::CompletionQueue queue_;
  std::shared_ptr<grpc::Channel> grpc_channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::map<RawCall*, std::unique_ptr<RawCall>> calls_;
};

}  // namespace sysmem::testing
