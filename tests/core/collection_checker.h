// SPDX-License-Identifier: Apache-2.0
//
// What must hold of a collection after every event, whoever invents the events.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tests/core/buffer_books.h"
#include "tests/core/collection_harness.h"
#include "tests/core/collection_tally.h"
#include "tests/core/family.h"

namespace sysmem::core::test {

// Knows from the events and effects alone what must be true, and holds a collection against it.
class Checker {
 public:
  explicit Checker(Tally* tally) : tally_(tally) {}

  void Sent(const Event& event) {
    guilty_.reset();
    unheard_ = false;
    all_may_fall_ = false;
    std::visit([this](const auto& e) { Note(e); }, event);
  }

  void Saw(const Effects& effects, const Collection& collection) {
    fallen_now_.clear();
    if (unheard_) fallen_now_.insert(DomainOf(*guilty_));
    lost_now_.clear();
    ends_now_ = false;
    const bool was_over = finished_;
    const std::optional<Failure> end = collection.TakeSnapshot().failure;
    if (!now_.failure && end && end->rule == "WEAK-3") {
      EXPECT_FALSE(allocated_ || under_way_) << "too late to fail for want of strong nodes";
      all_may_fall_ = true;
      ++tally_->weak_ends;
    }
    if (!now_.failure && end && end->rule == "WEAK-4") {
      all_may_fall_ = true;
      ++tally_->weak_only_ends;
    }
    for (size_t i = 0; i < effects.size(); ++i) {
      std::visit([this](const auto& e) { Check(e); }, effects[i]);
      EXPECT_TRUE(!was_over || std::holds_alternative<effect::Answer>(effects[i]))
          << "after the end nothing happens";
      if (std::holds_alternative<effect::Finished>(effects[i])) {
        EXPECT_EQ(i, effects.size() - 1) << "Finished comes last";
      }
    }
    CheckState(collection);
  }

  // The collection as it was after the latest event.
  const Snapshot& now() const { return now_; }
  bool finished() const { return finished_; }
  std::optional<AttemptId> under_way() const { return under_way_; }
  const std::map<CallId, NodeId>& waits() const { return waits_; }
  const BufferBooks& buffers() const { return books_; }

 private:
  template <typename E>
  void Note(const E& e) {
    if constexpr (requires { e.call; }) {
      if (e.call != 0) unanswered_.insert(e.call);
      if constexpr (requires { e.node; }) addressee_[e.call] = e.node;
    }
    if constexpr (std::is_same_v<E, event::Close>) {
      const NodeSnapshot* node = Find(e.node);
      if (node != nullptr && node->connected && !node->released) guilty_ = e.node;
    }
    family_.Note(e);
    if constexpr (std::is_same_v<E, event::IsAlternateFor>) asked_[e.call] = {e.node, *e.other};
    if constexpr (std::is_same_v<E, event::Wait>) {
      if (e.call != 0) waits_[e.call] = e.node;
      if (e.call == 0) NoteUnheard(e.node);
    }
    if constexpr (std::is_same_v<E, event::FailRoot>) {
      ended_from_outside_ = true;
      all_may_fall_ = true;
    }
    if constexpr (std::is_same_v<E, event::HandOutEnded>)
      books_.hand_outs.erase({e.hand_out, e.buffer});
    if constexpr (std::is_same_v<E, event::BufferGone>) {
      if (e.buffer < books_.count && allocated_) books_.gone.insert(e.buffer);
      tally_->outlived += now_.nodes.empty();
    }
    if constexpr (std::is_same_v<E, event::AttachLifetimeTracking>) tracked_by_[e.call] = e;
    if constexpr (std::is_same_v<E, event::GetVmoInfo>) infos_[e.call] = e;
    if constexpr (std::is_same_v<E, event::AllocationFinished>) {
      if (under_way_ != e.attempt) {
        ++tally_->late_heap_answers;
        return;
      }
      under_way_.reset();
      allocated_ = !e.failure;
      books_.daemon_holds = allocated_;
      if (allocated_) books_.count = now_.plan->buffer_count;
      all_may_fall_ = e.failure.has_value();
      if (e.failure) ++tally_->heap_refusals;
    }
  }

  // Nobody is told that this wait breaks a rule (2.7), but its node falls all the same.
  void NoteUnheard(NodeId id) {
    const NodeSnapshot* node = Find(id);
    if (node == nullptr || !node->connected) return;
    const bool may_wait = node->kind == NodeKind::kCollection && !node->released &&
                          node->constraints_set && (!node->weak || node->weak_ok);
    if (may_wait) return;
    guilty_ = id;
    unheard_ = true;
  }

