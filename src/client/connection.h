// SPDX-License-Identifier: Apache-2.0
//
// One session with the daemon: everything behind a sysmem_client.
//
//   calls out    Queue() -> batch --(flush, or the next Call)--> number -> gRPC
//   replies in   completion queue -> Arrived() -+
//   events in    handle channel -> TakeIn()    -+-> reply order -> delivery -> callbacks (Dispatch)
//   descriptors  handle channel -> TakeIn() -> Claim()
//
// Who polls for replies: a blocking Call polls a completion queue of its own on the calling thread,
// so that no other thread has to wake up for it. The replies to calls without result lie in the
// "lazy" queue until the next thread needs them (to fill a gap in the order, in Dispatch, in
// Flush). Once the program may sleep in an event loop ("attended"), and for asynchronous waits, the
// thread "sysmem-replies" takes them in.
//
// Locks, all of them held briefly and never while program code runs:
//   send_mutex_     the batch, running numbers and the order in which calls and descriptors leave
//   channel_mutex_  reading the handle channel
//   mutex_          everything that came in: nodes, reply order, descriptors, callbacks. Innermost.
// In this order, where two are held.
//
// Thread-safe, except Close.
#pragma once

#include <grpcpp/completion_queue.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/event_fd.h"
#include "base/handle_channel.h"
#include "base/unique_fd.h"
#include "client/batch.h"
#include "client/call_channel.h"
#include "client/failure.h"
#include "client/node_state.h"
#include "client/pending_call.h"
#include "client/reply_order.h"
#include "client/threads.h"
#include "sysmem2/session.pb.h"

namespace sysmem::client {

// What connecting brings (connect.h).
struct Greeting {
  std::string path;
  base::UniqueFd handle_channel;
  base::UniqueFd call_channel;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Callback = std::function<void()>;

  static Outcome<std::shared_ptr<Connection>> Make(Greeting greeting);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends what is queued, waits until it was taken in or the deadline has passed, ends the session
  // and its threads. Nothing is sent or called back any more afterwards.
  void Close(int64_t deadline_ns);

  const std::string& path() const { return path_; }
  // Why nothing works any more: the session is over, or this is a forked child.
  std::optional<Failure> Dead() const;
  // This is the copy of a session in a forked child.
  bool IsForkedCopy() const;

  // ---- Calls (calls.cc) ----

  // Queues a call without result. Fails only when the session is over.
  Outcome<Done> Queue(OperationRequest request);
  // Sends the queue.
  void Flush();
  // Sends the queue with a call that has a result, and waits for it. After the deadline the call is
  // taken back if `waits` (a wait for allocation), else abandoned: its result, should one come,
  // goes to `late` (or its descriptors are closed).
  struct CallOptions {
    int64_t deadline_ns = INT64_MAX;
    bool waits = false;
    bool asks_outcome = false;  // a wait or a check: see OutcomeGone
    std::function<void(sysmem2::OperationResult)> late;
  };
  Outcome<sysmem2::OperationResult> Call(OperationRequest request, CallOptions options);
  // Sends the queue with a call that has a result, which is given to `done` (under no lock) when it
  // is delivered.
  using OnDone = std::function<void(Outcome<sysmem2::OperationResult>)>;
  // Gives the call's number. If `done` ends in a callback, `place` keeps its place among those that
  // Dispatch runs, and `done` must fill it.
  Outcome<uint64_t> Start(OperationRequest request, OnDone done,
                          std::shared_ptr<CallbackPlace> place = nullptr);
  // Takes a started wait back.
  void CancelWait(uint64_t number);
  // A unary call that no batch can carry: sends the queue, then `body`. Gives the reply's bytes.
  Outcome<std::string> CallByName(const std::string& method, const std::string& body,
                                  int64_t deadline_ns);
  // Sends the queue, waits for its end; the first refusal since the last roundtrip.
  Outcome<Done> Roundtrip(int64_t deadline_ns);

  // ---- What came in (incoming.cc) ----

  // Reads the handle channel until it is empty. Never blocks.
  void TakeIn();
  // The descriptor with this number, which its message has named; empty if it never came.
  base::UniqueFd Claim(uint64_t number);
  // Claims and closes every descriptor that a result names.
  void Discard(const sysmem2::OperationResult& result);
  // ---- Nodes (connection_nodes.cc) ----

  uint64_t NewHandle() { return next_handle_.fetch_add(1, std::memory_order_relaxed); }
  // A node under a new handle.
  std::shared_ptr<NodeState> AddNode();
  // The program has no object for it any more. True if there is a daemon that could be told.
  bool RemoveNode(NodeState& node);
  // Release (if `clean`) and CloseHandle, sent at once; forgets the node.
  void Leave(NodeState& node, bool clean);
  // The library itself can make no more use of it: closed for that reason, unless it is gone.
  void GiveUp(const std::shared_ptr<NodeState>& node, Failure why);
  void SetListener(NodeState& node, std::shared_ptr<Listener> listener);
  Outcome<base::UniqueFd> ClosedFd(NodeState& node);
  // Why no call on this node makes sense, if it is known to be gone.
  std::optional<Failure> NodeGone(const NodeState& node) const;
  // The same for a call that asks how the allocation ended: it makes sense although the daemon has
  // closed the node, because NODE_CLOSED has the reason in words only, and the answer has it all.
  std::optional<Failure> OutcomeGone(const NodeState& node) const;
  // A failure of a call on `node`, with the program's own earlier mistake where that explains it.
  Failure Explain(const NodeState& node, Failure failure);

