// SPDX-License-Identifier: Apache-2.0
#include "server/collection_host.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "core/report.h"
#include "recording/recording.h"
#include "server/deferred_turns.h"
#include "server/recorder.h"

namespace sysmem::server {
namespace {

// What the reports of one failure may take, to all who wait for it; and what each one gets at
// least, in bytes.
constexpr size_t kReportBytesInAll = 4 << 20;
constexpr size_t kReportBytesAtLeast = 1 << 10;

template <typename T>
concept ForNode = requires(T event) {
  event.node;
};

core::NodeId NodeOf(const core::Event& event) {
  return std::visit(
      [](const auto& what) -> core::NodeId {
        if constexpr (ForNode<decltype(what)>) return what.node;
        return 0;
      },
      event);
}

template <typename T>
concept Answered = requires(T event) {
  event.call;
};

void SetCall(core::Event& event, core::CallId call) {
  std::visit(
      [&](auto& what) {
        if constexpr (Answered<decltype(what)>) what.call = call;
      },
      event);
}

}  // namespace

CollectionHost::CollectionHost(Engine::Internals& engine, uint64_t buffer_collection_id,
                               PeerInfo creator)
    : engine_(engine),
      id_(buffer_collection_id),
      creator_(std::move(creator)),
      created_ns_(EventLoop::NowNs()),
      mailbox_([this](Item item) { return Take(std::move(item)); }),
      core_(buffer_collection_id, engine.settings, created_ns_),
      references_(engine.held),
      seen_by_(Sight::Of({creator_.uid})) {
  if (engine_.options.recorder) {
    engine_.options.recorder->Append(recording::BeginLine(id_, created_ns_));
  }
}

CollectionHost::~CollectionHost() { engine_.loop.CancelTimer(timer_); }

// Turns may be put off (deferred_turns.h); the order is that of the calls.
void CollectionHost::Post(Item item) {
  auto self = shared_from_this();
  DeferredTurns* const deferred = DeferredTurns::OfThisThread();
  if (deferred == nullptr) return mailbox_.Post(std::move(item));
  mailbox_.Leave(std::move(item));
  deferred->Add([self = std::move(self)] { self->mailbox_.TakeTurns(); });
}

void CollectionHost::PostEvent(core::Event event, CallSlot slot, NamedHolders holders,
                               std::vector<base::UniqueFd> ends) {
  Post(EventItem{std::move(event), std::move(slot), std::move(holders), std::move(ends), 0});
}

void CollectionHost::PostMove(core::NodeId node, Holder holder, CallSlot slot,
                              std::vector<base::UniqueFd> ends) {
  Post(MoveItem{node, std::move(holder), std::move(slot), std::move(ends)});
}

void CollectionHost::PostIsAlternateFor(core::NodeId node, uint64_t cookie, CallSlot slot) {
  Post(AlternateItem{node, cookie, std::move(slot)});
}

void CollectionHost::PostTracking(core::NodeId node, Tracking tracking, CallSlot slot) {
  Post(TrackingItem{node, std::move(tracking), std::move(slot)});
}

void CollectionHost::PostLifetimeTracking(core::NodeId node, Tracking tracking,
                                          std::optional<uint32_t> buffers_remaining,
                                          CallSlot slot) {
  Post(LifetimeItem{node, std::move(tracking), buffers_remaining, std::move(slot)});
}

void CollectionHost::PostVmoInfo(core::event::GetVmoInfo event, core::Result<VmoInfoResult> info,
                                 Recipient recipient, CallSlot slot) {
  EventItem item{std::move(event), std::move(slot), {}, {}, 0};
  item.asked = std::make_shared<VmoInfoAsked>(VmoInfoAsked{std::move(info), std::move(recipient)});
  Post(std::move(item));
}

void CollectionHost::PostClose(core::NodeId node, std::string why, CallSlot slot) {
  Post(EventItem{core::event::Close{0, node, std::move(why)}, std::move(slot), {}, {}, node});
}

void CollectionHost::PostCancelWait(core::NodeId node, CallSlot wait) {
  Post(CancelItem{node, std::move(wait)});
}

void CollectionHost::PostAskKind(core::NodeId node,
                                 std::function<void(std::optional<core::NodeKind>)> done) {
  Post(AskKindItem{node, std::move(done)});
}

std::optional<Mailbox<CollectionHost::Item>::After> CollectionHost::Take(Item item) {
  if (!IsDear(item)) return Handle(std::move(item));
  // The turn goes along, so the collection's other events wait; nobody else does.
  auto kept = std::make_shared<Item>(std::move(item));
  const auto handle = [self = shared_from_this(), kept] {
    self->mailbox_.GiveBack(self->Handle(std::move(*kept)));
  };
  if (engine_.negotiations.Run(creator_.uid, handle)) return std::nullopt;
  return Handle(std::move(*kept));  // the daemon shuts down
}

// Whether handling it may take long.
bool CollectionHost::IsDear(const Item& item) const {
  const uint64_t budget = engine_.options.limits.inline_attempt_formats;
  if (const auto* const event = std::get_if<EventItem>(&item)) {
    return core_.CostOf(event->event) > budget;
  }
  return std::holds_alternative<AllocatedItem>(item) &&
         core_.CostOf(core::event::AllocationFinished{}) > budget;
}

Mailbox<CollectionHost::Item>::After CollectionHost::Handle(Item item) {
  const auto* const event = std::get_if<EventItem>(&item);
  const auto* const attach =
      event != nullptr ? std::get_if<core::event::AttachToken>(&event->event) : nullptr;
  const core::NodeId newcomer = attach != nullptr ? attach->child : 0;
  std::visit([this](auto& what) { Handle(std::move(what)); }, item);
  // Whoever takes the new token will want the buffers there are.
  std::shared_ptr<BufferSet> wanted_soon =
      newcomer != 0 && core_.IsConnected(newcomer) ? buffers_ : nullptr;
  if (touched_.empty() && !wanted_soon && !unwatched_) return nullptr;
  return [this, self = shared_from_this(), touched = std::exchange(touched_, {}),
          unwatched = std::exchange(unwatched_, nullptr), wanted_soon = std::move(wanted_soon)] {
    for (const auto& outbox : touched) outbox->Flush();
    if (unwatched) unwatched->Watch(*engine_.last_close);
    if (wanted_soon) wanted_soon->OpenAhead();
  };
}

void CollectionHost::Handle(EventItem item) {
  // Whose close it is belongs to what is remembered, if the collection fails by it.
  const std::optional<Holder> closing = holders_.Take(item.forget);
  if (closing) last_holders_.push_back(InfoOf(item.forget, *closing));
  std::vector<core::NodeId> named;
  for (auto& [node, holder] : item.holders) {
    named.push_back(node);
    seen_by_.Add(holder.outbox->peer().uid);
    holders_.Set(node, std::move(holder), EventLoop::NowNs());
  }
  if (item.slot) {
    const core::CallId call = ++last_call_;
    SetCall(item.event, call);
    pending_.emplace(call, Pending{std::move(item.slot), std::move(item.ends), NodeOf(item.event),
                                   item.tracking, std::move(item.asked)});
  }
  Run(item.event);
  if (closing && !core_.HasFailedEarly()) last_holders_.pop_back();
  // What did not come to be is closed for its holder, after the answer that says why.
  for (core::NodeId node : named) {
    if (holders_.Find(node) != nullptr && !core_.IsConnected(node))
      TellClosed(node, "it was never made");
  }
}

void CollectionHost::Handle(MoveItem item) {
  seen_by_.Add(item.holder.outbox->peer().uid);
  holders_.Set(item.node, std::move(item.holder), EventLoop::NowNs());
  ++moves_;
  PendingResult result = OperationResult(core::Nothing{});
  const bool lives = core_.IsConnected(item.node);
  if (!lives) {
    result = OperationResult(core::Closed("the node is closed"));
  } else if (!item.ends.empty()) {
    result = EndsToPush{std::move(item.ends)};
  }
  if (item.slot) {
    Touch(item.slot.call->outbox());
    item.slot.Resolve(std::move(result));
  }
  if (!lives) TellClosed(item.node, "the node is closed");
}

void CollectionHost::Handle(AlternateItem item) {
  const core::event::IsAlternateFor event{.node = item.node,
                                          .other = references_.Find(item.cookie)};
  Handle(EventItem{event, std::move(item.slot), {}, {}, 0});
}

// The core takes it or fails the node, which ends with everything that is kept for it.
void CollectionHost::Handle(TrackingItem item) {
  if (core_.IsConnected(item.node)) trackings_.emplace(item.node, std::move(item.tracking));
  core::event::AttachNodeTracking event{.node = item.node, .has_end = true};
  Handle(EventItem{event, std::move(item.slot), {}, {}, 0});
}

void CollectionHost::Handle(CancelItem item) {
  for (const auto& [call, pending] : pending_) {
    if (pending.slot.call != item.wait.call || pending.slot.index != item.wait.index) continue;
    Run(core::event::CancelWait{item.node, call});
    return;
  }
}

void CollectionHost::Handle(AskKindItem item) { item.done(core_.KindOf(item.node)); }

void CollectionHost::Run(const core::Event& event) {
  const auto handle = [this](const core::Event& next) {
    const bool watched = engine_.watch->active();
    const Before before = watched ? NoteBefore(next) : Before{};
    const auto* const finished = std::get_if<core::event::AllocationFinished>(&next);
    if (finished != nullptr && finished->failure &&
        finished->failure->error == core::Error::kNoMemory) {
      engine_.SummariseCollections(creator_);
    }
    core::Effects effects = core_.Handle(next);
    complains_.reset();
    if (engine_.options.recorder) Record(next, effects);
    if (watched) TellWatchers(next, effects, before);
    for (core::Effect& effect : effects) {
      std::visit([this](auto& what) { Apply(std::move(what)); }, effect);
    }
  };
  handle(event);
  while (!follow_ups_.empty()) {
    const core::Event next = std::move(follow_ups_.front());
    follow_ups_.pop_front();
    handle(next);
  }
}

void CollectionHost::Record(const core::Event& event, const core::Effects& effects) const {
  Recorder& recorder = *engine_.options.recorder;
  if (recorder.works()) recorder.Append(recording::TakenLine(id_, event, effects));
}

void CollectionHost::Apply(core::effect::Answer answer) {
  auto found = pending_.find(answer.call);
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  const auto& outbox = pending.slot.call->outbox();
  const PeerInfo& receiver = outbox->peer();
  Touch(outbox);
  if (auto* failure = std::get_if<core::Failure>(&answer.result)) {
    NameHolders(*failure, receiver);
    if (failure->report) failure->report_text = TextFor(failure->report);
    lifetime_trackings_.erase(pending.tracking);
    pending.slot.Resolve(OperationResult(std::move(*failure)));
  } else if (auto* grant = std::get_if<core::Grant>(&answer.result)) {
    pending.slot.Resolve(BuffersFor(std::move(*grant), pending.node, answer.call, *outbox));
  } else if (auto* info = std::get_if<core::VmoInfo>(&answer.result)) {
    pending.slot.Resolve(Complete(*info, answer.call, *pending.asked, receiver));
  } else if (auto* id = std::get_if<uint64_t>(&answer.result)) {
    pending.slot.Resolve(OperationResult(*id));
  } else if (auto* alternate = std::get_if<bool>(&answer.result)) {
    pending.slot.Resolve(OperationResult(IsAlternate{*alternate}));
  } else if (auto* reference = std::get_if<core::Reference>(&answer.result)) {
    pending.slot.Resolve(CopyOf(*reference, receiver));
  } else if (!pending.ends.empty()) {
    pending.slot.Resolve(EndsToPush{std::move(pending.ends)});
  } else {
    pending.slot.Resolve(OperationResult(core::Nothing{}));
  }
}

PendingResult CollectionHost::CopyOf(core::Reference reference, const PeerInfo& receiver) {
  auto copy = references_.CopyFor(reference.node, receiver.uid);
  if (!copy.ok()) return OperationResult(std::move(copy).failure());
  return ReferenceToPush{std::move(copy).value()};
}

// For participants that the receiver may see: its own user's, or everybody's.
void CollectionHost::NameHolders(core::Failure& failure, const PeerInfo& receiver) const {
  if (failure.participants.empty()) return;
  const bool sees_all = engine_.MaySeeAll(receiver);
  for (core::ParticipantValue& participant : failure.participants) {
    const Holder* const found = holders_.Find(participant.node);
    if (found == nullptr) continue;
    const PeerInfo& peer = found->outbox->peer();
    if (!sees_all && peer.uid != receiver.uid) continue;
    participant.holder = core::NodeHolder{.pid = static_cast<uint32_t>(peer.pid),
                                          .uid = static_cast<uint32_t>(peer.uid),
                                          .command = peer.command};
  }
}

void CollectionHost::Apply(core::effect::NodeClosed closed) {
  TellClosed(closed.node, closed.why);
  references_.Forget(closed.node);
  trackings_.erase(closed.node);  // the signal of TRK-1
}

// Thousands may wait for the same collection, so they share the room that its report takes.
std::shared_ptr<const core::ReportText> CollectionHost::TextFor(
    const std::shared_ptr<const core::Report>& report) {
  if (report == told_) return told_text_;
  const size_t share = kReportBytesInAll / (pending_.size() + 1);
  told_ = report;
  told_text_ = std::make_shared<core::ReportText>(core::TextOf(
      *report, base::Escape, std::clamp(share, kReportBytesAtLeast, core::kReportBytes)));
  return told_text_;
}

void CollectionHost::Apply(core::effect::ArmTimer timer) {
  engine_.loop.CancelTimer(timer_);
  timer_ = engine_.loop.RunAt(timer.deadline_ns, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->PostEvent(core::event::Tick{EventLoop::NowNs()}, {});
  });
}

