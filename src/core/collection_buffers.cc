// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the buffers once they are made: who was handed them, when they lose their last
// strong holder, when they are gone, and who is told (server-behaviour.md 5.3 to 5.6).
#include "core/collection_state.h"
#include "core/describe.h"

namespace sysmem::core {

void Collection::State::On(const event::AttachLifetimeTracking& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kCollection, "2.4", "", kForCollections},
              {e.tracking == 0, "2.7", "server_end", kMissing},
              {!e.buffers_remaining, "2.7", "buffers_remaining", kMissing},
              {node->released, "2.7", "", kWasReleased}})) {
    return;
  }
  Answer(e.call, Nothing{});
  const LifetimeTracking tracking{e.tracking, *e.buffers_remaining};
  if (!node->allocated) {
    node->lifetime_trackings.push_back(tracking);
    return;
  }
  lifetime_trackings_.push_back(tracking);
  CheckLifetimeTrackings();
}

void Collection::State::StartLifetimeTrackings(Node& node) {
  for (const LifetimeTracking& tracking : std::exchange(node.lifetime_trackings, {})) {
    lifetime_trackings_.push_back(tracking);
  }
  CheckLifetimeTrackings();
}

void Collection::State::DropLifetimeTrackings(Node& node) {
  for (const LifetimeTracking& tracking : std::exchange(node.lifetime_trackings, {})) {
    effects_.push_back(effect::CloseLifetimeTracking{tracking.id});
  }
}

void Collection::State::CheckLifetimeTrackings() {
  std::erase_if(lifetime_trackings_, [this](const LifetimeTracking& tracking) {
    if (tracking.buffers_remaining < lives_.remaining()) return false;
    effects_.push_back(effect::CloseLifetimeTracking{tracking.id});
    return true;
  });
}

BufferShare Collection::State::HandOut(uint32_t buffer, bool weak, bool with_vmo, CallId call,
                                       const std::string& holder) {
  const BufferShare share{.vmo = with_vmo && lives_.IsStrong(buffer),
                          .close_weak_asap = weak && lives_.Has(buffer)};
  if (!share.vmo) return share;
  if (weak) {
    lives_.HandOutWeak(buffer, call, holder);
  } else {
    lives_.HandOutStrong(buffer, call);
  }
  return share;
}

// G6, G7. Its own strong handles or those of others: without one there is nothing to make a weak
// one from.
void Collection::State::On(const event::GetVmoInfo& e) {
  if (e.call == 0) return;
  if (!lives_.Has(e.buffer)) {
    return Answer(e.call, Failed(Error::kNotFound, "VMO-2", "vmo", "the buffer is gone"));
  }
  if (e.need_weak && !lives_.IsStrong(e.buffer)) {
    return Answer(e.call,
                  Failed(Error::kNoMoreStrongVmoHandles, "G6", "need_weak",
                         "no strong handle of buffer " + std::to_string(e.buffer) + " is left"));
  }
  const bool weak = e.is_weak || e.need_weak;
  const std::string holder =
      "allocator (\"" + e.debug.name + "\", " + std::to_string(e.debug.id) + ")";
  Answer(e.call, VmoInfo{e.buffer, HandOut(e.buffer, weak, e.need_weak, e.call, holder)});
}

void Collection::State::On(const event::HandOutEnded& e) { lives_.End(e.hand_out, e.buffer); }

void Collection::State::On(const event::BufferGone& e) {
  if (!lives_.SetGone(e.buffer)) return;
  LogStep([&] {
    return "buffer " + std::to_string(e.buffer) + " is gone, " +
           std::to_string(lives_.remaining()) + " left";
  });
  CheckLifetimeTrackings();
}

void Collection::State::CheckBuffers() {
  const bool asked_before = lives_.WantsTime();
  while (const std::optional<uint32_t> buffer = lives_.TakeWeakened()) {
    effects_.push_back(effect::CloseWeakAsap{*buffer});
  }
  // A time long past: the Tick comes at once and brings the time.
  if (lives_.WantsTime() && !asked_before) {
    effects_.push_back(effect::ArmTimer{slow_log_.created_ns()});
  }
  if (!lives_.AllWeakened() || tree_.empty()) return;
  Failure why = Closed("the last strong handle of every buffer is gone");
  why.error = Error::kUnspecified;
  why.rule = "WEAK-4";
  FailSubtree(tree_.root(), why, Level::kWarn);
}

void Collection::State::ReportLeaks(int64_t now_ns) {
  for (const BufferLives::Leak& leak : lives_.TakeLeaks(now_ns)) {
    effects_.push_back(effect::ReportLeak{
        leak.buffer, leak.hand_out,
        LogPrefix() + "a weak handle of buffer " + std::to_string(leak.buffer) + ", given to " +
            leak.holder + ", is still open " + std::to_string(kLeakReportAfterNs / 1'000'000'000) +
            " s after close_weak_asap (END-6)"});
  }
  if (const auto next = lives_.NextLeakReport()) effects_.push_back(effect::ArmTimer{*next});
}

}  // namespace sysmem::core
