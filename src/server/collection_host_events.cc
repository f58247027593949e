// SPDX-License-Identifier: Apache-2.0
//
// What watchers are told of a collection. All of it follows from what the core was told and wants.
#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "core/report.h"
#include "server/collection_host.h"

namespace sysmem::server {
namespace {

template <typename T>
concept MakesNode = requires(T event) {
  event.child;
};
template <typename T>
concept MakesNodes = requires(T event) {
  event.children;
};

// The nodes that an event would make.
std::vector<core::NodeId> MadeBy(const core::Event& event) {
  return std::visit(
      []<typename T>(const T& what) -> std::vector<core::NodeId> {
        if constexpr (std::is_same_v<T, core::event::CreateRoot>) return {what.node};
        if constexpr (MakesNode<T>) return {what.child};
        if constexpr (MakesNodes<T>) return what.children;
        return {};
      },
      event);
}

const core::Failure* RefusalOf(core::CallId call, const core::Effects& effects) {
  for (const core::Effect& effect : effects) {
    const auto* const answer = std::get_if<core::effect::Answer>(&effect);
    if (answer != nullptr && call != 0 && answer->call == call) {
      return std::get_if<core::Failure>(&answer->result);
    }
  }
  return nullptr;
}

template <typename T>
concept Called = requires(T event) {
  event.call;
};

core::CallId CallOf(const core::Event& event) {
  return std::visit(
      []<typename T>(const T& what) -> core::CallId {
        if constexpr (Called<T>) return what.call;
        return 0;
      },
      event);
}

// What those who wait are told when nothing could be agreed on, if anybody waits. Whoever comes
// later, by the call `own`, is told what is no news.
const core::Failure* FailedAttempt(const core::Effects& effects, core::CallId own) {
  for (const core::Effect& effect : effects) {
    const auto* const answer = std::get_if<core::effect::Answer>(&effect);
    if (answer == nullptr || (own != 0 && answer->call == own)) continue;
    const auto* const failure = std::get_if<core::Failure>(&answer->result);
    if (failure != nullptr && failure->report) return failure;
  }
  return nullptr;
}

template <typename Wanted>
bool Has(const core::Effects& effects) {
  return std::any_of(effects.begin(), effects.end(),
                     [](const auto& effect) { return std::holds_alternative<Wanted>(effect); });
}

}  // namespace

void CollectionHost::Tell(WatchEvent event) {
  event.buffer_collection_id = id_;
  event.collection_name = core_.name();
  engine_.watch->Append(std::move(event), seen_by_);
}

const PeerInfo* CollectionHost::HolderOf(core::NodeId node, uint64_t* session_id) const {
  if (const Holder* const holder = holders_.Find(node)) {
    *session_id = holder->outbox->session_id();
    return &holder->outbox->peer();
  }
  const auto last = std::find_if(last_holders_.rbegin(), last_holders_.rend(),
                                 [&](const HolderInfo& holder) { return holder.node == node; });
  if (last == last_holders_.rend()) return nullptr;
  *session_id = last->session_id;
  return &last->peer;
}

WatchEvent CollectionHost::AboutNode(WatchKind kind, core::NodeId node) const {
  WatchEvent event{.kind = kind,
                   .node = node,
                   .node_kind = core_.KindOf(node),
                   .debug_name = core_.DebugOf(node).name};
  if (const PeerInfo* const peer = HolderOf(node, &event.session_id)) event.peer = *peer;
  return event;
}

CollectionHost::Before CollectionHost::NoteBefore(const core::Event& event) const {
  Before before{.failed_early = core_.HasFailedEarly()};
  if (const auto* const close = std::get_if<core::event::Close>(&event)) {
    before.released = core_.IsReleased(close->node);
    before.closing = AboutNode(WatchKind::kNodeClosed, close->node);
  }
  if (std::holds_alternative<core::event::SetName>(event)) before.name = core_.name();
  return before;
}

void CollectionHost::TellWatchers(const core::Event& event, const core::Effects& effects,
                                  const Before& before) {
  TellOfNodes(event, effects, before);
  const auto* const name = std::get_if<core::event::SetName>(&event);
  if (name != nullptr && core_.name() != before.name) {
    WatchEvent named{.kind = WatchKind::kCollectionNamed};
    const PeerInfo* const who = HolderOf(name->node, &named.session_id);
    if (who != nullptr) named.peer = *who;
    Tell(std::move(named));
  }
  TellOfAllocation(event, effects);
  if (const auto* const gone = std::get_if<core::event::BufferGone>(&event)) {
    Tell({.kind = WatchKind::kBufferGone, .buffer_index = gone->buffer});
  }
  TellOfEnds(event, effects, before);
}

void CollectionHost::TellOfNodes(const core::Event& event, const core::Effects& effects,
                                 const Before& before) {
  for (const core::NodeId node : MadeBy(event)) {
    if (!core_.IsConnected(node)) continue;
    const bool root = std::holds_alternative<core::event::CreateRoot>(event);
    Tell(AboutNode(root ? WatchKind::kCollectionBegun : WatchKind::kNodeMade, node));
  }
  // A node may be gone by then: it was the last one, and nothing fits.
  const auto tell_if_done = [&](WatchKind kind, const auto* what) {
    if (what == nullptr || RefusalOf(what->call, effects) != nullptr) return;
    Tell(AboutNode(kind, what->node));
  };
  tell_if_done(WatchKind::kNodeBound, std::get_if<core::event::Bind>(&event));
  tell_if_done(WatchKind::kNodeReady, std::get_if<core::event::SetConstraints>(&event));
  tell_if_done(WatchKind::kNodeReady, std::get_if<core::event::AllChildrenPresent>(&event));
  tell_if_done(WatchKind::kNodeReleased, std::get_if<core::event::Release>(&event));
  const auto* const close = std::get_if<core::event::Close>(&event);
  if (before.released && RefusalOf(close->call, effects) == nullptr) Tell(before.closing);
}

void CollectionHost::TellOfAllocation(const core::Event& event, const core::Effects& effects) {
  for (const core::Effect& effect : effects) {
    const auto* const allocate = std::get_if<core::effect::Allocate>(&effect);
    if (allocate == nullptr) continue;
    const core::Plan& plan = allocate->plan;
    begun_ = WatchEvent{.kind = WatchKind::kAllocationBegun,
                        .buffers = plan.buffer_count,
                        .bytes = plan.settings.buffer.raw_vmo_size * uint64_t{plan.buffer_count},
                        .heap = plan.settings.buffer.heap};
    begun_ns_ = EventLoop::NowNs();
    Tell(*begun_);
  }
  const auto* const finished = std::get_if<core::event::AllocationFinished>(&event);
  const bool made = finished != nullptr && !finished->failure;
  WatchEvent outcome;
  if (finished != nullptr && begun_) {
    outcome = *std::exchange(begun_, std::nullopt);
    outcome.duration_ns = EventLoop::NowNs() - begun_ns_;
  }
  if (made) {
    outcome.kind = WatchKind::kAllocationSucceeded;
    Tell(std::exchange(outcome, {}));  // what fails beside it is another attempt
  }
  const core::Failure* failed = FailedAttempt(effects, CallOf(event));
  if (failed == nullptr && finished != nullptr && !made) failed = &*finished->failure;
  if (failed == nullptr) return;
  outcome.kind = WatchKind::kAllocationFailed;
  outcome.error = failed->error;
  outcome.rule = failed->rule;
  outcome.message = base::EscapeSentence(failed->message);
  if (failed->report) {
    const std::string& text = TextFor(failed->report)->text;
    outcome.message = text.substr(0, text.find('\n'));
  }
  Tell(std::move(outcome));
}

void CollectionHost::TellOfEnds(const core::Event& event, const core::Effects& effects,
                                const Before& before) {
  // What the core complains of when time has passed is that nobody has his buffers yet: in one
  // line, and one for each node.
  if (std::holds_alternative<core::event::Tick>(event)) {
    const auto complaint = std::find_if(effects.begin(), effects.end(), [](const auto& effect) {
      const auto* const log = std::get_if<core::effect::Log>(&effect);
      return log != nullptr && log->level == core::effect::Log::Level::kError;
    });
    if (complaint != effects.end()) {
      const std::string& text = std::get<core::effect::Log>(*complaint).text;
      Tell({.kind = WatchKind::kAllocationSlow, .message = base::EscapeSentence(text)});
    }
  }
  const auto* const close = std::get_if<core::event::Close>(&event);
  for (const core::Effect& effect : effects) {
    const auto* const closed = std::get_if<core::effect::NodeClosed>(&effect);
    if (closed == nullptr) continue;
    const bool closes_itself = close != nullptr && close->node == closed->node;
    // Of one that was released and closed, that was the news.
    if (closes_itself ? before.released : holders_.Find(closed->node) == nullptr) continue;
    WatchEvent failed = AboutNode(WatchKind::kNodeFailed, closed->node);
    failed.node_kind = closed->kind;
    failed.debug_name = closed->name;
    failed.message = base::EscapeSentence(closed->why);
    Tell(std::move(failed));
  }
  if (core_.HasFailedEarly() && !before.failed_early) {
    WatchEvent failed{.kind = WatchKind::kCollectionFailed};
    const auto last = std::find_if(effects.rbegin(), effects.rend(), [](const auto& effect) {
      return std::holds_alternative<core::effect::NodeClosed>(effect);
    });
    if (last != effects.rend()) {
      failed.message = base::EscapeSentence(std::get<core::effect::NodeClosed>(*last).why);
    }
    Tell(std::move(failed));
  }
  if (Has<core::effect::Finished>(effects)) Tell({.kind = WatchKind::kCollectionEnded});
}

}  // namespace sysmem::server
