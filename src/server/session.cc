// SPDX-License-Identifier: Apache-2.0
#include "server/session.h"

#include <malloc.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/handle_channel.h"
#include "server/session_impl.h"

namespace sysmem::server {
namespace {

// A session that had so many nodes took megabytes, most of which the allocator would keep for the
// next one like it.
constexpr uint64_t kHandlesWorthTrimming = 1000;

}  // namespace

Session::Session(Engine& engine, uint64_t id, PeerInfo peer, base::UniqueFd handle_channel,
                 base::UniqueFd wire)
    : impl_(std::make_unique<Impl>(*this, engine.internals(), id, std::move(peer),
                                   std::move(handle_channel), std::move(wire))) {}
Session::~Session() = default;

absl::Status Session::Start() { return impl_->Start(); }

void Session::Submit(Request request, std::shared_ptr<ReplyPort> port) {
  impl_->Submit(std::move(request), std::move(port));
}

void Session::SubmitUnnumbered(const std::string& method, std::shared_ptr<ReplyPort> port) {
  const std::string message =
      absl::StrCat("a call of ", method, " without its running number: field 1 must come first");
  impl_->End(SessionEnd{EndReason::kBadMessage, message});
  port->Abort(message);
}

void Session::End(SessionEnd end) { impl_->End(std::move(end)); }
SessionInfo Session::Describe() const { return impl_->Describe(); }
uint64_t Session::id() const { return impl_->id; }
const PeerInfo& Session::peer() const { return impl_->peer; }

Session::Impl::Impl(Session& session, Engine::Internals& engine, uint64_t session_id,
                    PeerInfo session_peer, base::UniqueFd handle_channel, base::UniqueFd wire)
    : id(session_id),
      peer(std::move(session_peer)),
      session_(session),
      engine_(engine),
      channel_(std::make_shared<base::UniqueFd>(std::move(handle_channel))),
      wire_(std::move(wire)),
      opened_ns_(EventLoop::NowNs()),
      unread_(engine.unread->Open(peer.uid, channel_)),
      queue_(engine.options.limits.held_calls_per_session),
      waits_pending_(std::make_shared<std::atomic<uint32_t>>(0)),
      incoming_(channel_, engine.closer, engine.options.limits.received_descriptors_per_session) {}

Session::Impl::~Impl() {
  if (watch_ != 0) engine_.loop.RemoveWatch(watch_.load());
  if (wire_watch_ != 0) engine_.loop.RemoveWatch(wire_watch_.load());
}

absl::Status Session::Impl::Start() {
  std::weak_ptr<Session> weak = session_.weak_from_this();
  Outbox::Options options;
  options.session_id = id;
  options.peer = peer;
  options.limits = engine_.options.limits;
  options.unread = unread_;
  options.loop = &engine_.loop;
  options.refused = [weak](const core::Failure& why) {
    if (auto self = weak.lock()) self->impl_->TellOfLimit(why);
  };
  options.end_session = [weak](SessionEnd end) {
    if (auto self = weak.lock()) self->End(std::move(end));
  };
  options.watch_writable = [weak](bool wanted) {
    auto self = weak.lock();
    if (!self) return;
    Impl& impl = *self->impl_;
    // Edge-triggered: one event each time the client has read something.
    impl.engine_.loop.ChangeWatch(impl.watch_.load(),
                                  wanted ? EPOLLRDHUP | EPOLLOUT | EPOLLET : EPOLLRDHUP);
  };
  outbox_ = std::make_shared<Outbox>(std::move(options), channel_);
  auto watch = engine_.loop.AddWatch(channel_->get(), EPOLLRDHUP, [weak](uint32_t events) {
    auto self = weak.lock();
    if (!self) return;
    if ((events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0) {
      self->End(SessionEnd{EndReason::kHangUp, "the client closed its connection or died"});
    } else {
      self->impl_->outbox_->Flush();
    }
  });
  if (!watch.ok()) return watch.status();
  watch_ = *watch;
  // Calls are gRPC's to read; that there can be no more of them is the end of the session.
  auto wire_watch = engine_.loop.AddWatch(wire_.get(), EPOLLRDHUP, [weak](uint32_t) {
    if (auto self = weak.lock()) {
      self->End(SessionEnd{EndReason::kHangUp, "the client closed its connection for calls"});
    }
  });
  if (!wire_watch.ok()) return wire_watch.status();
  wire_watch_ = *wire_watch;
  if (engine_.watch->active()) {
    engine_.watch->Append({.kind = WatchKind::kSessionOpened, .session_id = id, .peer = peer},
                          Sight::Of({peer.uid}));
  }
  return absl::OkStatus();
}

void Session::Impl::Submit(Request request, std::shared_ptr<ReplyPort> port) {
  // What a client closed before it sent this is closed for it: copies of exported ends, buffers.
  engine_.loop.CatchUp();
  engine_.last_close->CatchUp();
  const uint64_t number = request.number;
  std::unique_lock lock(mutex_);
  if (end_) {
    const std::string text = AbortText(*end_);
    lock.unlock();
    port->Abort(text);
    return;
  }
  Arrived arrived{std::move(request), std::move(port)};
  using Verdict = ReorderQueue<Arrived>::Verdict;
  const Verdict verdict = queue_.Push(number, arrived);
  if (verdict == Verdict::kTaken) {
    Drain(lock);
    return;
  }
  std::string message =
      verdict == Verdict::kRepeated
          ? absl::StrCat("call number ", number, " came again; the next one is ", queue_.next())
          : absl::StrCat("call ", queue_.next(), " never came and ", queue_.held(),
                         " calls wait for it (limit ",
                         engine_.options.limits.held_calls_per_session, ")");
  lock.unlock();
  End(SessionEnd{EndReason::kSequenceGap, message});
  arrived.port->Abort(message);
}

// REQUIRES: lock held. Whoever finds the turn free takes it until nothing is left to do.
void Session::Impl::Drain(std::unique_lock<std::mutex>& lock) {
  while (!busy_ && !ended_) {
    if (end_) {
      ended_ = true;
      busy_ = true;
      const SessionEnd end = *end_;
      lock.unlock();
      EndTurn(end);
      lock.lock();
      busy_ = false;
      return;
    }
    std::optional<Arrived> next = queue_.Pop();
    if (!next) {
      WatchHole(lock);
      return;
    }
    busy_ = true;
    lock.unlock();
    Execute(std::move(*next));
    lock.lock();
    busy_ = false;
  }
}

// REQUIRES: lock held; returns with it held.
void Session::Impl::WatchHole(std::unique_lock<std::mutex>&) {
  if (hole_watched_ || !queue_.HasHole()) return;
  hole_watched_ = true;
  engine_.loop.RunAt(EventLoop::NowNs() + engine_.options.limits.hole_ns,
                     [weak = session_.weak_from_this(), missing = queue_.next()] {
                       if (auto self = weak.lock()) self->impl_->CheckHole(missing);
                     });
}

void Session::Impl::CheckHole(uint64_t missing) {
  std::unique_lock lock(mutex_);
  hole_watched_ = false;
  if (end_ || !queue_.HasHole()) return;
  if (queue_.next() != missing) {
    WatchHole(lock);  // another hole, younger
    return;
  }
  std::string message =
      absl::StrCat("call ", missing, " never came; ", queue_.held(), " calls waited for it for ",
                   engine_.options.limits.hole_ns / 1'000'000, " ms");
  lock.unlock();
  End(SessionEnd{EndReason::kSequenceGap, std::move(message)});
}

void Session::Impl::Execute(Arrived arrived) {
  std::vector<Operation>& operations = arrived.request.operations;
  auto call = std::make_shared<Call>(arrived.request.number, operations.size(),
                                     std::move(arrived.port), outbox_);
  outbox_->HoldClosures();
  for (size_t index = 0; index < operations.size(); ++index) {
    CallSlot slot{call, index, nullptr};
    std::visit([&](auto& what) { Do(slot, what); }, operations[index]);
  }
  handle_count_.store(table_.size() + registrations_.size(), std::memory_order_relaxed);
  call->AllStarted();
  outbox_->ReleaseClosures();
  outbox_->Flush();
}

void Session::Impl::End(SessionEnd end) {
  std::unique_lock lock(mutex_);
  if (end_) return;
  end_ = std::move(end);
  Drain(lock);
}

void Session::Impl::EndTurn(const SessionEnd& end) {
  auto self = session_.shared_from_this();  // the registry lets go of it below
  const std::string text = AbortText(end);
  engine_.loop.RemoveWatch(watch_.exchange(0));
  engine_.loop.RemoveWatch(wire_watch_.exchange(0));
  if (end.reason != EndReason::kHangUp && engine_.options.encode_session_end) {
    // Best effort: a client that does not read learns it from the hang-up.
    (void)base::SendHandleMessage(
        *channel_, base::SessionEndedMessage(engine_.options.encode_session_end(end)));
  }
  outbox_->Close(text);
  std::map<uint64_t, Arrived> held;
  {
    std::lock_guard lock(mutex_);
    held = queue_.TakeAll();
  }
  for (auto& [number, arrived] : held) arrived.port->Abort(text);
  engine_.watch->Drop(id);
  if (engine_.watch->active()) {
    engine_.watch->Append({.kind = WatchKind::kSessionEnded,
                           .session_id = id,
                           .peer = peer,
                           .message = base::EscapeSentence(text)},
                          Sight::Of({peer.uid}));
  }
  SessionInfo last = Describe();
  last.ended_ns = EventLoop::NowNs();
  for (NodeRef& ref : table_.TakeAll()) {
    if (ref.host) ref.host->PostClose(ref.node, absl::StrCat("its session ended: ", text), {});
  }
  handle_count_ = 0;
  TakeBackWaits();
  for (const auto& [handle, registration] : std::exchange(registrations_, {})) {
    EndRegistration(registration, absl::StrCat("its session ended: ", text));
  }
  // What the client sent and nobody read is taken out first: a socket closed with unread data
  // resets, and the client would miss the reason above.
  engine_.closer.CloseConnection(base::Dup(*channel_));
  ::shutdown(channel_->get(), SHUT_RDWR);
  ::shutdown(wire_.get(), SHUT_RDWR);
  engine_.RetireSession(last);
  if (last.handles >= kHandlesWorthTrimming) engine_.worker.Run([] { ::malloc_trim(0); });
}

// Those on nodes that went on to another session are not over with ours.
void Session::Impl::TakeBackWaits() {
  for (const auto& [number, wait] : waits_) TakeBack(wait);
  waits_.clear();
}

std::string Session::Impl::AbortText(const SessionEnd& end) const {
  return absl::StrCat(EndReasonName(end.reason), ": ", end.message);
}

SessionInfo Session::Impl::Describe() const {
  SessionInfo info;
  HeldCollections::Some held = held_collections_.First(kMostCollectionsOfSession);
  info.collections = std::move(held.ids);
  info.collections_left_out = held.left_out;
  info.descriptors_unread = unread_->Unread();
  std::lock_guard lock(mutex_);
  info.id = id;
  info.peer = peer;
  info.open = !end_;
  info.handles = handle_count_.load(std::memory_order_relaxed);
  info.waits_pending = waits_pending_->load(std::memory_order_relaxed);
  info.calls_held = queue_.held();
  info.next_number = queue_.next();
  info.age_ns = EventLoop::NowNs() - opened_ns_;
  if (end_) {
    info.end_reason = EndReasonName(end_->reason);
    info.end_message = end_->message;
  }
  return info;
}

}  // namespace sysmem::server
