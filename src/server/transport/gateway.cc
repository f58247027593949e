// SPDX-License-Identifier: Apache-2.0
#include "server/transport/gateway.h"

#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/handle_channel.h"
#include "base/unix_socket.h"
#include "server/transport/grpc_server.h"
#include "server/transport/hello.h"
#include "server/transport/session_directory.h"
#include "server/transport/shuffler.h"

namespace sysmem::server::transport {
namespace {

// The last word on a connection that becomes no session. A peer that is gone misses nothing.
void Refuse(const base::UniqueFd& connection, const SessionEnd& why) {
  (void)base::SendHandleMessage(connection, base::SessionEndedMessage(EncodeSessionEnd(why)));
}

void Deliver(const std::shared_ptr<Session>& session, ArrivedCall call) {
  if (call.request) {
    session->Submit(*std::move(call.request), std::move(call.port));
  } else {
    session->SubmitUnnumbered(call.method, std::move(call.port));
  }
}

// What both sides of a new session need.
struct Ends {
  base::UniqueFd ours;
  base::UniqueFd clients;
  base::UniqueFd wire;        // the session's copy of `ours`
  base::UniqueFd connection;  // our copy of the handle channel, for the welcome
};

absl::StatusOr<Ends> MakeEnds(const base::UniqueFd& connection) {
  auto pair = base::SocketPair(SOCK_STREAM | SOCK_NONBLOCK);
  if (!pair.ok()) return pair.status();
  Ends ends{.ours = std::move(pair->first), .clients = std::move(pair->second)};
  ends.wire = base::Dup(ends.ours);
  ends.connection = base::Dup(connection);
  if (!ends.wire || !ends.connection) return absl::ResourceExhaustedError("no descriptor is left");
  return ends;
}

}  // namespace

class Gateway::Impl {
 public:
  Impl(Engine& engine, EventLoop& loop, const GatewayOptions& options) : engine_(engine) {
    if (!options.shuffle_seed) return;
    shuffler_ = Shuffler::Create(*options.shuffle_seed,
                                 [&loop](int64_t delay_ns, std::function<void()> callback) {
                                   loop.RunAt(EventLoop::NowNs() + delay_ns, std::move(callback));
                                 });
  }

  absl::Status Start() {
    auto server = GrpcServer::Start([this](ArrivedCall call) { OnCall(std::move(call)); });
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  void OnHello(PeerInfo peer, base::UniqueFd connection, const std::string& hello_body) {
    const std::optional<Hello> hello = ParseHello(hello_body);
    if (!hello) {
      return Refuse(connection, {EndReason::kBadMessage, "the body of HELLO cannot be parsed"});
    }
    auto ends = MakeEnds(connection);
    if (!ends.ok()) {
      return Refuse(connection, {EndReason::kLimit, absl::StrCat("the daemon cannot open another "
                                                                 "session: ",
                                                                 ends.status().message())});
    }
    if (peer.command.empty()) peer.command = hello->command;
    peer.library = hello->library;
    SessionEnd refusal;
    std::shared_ptr<Session> session = engine_.OpenSession(std::move(peer), std::move(connection),
                                                           std::move(ends->wire), &refusal);
    if (!session) return Refuse(ends->connection, refusal);
    Welcome(*hello, *session, *std::move(ends));
  }

  void Shutdown() {
    if (shuffler_) shuffler_->Stop();
    server_->Shutdown();
  }

 private:
  // REQUIRES: the session was opened just now; it has said nothing yet.
  void Welcome(const Hello& hello, Session& session, Ends ends) {
    // First of all, for calls may arrive as soon as gRPC has its end.
    directory_.Add(GrpcServer::PeerName(ends.ours), session.shared_from_this());
    auto sent = base::SendHandleMessage(
        ends.connection,
        base::WelcomeMessage(
            EncodeWelcome({.features = FeaturesOfBoth(hello.features, engine_.options().features),
                           .server_version = engine_.options().version,
                           .session_id = session.id()}),
            std::move(ends.clients)));
    if (!sent.ok() || *sent != base::SendOutcome::kSent) {
      session.End(WhyNotWelcome(sent));
      return;
    }
    server_->Adopt(std::move(ends.ours));
  }

  static SessionEnd WhyNotWelcome(const absl::StatusOr<base::SendOutcome>& sent) {
    if (!sent.ok()) return {EndReason::kBadMessage, std::string(sent.status().message())};
    if (*sent == base::SendOutcome::kPeerGone) return {EndReason::kHangUp, "gone before WELCOME"};
    return {EndReason::kLimit, "WELCOME cannot be sent: too many descriptors are unread"};
  }

  void OnCall(ArrivedCall call) {
    std::shared_ptr<Session> session = directory_.Find(call.peer);
    if (!session) return call.port->Abort("the session is over");
    if (!shuffler_) return Deliver(session, std::move(call));
    // A shared_ptr, because a std::function must be copyable.
    auto held = std::make_shared<ArrivedCall>(std::move(call));
    shuffler_->Add([session, held] { Deliver(session, std::move(*held)); });
  }

  Engine& engine_;
  SessionDirectory directory_;
  std::shared_ptr<Shuffler> shuffler_;
  std::unique_ptr<GrpcServer> server_;  // last: its calls use the others
};

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(Engine& engine, EventLoop& loop,
                                                        GatewayOptions options) {
  auto impl = std::make_unique<Impl>(engine, loop, options);
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Gateway::~Gateway() { Shutdown(); }

void Gateway::OnHello(PeerInfo peer, base::UniqueFd connection, const std::string& hello_body) {
  impl_->OnHello(std::move(peer), std::move(connection), hello_body);
}

void Gateway::Shutdown() { impl_->Shutdown(); }

}  // namespace sysmem::server::transport
