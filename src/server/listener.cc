// SPDX-License-Identifier: Apache-2.0
#include "server/listener.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/handle_channel.h"
#include "base/process_info.h"
#include "server/log.h"

namespace sysmem::server {
namespace {

// Per turn of the loop, so that those accepted get to speak before more come.
constexpr int kAcceptsPerTurn = 16;
constexpr int64_t kNsPerMs = 1'000'000;

// Held for the moment when no descriptor is left.
base::UniqueFd OpenReserve() { return base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

PeerInfo LabelPeer(const base::PeerCredentials& peer) {
  return {
      .pid = peer.pid, .uid = peer.uid, .gid = peer.gid, .command = base::CommandName(peer.pid)};
}

enum class Front { kNothing, kWithoutDescriptors, kWithDescriptors };

// What is in front. It stays where it is, and so do descriptors: without a control buffer the
// kernel only says that there was no room for them.
Front LookAt(base::BorrowedFd socket) {
  char first_byte = 0;
  iovec bytes{.iov_base = &first_byte, .iov_len = sizeof(first_byte)};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  const ssize_t size = ::recvmsg(socket.get(), &message, MSG_PEEK | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return Front::kNothing;
  const bool carries = size >= 0 && (message.msg_flags & MSG_CTRUNC) != 0;
  return carries ? Front::kWithDescriptors : Front::kWithoutDescriptors;
}

}  // namespace

class Listener::Impl : public std::enable_shared_from_this<Impl> {
  // For callbacks that may come after the end of the listener. (First, because the type it returns
  // is deduced.)
  template <typename... Arguments>
  auto Weakly(void (Impl::*method)(Arguments...), Arguments... arguments) {
    return [self = weak_from_this(), method, arguments...](auto&&...) {
      if (const auto alive = self.lock()) ((*alive).*method)(arguments...);
    };
  }

 public:
  Impl(base::ListeningSocket socket, EventLoop& loop, Closer& closer, ListenerOptions options)
      : options_(std::move(options)), loop_(loop), closer_(closer), socket_(std::move(socket)) {}

  absl::Status Start() {
    reserve_ = OpenReserve();
    if (!reserve_) return base::ErrnoStatus(errno, "reserve a descriptor");
    absl::StatusOr<EventLoop::WatchId> watch =
        loop_.AddWatch(socket_.fd().get(), EPOLLIN, Weakly(&Impl::OnConnections));
    if (!watch.ok()) return watch.status();
    watch_ = *watch;
    return absl::OkStatus();
  }

  void Stop() {
    loop_.RemoveWatch(watch_);
    loop_.CancelTimer(resume_timer_);
    while (!unheard_.empty()) {
      End(unheard_.begin()->first, {EndReason::kShutdown, "the daemon ends"});
    }
  }

  const std::string& path() const { return socket_.path(); }
  size_t unheard() const { return unheard_.size(); }

 private:
  using ConnectionId = uint64_t;  // grows: the smallest is the oldest

  struct Connection {
    base::UniqueFd socket;
    base::PeerCredentials peer;
    EventLoop::WatchId watch = 0;
    EventLoop::TimerId deadline = 0;
  };

  void OnConnections() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      absl::StatusOr<std::optional<base::Accepted>> accepted = socket_.Accept();
      if (!accepted.ok()) return OnAcceptFailed(accepted.status());
      if (!accepted->has_value()) return;
      Admit(std::move(**accepted));
    }
  }

  void Admit(base::Accepted accepted) {
    const uid_t uid = accepted.peer.uid;
    const ConnectionId id = next_id_++;
    Connection& connection = unheard_[id];
    connection.socket = std::move(accepted.socket);
    connection.peer = accepted.peer;
    ++unheard_of_uid_[uid];
    // Most have said hello before we got here.
    Listen(id);
    if (unheard_.count(id) == 0) return;
    MakeRoom(uid, id);
    Watch(id);
  }

  void Watch(ConnectionId id) {
    Connection& connection = unheard_.at(id);
    absl::StatusOr<EventLoop::WatchId> watch =
        loop_.AddWatch(connection.socket.get(), EPOLLIN, Weakly(&Impl::Listen, id));
    if (!watch.ok()) {
      return Refuse(id, EndReason::kLimit,
                    absl::StrCat("the daemon cannot watch one more connection: ",
                                 absl::string_view(watch.status().message())));
    }
    connection.watch = *watch;
    connection.deadline =
        loop_.RunAt(EventLoop::NowNs() + options_.hello_ns, Weakly(&Impl::OnDeadline, id));
  }

  // Ends the oldest silent connections until the caps hold, sparing `newest`.
  void MakeRoom(uid_t uid, ConnectionId newest) {
    while (unheard_of_uid_[uid] > options_.unheard_per_uid) {
      const ConnectionId oldest = OldestOf(uid);
      if (oldest == newest) break;
      EndIfStillSilent(
          oldest, absl::StrCat("more than ", options_.unheard_per_uid, " connections of uid ", uid,
                               " have not said hello; this was the oldest"));
    }
    while (unheard_.size() > options_.unheard && unheard_.begin()->first != newest) {
      EndIfStillSilent(unheard_.begin()->first,
                       absl::StrCat("more than ", options_.unheard,
                                    " connections have not said hello; this was the oldest"));
    }
    if (unheard_of_uid_[uid] == 0) unheard_of_uid_.erase(uid);
  }

