// SPDX-License-Identifier: Apache-2.0
//
// The nodes of a session: what is known of them, and how the program hears of it.
#include <utility>

#include "client/connection.h"

namespace sysmem::client {
namespace {

FillOperation ReleaseOf(uint64_t handle) {
  return [handle](sysmem2::Operation& operation, uint64_t) {
    operation.mutable_release()->set_handle(handle);
  };
}

FillOperation CloseOf(uint64_t handle) {
  return [handle](sysmem2::Operation& operation, uint64_t) {
    operation.mutable_close_handle()->set_handle(handle);
  };
}

// The program's own mistake explains a closure better than the closure itself does.
Failure WithRefusal(Failure closed, const Failure& refusal) {
  closed.error = refusal.error;
  closed.rule = refusal.rule;
  closed.field = refusal.field;
  closed.message += "; an earlier call of this program was refused: " + refusal.message;
  return closed;
}

}  // namespace

std::shared_ptr<NodeState> Connection::AddNode() {
  auto node = std::make_shared<NodeState>(NewHandle());
  const std::lock_guard lock(mutex_);
  nodes_.emplace(node->handle, node);
  if (ended_) node->closed = ended_;
  return node;
}

std::shared_ptr<NodeState> Connection::FindNodeLocked(uint64_t handle) const {
  const auto found = nodes_.find(handle);
  return found == nodes_.end() ? nullptr : found->second;
}

bool Connection::RemoveNode(NodeState& node) {
  std::shared_ptr<Listener> listener;  // freed outside the lock: that runs program code
  const std::lock_guard lock(mutex_);
  node.left = true;
  listener.swap(node.listener);
  nodes_.erase(node.handle);
  return !ended_;
}

void Connection::Leave(NodeState& node, bool clean) {
  const bool release = clean && Locked([&] { return !node.closed && !node.released; });
  if (!RemoveNode(node) || Dead()) return;
  const OperationRecord record{.handle = node.handle, .quiet = true};
  if (release && !Queue({.record = record, .fill = ReleaseOf(node.handle)}).ok()) return;
  if (!Queue({.record = record, .fill = CloseOf(node.handle)}).ok()) return;
  Flush();
}

void Connection::GiveUp(const std::shared_ptr<NodeState>& node, Failure why) {
  const bool was_there = Locked([&] {
    if (node->left || node->closed) return false;
    CloseNodeLocked(node, std::move(why));
    return true;
  });
  if (!was_there || Dead()) return;
  const OperationRecord record{.handle = node->handle, .quiet = true};
  if (Queue({.record = record, .fill = CloseOf(node->handle)}).ok()) Flush();
}

std::optional<Failure> Connection::NodeGone(const NodeState& node) const {
  if (auto dead = Dead()) return dead;
  return Locked([&] { return node.closed; });
}

std::optional<Failure> Connection::OutcomeGone(const NodeState& node) const {
  if (auto dead = Dead()) return dead;
  return Locked([&] { return node.closed_by_daemon ? std::nullopt : node.closed; });
}

Failure Connection::Explain(const NodeState& node, Failure failure) {
  const bool gone = failure.status == SYSMEM_CLOSED ||
                    (failure.status == SYSMEM_REFUSED && failure.field == "handle" &&
                     failure.error == SYSMEM_ERROR_NOT_FOUND);
  if (!gone) return failure;
  return Locked([&] {
    if (!node.refusal) return failure;
    // The program hears of it now; the next roundtrip need not say it again.
    if (first_refusal_ && first_refusal_->message == node.refusal->message) first_refusal_.reset();
    return node.never_was ? *node.refusal : WithRefusal(failure, *node.refusal);
  });
}

// An operation got no result. Under the lock.
void Connection::RefuseLocked(const OperationRecord& record, const Failure& failure) {
  if (record.quiet) return;
  if (record.made) {
    record.made->never_was = true;
    // What was to be made of a node that never was is refused for that node's reason.
    const bool has_reason = record.parent && record.parent->never_was && record.parent->refusal;
    const Failure& why = has_reason ? *record.parent->refusal : failure;
    if (!record.made->refusal) record.made->refusal = why;
    CloseNodeLocked(record.made, why);
  }
  // What follows is for calls that broke a rule; the others have a reason known already.
  const bool rule_broken =
      failure.status == SYSMEM_REFUSED || failure.status == SYSMEM_UNIMPLEMENTED;
  if (!rule_broken) return;
  if (!first_refusal_) first_refusal_ = failure;
  const auto node = FindNodeLocked(record.handle);
  if (node == nullptr) return;
  if (failure.status == SYSMEM_REFUSED && !node->refusal) node->refusal = failure;
  if (!node->unreported_refusal) node->unreported_refusal = failure;
  ReportNodeLocked(node);
}

// The daemon closed a node. Under the lock.
void Connection::DeliverClosed(uint64_t handle, const std::string& reason) {
  const std::shared_ptr<NodeState> node = FindNodeLocked(handle);
  if (node == nullptr) return;  // the program has left it meanwhile
  node->closed_by_daemon = !node->closed;
  Failure why{.status = SYSMEM_CLOSED,
              .message = reason.empty() ? "the daemon closed the node" : reason};
  CloseNodeLocked(node, node->refusal ? WithRefusal(why, *node->refusal) : why);
}

// Under the lock. Only the first reason counts.
void Connection::CloseNodeLocked(const std::shared_ptr<NodeState>& node, Failure why) {
  if (node->closed) return;
  node->closed = std::move(why);
  if (node->closed_event) node->closed_event->Signal();
  ReportNodeLocked(node);
}

// Has Dispatch tell the listener what it was not told yet. Under the lock.
void Connection::ReportNodeLocked(const std::shared_ptr<NodeState>& node) {
  if (node->listener == nullptr || node->left) return;
  const std::weak_ptr<NodeState> weak = node;
  if (auto refusal = std::exchange(node->unreported_refusal, std::nullopt)) {
    PostLocked([this, weak, why = *std::move(refusal)] {
      const auto still = weak.lock();
      if (still == nullptr) return;
      const auto listener = Locked([&] { return still->listener; });
      if (listener == nullptr || listener->functions.refused == nullptr) return;
      listener->functions.refused(listener->data, FailureView(why).get());
    });
  }
  if (!node->closed || std::exchange(node->closed_reported, true)) return;
  PostLocked([this, weak, why = *node->closed] {
    const auto still = weak.lock();
    if (still == nullptr) return;
    const auto listener = Locked([&] { return still->listener; });
    if (listener == nullptr || listener->functions.closed == nullptr) return;
    listener->functions.closed(listener->data, FailureView(why).get());
  });
}

void Connection::SetListener(NodeState& node, std::shared_ptr<Listener> listener) {
  const std::lock_guard lock(mutex_);
  node.listener.swap(listener);  // the old one is freed after the lock: declared before it
  if (const auto known = FindNodeLocked(node.handle)) ReportNodeLocked(known);
}

Outcome<base::UniqueFd> Connection::ClosedFd(NodeState& node) {
  auto event = base::EventFd::Create();
  if (!event.ok()) return FromStatus(SYSMEM_SYSTEM, event.status());
  base::UniqueFd fd = Locked([&] {
    if (!node.closed_event) node.closed_event = *std::move(event);
    if (node.closed) node.closed_event->Signal();
    return base::Dup(node.closed_event->fd());
  });
  if (!fd) return SystemFailure(errno, "duplicating an eventfd");
  Attend();
  if (const absl::Status started = events_.Start(); !started.ok()) {
    return FromStatus(SYSMEM_SYSTEM, started);
  }
  return fd;
}

}  // namespace sysmem::client
