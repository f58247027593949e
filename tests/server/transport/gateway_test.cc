// SPDX-License-Identifier: Apache-2.0
//
// The gateway with a real engine and event loop behind it, and a hand-made client in front.
#include "server/transport/gateway.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/handle_channel.h"
#include "base/unix_socket.h"
#include "server/transport/hello.h"
#include "sysmem2/allocator.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/session.pb.h"
#include "tests/server/transport/raw_client.h"

namespace sysmem::server::transport {
namespace {

class GatewayTest : public ::testing::Test {
 protected:
  void Start(GatewayOptions options = {}, EngineOptions engine = {}) {
    loop_ = std::move(EventLoop::Create()).value();
    engine.version = "1.2.3";
    engine.features = {"known"};
    engine.encode_session_end = EncodeSessionEnd;
    engine_ = std::make_unique<Engine>(std::move(engine), *loop_);
    gateway_ = std::move(Gateway::Start(*engine_, *loop_, options)).value();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  ~GatewayTest() override { Shutdown(); }

  void Shutdown() {
    if (!thread_.joinable()) return;
    OnLoop([this] {
      engine_->Shutdown();
      gateway_->Shutdown();
    });
    loop_->Stop();
    thread_.join();
    gateway_.reset();
    engine_.reset();
  }

  // Runs this on the loop's thread and waits for it.
  void OnLoop(const std::function<void()>& what) {
    std::promise<void> done;
    loop_->Post([&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }

  // Says hello; the client's end of the handle channel.
  base::UniqueFd SayHello(const std::string& body) {
    auto ends = std::move(base::SocketPair(SOCK_SEQPACKET)).value();
    PeerInfo peer{.pid = ::getpid(), .uid = ::getuid(), .gid = ::getgid()};
    auto ours = std::make_shared<base::UniqueFd>(std::move(ends.first));
    OnLoop([&] { gateway_->OnHello(peer, std::move(*ours), body); });
    return std::move(ends.second);
  }

  static base::HandleMessage Receive(const base::UniqueFd& channel) {
    auto received = base::ReceiveHandleMessage(channel, base::HandleMessageSender::kDaemon,
                                               {.wait = base::Wait::kYes});
    EXPECT_TRUE(received.ok()) << received.status();
    if (!received.ok()) return {};
    EXPECT_EQ(received->outcome, base::ReceiveOutcome::kMessage);
    return std::move(received->message);
  }
  static sysmem2::SessionEnded ReceiveEnd(const base::UniqueFd& channel) {
    const base::HandleMessage message = Receive(channel);
    EXPECT_EQ(message.kind, base::HandleMessageKind::kSessionEnded);
    sysmem2::SessionEnded end;
    EXPECT_TRUE(end.ParseFromString(message.body));
    return end;
  }

  struct Client {
    base::UniqueFd channel;
    sysmem2::Welcome welcome;
    std::optional<RawClient> calls;
  };
  Client Connect(const sysmem2::Hello& hello = {}) {
    Client client{.channel = SayHello(hello.SerializeAsString())};
    base::HandleMessage message = Receive(client.channel);
    EXPECT_EQ(message.kind, base::HandleMessageKind::kWelcome);
    EXPECT_TRUE(client.welcome.ParseFromString(message.body));
    EXPECT_EQ(message.descriptors.size(), 1u);
    if (message.descriptors.size() == 1) client.calls.emplace(std::move(message.descriptors[0]));
    return client;
  }

  static std::string Ping(uint64_t number) {
    sysmem2::PingRequest request;
    request.set_number(number);
    return request.SerializeAsString();
  }

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Gateway> gateway_;
  std::thread thread_;
};

TEST_F(GatewayTest, WelcomesAClientAndServesItsCalls) {
  Start();
  sysmem2::Hello hello;
  hello.add_features("unknown");
  hello.add_features("known");
  hello.set_library("libtest 9");
  hello.set_command("tester");
  Client client = Connect(hello);
  EXPECT_EQ(client.welcome.server_version(), "1.2.3");
  ASSERT_EQ(client.welcome.features_size(), 1);
  EXPECT_EQ(client.welcome.features(0), "known");

  sysmem2::ListSessionsRequest request;
  request.set_number(1);
  request.set_session_id(client.welcome.session_id());
  auto call = client.calls->Start("Inspect.ListSessions", request.SerializeAsString());
  ASSERT_TRUE(call->Wait().ok());
  const auto reply = Decode<sysmem2::ListSessionsReply>(call->response());
  ASSERT_EQ(reply.result().sessions_size(), 1);
  EXPECT_EQ(reply.result().sessions(0).library(), "libtest 9");
  EXPECT_EQ(reply.result().sessions(0).peer().command(), "tester");
}

TEST_F(GatewayTest, GivesTheClientANonBlockingEnd) {
  Start();
  base::UniqueFd channel = SayHello("");
  base::HandleMessage message = Receive(channel);
  ASSERT_EQ(message.descriptors.size(), 1u);
  EXPECT_NE(::fcntl(message.descriptors[0].get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(GatewayTest, TurnsAwayAHelloThatDoesNotParse) {
  Start();
  base::UniqueFd channel = SayHello("\xff\xff");
  EXPECT_EQ(ReceiveEnd(channel).reason(), sysmem2::SESSION_END_REASON_BAD_MESSAGE);
}

TEST_F(GatewayTest, TurnsAwayASessionTheEngineRefuses) {
  EngineOptions options;
  options.limits.sessions = 1;
  Start({}, std::move(options));
  Client first = Connect();
  base::UniqueFd second = SayHello("");
  const sysmem2::SessionEnded end = ReceiveEnd(second);
  EXPECT_EQ(end.reason(), sysmem2::SESSION_END_REASON_LIMIT);
  EXPECT_NE(end.message(), "");
  auto call = first.calls->Start("Session.Ping", Ping(1));
  EXPECT_TRUE(call->Wait().ok()) << "the first session is not harmed";
}

TEST_F(GatewayTest, SurvivesAClientThatIsGoneBeforeItsWelcome) {
  Start();
  auto ends = std::move(base::SocketPair(SOCK_SEQPACKET)).value();
  ends.second.reset();
  OnLoop([&] { gateway_->OnHello({.uid = ::getuid()}, std::move(ends.first), ""); });
  EXPECT_TRUE(Connect().calls->Start("Session.Ping", Ping(1))->Wait().ok());
}

TEST_F(GatewayTest, EndsASessionWhoseCallBearsNoNumber) {
  Start();
  Client client = Connect();
  auto call = client.calls->Start("Session.Ping", "");
  EXPECT_EQ(call->Wait().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReceiveEnd(client.channel).reason(), sysmem2::SESSION_END_REASON_BAD_MESSAGE);
}

TEST_F(GatewayTest, AnswersAMalformedBodyInItsPlaceAndGoesOn) {
  Start();
  Client client = Connect();
  auto bad = client.calls->Start("BufferCollection.SetConstraints", Ping(1) + "\xff\xff");
  ASSERT_TRUE(bad->Wait().ok());
  EXPECT_EQ(Decode<sysmem2::Ack>(bad->response()).failure().rule(), "WIRE-PARSE");
  auto large = client.calls->Start("Session.Run", Ping(2) + std::string(300'000, 'x'));
  ASSERT_TRUE(large->Wait().ok());
  EXPECT_EQ(Decode<sysmem2::RunReply>(large->response()).failure().rule(), "WIRE-SIZE");
  auto good = client.calls->Start("Session.Ping", Ping(3));
  ASSERT_TRUE(good->Wait().ok());
  EXPECT_EQ(Decode<sysmem2::Ack>(good->response()).order(), 3u);
}

// 64 descriptors may wait to be named; those that a refused message named do not wait.
TEST_F(GatewayTest, LetsARefusedMessageUseUpTheDescriptorsItNames) {
  Start();
  Client client = Connect();
  for (uint64_t i = 1; i <= 200; ++i) {
    auto pair = std::move(base::SocketPair(SOCK_STREAM)).value();
    std::vector<base::UniqueFd> sent;
    sent.push_back(std::move(pair.first));
    ASSERT_TRUE(
        base::SendHandleMessage(client.channel, base::DescriptorsMessage(i, std::move(sent))).ok());
    sysmem2::GetVmoInfoRequest request;
    request.set_number(i);
    request.set_vmo(i);
    auto call = client.calls->Start("Allocator.GetVmoInfo", request.SerializeAsString());
    ASSERT_TRUE(call->Wait().ok()) << i;
    EXPECT_EQ(Decode<sysmem2::GetVmoInfoReply>(call->response()).failure().outcome(),
              sysmem2::OUTCOME_ERROR);
    // The daemon's copy is closed, and with it the last one: hang-up.
    auto closed = base::WaitReadable(pair.second, sysmem::testing::kPatience);
    ASSERT_TRUE(closed.ok() && *closed) << i;
  }
}

// Held behind a hole in the numbers, and parked for buffers.
TEST_F(GatewayTest, ShutsDownWhileCallsAreHeldAndParked) {
  Start();
  Client client = Connect();
  sysmem2::RunRequest run;
  run.set_number(1);
  run.add_operations()->mutable_allocate_shared_collection()->set_token_handle(1);
  run.add_operations()->mutable_duplicate()->set_handle(1);
  run.mutable_operations(1)->mutable_duplicate()->set_token_handle(2);
  run.mutable_operations(1)->mutable_duplicate()->set_rights_attenuation_mask(0x80000000);
  auto* bind = run.add_operations()->mutable_bind_shared_collection();
  bind->set_token_handle(1);
  bind->set_collection_handle(3);
  run.add_operations()->mutable_set_constraints()->set_handle(3);
  run.add_operations()->mutable_wait_for_all_buffers_allocated()->set_handle(3);
  auto parked = client.calls->Start("Session.Run", run.SerializeAsString());
  auto ping = client.calls->Start("Session.Ping", Ping(2));
  EXPECT_TRUE(ping->Wait().ok());
  auto held = client.calls->Start("Session.Ping", Ping(4));
  Shutdown();
  EXPECT_EQ(parked->Wait().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(held->Wait().ok());
}

TEST_F(GatewayTest, CarriesOutShuffledCallsInTheirOrder) {
  Start({.shuffle_seed = 5});
  Client client = Connect();
  constexpr uint64_t kCalls = 200;
  std::vector<std::unique_ptr<RawCall>> calls;
  for (uint64_t i = 1; i <= kCalls; ++i) {
    calls.push_back(client.calls->Start("Session.Ping", Ping(i)));
  }
  for (uint64_t i = 1; i <= kCalls; ++i) {
    ASSERT_TRUE(calls[i - 1]->Wait().ok());
    EXPECT_EQ(Decode<sysmem2::Ack>(calls[i - 1]->response()).order(), i);
  }
}

TEST_F(GatewayTest, KnowsEachOfManySessionsThatComeAndGo) {
  Start();
  for (int i = 0; i < 100; ++i) {
    Client client = Connect();
    sysmem2::AllocateSharedCollectionRequest request;
    request.set_number(1);
    request.set_token_handle(1);
    // Refused if this were still the session of the one before.
    auto call =
        client.calls->Start("Allocator.AllocateSharedCollection", request.SerializeAsString());
    ASSERT_TRUE(call->Wait().ok());
    EXPECT_FALSE(Decode<sysmem2::CreateReply>(call->response()).has_failure());
  }
}

}  // namespace
}  // namespace sysmem::server::transport
