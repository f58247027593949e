// SPDX-License-Identifier: Apache-2.0
#include "core/snapshot.h"

#include <cstdint>
#include <utility>

#include "core/collection_state.h"
#include "core/existing_buffers.h"
#include "core/explain.h"

namespace sysmem::core {

const char* NodeKindName(NodeKind kind) {
  switch (kind) {
    case NodeKind::kToken:
      return "token";
    case NodeKind::kCollection:
      return "collection";
    case NodeKind::kGroup:
      return "group";
  }
  return "?";
}

const char* CollectionStateName(CollectionState state) {
  switch (state) {
    case CollectionState::kWaiting:
      return "waiting";
    case CollectionState::kAllocating:
      return "allocating";
    case CollectionState::kAllocated:
      return "allocated";
    case CollectionState::kFailed:
      return "failed";
    case CollectionState::kOutlived:
      return "outlived";
  }
  return "?";
}

CollectionState Collection::State::StateNow() const {
  if (result_ && tree_.empty() && lives_.remaining() > 0) return CollectionState::kOutlived;
  if (failure_) return CollectionState::kFailed;
  if (result_) return CollectionState::kAllocated;
  return under_way_ ? CollectionState::kAllocating : CollectionState::kWaiting;
}

// The others went when it was chosen (DEL-2).
NodeId Collection::State::ChosenChild(const Node& node) const {
  const bool has_chosen = node.kind == NodeKind::kGroup && node.allocated && !node.children.empty();
  return has_chosen ? node.children.front() : 0;
}

NodeSnapshot Collection::State::TakeNodeSnapshot(const Node& node) const {
  return {.id = node.id,
          .parent = node.parent,
          .kind = node.kind,
          .connected = node.connected,
          .released = node.released,
          .ready = IsReady(node),
          .allocated = node.allocated,
          .failure_mode = node.failure_mode,
          .weak = node.weak,
          .weak_ok = node.weak_ok,
          .weak_ok_for_children = node.weak_ok_for_children,
          .trackings = node.trackings,
          .lifetime_trackings = static_cast<uint32_t>(node.lifetime_trackings.size()),
          .chosen = ChosenChild(node),
          .debug = node.debug,
          .rights_mask = node.rights_mask,
          .constraints_set = node.constraints_set,
          .constraints = node.constraints,
          .must_match = node.must_match.has_value(),
          .pending_waits = static_cast<uint32_t>(node.waits.size())};
}

std::vector<NodeSnapshot> Collection::State::TakeNodeSnapshots() const {
  SnapshotWalk walk({});
  TakeHead(walk);
  TakeNodes(walk, SIZE_MAX);
  return std::move(walk.snapshot_.nodes);
}

Snapshot Collection::State::TakeSnapshot() const {
  SnapshotWalk walk({.nodes_per_slice = SIZE_MAX});
  TakeSlice(walk, 0);
  return std::move(walk).Take();
}

Glance Collection::State::TakeGlance() const {
  Glance glance{.name = name(), .state = StateNow(), .nodes = tree_.size()};
  const Plan* const plan = under_way_ ? &under_way_->agreement.plan : result_ ? &*result_ : nullptr;
  if (plan == nullptr) return glance;
  const BufferMemorySettings& buffer = plan->settings.buffer;
  glance.buffer_count = plan->buffer_count;
  glance.buffer_bytes = buffer.raw_vmo_size;
  glance.contiguous = buffer.is_physically_contiguous;
  glance.secure = buffer.is_secure;
  for (const BufferSnapshot& one : lives_.TakeSnapshot()) glance.buffers.push_back(one.state);
  return glance;
}

void Collection::State::TakeSlice(SnapshotWalk& walk, uint64_t changes) const {
  using Phase = SnapshotWalk::Phase;
  Snapshot& snapshot = walk.snapshot_;
  const uint64_t version = version_ + changes;
  if (walk.phase_ != Phase::kBegin && snapshot.version != version) {
    if (walk.restarts_ < SnapshotWalk::kRestarts) {
      walk.BeginAnew();
    } else {
      snapshot.changed_meanwhile = true;
    }
  }
  if (walk.phase_ == Phase::kBegin) {
    snapshot.version = version;
    TakeHead(walk);
  }
  size_t left = walk.wanted_.nodes_per_slice;
  if (walk.phase_ == Phase::kNodes) left = TakeNodes(walk, left);
  if (walk.phase_ == Phase::kStory && left > 0) TakeVoices(walk, left);
}

// Everything but the nodes.
void Collection::State::TakeHead(SnapshotWalk& walk) const {
  Snapshot& snapshot = walk.snapshot_;
  snapshot.id = id_;
  snapshot.name = name();
  snapshot.state = StateNow();
  snapshot.plan = result_;
  if (under_way_) snapshot.plan = under_way_->agreement.plan;
  snapshot.buffers = lives_.TakeSnapshot();
  snapshot.lifetime_trackings = static_cast<uint32_t>(lifetime_trackings_.size());
  snapshot.failure = failure_;
  snapshot.verbose = verbose_;
  snapshot.nodes_in_all = tree_.empty() ? nodes_at_failure_.size() : tree_.size();
  if (!tree_.empty()) walk.path_.push_back({.node = tree_.root()});
  walk.phase_ = SnapshotWalk::Phase::kNodes;
}

size_t Collection::State::TakeNodes(SnapshotWalk& walk, size_t most) const {
  Snapshot& snapshot = walk.snapshot_;
  if (tree_.empty() && walk.path_.empty()) {
    for (; most > 0 && walk.next_ < nodes_at_failure_.size(); --most) {
      const NodeSnapshot& node = nodes_at_failure_[walk.next_];
      if (walk.Wants(walk.next_++)) snapshot.nodes_at_failure.push_back(node);
      snapshot.connected_in_all += node.connected ? 1 : 0;
    }
    if (walk.next_ < nodes_at_failure_.size()) return most;
  }
  for (; most > 0 && walk.next_ < walk.path_.size(); --most) {
    const SnapshotWalk::Step step = walk.path_[walk.next_];
    const Node* const node = tree_.Find(step.node);
    const bool wanted = walk.Wants(walk.next_++);
    if (node == nullptr) continue;  // it went meanwhile
    const bool later = step.comes_later || (node->failure_mode == FailureMode::kDoNotPropagate &&
                                            step.node != tree_.root());
    for (NodeId child : node->children) walk.path_.push_back({child, later});
    snapshot.lifetime_trackings += static_cast<uint32_t>(node->lifetime_trackings.size());
    snapshot.connected_in_all += node->connected ? 1 : 0;
    if (!wanted) continue;
    snapshot.nodes.push_back(TakeNodeSnapshot(*node));
    snapshot.nodes.back().comes_later = later;
  }
  if (walk.next_ < walk.path_.size()) return most;
  walk.next_ = 0;
  walk.phase_ = SnapshotWalk::Phase::kDone;
  if (walk.wanted_.story) {
    walk.story_ = StoryWithoutVoices();
    walk.speakers_ = Speakers();
    walk.phase_ = SnapshotWalk::Phase::kStory;
  }
  return most;
}

size_t Collection::State::TakeVoices(SnapshotWalk& walk, size_t most) const {
  for (; most > 0 && walk.next_ < walk.speakers_.size(); --most) {
    auto voice = VoiceOf(walk.speakers_[walk.next_++]);
    if (voice) walk.story_.voices.push_back(*std::move(voice));
  }
  if (walk.next_ == walk.speakers_.size()) walk.phase_ = SnapshotWalk::Phase::kDone;
  return most;
}

// Whom the plan was made for; nobody if there is none.
const std::vector<NodeId>& Collection::State::Speakers() const {
  return under_way_ ? under_way_->agreement.visible : founders_;
}

std::optional<PlanStory::Voice> Collection::State::VoiceOf(NodeId id) const {
  const Node* const node = tree_.Find(id);
  if (node != nullptr && node->constraints_set) {
    return PlanStory::Voice{id, node->debug.name, node->constraints, node->must_match};
  }
  const auto gone = departed_.find(id);
  if (gone == departed_.end()) return std::nullopt;
  return PlanStory::Voice{id, gone->second.name, gone->second.constraints, gone->second.must_match};
}

PlanStory Collection::State::StoryWithoutVoices() const {
  PlanStory story;
  story.settings = settings_;
  if (failure_ && !result_) {
    story.failure = failure_->report;
  } else if (under_way_) {
    story.plan = under_way_->agreement.plan;
    story.refused = under_way_->refused;
  } else {
    story.plan = result_;
    story.refused = refused_;
  }
  return story;
}

Report Collection::State::Explain() const {
  PlanStory story = StoryWithoutVoices();
  for (NodeId id : Speakers()) {
    auto voice = VoiceOf(id);
    if (voice) story.voices.push_back(*std::move(voice));
  }
  return story.Tell();
}

Report PlanStory::Tell() const {
  if (failure) return *failure;
  if (!plan) return {};
  std::vector<Participant> participants;
  std::vector<Participant> to_match;
  for (const Voice& voice : voices) {
    participants.push_back({.node = voice.node,
                            .name = voice.name,
                            .constraints = voice.constraints ? &*voice.constraints : nullptr});
    if (!voice.must_match) continue;
    to_match.push_back(AsParticipantToMatch(*voice.must_match, voice.node, voice.name));
  }
  participants.insert(participants.end(), to_match.begin(), to_match.end());
  Report report = ExplainPlan(participants, *plan, *settings);
  if (refused) report.refused = *refused;
  return report;
}

}  // namespace sysmem::core
