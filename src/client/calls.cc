// SPDX-License-Identifier: Apache-2.0
//
// How calls leave, and how their callers wait.
#include <poll.h>
#include <sched.h>

#include <algorithm>

#include "base/seqpacket.h"
#include "client/clock.h"
#include "client/connection.h"
#include "client/signals.h"

namespace sysmem::client {
namespace {

constexpr char kRunMethod[] = "/sysmem2.Session/Run";

// How long the daemon may take to read descriptors that were sent to it.
constexpr int64_t kSendTimeoutNs = 5'000'000'000;
// How long it may take to answer a wait that was taken back.
constexpr int64_t kCancelTimeoutNs = 2'000'000'000;
// For how long a thread that misses a reply looks into the lazy queue before it looks elsewhere.
constexpr int64_t kLazyPollNs = 200'000;
// With so many unread answers Flush reads some; with so many it waits a little for them. (gRPC
// carries 1,024 calls at a time.)
constexpr size_t kLazyCallsToRead = 64;
constexpr int64_t kLazyWaitNs = 10'000'000;
// So many calls may be under way that are not known to be carried out. gRPC may deliver them in any
// order, and the daemon ends a session when 256 calls wait for one that is late.
constexpr uint64_t kMostAhead = 128;
// How long to wait for a daemon that carries nothing out.
constexpr int64_t kAheadTimeoutNs = 1'000'000'000;
// For how long a caller looks for its answer before it goes to sleep: about as long as sleeping and
// being woken take, of which the daemon pays a part: 20 to 60 us on hardware, twice that in a
// virtual machine. An answer that comes while it looks costs neither; one that does not has cost
// twice the sleep at most.
constexpr int64_t kLookNs = 150'000;
constexpr unsigned kLooksBeforeYield = 4;

// The next call that came out of the queue; null if none did by the deadline. `meanwhile` is called
// between looks.
template <typename Meanwhile>
RawCall* LookThenSleep(grpc::CompletionQueue& queue, int64_t deadline_ns,
                       const Meanwhile& meanwhile) {
  const int64_t sleep_at = std::min(deadline_ns, DeadlineAfter(kLookNs));
  unsigned looked = 0;
  do {
    if (RawCall* const answered = NextAnswered(queue, 0)) return answered;
    meanwhile();
    // To the daemon, where it shares this processor.
    if (looked++ % kLooksBeforeYield == 0) ::sched_yield();
  } while (NowNs() < sleep_at);
  return NextAnswered(queue, deadline_ns);
}

}  // namespace

// A completion queue of one's own for the length of one call.
class Connection::QueueLease {
 public:
  explicit QueueLease(Connection& connection) : connection_(connection) {
    const std::lock_guard lock(connection_.mutex_);
    if (connection_.idle_queues_.empty()) return;
    queue_ = std::move(connection_.idle_queues_.back());
    connection_.idle_queues_.pop_back();
  }
  ~QueueLease() {
    if (queue_ == nullptr) return;
    const std::lock_guard lock(connection_.mutex_);
    connection_.idle_queues_.push_back(std::move(queue_));
  }
  QueueLease(const QueueLease&) = delete;
  QueueLease& operator=(const QueueLease&) = delete;

  grpc::CompletionQueue* get() {
    if (queue_ == nullptr) queue_ = std::make_shared<grpc::CompletionQueue>();
    return queue_.get();
  }
  std::shared_ptr<grpc::CompletionQueue> Take() { return std::move(queue_); }

