// SPDX-License-Identifier: Apache-2.0
//
// From a plan to what each participant receives (server-behaviour.md 3.6, 5.3).
#include "core/collection_state.h"
#include "core/debug_info.h"
#include "core/describe.h"

namespace sysmem::core {
void Collection::State::StartAllocation(Agreement agreement, RefusedTries refused) {
  under_way_ = Allocation{++last_attempt_, std::move(agreement), nullptr};
  if (!refused.empty()) {
    under_way_->refused = std::make_shared<const RefusedTries>(std::move(refused));
  }
  const Plan& plan = under_way_->agreement.plan;
  LogStep([&] { return "attempt " + std::to_string(last_attempt_) + ": " + Describe(plan); });
  effects_.push_back(
      effect::Allocate{last_attempt_, plan, name_ ? name_->text : std::string(), id_});
}

void Collection::State::On(const event::AllocationFinished& e) {
  // The root may have failed meanwhile; DropBuffers was said then.
  if (!under_way_ || under_way_->attempt != e.attempt) return;
  if (e.failure) return DeliverFailure(tree_.root(), NotAllocated(*e.failure));
  Allocation done = *std::exchange(under_way_, std::nullopt);
  founders_ = std::move(done.agreement.visible);
  refused_ = std::move(done.refused);
  result_ = std::move(done.agreement.plan);
  const HeapProperties* const heap = FindHeap(result_->settings.buffer.heap, *settings_);
  lives_.Make(result_->buffer_count, heap != nullptr && heap->tells_holders_apart);
  strength_changed_ = true;
  if (slow_log_.reports() > 0) {
    // A time long past: the Tick comes at once and brings the time that the log line needs.
    owes_total_time_ = true;
    effects_.push_back(effect::ArmTimer{slow_log_.created_ns()});
  }
  LogStep([&] { return "allocated " + Describe(*result_); });
  for (NodeId id : founders_) {
    if (Node* node = tree_.Find(id)) node->founder = true;
  }
  DeliverSuccess(founders_);
  Attempt();  // ATT-8
}

Failure Collection::State::NotAllocated(Failure why) {
  Report report = Explain();
  report.refused.push_back(
      {.stage = Stage::kAllocate, .rule = why.rule, .field = why.field, .message = why.message});
  why.report = std::make_shared<const Report>(std::move(report));
  under_way_.reset();
  return why;
}

void Collection::State::DeliverSuccess(const std::vector<NodeId>& visible) {
  for (NodeId id : visible) {
    Node* node = tree_.Find(id);
    if (node == nullptr) continue;  // failed while the buffers were made
    node->allocated = true;
    for (CallId call : std::exchange(node->waits, {})) Answer(call, GrantTo(*node, call));
    StartLifetimeTrackings(*node);
  }
  DropUnchosen(visible);
}

void Collection::State::DeliverFailure(NodeId top, const Failure& why) {
  Log(Level::kError,
      "no allocation, " + std::string(ErrorName(why.error)) + ", rule " + why.rule + ", field \"" +
          why.field + "\": " + why.message + Culprits(why),
      {.node = top, .rule = why.rule, .error = ErrorName(why.error)});
  for (NodeId id : tree_.BreadthFirst(top)) {
    AnswerWaits(tree_.Get(id), why);
    DropLifetimeTrackings(tree_.Get(id));
  }
  FailSubtree(top, why, top == tree_.root() ? Level::kWarn : Level::kInfo);
}

Grant Collection::State::GrantTo(const Node& node, CallId call) {
  static const Constraints none;
  const Constraints& constraints = node.constraints ? *node.constraints : none;
  const bool writes = UsageWrites(constraints.usage.value_or(BufferUsage{}));
  const uint32_t rights =
      (writes ? kHandOutRights : kHandOutRights & ~kRightWrite) & node.rights_mask;
  Grant grant{.plan = *result_,
              .buffer_collection_id = id_,
              .with_buffers = WantsBuffers(constraints),
              .weak = node.weak,
              .rights = rights,
              .writable = (rights & kRightWrite) != 0,
              .buffers = {}};
  const std::string holder = node.weak ? Describe(node) : "";
  for (uint32_t i = 0; i < result_->buffer_count; ++i) {
    grant.buffers.push_back(HandOut(i, node.weak, grant.with_buffers, call, holder));
  }
  return grant;
}

void Collection::State::DropBuffers() {
  const bool something_to_drop = lives_.daemon_holds() || under_way_;
  lives_.LetGo();
  under_way_.reset();
  if (something_to_drop) effects_.push_back(effect::DropBuffers{});
}

}  // namespace sysmem::core
