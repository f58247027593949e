// SPDX-License-Identifier: Apache-2.0
//
// What one session is sent, in order: replies and closures.
//
// Appending happens inside a turn and costs nothing but a place in the queue; it fixes the order.
// Flushing happens outside of every turn: for each item the descriptors it owes are made, pushed
// through the handle channel, and then the reply that names them is finished. Every item gets the
// next `order` number, by which the client puts replies and closures back into one sequence
// (DEL-3).
//
// A client that does not read stalls only its own outbox: the push and everything behind it wait,
// and are tried again when the channel drains. Without progress for outbox_stall_ns while a reply
// waits, the session ends with kUnreadDescriptors.
//
// Thread-safe. One thread flushes at a time; another that finds it busy leaves.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "base/handle_channel.h"
#include "base/unique_fd.h"
#include "server/call.h"
#include "server/engine.h"
#include "server/event_loop.h"
#include "server/request.h"
#include "server/session_end.h"
#include "server/unread_budget.h"

namespace sysmem::server {

// A complete call on its way out.
struct ReplyItem {
  std::shared_ptr<Call> call;
  std::vector<base::UniqueFd> descriptors;  // made, not yet all pushed
  DescriptorNumber first = 0;               // number of the first one
  size_t pushed = 0;
  bool prepared = false;
  Reply reply;
};

// A closure that the holder of a handle is to learn of.
struct ClosedItem {
  Handle handle = 0;
  std::string why;
};

struct OutboxItem {
  uint64_t order = 0;  // given when sending begins; 0 until then
  std::variant<ReplyItem, ClosedItem> what;
};

class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  struct Options {
    uint64_t session_id = 0;
    PeerInfo peer;
    EngineLimits limits;
    std::shared_ptr<UnreadBudget::Account> unread;  // the session's
    EventLoop* loop = nullptr;
    // An answer that says no is about to leave. Called without locks.
    std::function<void(const core::Failure&)> refused;
    // The session is to end for this reason. Called without locks.
    std::function<void(SessionEnd)> end_session;
    // Asks the loop to call Flush when the channel becomes writable (true), or not any more.
    std::function<void(bool)> watch_writable;
  };

  // `channel` is the handle channel, shared with the session that reads from it.
  Outbox(Options options, std::shared_ptr<base::UniqueFd> channel);
  ~Outbox();

  void AppendReply(std::shared_ptr<Call> call);
  void AppendNodeClosed(Handle handle, std::string why);

  // Around the carrying out of one call: closures that it brings about come after its reply, if
  // that is complete by then ("reply first, closure after" also within a batch).
  void HoldClosures();
  void ReleaseClosures();

  // Sends what can be sent. Never waits.
  void Flush();

  // The session has ended: whatever is queued or comes later is aborted with this reason.
  void Close(const std::string& reason);

  uint64_t session_id() const { return options_.session_id; }
  const PeerInfo& peer() const { return options_.peer; }

 private:
  enum class Progress { kSent, kStalled, kBroken };

  // These run on the one flushing thread, without the lock.
  Progress Send(OutboxItem& item);
  Progress SendReply(OutboxItem& item, ReplyItem& reply);
  Progress SendClosed(OutboxItem& item, ClosedItem& closed);
  void Prepare(ReplyItem& item);
  // The number under which it will be sent; 0 if it is empty.
  DescriptorNumber Number(ReplyItem& item, base::UniqueFd fd);
  OperationResult Finish(ReplyItem& item, BuffersToPush& pending);
  OperationResult Finish(ReplyItem& item, VmoInfoToPush& pending);
  Progress Push(ReplyItem& item);
  Progress SendMessage(const base::HandleMessage& message);

  void Stall();
  void Retry();
  void Unstall();

  const Options options_;
  const std::shared_ptr<base::UniqueFd> channel_;

  std::mutex mutex_;
  std::deque<OutboxItem> items_;
  bool holding_closures_ = false;
  std::vector<ClosedItem> held_closures_;
  bool flushing_ = false;
  bool closed_ = false;
  bool stalled_ = false;
  bool retry_armed_ = false;
  int64_t stalled_since_ns_ = 0;
  std::string close_reason_;

  // Touched by the flushing thread only.
  uint64_t last_order_ = 0;
  DescriptorNumber last_descriptor_ = 0;
};

}  // namespace sysmem::server