  void Check(const effect::Answer& e) {
    EXPECT_EQ(unanswered_.erase(e.call), 1u) << "call " << e.call << " answered out of turn";
    waits_.erase(e.call);
    const Failure* failure = std::get_if<Failure>(&e.result);
    if (failure == nullptr) {
      family_.Granted(e.call);
    } else {
      if (failure->outcome == Outcome::kRefused && failure->rule != "TREE-1") {
        guilty_ = addressee_.at(e.call);
        fallen_now_.insert(DomainOf(*guilty_));
      }
      tally_->late_conflicts += failure->error == Error::kConstraintsIntersectionEmpty &&
                                allocated_ && failure->outcome == Outcome::kError;
      tally_->refusals += failure->outcome == Outcome::kRefused;
      tally_->cancelled += failure->outcome == Outcome::kCancelled;
      tally_->conflicts += failure->outcome == Outcome::kError &&
                           failure->error == Error::kConstraintsIntersectionEmpty;
    }
    if (const bool* alternate = std::get_if<bool>(&e.result)) CheckAlternate(e.call, *alternate);
    if (const auto tracked = tracked_by_.find(e.call); tracked != tracked_by_.end()) {
      if (failure == nullptr) trackings_[tracked->second.tracking] = tracked->second;
      tracked_by_.erase(tracked);
    }
    if (const auto info = infos_.find(e.call); info != infos_.end()) CheckInfo(info->second, e);
    if (const Grant* grant = std::get_if<Grant>(&e.result)) {
      ++tally_->grants;
      tally_->late_grants += family_.attached.count(family_.AttachedTop(addressee_.at(e.call)));
      EXPECT_TRUE(allocated_) << "a grant without buffers";
      if (!granted_) granted_ = grant->plan;
      EXPECT_EQ(grant->plan, *granted_) << "RES-7";
      EXPECT_EQ(grant->buffers.size(), books_.count);
      for (uint32_t buffer = 0; buffer < grant->buffers.size(); ++buffer) {
        CheckShare(grant->buffers[buffer], e.call, buffer, grant->weak, grant->with_buffers);
      }
    }
  }

  // RES-3, RES-4, RES-5.
  void CheckShare(const BufferShare& share, CallId call, uint32_t buffer, bool weak, bool wanted) {
    EXPECT_EQ(share.vmo, wanted && !books_.weakened.count(buffer));
    EXPECT_EQ(share.close_weak_asap, weak && !books_.gone.count(buffer));
    if (share.vmo) books_.hand_outs[{call, buffer}] = weak;
  }

  // G4, G6, G7.
  void CheckInfo(const event::GetVmoInfo& asked, const effect::Answer& answer) {
    const Failure* failure = std::get_if<Failure>(&answer.result);
    if (!allocated_ || asked.buffer >= books_.count || books_.gone.count(asked.buffer)) {
      ASSERT_NE(failure, nullptr);
      EXPECT_EQ(failure->error, Error::kNotFound);
      return;
    }
    if (asked.need_weak && books_.weakened.count(asked.buffer)) {
      ASSERT_NE(failure, nullptr);
      EXPECT_EQ(failure->error, Error::kNoMoreStrongVmoHandles);
      ++tally_->too_late;
      return;
    }
    const VmoInfo* info = std::get_if<VmoInfo>(&answer.result);
    ASSERT_NE(info, nullptr);
    CheckShare(info->share, answer.call, asked.buffer, asked.is_weak || asked.need_weak,
               asked.need_weak);
    tally_->weak_infos += asked.need_weak;
  }

  // By the two ways up, both written down.
  void CheckAlternate(CallId call, bool alternate) {
    const auto& [node, other] = asked_.at(call);
    std::vector<NodeId> ways[2] = {family_.WayUp(node), family_.WayUp(other)};
    NodeId shared = 0;
    while (!ways[0].empty() && !ways[1].empty() && ways[0].back() == ways[1].back()) {
      shared = ways[0].back();
      ways[0].pop_back();
      ways[1].pop_back();
    }
    EXPECT_EQ(alternate, Find(shared)->kind == NodeKind::kGroup) << node << " and " << other;
    tally_->alternates += alternate;
  }