  ConnectionId OldestOf(uid_t uid) const {
    for (const auto& [id, connection] : unheard_) {
      if (connection.peer.uid == uid) return id;
    }
    return 0;
  }

  // It may have spoken since the loop last looked.
  void EndIfStillSilent(ConnectionId id, std::string why) {
    Listen(id);
    if (unheard_.count(id) != 0) Refuse(id, EndReason::kNoHello, std::move(why));
  }

  void OnDeadline(ConnectionId id) {
    EndIfStillSilent(
        id, absl::StrCat("no hello within ", options_.hello_ns / kNsPerMs, " ms after connecting"));
  }

  // Takes the hello if it is there. The connection is gone from `unheard_` afterwards, unless
  // nothing was there.
  void Listen(ConnectionId id) {
    const auto found = unheard_.find(id);
    if (found == unheard_.end()) return;
    // A stranger's descriptors are not even let into our table; so nothing is taken that was not
    // there for this look.
    const Front front = LookAt(found->second.socket);
    if (front == Front::kNothing) return;
    if (front == Front::kWithDescriptors) {
      return Refuse(id, EndReason::kForbiddenDescriptor,
                    "the first message must be HELLO, which carries no descriptors");
    }
    absl::StatusOr<base::ReceivedHandleMessage> received = base::ReceiveHandleMessage(
        found->second.socket, base::HandleMessageSender::kClient, {.max_descriptors = 0});
    if (!received.ok()) {
      return Refuse(id, EndReason::kBadMessage,
                    absl::StrCat("the first message must be HELLO: ", received.status().message()));
    }
    switch (received->outcome) {
      case base::ReceiveOutcome::kWouldBlock:
        return;
      case base::ReceiveOutcome::kPeerGone:
        closer_.CloseConnection(Take(id).socket);
        return;
      case base::ReceiveOutcome::kMessage:
        return OnHello(id, received->message.body);
    }
  }

  // Without descriptors a client's message can be nothing else.
  void OnHello(ConnectionId id, const std::string& body) {
    Connection connection = Take(id);
    options_.on_hello(LabelPeer(connection.peer), std::move(connection.socket), body);
  }

  // A connection is there that cannot be accepted, and will still be there next time.
  void OnAcceptFailed(const absl::Status& status) {
    if (absl::IsResourceExhausted(status)) {
      RefuseOneWithReserve(std::string(status.message()));
    } else {
      spdlog::error("cannot accept connections, trying on: {}", std::string(status.message()));
    }
    Pause();
  }

  void RefuseOneWithReserve(std::string why) {
    reserve_.reset();
    absl::StatusOr<std::optional<base::Accepted>> accepted = socket_.Accept();
    if (accepted.ok() && accepted->has_value()) {
      base::Accepted& refused = **accepted;
      const SessionEnd end{EndReason::kLimit, std::move(why)};
      ComplainAbout({.pid = refused.peer.pid, .uid = refused.peer.uid, .gid = refused.peer.gid},
                    absl::StrCat("refused: ", end.message));
      SayGoodbye(std::move(refused.socket), options_.encode_end(end), closer_);
    }
  }

  void Pause() {
    loop_.ChangeWatch(watch_, 0);
    resume_timer_ = loop_.RunAt(EventLoop::NowNs() + options_.backoff_ns, Weakly(&Impl::Resume));
  }

  void Resume() {
    if (!reserve_) reserve_ = OpenReserve();
    loop_.ChangeWatch(watch_, EPOLLIN);
  }

  void Refuse(ConnectionId id, EndReason reason, std::string why) {
    ComplainAbout(LabelPeer(unheard_.at(id).peer), absl::StrCat("refused: ", why));
    End(id, {reason, std::move(why)});
  }

  void End(ConnectionId id, const SessionEnd& end) {
    SayGoodbye(Take(id).socket, options_.encode_end(end), closer_);
  }

  Connection Take(ConnectionId id) {
    auto taken = unheard_.extract(id);
    Connection connection = std::move(taken.mapped());
    loop_.RemoveWatch(connection.watch);
    loop_.CancelTimer(connection.deadline);
    const auto of_uid = unheard_of_uid_.find(connection.peer.uid);
    if (--of_uid->second == 0) unheard_of_uid_.erase(of_uid);
    return connection;
  }

  const ListenerOptions options_;
  EventLoop& loop_;
  Closer& closer_;
  const base::ListeningSocket socket_;
  base::UniqueFd reserve_;
  EventLoop::WatchId watch_ = 0;
  EventLoop::TimerId resume_timer_ = 0;
  ConnectionId next_id_ = 1;
  std::map<ConnectionId, Connection> unheard_;
  std::map<uid_t, uint32_t> unheard_of_uid_;
};

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(base::ListeningSocket socket,
                                                          EventLoop& loop, Closer& closer,
                                                          ListenerOptions options) {
  auto impl = std::make_shared<Impl>(std::move(socket), loop, closer, std::move(options));
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() { impl_->Stop(); }

const std::string& Listener::path() const { return impl_->path(); }
size_t Listener::unheard() const { return impl_->unheard(); }

}  // namespace sysmem::server
