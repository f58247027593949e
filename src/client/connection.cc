// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include <sys/epoll.h>

#include <utility>

#include "client/clock.h"
#include "client/fork.h"
#include "client/signals.h"

namespace sysmem::client {
namespace {

bool AddToEpoll(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Outcome<std::shared_ptr<Connection>> Connection::Make(Greeting greeting) {
  const SignalsBlocked blocked;  // gRPC starts threads in here
  std::shared_ptr<Connection> connection(new Connection(std::move(greeting)));
  if (auto polling = connection->SetUpPolling(); !polling.ok()) {
    connection->Close(0);
    return std::move(polling.failure());
  }
  return connection;
}

Connection::Connection(Greeting greeting)
    : path_(std::move(greeting.path)),
      fork_generation_(ForkGeneration()),
      handle_channel_(std::move(greeting.handle_channel)),
      calls_(std::make_unique<CallChannel>(std::move(greeting.call_channel))),
      lazy_queue_(std::make_shared<grpc::CompletionQueue>()),
      replies_(*this),
      events_(*this) {
  CloseInChildren(handle_channel_.get(), mutex_);
}

Connection::~Connection() = default;

Outcome<Done> Connection::SetUpPolling() {
  self_ = shared_from_this();
  auto wake = base::EventFd::Create();
  if (!wake.ok()) return FromStatus(SYSMEM_SYSTEM, wake.status());
  wake_ = *std::move(wake);
  poll_fd_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!poll_fd_ || !AddToEpoll(poll_fd_.get(), handle_channel_.get()) ||
      !AddToEpoll(poll_fd_.get(), wake_->fd().get())) {
    return SystemFailure(errno, "setting up epoll");
  }
  return Done{};
}

bool Connection::IsForkedCopy() const { return ForkGeneration() != fork_generation_; }

std::optional<Failure> Connection::Dead() const {
  if (IsForkedCopy()) {
    return Disconnected("this process was forked; sessions of its parent cannot be used here");
  }
  return Locked([this] { return ended_; });
}

void Connection::Close(int64_t deadline_ns) {
  if (IsForkedCopy()) return;  // everything stays as the parent left it
  TakeIn();                    // the session may have ended already
  if (!Dead() && PollTimeout(deadline_ns) != 0) static_cast<void>(Roundtrip(deadline_ns));
  MarkEnded(Disconnected("the program has closed the session"));
  events_.Stop();
  replies_.Stop();
  replies_.Drain();
  DrainQueue(*this, *lazy_queue_);
  for (const auto& queue : std::exchange(idle_queues_, {})) DrainQueue(*this, *queue);
  calls_.reset();
  ForgetInChildren(handle_channel_.get());
  handle_channel_.reset();
  poll_fd_.reset();
  // Callbacks own program data: they are freed here, under no lock.
  std::deque<std::shared_ptr<CallbackPlace>> callbacks;
  std::function<void(const Failure&)> on_ended;
  {
    const std::lock_guard lock(mutex_);
    callbacks.swap(callbacks_);
    on_ended.swap(on_ended_);
    received_.clear();
  }
  callbacks.clear();
  on_ended = nullptr;
  self_.reset();
}

}  // namespace sysmem::client
