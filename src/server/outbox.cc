// SPDX-License-Identifier: Apache-2.0
#include "server/outbox.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/handle_channel.h"

namespace sysmem::server {
namespace {

// How soon a stalled outbox is tried again when no event can tell (descriptors in flight are
// counted per uid over all sockets): often enough to go unnoticed, rare enough to cost nothing.
constexpr int64_t kRetryNs = 20'000'000;

core::Failure HandOutFailure(const absl::Status& status) {
  return core::Failed(
      core::Error::kNoMemory, "RES-4", "",
      absl::StrCat("the buffers exist, but no descriptor for them could be opened: ",
                   std::string(status.message())));
}

// How many descriptors the reply to `call` owes.
uint64_t Owed(Call& call) {
  uint64_t owed = 0;
  for (const PendingResult& pending : call.results()) {
    if (const auto* ends = std::get_if<EndsToPush>(&pending)) owed += ends->ends.size();
    if (std::holds_alternative<ReferenceToPush>(pending)) ++owed;
    if (std::holds_alternative<ProviderCallToPush>(pending)) ++owed;
    if (const auto* grant = std::get_if<BuffersToPush>(&pending)) owed += grant->buffers.count();
    if (const auto* info = std::get_if<VmoInfoToPush>(&pending)) owed += info->buffers.count();
  }
  return owed;
}

}  // namespace

Outbox::Outbox(Options options, std::shared_ptr<base::UniqueFd> channel)
    : options_(std::move(options)), channel_(std::move(channel)) {}

Outbox::~Outbox() = default;

void Outbox::AppendReply(std::shared_ptr<Call> call) {
  ReplyItem reply;
  reply.call = std::move(call);
  std::lock_guard lock(mutex_);
  items_.push_back(OutboxItem{0, std::move(reply)});
}

void Outbox::AppendNodeClosed(Handle handle, std::string why) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  ClosedItem closed{handle, std::move(why)};
  if (holding_closures_) {
    held_closures_.push_back(std::move(closed));
  } else {
    items_.push_back(OutboxItem{0, std::move(closed)});
  }
}

void Outbox::HoldClosures() {
  std::lock_guard lock(mutex_);
  holding_closures_ = true;
}

void Outbox::ReleaseClosures() {
  std::lock_guard lock(mutex_);
  holding_closures_ = false;
  for (ClosedItem& closed : held_closures_) items_.push_back(OutboxItem{0, std::move(closed)});
  held_closures_.clear();
}

void Outbox::Flush() {
  std::unique_lock lock(mutex_);
  if (flushing_) return;
  flushing_ = true;
  Progress progress = Progress::kSent;
  while (!items_.empty() && progress == Progress::kSent) {
    OutboxItem item = std::move(items_.front());
    items_.pop_front();
    const bool closed = closed_;
    lock.unlock();
    if (closed) {
      if (auto* reply = std::get_if<ReplyItem>(&item.what)) {
        reply->call->port()->Abort(close_reason_);  // written before closed_, never again
      }
    } else {
      progress = Send(item);
    }
    // What it promised ends here, which brings events about, and those may append to this outbox.
    if (progress == Progress::kSent) item = OutboxItem{};
    lock.lock();
    if (progress == Progress::kSent) {
      stalled_since_ns_ = 0;
    } else {
      // Nothing behind it may overtake; Close aborts it should the session end meanwhile.
      items_.push_front(std::move(item));
      if (closed_) progress = Progress::kSent;  // once more round: abort what is left
    }
  }
  flushing_ = false;
  lock.unlock();
  if (progress == Progress::kSent) {
    Unstall();
  } else {
    Stall();
  }
}

void Outbox::Close(const std::string& reason) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    close_reason_ = reason;
    closed_ = true;
  }
  Flush();
}

Outbox::Progress Outbox::Send(OutboxItem& item) {
  if (item.order == 0) item.order = ++last_order_;
  if (auto* reply = std::get_if<ReplyItem>(&item.what)) return SendReply(item, *reply);
  return SendClosed(item, std::get<ClosedItem>(item.what));
}

Outbox::Progress Outbox::SendClosed(OutboxItem& item, ClosedItem& closed) {
  return SendMessage(base::NodeClosedMessage(item.order, closed.handle, closed.why));
}

Outbox::Progress Outbox::SendReply(OutboxItem& item, ReplyItem& reply) {
  if (!reply.prepared) {
    // Opened only when they can go: a reply that waits must not hold descriptors of the daemon.
    const uint64_t owed = Owed(*reply.call);
    if (!options_.unread->Take(owed)) return Progress::kStalled;
    Prepare(reply);
    options_.unread->GiveBack(owed - reply.descriptors.size());
  }
  while (reply.pushed < reply.descriptors.size()) {
    Progress progress = Push(reply);
    if (progress != Progress::kSent) return progress;
  }
  reply.reply.order = item.order;
  // Before the client hears of them: what it closes then is not still open here.
  reply.descriptors.clear();
  reply.call->port()->Finish(std::move(reply.reply));
  return Progress::kSent;
}