  void Check(const effect::NodeClosed& e) {
    // A node whose client is gone may go by itself; any other takes its domain along.
    const NodeSnapshot* before = Find(e.node);
    if (before != nullptr && before->connected && !before->released) {
      fallen_now_.insert(DomainOf(e.node));
      lost_now_[e.node] = DomainOf(e.node);
      CheckThatItMayFall(*before);
    }
    EXPECT_TRUE(family_.parents.count(e.node)) << "closed a node that never was: " << e.node;
    EXPECT_TRUE(closed_.insert(e.node).second) << "closed node " << e.node << " twice";
    for (const auto& [child, parent] : family_.parents) {
      EXPECT_TRUE(parent != e.node || closed_.count(child)) << "parent closed before its child";
    }
    for (const auto& [call, node] : waits_) {
      EXPECT_NE(node, e.node) << "wait " << call << " survived its node";
    }
  }

  // Nobody falls but those who belong to a guilty client, or whose own try to allocate failed.
  void CheckThatItMayFall(const NodeSnapshot& node) {
    if (all_may_fall_) return;
    if (!guilty_) {
      EXPECT_FALSE(node.allocated) << "node " << node.id << " had its buffers already";
      return;
    }
    const NodeId top = DomainOf(*guilty_);
    NodeId above = node.id;
    while (above != top && above != 0) above = family_.parents.at(above);
    EXPECT_EQ(above, top) << "node " << node.id << " is not below the domain of " << *guilty_;
    tally_->domains_fallen += node.id == top && family_.attached.count(top);
    tally_->expendable_fallen +=
        node.id == top && family_.expendable.count(top) && family_.parents.at(top) != 0;
  }

  // All of it, or the alternatives that were not chosen when it got its buffers (DEL-2).
  void CheckThatItFell(NodeId top) {
    if (closed_.count(top)) return;
    EXPECT_FALSE(guilty_) << "half a domain fell";
    const NodeSnapshot* now = Find(top);
    ASSERT_TRUE(now != nullptr && now->allocated) << "half a domain fell";
    for (const auto& [node, its_top] : lost_now_) {
      if (its_top != top) continue;
      NodeId highest = node;
      // The group itself may have gone, as the last of a domain without clients (ZERO-1).
      while (!family_.groups.count(family_.parents.at(highest)) &&
             closed_.count(family_.parents.at(highest))) {
        highest = family_.parents.at(highest);
      }
      const NodeId group = family_.parents.at(highest);
      const NodeSnapshot* parent = Find(group);
      ASSERT_TRUE(family_.groups.count(group) && (parent == nullptr || parent->allocated))
          << "node " << node << " was nobody's alternative";
      ++tally_->unchosen;
      tally_->second_choices += family_.first_children.at(group) == highest;
    }
  }

  const NodeSnapshot* Find(NodeId id) const {
    for (const NodeSnapshot& node : now_.nodes) {
      if (node.id == id) return &node;
    }
    return nullptr;
  }

  // FAIL-1: what falls with `node`, by the state before the event.
  NodeId DomainOf(NodeId node) const {
    for (; !family_.attached.count(node) && family_.parents.at(node) != 0;
         node = family_.parents.at(node)) {
      const NodeSnapshot* before = Find(node);
      if (family_.expendable.count(node) && before != nullptr && before->allocated) break;
    }
    return node;
  }

  void Check(const effect::Allocate& e) {
    EXPECT_FALSE(under_way_) << "two attempts at once";
    EXPECT_FALSE(allocated_) << "buffers exist already";
    EXPECT_EQ(e.attempt, ++last_attempt_);
    under_way_ = e.attempt;
    allocates_now_ = true;
  }

  void Check(const effect::DropBuffers&) {
    EXPECT_TRUE(under_way_ || books_.daemon_holds) << "nothing to drop";
    under_way_.reset();
    books_.daemon_holds = false;
  }

  void Check(const effect::CloseWeakAsap& e) {
    EXPECT_TRUE(allocated_ && !books_.daemon_holds) << "the daemon itself is a strong holder";
    EXPECT_EQ(books_.CountHandOuts(e.buffer, false), 0u) << "a strong hand-out lives";
    EXPECT_TRUE(books_.weakened.insert(e.buffer).second) << "signalled twice";
  }

  void Check(const effect::CloseLifetimeTracking& e) {
    const auto found = trackings_.find(e.tracking);
    ASSERT_NE(found, trackings_.end()) << "never attached, or closed before";
    ended_trackings_.push_back(found->second);
    trackings_.erase(found);
    ++tally_->trackings_ended;
  }

  void Check(const effect::ReportLeak& e) {
    EXPECT_TRUE(books_.weakened.count(e.buffer));
    EXPECT_TRUE(books_.hand_outs.count({e.hand_out, e.buffer})) << "it has ended";
    EXPECT_TRUE(leaks_.insert({e.hand_out, e.buffer}).second) << "END-6: not repeated";
    ++tally_->leaks;
  }

