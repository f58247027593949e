// SPDX-License-Identifier: Apache-2.0
//
// Calls from arrival to end, through a real gRPC server over a socketpair; the test plays the
// engine.
#include "server/transport/call.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/unix_socket.h"
#include "server/transport/grpc_server.h"
#include "server/transport/refusals.h"
#include "sysmem2/session.pb.h"
#include "tests/server/transport/raw_client.h"

namespace sysmem::server::transport {
namespace {

// What arrived and was not taken yet.
class Inbox {
 public:
  void Put(ArrivedCall call) {
    std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    changed_.notify_all();
  }
  ArrivedCall Take() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, sysmem::testing::kPatience, [&] { return !calls_.empty(); }));
    if (calls_.empty()) return {};
    ArrivedCall call = std::move(calls_.front());
    calls_.pop_front();
    return call;
  }
  bool IsEmpty() {
    std::lock_guard lock(mutex_);
    return calls_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ArrivedCall> calls_;
};

class CallTest : public ::testing::Test {
 protected:
  CallTest()
      : server_(std::move(GrpcServer::Start([this](ArrivedCall call) {
                  inbox_.Put(std::move(call));
                })).value()) {}

  RawClient Connect() {
    auto ends = std::move(base::SocketPair(SOCK_STREAM | SOCK_NONBLOCK)).value();
    peer_name_ = GrpcServer::PeerName(ends.first);
    server_->Adopt(std::move(ends.first));
    return RawClient(std::move(ends.second));
  }

  static std::string Ping(uint64_t number) {
    sysmem2::PingRequest request;
    request.set_number(number);
    return request.SerializeAsString();
  }
  static Reply Done(uint64_t order) { return {.order = order, .results = {core::Nothing{}}}; }

