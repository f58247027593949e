// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/escape.h"
#include "base/give_way.h"
#include "core/describe.h"
#include "server/transport/encode.h"
#include "server/transport/pages.h"
#include "server/transport/text.h"

namespace sysmem::server::transport {
namespace {

sysmem2::CollectionState EncodeState(core::CollectionState state) {
  switch (state) {
    case core::CollectionState::kWaiting:
      return sysmem2::COLLECTION_STATE_WAITING;
    case core::CollectionState::kAllocating:
      return sysmem2::COLLECTION_STATE_ALLOCATING;
    case core::CollectionState::kAllocated:
      return sysmem2::COLLECTION_STATE_ALLOCATED;
    case core::CollectionState::kFailed:
      return sysmem2::COLLECTION_STATE_FAILED;
    case core::CollectionState::kOutlived:
      return sysmem2::COLLECTION_STATE_OUTLIVED;
  }
  return sysmem2::COLLECTION_STATE_UNSPECIFIED;
}

sysmem2::FailureMode EncodeMode(core::FailureMode mode) {
  switch (mode) {
    case core::FailureMode::kPropagate:
      return sysmem2::FAILURE_MODE_PROPAGATE;
    case core::FailureMode::kPropagateBeforeAllocation:
      return sysmem2::FAILURE_MODE_PROPAGATE_BEFORE_ALLOCATION;
    case core::FailureMode::kDoNotPropagate:
      return sysmem2::FAILURE_MODE_DO_NOT_PROPAGATE;
  }
  return sysmem2::FAILURE_MODE_UNSPECIFIED;
}

sysmem2::NodeState StateOf(const core::NodeSnapshot& node) {
  if (node.allocated) return sysmem2::NODE_STATE_ALLOCATED;
  return node.ready ? sysmem2::NODE_STATE_READY : sysmem2::NODE_STATE_NOT_READY;
}

sysmem2::BufferState EncodeState(core::BufferState state) {
  switch (state) {
    case core::BufferState::kStrong:
      return sysmem2::BUFFER_STATE_STRONG;
    case core::BufferState::kWeakOnly:
      return sysmem2::BUFFER_STATE_WEAK_ONLY;
    case core::BufferState::kGone:
      return sysmem2::BUFFER_STATE_ENDING;
  }
  return sysmem2::BUFFER_STATE_UNSPECIFIED;
}

void EncodeNode(const core::NodeSnapshot& from, sysmem2::NodeInfo* to) {
  to->set_node_id(from.id);
  to->set_parent_id(from.parent);
  to->set_kind(EncodeKind(from.kind));
  to->set_state(StateOf(from));
  to->set_connected(from.connected);
  to->set_released(from.released);
  to->set_debug_name(ValidUtf8(from.debug.name));
  to->set_debug_id(from.debug.id);
  to->set_failure_mode(EncodeMode(from.failure_mode));
  to->set_rights_mask(from.rights_mask);
  to->set_weak(from.weak);
  to->set_weak_ok(from.weak_ok);
  to->set_weak_ok_for_child_nodes_also(from.weak_ok_for_children);
  to->set_constraints_set(from.constraints_set);
  if (from.constraints) Encode(*from.constraints, to->mutable_constraints());
  to->set_must_match(from.must_match);
  to->set_pending_waits(from.pending_waits);
  to->set_node_trackings(from.trackings);
  if (from.chosen != 0) to->set_selected_child_id(from.chosen);
}

void EncodeHolder(const HolderInfo& from, sysmem2::NodeInfo* to) {
  to->set_age_ns(from.age_ns);
  if (!from.peer.known) return;
  Encode(from.peer, to->mutable_holder());
  if (from.exported) {
    to->set_exported_cookie(from.exported_koid);
    return;
  }
  if (from.session_id == 0) return;
  to->set_session_id(from.session_id);
  to->set_handle(from.handle);
}

// "token 7 "camera": neither bound nor released".
std::string WhatIsMissing(const core::NodeSnapshot& node) {
  std::string text = core::NodeKindName(node.kind);
  text += " " + std::to_string(node.id);
  if (!node.debug.name.empty()) text += " " + base::Quote(node.debug.name);
  switch (node.kind) {
    case core::NodeKind::kToken:
      return text + ": neither bound nor released";
    case core::NodeKind::kCollection:
      return text + ": no SetConstraints and no Release";
    case core::NodeKind::kGroup:
      return text + ": no AllChildrenPresent";
  }
  return text;
}

// One clear sentence, then the longer story.
std::string Explanation(const CollectionDetail& from) {
  const core::Snapshot& snapshot = from.snapshot;
  std::string text;
  if (snapshot.failure) {
    text = base::EscapeSentence(snapshot.failure->message);
  } else if (snapshot.plan) {
    text = core::Describe(*snapshot.plan);
  }
  if (from.explanation == nullptr || from.explanation->text.empty()) return text;
  text += "\n" + from.explanation->text;
  if (from.explanation->sentences_left_out > 0) {
    text += "\n" + std::to_string(from.explanation->sentences_left_out) +
            " more sentences are left out.";
  }
  return text;
}

void EncodeBuffer(const BufferInfo& from, sysmem2::BufferInfo* to) {
  to->set_index(from.index);
  to->set_name(ValidUtf8(from.name));
  to->set_device(from.device);
  to->set_inode(from.inode);
  to->set_raw_vmo_size(from.size_bytes);
  to->set_state(EncodeState(from.state));
  to->set_hand_outs(from.hand_outs);
  to->set_untracked_holder(from.untracked_holder);
  if (from.physical_address) to->set_physical_address(*from.physical_address);
  for (const HolderOfBuffer& holder : from.holders) {
    sysmem2::HolderInfo* info = to->add_holders();
    info->set_node_id(holder.node);
    info->set_debug_name(ValidUtf8(holder.debug_name));
    if (holder.peer.known) {
      Encode(holder.peer, info->mutable_given_to());
      info->set_session_id(holder.session_id);
    }
    info->set_weak(holder.weak);
    info->set_read_only(holder.read_only);
    info->set_read_only_enforced(holder.read_only_enforced);
    info->set_age_ns(holder.age_ns);
  }
}

// Nodes that are encoded, in some tens of microseconds, before others may have the processor.
constexpr uint64_t kNodesAtATime = 16;

// As many of the items as fit.
class PageOfItems {
 public:
  PageOfItems(const CollectionDetail& from, sysmem2::CollectionDetail* to) : from_(from), to_(to) {}

