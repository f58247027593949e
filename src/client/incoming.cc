// SPDX-License-Identifier: Apache-2.0
//
// What comes in: replies out of completion queues, events and descriptors out of the handle
// channel. Both pass through the reply order; what they mean for nodes and waiting calls happens on
// delivery.
#include <sys/socket.h>

#include <utility>

#include "client/connection.h"
#include "client/result_descriptors.h"

namespace sysmem::client {

// A call came out of its completion queue. No lock is held.
void Connection::Arrived(RawCall* raw) {
  // Only PendingCalls and wake-ups are ever started, and threads.cc sorts out the latter.
  auto* const pending = static_cast<PendingCall*>(raw);
  const std::shared_ptr<PendingCall> call = std::move(pending->self);
  if (call->unattended) --lazy_calls_;

  uint64_t order = 0;
  if (call->arrived()) order = ReadReply(*call);
  // What was sent before this reply is in the handle channel by now, and so is the reason, if the
  // session has ended. Nothing is missing before a reply that is due: reading could wait, if
  // somebody is there to claim what the reply names. The daemon leaves only so much unread.
  const bool unclaimed = RepliesThread::IsThisThread() && call->run.has_last();
  if (order == 0 || unclaimed || !Locked([&] { return order_.IsDue(order); })) TakeIn();
  if (!call->arrived()) {
    MarkEnded(Disconnected("the daemon is gone (" + call->transport_error() + ")"));
  } else if (order == 0) {
    MarkEnded(Disconnected("the daemon sent a reply that cannot be read"));
  }
  {
    const std::lock_guard lock(mutex_);
    call->out_of_queue = true;
    call->lost = order == 0;
    if (!call->lost && call->number > carried_out_) {
      carried_out_ = call->number;
      changed_.notify_all();
    }
    if (call->lost || !order_.Arrive(order, [this, call] { Deliver(call); })) {
      call->lost = true;
      Deliver(call);
    }
  }
  RunDeferred();
}

// Takes the reply apart; gives its order, 0 if it is no reply.
uint64_t Connection::ReadReply(PendingCall& call) {
  const uint64_t order = call.TakeReply(call.reply);
  if (call.form == PendingCall::Form::kNamed) return order;
  return call.run.ParseFromString(call.reply) ? order : 0;
}

// Runs what deliveries left to be done without a lock.
void Connection::RunDeferred() {
  const std::vector<Callback> due = Locked([this] { return std::exchange(deferred_, {}); });
  for (const Callback& run : due) run();
}

// It is this call's turn. Under the lock.
void Connection::Deliver(const std::shared_ptr<PendingCall>& call) {
  if (!call->lost) DeliverFailures(*call);
  call->delivered = true;
  if (call->place) callbacks_.push_back(call->place);
  if (call->on_delivered) {
    deferred_.push_back([call, run = std::exchange(call->on_delivered, nullptr)] { run(); });
  }
  changed_.notify_all();
}

void Connection::DeliverFailures(const PendingCall& call) {
  for (const sysmem2::OperationFailure& failure : call.run.failures()) {
    if (failure.index() >= call.records.size()) continue;
    RefuseLocked(call.records[failure.index()], FromWire(failure.failure()));
  }
  if (!call.run.has_failure()) return;
  const Failure whole = FromWire(call.run.failure());
  for (const OperationRecord& record : call.records) RefuseLocked(record, whole);
}

void Connection::TakeIn() {
  {
    const std::lock_guard lock(channel_mutex_);
    while (handle_channel_ && TakeMessage()) continue;
  }
  RunDeferred();
}

// Takes one message out of the handle channel; false when there is none.
bool Connection::TakeMessage() {
  auto received = base::ReceiveHandleMessage(handle_channel_, base::HandleMessageSender::kDaemon);
  if (!received.ok()) {
    MarkEnded(FromStatus(SYSMEM_DISCONNECTED, received.status()));
    return false;
  }
  if (received->outcome == base::ReceiveOutcome::kPeerGone) {
    MarkEnded(Disconnected("the daemon is gone"));
  }
  if (received->outcome != base::ReceiveOutcome::kMessage) return false;
  HandleMessage(std::move(received->message));
  return true;
}

void Connection::HandleMessage(base::HandleMessage message) {
  switch (message.kind) {
    case base::HandleMessageKind::kDescriptors: {
      const std::lock_guard lock(mutex_);
      for (base::UniqueFd& fd : message.descriptors) {
        received_.insert_or_assign(message.first++, std::move(fd));
      }
      return;
    }
    case base::HandleMessageKind::kNodeClosed: {
      const std::lock_guard lock(mutex_);
      order_.Arrive(message.order, [this, handle = message.first, reason = message.body] {
        DeliverClosed(handle, reason);
      });
      return;
    }
    case base::HandleMessageKind::kSessionEnded:
      return MarkEnded(FromSessionEnded("the daemon ended the session", message.body));
    case base::HandleMessageKind::kHello:
    case base::HandleMessageKind::kWelcome:
      return MarkEnded(Disconnected("the daemon sent a message out of place"));
  }
}

base::UniqueFd Connection::Claim(uint64_t number) {
  base::UniqueFd fd;
  const auto take = [&] {
    const auto found = received_.find(number);
    if (found == received_.end()) return false;
    fd = std::move(found->second);
    received_.erase(found);
    return true;
  };
  if (Locked(take)) return fd;
  {
    // Only as far as needed: each look into an empty channel costs a system call.
    const std::lock_guard lock(channel_mutex_);
    while (handle_channel_ && !Locked(take) && TakeMessage()) continue;
  }
  RunDeferred();
  if (!fd) Locked(take);  // another thread may have read it meanwhile
  return fd;
}

void Connection::Discard(const sysmem2::OperationResult& result) {
  for (const uint64_t number : DescriptorsNamed(result)) Claim(number);
}

// The session is over. Only the first reason counts. Any lock but mutex_ may be held.
void Connection::MarkEnded(Failure why) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = std::move(why);
  order_.Finish();
  for (const auto& [handle, node] : nodes_) CloseNodeLocked(node, *ended_);
  if (wake_) wake_->Signal();
  changed_.notify_all();
  // Both are shut down, not closed: other threads may be using them.
  calls_->Break();
  ::shutdown(handle_channel_.get(), SHUT_RDWR);
}

}  // namespace sysmem::client