// What one event has to say is one complaint, however many lines it takes.
void CollectionHost::Apply(core::effect::Log log) {
  using Level = core::effect::Log::Level;
  LogLine line{
      .level = log.level, .peer = creator_, .text = log.text, .verbose = log.about.verbose};
  if (log.level < Level::kWarn && !log.about.verbose) {
    engine_.Log(line);
    return;
  }
  line.fields = {.collection_id = id_,
                 .collection_name = core_.name(),
                 .node_id = log.about.node,
                 .rule = std::move(log.about.rule),
                 .error = std::move(log.about.error)};
  if (log.level < Level::kWarn) {
    engine_.Log(line);
  } else if (!complains_) {
    complains_ = engine_.Log(line);
  } else if (*complains_) {
    line.continues = true;
    engine_.Log(line);
  }
}

void CollectionHost::Apply(core::effect::Finished) {
  finished_ = true;
  engine_.loop.CancelTimer(std::exchange(timer_, 0));
  if (core_.HasFailedEarly()) engine_.failed_collections.Keep(DescribeAtOnce(), EventLoop::NowNs());
  lifetime_trackings_.clear();
  buffers_.reset();
  engine_.ForgetCollection(id_);
}

void CollectionHost::TellClosed(core::NodeId node, const std::string& why) {
  const std::optional<Holder> holder = holders_.Take(node);
  if (!holder) return;
  if (core_.HasFailedEarly()) last_holders_.push_back(InfoOf(node, *holder));
  if (holder->cookie != 0) {
    engine_.exports->Drop(holder->cookie);
  } else {
    holder->outbox->AppendNodeClosed(holder->handle, why);
    Touch(holder->outbox);
  }
}

void CollectionHost::Touch(const std::shared_ptr<Outbox>& outbox) {
  if (std::find(touched_.begin(), touched_.end(), outbox) == touched_.end()) {
    touched_.push_back(outbox);
  }
}

HolderInfo CollectionHost::InfoOf(core::NodeId node, const Holder& holder) const {
  HolderInfo info;
  info.node = node;
  info.exported = holder.cookie != 0;
  info.exported_koid = holder.cookie;
  info.session_id = holder.outbox->session_id();
  info.handle = holder.handle;
  info.peer = holder.outbox->peer();
  info.age_ns = EventLoop::NowNs() - holder.since_ns;
  return info;
}

}  // namespace sysmem::server
