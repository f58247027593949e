// SPDX-License-Identifier: Apache-2.0
//
// What a collection does about its buffers: has them made, promises them to those who get them, and
// follows them to their end. The decisions are the core's; here they meet heaps and descriptors.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "server/collection_host.h"

namespace sysmem::server {

// The core takes it, or the end closes with the node that it refuses.
void CollectionHost::Handle(LifetimeItem item) {
  const core::TrackingId id = ++last_tracking_;
  lifetime_trackings_.emplace(id, std::move(item.tracking));
  core::event::AttachLifetimeTracking event{
      .node = item.node, .tracking = id, .buffers_remaining = item.buffers_remaining};
  Handle(EventItem{event, std::move(item.slot), {}, {}, 0, id});
}

void CollectionHost::Handle(AllocatedItem item) {
  core::event::AllocationFinished finished{item.attempt, std::nullopt};
  const bool wanted = awaited_ == item.attempt;
  if (wanted) awaited_.reset();
  if (auto* set = std::get_if<std::shared_ptr<BufferSet>>(&item.outcome)) {
    if (wanted) Adopt(std::move(*set));
  } else {
    finished.failure = std::get<core::Failure>(std::move(item.outcome));
  }
  if (wanted) return Run(finished);
  // Nobody is left to use them; freeing pages takes time.
  engine_.worker.Run([dead = std::make_shared<AllocatedItem>(std::move(item))] {});
}

void CollectionHost::Adopt(std::shared_ptr<BufferSet> made) {
  buffers_ = std::move(made);
  const auto post = [weak = weak_from_this()](core::Event event) {
    if (auto self = weak.lock()) self->PostEvent(std::move(event), {});
  };
  unwatched_ = buffers_;
  buffers_->Listen({.ended =
                        [post](core::CallId call, uint32_t buffer) {
                          post(core::event::HandOutEnded{call, buffer});
                        },
                    .gone = [post](uint32_t buffer) { post(core::event::BufferGone{buffer}); },
                    .run_aside =
                        [weak = weak_from_this()](const std::function<void()>& job) {
                          auto self = weak.lock();
                          if (!self || !self->engine_.worker.Run(job)) job();
                        }});
}

PendingResult CollectionHost::BuffersFor(core::Grant grant, core::NodeId node, core::CallId call,
                                         const Outbox& receiver) {
  Recipient recipient{
      .node = node,
      .debug_name = core_.DebugOf(node).name,
      .peer = receiver.peer(),
      .session_id = receiver.session_id(),
      .weak = grant.weak,
      .access = grant.writable ? heaps::Access::kReadWrite : heaps::Access::kReadOnly,
      .rights = grant.rights,
      .read_only_enforced =
          !grant.writable && engine_.HoldsTo(receiver.peer(), buffers_->heap_properties())};
  PromisedBuffers promised(buffers_, 0, grant.buffers, call, std::move(recipient));
  return BuffersToPush{std::move(grant), std::move(promised)};
}

PendingResult CollectionHost::Complete(const core::VmoInfo& found, core::CallId call,
                                       VmoInfoAsked& asked, const PeerInfo& receiver) {
  asked.recipient.read_only_enforced = asked.recipient.access == heaps::Access::kReadOnly &&
                                       engine_.HoldsTo(receiver, buffers_->heap_properties());
  seen_by_.Add(receiver.uid);
  PromisedBuffers promised(buffers_, found.buffer, {found.share}, call, std::move(asked.recipient));
  if (!asked.info.ok()) return OperationResult(std::move(asked.info).failure());
  return VmoInfoToPush{std::move(asked.info).value(), std::move(promised)};
}

void CollectionHost::Apply(core::effect::Allocate allocate) {
  auto heap = engine_.heaps->AllocatorFor(allocate.plan.settings.buffer);
  if (!heap) {
    follow_ups_.push_back(core::event::AllocationFinished{
        allocate.attempt,
        core::Failed(core::Error::kNoMemory, "HEAP-4", "",
                     absl::StrCat("heap ", allocate.plan.settings.buffer.heap.type, " is gone"))});
    return;
  }
  const uint64_t bytes =
      allocate.plan.settings.buffer.raw_vmo_size * uint64_t{allocate.plan.buffer_count};
  awaited_ = allocate.attempt;
  using Made = core::Result<std::shared_ptr<BufferSet>>;
  if (bytes <= engine_.options.limits.inline_allocation_bytes && !heap->answers_later()) {
    return HaveMade(heap, allocate, [this, attempt = allocate.attempt](Made made) {
      core::event::AllocationFinished finished{attempt, std::nullopt};
      if (made.ok()) {
        Adopt(std::move(made).value());
      } else {
        finished.failure = std::move(made).failure();
      }
      awaited_.reset();
      follow_ups_.push_back(std::move(finished));
    });
  }
  const auto post = [self = shared_from_this(), attempt = allocate.attempt](Made made) {
    AllocatedItem item{attempt, {}};
    if (made.ok()) {
      item.outcome = std::move(made).value();
    } else {
      item.outcome = std::move(made).failure();
    }
    self->Post(std::move(item));
  };
  if (heap->answers_later()) return HaveMade(heap, allocate, post);
  engine_.worker.Run([self = shared_from_this(), heap, post, allocate = std::move(allocate)] {
    self->HaveMade(heap, allocate, post);
  });
}

void CollectionHost::HaveMade(const std::shared_ptr<heaps::Heap>& heap,
                              const core::effect::Allocate& allocate, BufferSet::Done done) {
  BufferSet::Allocate(heap, engine_.ledger, engine_.options.limits, creator_.uid, allocate,
                      std::move(done));
}

void CollectionHost::Apply(core::effect::DropBuffers) {
  awaited_.reset();
  if (buffers_) buffers_->LetGo();
}

void CollectionHost::Apply(core::effect::CloseWeakAsap close) {
  buffers_->at(close.buffer).SignalCloseWeakAsap();
}

void CollectionHost::Apply(core::effect::CloseLifetimeTracking close) {
  lifetime_trackings_.erase(close.tracking);
}

// 6.4: who was given it can be told by the hand-out.
void CollectionHost::Apply(core::effect::ReportLeak leak) {
  const HeldBuffer& buffer = buffers_->at(leak.buffer);
  std::string text = absl::StrCat(leak.text, "; the buffer is inode ", buffer.identity().inode);
  const auto given = buffer.RecipientOf(leak.hand_out);
  if (engine_.watch->active()) {
    WatchEvent event{.kind = WatchKind::kWeakBufferHeld,
                     .buffer_index = leak.buffer,
                     .message = base::EscapeSentence(leak.text)};
    if (given) {
      event.node = given->node;
      event.debug_name = given->debug_name;
      event.session_id = given->session_id;
      event.peer = given->peer;
    }
    Tell(std::move(event));
  }
  if (given) {
    absl::StrAppend(&text, "; it went to process ", given->peer.pid, " (", given->peer.command,
                    "), user ", given->peer.uid);
  }
  engine_.Log({.level = core::effect::Log::Level::kError,
               .peer = given ? given->peer : creator_,
               .text = text,
               .fields = {.collection_id = id_,
                          .collection_name = core_.name(),
                          .node_id = given ? given->node : 0,
                          .rule = "END-6"}});
}

}  // namespace sysmem::server