  Inbox inbox_;
  std::string peer_name_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(CallTest, ArrivesParsedUnderItsConnectionsName) {
  RawClient client = Connect();
  auto call = client.Start("Session.Ping", Ping(7));
  ArrivedCall arrived = inbox_.Take();
  EXPECT_EQ(arrived.peer, peer_name_);
  EXPECT_EQ(arrived.method, "Session.Ping");
  ASSERT_TRUE(arrived.request.has_value());
  EXPECT_EQ(arrived.request->number, 7u);
  arrived.port->Finish(Done(3));
  ASSERT_TRUE(call->Wait().ok());
  EXPECT_EQ(Decode<sysmem2::Ack>(call->response()).order(), 3u);
}

TEST_F(CallTest, CanBeAnsweredFromWithinItsArrival) {
  server_ =
      std::move(GrpcServer::Start([](ArrivedCall call) { call.port->Finish(Done(1)); })).value();
  RawClient client = Connect();
  EXPECT_TRUE(client.Start("Session.Ping", Ping(1))->Wait().ok());
}

TEST_F(CallTest, IsAbortedWithAReasonThatFitsIntoAStatus) {
  RawClient client = Connect();
  auto call = client.Start("Session.Ping", Ping(1));
  inbox_.Take().port->Abort(std::string(100'000, 'x'));
  const grpc::Status status = call->Wait();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), std::string(1000, 'x'));
}

TEST_F(CallTest, IsAnsweredOnceHoweverOftenSomebodyTries) {
  RawClient client = Connect();
  auto call = client.Start("Session.Ping", Ping(1));
  const auto port = inbox_.Take().port;
  port->Finish(Done(1));
  port->Finish(Done(2));
  port->Abort("too late");
  ASSERT_TRUE(call->Wait().ok());
  EXPECT_EQ(Decode<sysmem2::Ack>(call->response()).order(), 1u);
}

TEST_F(CallTest, EndsWhenItsPortIsDropped) {
  RawClient client = Connect();
  auto call = client.Start("Session.Ping", Ping(1));
  inbox_.Take().port.reset();
  EXPECT_EQ(call->Wait().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CallTest, ArrivesThoughItIsCancelledAndItsResultIsDropped) {
  RawClient client = Connect();
  auto cancelled = client.Start("Session.Ping", Ping(1));
  ArrivedCall arrived = inbox_.Take();
  EXPECT_EQ(arrived.request->number, 1u);
  cancelled->Cancel();
  EXPECT_EQ(cancelled->Wait().error_code(), grpc::StatusCode::CANCELLED);
  arrived.port->Finish(Done(1));
  auto next = client.Start("Session.Ping", Ping(2));
  inbox_.Take().port->Finish(Done(2));
  EXPECT_TRUE(next->Wait().ok());
}

TEST_F(CallTest, MayBeAnsweredCancelledAndAbortedAtTheSameMoment) {
  constexpr int kCalls = 500;
  RawClient client = Connect();
  for (int i = 1; i <= kCalls; ++i) {
    auto call = client.Start("Session.Ping", Ping(static_cast<uint64_t>(i)));
    const auto port = inbox_.Take().port;
    std::thread finisher([port] { port->Finish(Done(1)); });
    std::thread aborter([port] { port->Abort("over"); });
    call->Cancel();
    finisher.join();
    aborter.join();
    const grpc::StatusCode code = call->Wait().error_code();
    EXPECT_TRUE(code == grpc::StatusCode::OK || code == grpc::StatusCode::CANCELLED ||
                code == grpc::StatusCode::UNAVAILABLE)
        << code;
  }
}

TEST_F(CallTest, DoesNotHoldUpShutdownWhileItIsParked) {
  RawClient client = Connect();
  std::vector<std::unique_ptr<RawCall>> calls;
  std::vector<std::shared_ptr<ReplyPort>> parked;
  for (uint64_t i = 1; i <= 100; ++i) {
    calls.push_back(client.Start("Session.Ping", Ping(i)));
    parked.push_back(inbox_.Take().port);
  }
  server_->Shutdown();
  for (auto& call : calls) EXPECT_FALSE(call->Wait().ok());
  for (auto& port : parked) port->Finish(Done(1));
}

TEST_F(CallTest, OutlivesItsClient) {
  std::shared_ptr<ReplyPort> port;
  {
    RawClient client = Connect();
    auto call = client.Start("Session.Ping", Ping(1));
    port = inbox_.Take().port;
    call->Cancel();
  }
  port->Finish(Done(1));
  server_->Shutdown();
}

TEST_F(CallTest, ArrivesWithoutARequestWhenItBearsNoNumber) {
  RawClient client = Connect();
  for (const char* body : {"", "not a message"}) {
    auto call = client.Start("Session.Ping", body);
    ArrivedCall arrived = inbox_.Take();
    EXPECT_FALSE(arrived.request.has_value());
    EXPECT_EQ(arrived.method, "Session.Ping");
    arrived.port->Abort("no number");
    EXPECT_EQ(call->Wait().error_message(), "no number");
  }
}

TEST_F(CallTest, ArrivesThoughItIsLargeUntilGrpcItselfSaysNo) {
  RawClient client = Connect();
  auto large = client.Start("Session.Ping", Ping(1) + std::string(500'000, 'x'));
  ArrivedCall arrived = inbox_.Take();
  EXPECT_EQ(arrived.request->number, 1u);
  EXPECT_EQ(As<op::Malformed>(arrived.request->operations.front()).why.rule, "WIRE-SIZE");
  arrived.port->Finish({.order = 1, .results = {core::Failure{}}});
  EXPECT_TRUE(large->Wait().ok());
  auto too_large = client.Start("Session.Ping", Ping(2) + std::string(kMaxMessageBytes, 'x'));
  EXPECT_EQ(too_large->Wait().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(inbox_.IsEmpty());
}

// A megabyte of these would unpack to a gigabyte.
TEST_F(CallTest, IsNotUnpackedWhenItComesCompressed) {
  RawClient client = Connect();
  auto call = client.Start("Session.Ping", Ping(1) + std::string(100'000, 'x'), GRPC_COMPRESS_GZIP);
  ArrivedCall arrived = inbox_.Take();
  EXPECT_FALSE(arrived.request.has_value());
  arrived.port->Abort("no number");
  EXPECT_FALSE(call->Wait().ok());
}

TEST_F(CallTest, FindsNobodyUnderAMethodThatDoesNotExist) {
  RawClient client = Connect();
  auto call = client.Start("Session.Sing", Ping(1));
  EXPECT_EQ(call->Wait().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(CallTest, KeepsConnectionsApart) {
  RawClient one = Connect();
  const std::string one_name = peer_name_;
  RawClient two = Connect();
  const std::string two_name = peer_name_;
  EXPECT_NE(one_name, two_name);
  auto from_two = two.Start("Session.Ping", Ping(1));
  ArrivedCall second = inbox_.Take();
  EXPECT_EQ(second.peer, two_name);
  auto from_one = one.Start("Session.Ping", Ping(1));
  ArrivedCall first = inbox_.Take();
  EXPECT_EQ(first.peer, one_name);
  first.port->Finish(Done(1));
  second.port->Finish(Done(1));
}

}  // namespace
}  // namespace sysmem::server::transport