 private:
  Connection& connection_;
  std::shared_ptr<grpc::CompletionQueue> queue_;
};

Outcome<Done> Connection::Queue(OperationRequest request) {
  if (auto dead = Dead()) return *std::move(dead);
  {
    const std::lock_guard lock(send_mutex_);
    batch_.Add(std::move(request), next_descriptor_);
    if (!batch_.full()) return Done{};
    FlushLocked();
  }
  LimitUnanswered();
  return Done{};
}

void Connection::Flush() {
  if (Dead()) return;
  {
    const std::lock_guard lock(send_mutex_);
    if (!batch_.empty()) FlushLocked();
  }
  LimitUnanswered();
}

void Connection::FlushLocked() {
  auto call = std::make_shared<PendingCall>();
  if (attended_) {
    replies_.Expect();
    SendLocked(std::move(call), replies_.queue());
    return;
  }
  call->unattended = true;
  ++lazy_calls_;
  SendLocked(std::move(call), lazy_queue_.get());
}

void Connection::LimitUnanswered() {
  if (lazy_calls_ >= kLazyCallsToRead) {
    while (PollLazy(0)) continue;
  }
  if (!TooFarAhead() || RepliesThread::IsThisThread()) return;
  {
    // Waits may be all that is under way, and are not answered soon: ask something that is.
    const std::lock_guard lock(send_mutex_);
    if (last_ping_ <= carried_out_) {
      FlushLocked();
      last_ping_ = last_number_;
    }
  }
  const int64_t deadline = DeadlineAfter(kAheadTimeoutNs);
  while (TooFarAhead() && !Dead() && PollTimeout(deadline) != 0) {
    const int64_t soon = std::min(deadline, DeadlineAfter(kLazyWaitNs));
    if (lazy_calls_ > 0) {
      PollLazy(soon);
    } else {
      WaitFor([this] { return !TooFarAhead() || ended_.has_value(); }, soon);
    }
  }
}

bool Connection::TooFarAhead() const { return last_number_ > carried_out_ + kMostAhead; }

// Takes one reply out of the lazy queue; false if none came by the deadline.
bool Connection::PollLazy(int64_t deadline_ns) {
  RawCall* const answered = NextAnswered(*lazy_queue_, deadline_ns);
  if (answered == nullptr) return false;
  Arrived(answered);
  return true;
}

// Numbers the batch and hands it to gRPC. All of it happens under one lock, so that a number, once
// given, is on its way, and descriptors leave before the call that names them.
uint64_t Connection::SendLocked(std::shared_ptr<PendingCall> call, grpc::CompletionQueue* queue) {
  Batch batch = batch_.Take();
  SendDescriptors(batch);  // if that fails the session has ended, and the call will find out
  call->records = batch.records();
  call->number = ++last_number_;
  PendingCall* const raw = call.get();
  raw->self = std::move(call);
  calls_->Start(kRunMethod, last_number_, batch.request().SerializeAsString(), queue, raw);
  return last_number_;
}

void Connection::SendDescriptors(Batch& batch) {
  if (batch.descriptors().empty()) return;
  const base::HandleMessage message =
      base::DescriptorsMessage(batch.first_descriptor(), std::move(batch.descriptors()));
  const int64_t deadline = DeadlineAfter(kSendTimeoutNs);
  while (true) {
    const auto sent = base::SendHandleMessage(handle_channel_, message);
    if (!sent.ok()) return MarkEnded(FromStatus(SYSMEM_DISCONNECTED, sent.status()));
    if (*sent == base::SendOutcome::kSent) return;
    if (*sent == base::SendOutcome::kPeerGone) return MarkEnded(Disconnected("the daemon is gone"));
    if (PollTimeout(deadline) == 0) {
      return MarkEnded(Disconnected("the daemon does not read the descriptors sent to it"));
    }
    if (*sent == base::SendOutcome::kTooManyReferences) {
      ::poll(nullptr, 0, 1);  // no event tells when other processes have read theirs
      continue;
    }
    pollfd channel{handle_channel_.get(), POLLOUT, 0};
    ::poll(&channel, 1, PollTimeout(deadline));
  }
}

Outcome<sysmem2::OperationResult> Connection::Call(OperationRequest request, CallOptions options) {
  if (auto dead = Dead()) return *std::move(dead);
  QueueLease queue(*this);
  auto call = std::make_shared<PendingCall>();
  call->brings_descriptors = options.waits;
  {
    const std::lock_guard lock(send_mutex_);
    batch_.Add(std::move(request), next_descriptor_);
    SendLocked(call, queue.get());
  }
  bool done = Await(*call, *queue.get(), options.deadline_ns);
  const bool taken_back = !done && options.waits;
  if (taken_back) {
    CancelWait(call->number);
    done = Await(*call, *queue.get(), DeadlineAfter(kCancelTimeoutNs));
  }
  if (!done && Abandon(call, queue.Take(), std::move(options.late))) {
    return TimedOut("the daemon did not answer in time");
  }
  auto result = FinishCall(*call);
  if (taken_back && !result.ok() && result.failure().status == SYSMEM_CANCELLED) {
    return TimedOut("the deadline passed before the buffers were allocated");
  }
  return result;
}

// Waits until the call is delivered; false if that did not happen by the deadline.
bool Connection::Await(PendingCall& call, grpc::CompletionQueue& queue, int64_t deadline_ns) {
  // Descriptors are sent ahead of the reply that names them: taking them in costs no time while the
  // daemon still writes that reply.
  const auto meanwhile = [this, &call] {
    if (call.brings_descriptors) TakeIn();
  };
  while (!Locked([&] { return call.out_of_queue; })) {
    RawCall* const answered =
        LookThenSleep(queue, std::min(deadline_ns, DeadlineAfter(kTakeInNs)), meanwhile);
    if (answered != nullptr) {
      Arrived(answered);
    } else if (PollTimeout(deadline_ns) == 0) {
      return false;
    } else {
      TakeIn();
    }
  }
  // It came, but something the daemon said before it is still missing.
  const auto delivered = [&call] { return call.delivered; };
  while (lazy_calls_ > 0 && !Locked(delivered)) {
    PollLazy(std::min(deadline_ns, DeadlineAfter(kLazyPollNs)));
    if (PollTimeout(deadline_ns) == 0) break;
  }
  return WaitFor(delivered, deadline_ns);
}

// Nobody waits for the call any more. False if it was delivered after all.
bool Connection::Abandon(const std::shared_ptr<PendingCall>& call,
                         std::shared_ptr<grpc::CompletionQueue> queue,
                         std::function<void(sysmem2::OperationResult)> late) {
  Attend();  // as in Start
  const bool delivered = Locked([&] {
    if (call->delivered) return true;
    call->on_delivered = [this, raw = call.get(), late = std::move(late)] {
      auto result = FinishCall(*raw);
      if (!result.ok()) return;
      if (late) {
        late(std::move(*result));
      } else {
        Discard(*result);
      }
    };
    return false;
  });
  replies_.Adopt(std::move(queue),
                 [this, call] { return Locked([&] { return call->out_of_queue; }); });
  return !delivered;
}

Outcome<sysmem2::OperationResult> Connection::FinishCall(PendingCall& call) {
  if (call.lost) return Dead().value_or(Disconnected("the session ended"));
  if (call.run.has_failure()) return FromWire(call.run.failure());
  const uint64_t last = call.records.size() - 1;
  for (const sysmem2::OperationFailure& failure : call.run.failures()) {
    if (failure.index() == last) return FromWire(failure.failure());
  }
  return std::move(*call.run.mutable_last());
}

Outcome<uint64_t> Connection::Start(OperationRequest request, OnDone done,
                                    std::shared_ptr<CallbackPlace> place) {
  if (auto dead = Dead()) return *std::move(dead);
  Attend();  // a reply cannot be delivered before those that lie in the lazy queue
  auto call = std::make_shared<PendingCall>();
  call->on_delivered = [this, raw = call.get(), done = std::move(done)] { done(FinishCall(*raw)); };
  call->place = std::move(place);
  uint64_t number = 0;
  {
    const std::lock_guard lock(send_mutex_);
    batch_.Add(std::move(request), next_descriptor_);
    replies_.Expect();
    number = SendLocked(std::move(call), replies_.queue());
  }
  LimitUnanswered();
  return number;
}

void Connection::CancelWait(uint64_t number) {
  auto queued =
      Queue({.record = {.quiet = true}, .fill = [number](sysmem2::Operation& operation, uint64_t) {
               operation.mutable_cancel_wait()->set_wait_number(number);
             }});
  if (queued.ok()) Flush();
}

Outcome<std::string> Connection::CallByName(const std::string& method, const std::string& body,
                                            int64_t deadline_ns) {
  if (auto dead = Dead()) return *std::move(dead);
  QueueLease queue(*this);
  auto call = std::make_shared<PendingCall>();
  call->form = PendingCall::Form::kNamed;
  {
    const std::lock_guard lock(send_mutex_);
    if (!batch_.empty()) FlushLocked();
    call->number = ++last_number_;
    call->self = call;
    calls_->Start(method, call->number, body, queue.get(), call.get());
  }
  if (!Await(*call, *queue.get(), deadline_ns) && Abandon(call, queue.Take(), nullptr)) {
    return TimedOut("the daemon did not answer in time");
  }
  if (call->lost) return Dead().value_or(Disconnected("the session ended"));
  return std::move(call->reply);
}

Outcome<Done> Connection::Roundtrip(int64_t deadline_ns) {
  auto pinged =
      Call({.fill = [](sysmem2::Operation& operation, uint64_t) { operation.mutable_ping(); }},
           {.deadline_ns = deadline_ns});
  if (!pinged.ok()) return std::move(pinged.failure());
  const auto refusal = Locked([this] { return std::exchange(first_refusal_, std::nullopt); });
  if (refusal) return *refusal;
  return Done{};
}

}  // namespace sysmem::client