  // ---- Event loop (dispatch.cc) ----

  int poll_fd() const;
  Outcome<size_t> Dispatch(int64_t deadline_ns);
  void OnEnded(std::function<void(const Failure&)> ended);
  // Gives Dispatch the callback of a place; an empty one if nobody is to be called.
  void Fill(CallbackPlace& place, Callback callback);
  // Runs `function` under the lock of everything that came in.
  template <typename Function>
  auto Locked(Function function) const {
    const std::lock_guard lock(mutex_);
    return function();
  }
  // Waits until `predicate` holds (checked under the lock) or the deadline. Its value.
  bool WaitFor(const std::function<bool()>& predicate, int64_t deadline_ns);
  // Wakes those who wait, after a change made under the lock.
  void NotifyWaiters() { changed_.notify_all(); }
  // Runs `expired` (under no lock) on the thread "sysmem-replies" when the deadline has passed.
  void AddTimer(int64_t deadline_ns, Callback expired);
  // From now on replies are taken in although no thread of the program calls.
  void Attend();

 private:
  friend class RepliesThread;
  friend class EventsThread;
  friend void DrainQueue(Connection& connection, grpc::CompletionQueue& queue);
  class QueueLease;

  explicit Connection(Greeting greeting);
  Outcome<Done> SetUpPolling();

  // calls.cc
  uint64_t SendLocked(std::shared_ptr<PendingCall> call, grpc::CompletionQueue* queue);
  void FlushLocked();
  void SendDescriptors(Batch& batch);
  bool Await(PendingCall& call, grpc::CompletionQueue& queue, int64_t deadline_ns);
  bool Abandon(const std::shared_ptr<PendingCall>& call,
               std::shared_ptr<grpc::CompletionQueue> queue,
               std::function<void(sysmem2::OperationResult)> late);
  Outcome<sysmem2::OperationResult> FinishCall(PendingCall& call);
  bool PollLazy(int64_t deadline_ns);
  void LimitUnanswered();
  bool TooFarAhead() const;

  // incoming.cc
  void Arrived(RawCall* raw);
  uint64_t ReadReply(PendingCall& call);
  bool TakeMessage();
  void HandleMessage(base::HandleMessage message);
  void Deliver(const std::shared_ptr<PendingCall>& call);
  void DeliverFailures(const PendingCall& call);
  void RunDeferred();
  void MarkEnded(Failure why);

  // connection_nodes.cc
  void CloseNodeLocked(const std::shared_ptr<NodeState>& node, Failure why);
  void DeliverClosed(uint64_t handle, const std::string& reason);
  void RefuseLocked(const OperationRecord& record, const Failure& failure);
  void ReportNodeLocked(const std::shared_ptr<NodeState>& node);
  std::shared_ptr<NodeState> FindNodeLocked(uint64_t handle) const;
  // dispatch.cc
  Callback TakeCallback();
  void PostLocked(Callback callback);

  const std::string path_;
  const uint64_t fork_generation_;
  base::UniqueFd handle_channel_;
  base::UniqueFd poll_fd_;  // epoll: handle channel and wake_
  std::optional<base::EventFd> wake_;
  std::unique_ptr<CallChannel> calls_;
  std::shared_ptr<Connection>
      self_;  // until Close: in a forked child this object is never destroyed

  std::mutex send_mutex_;
  Batch batch_;
  std::atomic<uint64_t> last_number_{0};  // written under send_mutex_
  uint64_t last_ping_ = 0;
  uint64_t next_descriptor_ = 1;
  std::atomic<uint64_t> next_handle_{1};

  std::mutex channel_mutex_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ReplyOrder order_;
  std::unordered_map<uint64_t, std::shared_ptr<NodeState>> nodes_;
  std::map<uint64_t, base::UniqueFd> received_;
  std::deque<std::shared_ptr<CallbackPlace>> callbacks_;
  std::vector<Callback> deferred_;  // what deliveries leave to be done without a lock
  std::optional<Failure> ended_;
  std::optional<Failure> first_refusal_;
  std::function<void(const Failure&)> on_ended_;
  bool ended_reported_ = false;

  // Where calls without result are started as long as nobody attends, and how many are in it.
  std::shared_ptr<grpc::CompletionQueue> lazy_queue_;
  std::atomic<size_t> lazy_calls_{0};
  std::atomic<uint64_t> carried_out_{0};  // all calls up to this number; written under mutex_
  std::atomic<bool> attended_{false};     // written under send_mutex_
  std::vector<std::shared_ptr<grpc::CompletionQueue>> idle_queues_;  // mutex_
  RepliesThread replies_;
  EventsThread events_;
};

}  // namespace sysmem::client
