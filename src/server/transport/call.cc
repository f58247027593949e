// SPDX-License-Identifier: Apache-2.0
#include "server/transport/call.h"

#include <atomic>
#include <string>
#include <utility>

#include "base/thread_handover.h"
#include "server/transport/text.h"

namespace sysmem::server::transport {
namespace {

// Statuses travel as HTTP/2 metadata, of which gRPC takes little.
constexpr size_t kMaxStatusTextBytes = 1000;

// Ends a call once. The reactor outlives this: it goes away only after it was ended.
class Ending {
 public:
  explicit Ending(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}

  // True for the first caller only, who must call End next.
  bool Claim() { return !claimed_.exchange(true); }
  void End(grpc::Status status) {
    base::HandOver(reactor_);
    reactor_->Finish(std::move(status));
  }

 private:
  grpc::ServerUnaryReactor* const reactor_;
  std::atomic<bool> claimed_{false};
};

class Reactor final : public grpc::ServerUnaryReactor {
 public:
  Reactor() : ending_(std::make_shared<Ending>(this)) {}

  void OnCancel() override {
    base::TakeOver(this);
    // A local reference: OnDone may come as soon as the call is ended.
    const std::shared_ptr<Ending> ending = ending_;
    if (ending->Claim()) ending->End(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    base::TakeOver(this);
    delete this;
  }
  // Neither reaction waits for anything, so gRPC may run them where it is. Otherwise it would wake
  // a thread of its executor at the end of every call.
  bool InternalInlineable() override { return true; }

  const std::shared_ptr<Ending>& ending() const { return ending_; }
  // Until gRPC has sent the answer. REQUIRES: the ending was claimed by the caller.
  void Keep(Reply reply) { kept_ = std::move(reply); }

 private:
  const std::shared_ptr<Ending> ending_;
  Reply kept_;
};

class Port final : public ReplyPort {
 public:
  Port(Reactor* reactor, ReplyEncoder encode, grpc::ByteBuffer* response)
      : reactor_(reactor),
        ending_(reactor->ending()),
        encode_(std::move(encode)),
        response_(response) {}
  ~Port() override { Port::Abort("the daemon dropped this call"); }

  void Finish(Reply reply) override {
    if (!ending_->Claim()) return;
    *response_ = encode_(reply);
    reactor_->Keep(std::move(reply));
    ending_->End(grpc::Status::OK);
  }

  void Abort(const std::string& reason) override {
    if (!ending_->Claim()) return;
    ending_->End(
        grpc::Status(grpc::StatusCode::UNAVAILABLE, ValidUtf8(reason, kMaxStatusTextBytes)));
  }

 private:
  Reactor* const reactor_;  // valid until the call has ended
  const std::shared_ptr<Ending> ending_;
  const ReplyEncoder encode_;
  grpc::ByteBuffer* const response_;  // valid until the call has ended
};

}  // namespace

StartedCall StartCall(ReplyEncoder encode, grpc::ByteBuffer* response) {
  auto* reactor = new Reactor;
  auto port = std::make_shared<Port>(reactor, std::move(encode), response);
  base::HandOver(reactor);
  return {reactor, std::move(port)};
}

}  // namespace sysmem::server::transport