  void Encode() {
    if (from_.next_item) to_->set_next_item(*from_.next_item);
    // Those that are gone have no entry here, but count: buffers say their index.
    for (const core::NodeSnapshot& node : from_.snapshot.nodes) {
      if (!Begin(from_.first_item + nodes_)) return;
      Add(node);
      if (++nodes_ % kNodesAtATime == 0) base::GiveWay();
    }
    for (const BufferInfo& buffer : from_.buffers) {
      if (!Begin(from_.summary.nodes + buffer.index)) return;
      EncodeBuffer(buffer, to_->add_buffers());
      bytes_ += to_->buffers().rbegin()->ByteSizeLong();
    }
  }

 private:
  // False: the page is full, and the next one begins with this item.
  bool Begin(uint64_t item) {
    if (bytes_ < kFullPageBytes) return true;
    to_->set_next_item(item);
    return false;
  }
  void Add(const core::NodeSnapshot& node) {
    sysmem2::NodeInfo* info = to_->add_nodes();
    EncodeNode(node, info);
    const auto holder = std::lower_bound(
        from_.holders.begin(), from_.holders.end(), node.id,
        [](const HolderInfo& candidate, core::NodeId id) { return candidate.node < id; });
    if (holder != from_.holders.end() && holder->node == node.id) EncodeHolder(*holder, info);
    bytes_ += info->ByteSizeLong();
    const bool waiting = from_.snapshot.state == core::CollectionState::kWaiting;
    if (!waiting || node.ready || node.comes_later) return;
    to_->add_waiting_for(ValidUtf8(WhatIsMissing(node)));
    bytes_ += to_->waiting_for().rbegin()->size();
  }

  const CollectionDetail& from_;
  sysmem2::CollectionDetail* const to_;
  uint64_t nodes_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

sysmem2::NodeKind EncodeKind(core::NodeKind kind) {
  switch (kind) {
    case core::NodeKind::kToken:
      return sysmem2::NODE_KIND_TOKEN;
    case core::NodeKind::kCollection:
      return sysmem2::NODE_KIND_COLLECTION;
    case core::NodeKind::kGroup:
      return sysmem2::NODE_KIND_GROUP;
  }
  return sysmem2::NODE_KIND_UNSPECIFIED;
}

void Encode(const CollectionSummary& from, sysmem2::CollectionSummary* to) {
  to->set_buffer_collection_id(from.buffer_collection_id);
  to->set_name(ValidUtf8(from.name));
  to->set_state(EncodeState(from.state));
  to->set_nodes(from.nodes);
  to->set_connected_nodes(from.connected);
  to->set_buffers(from.buffers);
  to->set_bytes(from.total_bytes);
  if (from.creator.known) Encode(from.creator, to->mutable_creator());
  to->set_age_ns(from.age_ns);
}

void Encode(const CollectionDetail& from, sysmem2::CollectionDetail* to) {
  const core::Snapshot& snapshot = from.snapshot;
  Encode(from.summary, to->mutable_summary());
  PageOfItems(from, to).Encode();
  to->set_version(snapshot.version);
  to->set_changed_meanwhile(snapshot.changed_meanwhile);
  if (snapshot.plan) {
    Encode(snapshot.plan->settings, to->mutable_settings());
    to->set_buffer_count(snapshot.plan->buffer_count);
  }
  if (snapshot.failure) {
    Encode(*snapshot.failure, to->mutable_summary()->mutable_failure());
  }
  if (std::string text = ValidUtf8(Explanation(from)); !text.empty()) {
    to->set_explanation(std::move(text));
  }
  to->set_lifetime_trackings(snapshot.lifetime_trackings);
  to->set_verbose_logging(snapshot.verbose);
}

}  // namespace sysmem::server::transport