// Turns pending results into final ones: makes the descriptors and gives them their numbers.
void Outbox::Prepare(ReplyItem& item) {
  item.first = last_descriptor_ + 1;
  for (PendingResult& pending : item.call->results()) {
    if (auto* result = std::get_if<OperationResult>(&pending)) {
      const auto* const failure = std::get_if<core::Failure>(result);
      if (failure != nullptr && options_.refused) options_.refused(*failure);
      item.reply.results.push_back(std::move(*result));
    } else if (auto* ends = std::get_if<EndsToPush>(&pending)) {
      ExportedNodes nodes;
      for (base::UniqueFd& end : ends->ends) {
        nodes.descriptors.push_back(Number(item, std::move(end)));
      }
      item.reply.results.push_back(std::move(nodes));
    } else if (auto* reference = std::get_if<ReferenceToPush>(&pending)) {
      item.reply.results.push_back(NodeReference{Number(item, std::move(reference->copy))});
    } else if (auto* asked = std::get_if<ProviderCallToPush>(&pending)) {
      item.reply.results.push_back(
          TakenProviderCall{asked->call_id, std::move(asked->what), Number(item, asked->open())});
    } else if (auto* info = std::get_if<VmoInfoToPush>(&pending)) {
      item.reply.results.push_back(Finish(item, *info));
    } else {
      item.reply.results.push_back(Finish(item, std::get<BuffersToPush>(pending)));
    }
    pending = OperationResult(core::Nothing{});  // lets go of what it promised
  }
  item.prepared = true;
}

DescriptorNumber Outbox::Number(ReplyItem& item, base::UniqueFd fd) {
  if (!fd) return 0;
  item.descriptors.push_back(std::move(fd));
  return ++last_descriptor_;
}

OperationResult Outbox::Finish(ReplyItem& item, BuffersToPush& pending) {
  auto opened = pending.buffers.Open();
  if (!opened.ok()) return HandOutFailure(opened.status());
  GrantedBuffers granted;
  granted.plan = std::move(pending.grant.plan);
  granted.buffer_collection_id = pending.grant.buffer_collection_id;
  granted.hand_out = pending.buffers.hand_out();
  const bool with_signals = pending.grant.weak;
  for (PromisedBuffers::Opened& one : *opened) {
    if (pending.grant.with_buffers) {
      granted.descriptors.push_back(Number(item, std::move(one.vmo)));
    }
    if (with_signals) {
      granted.close_weak_asap.push_back(Number(item, std::move(one.close_weak_asap)));
    }
  }
  return granted;
}

OperationResult Outbox::Finish(ReplyItem& item, VmoInfoToPush& pending) {
  auto opened = pending.buffers.Open();
  if (!opened.ok()) return HandOutFailure(opened.status());
  VmoInfoResult info = std::move(pending.info);
  info.hand_out = pending.buffers.hand_out();
  info.weak_vmo = Number(item, std::move(opened->front().vmo));
  info.close_weak_asap = Number(item, std::move(opened->front().close_weak_asap));
  return info;
}

// Sends the next message of descriptors.
Outbox::Progress Outbox::Push(ReplyItem& item) {
  const size_t count =
      std::min(item.descriptors.size() - item.pushed, base::kMaxDescriptorsPerMessage);
  auto begin = item.descriptors.begin() + static_cast<std::ptrdiff_t>(item.pushed);
  std::vector<base::UniqueFd> chunk(
      std::make_move_iterator(begin),
      std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(count)));
  base::HandleMessage message =
      base::DescriptorsMessage(item.first + item.pushed, std::move(chunk));
  const Progress progress = SendMessage(message);
  // Kept in either case: those that could not be sent are sent again.
  std::move(message.descriptors.begin(), message.descriptors.end(), begin);
  if (progress == Progress::kSent) item.pushed += count;
  return progress;
}

Outbox::Progress Outbox::SendMessage(const base::HandleMessage& message) {
  options_.unread->BeforeMessage();
  auto sent = base::SendHandleMessage(*channel_, message);
  if (!sent.ok() || *sent == base::SendOutcome::kPeerGone) return Progress::kBroken;
  if (*sent != base::SendOutcome::kSent) return Progress::kStalled;
  options_.unread->AfterMessage(message.descriptors.size());
  return Progress::kSent;
}

void Outbox::Stall() {
  const int64_t now = EventLoop::NowNs();
  SessionEnd end{EndReason::kUnreadDescriptors, {}};
  bool give_up = false;
  bool arm = false;
  bool newly_stalled = false;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    if (stalled_since_ns_ == 0) stalled_since_ns_ = now;
    // Closures alone may wait for ever: a program that sits idle owes nobody an answer.
    const bool reply_waits = std::any_of(items_.begin(), items_.end(), [](const OutboxItem& item) {
      return std::holds_alternative<ReplyItem>(item.what);
    });
    const int64_t waited = now - stalled_since_ns_;
    give_up = reply_waits && waited >= options_.limits.outbox_stall_ns;
    if (give_up) {
      end.message =
          absl::StrCat("nothing was read from the handle channel for ", waited / 1'000'000,
                       " ms while ", items_.size(), " messages waited (limit ",
                       options_.limits.outbox_stall_ns / 1'000'000, " ms)");
    }
    newly_stalled = !std::exchange(stalled_, true);
    arm = !std::exchange(retry_armed_, true);  // one timer, however often somebody flushes
  }
  if (give_up) {
    options_.end_session(std::move(end));
    return;
  }
  // Once only: asking again reports a channel that is writable now as news, and a channel may well
  // be writable while the budget of unread descriptors is what stalls us.
  if (newly_stalled) options_.watch_writable(true);
  if (!arm) return;
  options_.loop->RunAt(now + kRetryNs, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Retry();
  });
}

void Outbox::Retry() {
  {
    std::lock_guard lock(mutex_);
    retry_armed_ = false;
  }
  Flush();
}

void Outbox::Unstall() {
  {
    std::lock_guard lock(mutex_);
    if (!stalled_) return;
    stalled_ = false;
  }
  options_.watch_writable(false);
}

}  // namespace sysmem::server