  void Check(const effect::ArmTimer&) {}
  void Check(const effect::Log& e) { EXPECT_FALSE(e.text.empty()); }

  void Check(const effect::Finished&) {
    EXPECT_FALSE(finished_) << "finished twice";
    EXPECT_FALSE(under_way_ || books_.daemon_holds) << "finished with buffers";
    EXPECT_EQ(books_.gone.size(), books_.count) << "somebody still has a buffer (GONE-5)";
    EXPECT_TRUE(trackings_.empty()) << "LIFE-3";
    finished_ = true;
    ends_now_ = true;
  }

  void CheckState(const Collection& collection) {
    now_ = collection.TakeSnapshot();
    const Snapshot& snapshot = now_;
    CheckNodes(snapshot, collection);
    // Every call but a wait is answered by its own event.
    for (CallId call : unanswered_) EXPECT_TRUE(waits_.count(call)) << "call " << call;
    EXPECT_EQ(unanswered_.size(), waits_.size());
    for (NodeId top : fallen_now_) CheckThatItFell(top);
    const bool no_nodes =
        snapshot.nodes.empty() && (!family_.parents.empty() || ended_from_outside_);
    EXPECT_EQ(finished_, no_nodes && books_.gone.size() == books_.count);
    CheckBuffers(snapshot);
    CheckWhatWasDecided(snapshot);
    CheckStrength(snapshot);
  }

  // END-1, WEAK-4, LIFE-1, LIFE-2.
  void CheckBuffers(const Snapshot& snapshot) {
    if (allocated_ && !books_.daemon_holds) {
      for (uint32_t buffer = 0; buffer < books_.count; ++buffer) {
        EXPECT_EQ(books_.weakened.count(buffer), books_.CountHandOuts(buffer, false) == 0);
      }
      EXPECT_TRUE(snapshot.nodes.empty() || books_.weakened.size() < books_.count)
          << "nothing strong is left, and nodes wait for nothing";
    }
    const size_t remaining = books_.remaining();
    for (const event::AttachLifetimeTracking& ended : std::exchange(ended_trackings_, {})) {
      const NodeSnapshot* node = Find(ended.node);
      // One that was released undecided may be allocated right after (CONV-8).
      const bool decided = node != nullptr && node->allocated && node->connected;
      EXPECT_TRUE(!decided || *ended.buffers_remaining >= remaining);
    }
    for (const auto& [id, tracking] : trackings_) {
      const NodeSnapshot* node = Find(tracking.node);
      const bool undecided = node != nullptr && node->connected && !node->allocated;
      EXPECT_TRUE(undecided || *tracking.buffers_remaining < remaining) << "tracking " << id;
    }
    EXPECT_EQ(snapshot.lifetime_trackings, trackings_.size());
  }

  // WEAK-3.
  void CheckStrength(const Snapshot& snapshot) {
    if (snapshot.nodes.empty()) return;
    size_t strong = 0;
    for (const NodeSnapshot& node : snapshot.nodes) {
      strong += !node.weak;
      EXPECT_TRUE(node.weak || node.connected) << "a strong orphan (CONV-6)";
    }
    if (under_way_) return;
    EXPECT_TRUE(allocated_ || strong > 0) << "only weak nodes, and nothing was allocated";
    if (!allocated_) return;
    EXPECT_EQ(books_.daemon_holds, strong > 0);
    tally_->weak_drops += had_buffers_ && !books_.daemon_holds;
    had_buffers_ = books_.daemon_holds;
  }

  void CheckNodes(const Snapshot& snapshot, const Collection& collection) {
    EXPECT_EQ(family_.parents.size(), snapshot.nodes.size() + closed_.size()) << "a node was lost";
    std::set<NodeId> seen;
    size_t connected = 0;
    size_t pending = 0;
    for (const NodeSnapshot& node : snapshot.nodes) {
      EXPECT_TRUE(seen.insert(node.id).second);
      EXPECT_EQ(family_.parents.at(node.id), node.parent);
      EXPECT_TRUE(seen.size() == 1 ? node.parent == 0 : seen.count(node.parent) == 1)
          << "node " << node.id << " hangs in the air";
      EXPECT_FALSE(closed_.count(node.id));
      EXPECT_EQ(collection.IsConnected(node.id), node.connected);
      EXPECT_TRUE(node.connected || node.released) << "an orphan that was never released";
      EXPECT_TRUE(node.connected || node.pending_waits == 0) << "nobody is there to wait";
      connected += node.connected;
      pending += node.pending_waits;
    }
    EXPECT_EQ(pending, waits_.size());
    EXPECT_TRUE(snapshot.nodes.empty() || connected > 0 || under_way_) << "a tree of orphans";
  }

  void CheckWhatWasDecided(const Snapshot& snapshot) {
    switch (snapshot.state) {
      case CollectionState::kWaiting:
        EXPECT_FALSE(under_way_ || allocated_ || finished_);
        break;
      case CollectionState::kAllocating:
        EXPECT_TRUE(under_way_);
        break;
      case CollectionState::kAllocated:
        EXPECT_TRUE(allocated_);
        break;
      case CollectionState::kFailed:
        EXPECT_TRUE(snapshot.failure && snapshot.nodes.empty());
        break;
      case CollectionState::kOutlived:
        EXPECT_TRUE(allocated_ && snapshot.nodes.empty() && books_.gone.size() < books_.count);
        break;
    }
    CheckWhoIsAllocated(snapshot);
    allocates_now_ = false;
    tally_->normal_ends += ends_now_ && !snapshot.failure;
  }

  void CheckWhoIsAllocated(const Snapshot& snapshot) {
    std::map<NodeId, bool> allocated;
    std::map<NodeId, size_t> chosen;  // by groups that are allocated
    std::set<NodeId> unready;         // domains
    uint64_t camping = 0;
    for (const NodeSnapshot& node : snapshot.nodes) {
      const NodeId top = family_.AttachedTop(node.id);
      EXPECT_EQ(node.comes_later, top != snapshot.nodes.front().id);
      EXPECT_EQ(node.failure_mode, family_.attached.count(node.id) ? FailureMode::kDoNotPropagate
                                   : family_.expendable.count(node.id)
                                       ? FailureMode::kPropagateBeforeAllocation
                                       : FailureMode::kPropagate);
      allocated[node.id] = node.allocated;
      EXPECT_EQ(node.allocated, allocated.at(top)) << "those who were not chosen are gone";
      const NodeSnapshot* parent = Find(node.parent);
      if (parent != nullptr && parent->kind == NodeKind::kGroup && parent->allocated) {
        EXPECT_EQ(++chosen[parent->id], 1u) << "group " << parent->id << " chose two";
      }
      if (!node.ready) unready.insert(top);
      if (node.allocated && node.constraints) {
        camping += node.constraints->min_buffer_count_for_camping.value_or(0);
      }
      if (node.comes_later) continue;
      EXPECT_EQ(node.allocated, allocated_);
      EXPECT_TRUE(node.ready || !allocates_now_) << "allocated without node " << node.id;
    }
    for (const auto& [node, is_allocated] : allocated) {
      const NodeId parent = family_.parents.at(node);
      if (!family_.attached.count(node)) continue;
      EXPECT_TRUE(!is_allocated || allocated.at(parent)) << "before the one above it (ATT-2)";
      const bool due = allocated.at(parent) && !unready.count(node);
      EXPECT_TRUE(is_allocated || !due) << "node " << node << " was forgotten (ATT-8)";
    }
    if (snapshot.plan) {
      EXPECT_LE(camping, snapshot.plan->buffer_count) << "LATE-4";
    }
  }

  Tally* tally_;
  Snapshot now_;
  std::set<CallId> unanswered_;
  std::map<CallId, NodeId> waits_;  // unanswered ones
  Family family_;
  std::map<CallId, NodeId> addressee_;
  std::map<CallId, std::pair<NodeId, NodeId>> asked_;  // IsAlternateFor
  std::optional<Plan> granted_;
  std::set<NodeId> closed_;
  AttemptId last_attempt_ = 0;
  std::optional<AttemptId> under_way_;
  BufferBooks books_;
  std::set<std::pair<CallId, uint32_t>> leaks_;
  std::map<CallId, event::AttachLifetimeTracking> tracked_by_;  // not answered yet
  std::map<TrackingId, event::AttachLifetimeTracking> trackings_;
  std::vector<event::AttachLifetimeTracking> ended_trackings_;  // by the latest event
  std::map<CallId, event::GetVmoInfo> infos_;
  bool had_buffers_ = false;
  bool allocated_ = false;
  bool allocates_now_ = false;
  std::optional<NodeId> guilty_;  // whose client the event makes fail
  bool unheard_ = false;          // and no answer will say so
  bool all_may_fall_ = false;
  std::map<NodeId, NodeId> lost_now_;  // closed while a client was there, with their domains
  std::set<NodeId> fallen_now_;        // domains of which a connected node was closed
  bool ends_now_ = false;
  bool ended_from_outside_ = false;
  bool finished_ = false;
};

}  // namespace sysmem::core::test
