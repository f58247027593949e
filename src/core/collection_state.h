// SPDX-License-Identifier: Apache-2.0
//
// The inside of core::Collection: what it remembers, and the one place where an event is routed.
//
// Life of a collection (the names are CollectionState's):
//
//   kWaiting --everybody ready, plan found: Allocate--> kAllocating --AllocationFinished-->
//   kAllocated
//      |                                                    |                                   |
//      '------- root failed: kFailed -----------------------+     root failed or everybody gone '
//                                                           |                                   |
//                                        Finished <---------+--- last buffer gone --- kOutlived '
//
// The state is not stored: it follows from failure_, result_ and under_way_. Between Allocate and
// AllocationFinished messages go on as in kWaiting, but no second attempt is started.
//
// By file: collection.cc routes, closes nodes and makes attempts; collection_messages.cc holds what
// clients may say and when, collection_groups.cc what they may say to groups;
// collection_results.cc hands out what was decided; collection_buffers.cc follows the buffers to
// their end; snapshot.cc tells people. The methods below stand in that order.
//
// Every effect of an event is appended to effects_, in the order in which it must become visible.
// An answer to a message is appended before whatever the message causes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/attempt.h"
#include "core/buffer_lives.h"
#include "core/collection.h"
#include "core/node_tree.h"
#include "core/plan_story.h"
#include "core/report.h"
#include "core/slow_log.h"

namespace sysmem::core {

class Collection::State {
 public:
  State(uint64_t id, std::shared_ptr<const Settings> settings, int64_t now_ns);

  Effects Handle(const Event& event);
  uint64_t CostOf(const Event& event) const;
  bool IsConnected(NodeId node) const;
  std::optional<NodeKind> KindOf(NodeId node) const;
  DebugInfo DebugOf(NodeId node) const;
  bool IsReleased(NodeId node) const;
  Snapshot TakeSnapshot() const;
  void TakeSlice(SnapshotWalk& walk, uint64_t changes) const;
  Glance TakeGlance() const;
  std::string name() const { return name_ ? name_->text : std::string(); }
  uint64_t version() const { return version_; }
  Report Explain() const;
  bool HasFailedEarly() const { return failure_ && !result_; }
  uint64_t id() const { return id_; }

 private:
  using Level = effect::Log::Level;

  // One line of a table of server-behaviour.md 2: what must not be, and what is said if it is.
  struct Rule {
    bool broken;
    const char* rule;     // rule id or section
    const char* field;    // of the message; "" if the message as a whole is wrong
    const char* message;  // goes on after the field, or after "the node"
  };
  // What rules say most.
  static constexpr char kWasReleased[] = "was released; only closing it is left";
  static constexpr char kIsComplete[] = "has all children present; no more can be made";
  static constexpr char kMissing[] = "is required and missing";
  static constexpr char kForTokens[] = "does not take this message, only a token does";
  static constexpr char kForCollections[] = "does not take this message, only a collection does";
  static constexpr char kForGroups[] = "does not take this message, only a group does";

  struct Name {
    std::string text;
    uint32_t priority = 0;
  };
  struct Allocation {
    AttemptId attempt = 0;
    Agreement agreement;
    std::shared_ptr<const RefusedTries> refused;  // tries before the one that led here
  };
  // Took part when the plan was made, and is gone.
  struct Departed {
    std::string name;
    SharedValue<Constraints> constraints;
    SharedValue<Constraints> must_match;
  };

  // --- collection.cc: what happens to a collection without a client's message.
  void On(const event::CreateRoot& e);
  void On(const event::Close& e);
  void On(const event::HeapsChanged& e);
  void On(const event::FailRoot& e);
  void On(const event::Tick& e);

  void BecomeOrphan(Node& node);
  void DropSpentOrphans(NodeId id);
  void LoseClient(const Node& node, const std::string& why);
  // Logs, remembers and carries out the failure of the sub-tree `top`.
  void FailSubtree(NodeId top, const Failure& why, Level level);
  // Ends what is pending on the sub-tree `top`, children first, and removes it. Of
  // `why` people are told the message.
  void CloseSubtree(NodeId top, const Failure& why);
  // The normal end or the failure of each domain whose clients are all gone (ZERO-1, ZERO-2).
  void CloseDomainsWithoutClients();
  void CheckStrongNodes();
  // 3.2. May fail the root.
  void Attempt();
  // One eligible sub-tree's turn. True if the tree changed by it, so that others may be eligible.
  bool AttemptSubtree(NodeId top);
  // GRP-9.
  void LogRefused(const GroupSearch& search);

  // --- collection_messages.cc: what clients may say, and what it does.
  void On(const event::Duplicate& e);
  void On(const event::DuplicateSync& e);
  void On(const event::SetDispensable& e);
  void On(const event::Bind& e);
  void On(const event::SetConstraints& e);
  void On(const event::Wait& e);
  void On(const event::CancelWait& e);
  void On(const event::Check& e);
  void On(const event::AttachToken& e);
  void On(const event::Sync& e);
  void On(const event::Release& e);
  void On(const event::SetName& e);
  void On(const event::SetDebugClientInfo& e);
  void On(const event::SetDebugTimeoutLogDeadline& e);
  void On(const event::SetVerboseLogging& e);
  void On(const event::SetWeak& e);
  void On(const event::SetWeakOk& e);
  void On(const event::AttachNodeTracking& e);
  void On(const event::GetBufferCollectionId& e);
  void On(const event::BadMessage& e);

  // The node if a client holds it; otherwise answers kClosed and returns nullptr.
  Node* Reachable(NodeId id, CallId call);
  Failure WhyClosed(NodeId id) const;
  // True if no rule of the table is broken; otherwise the first one that is decides, and the
  // message is refused. `node` may be gone then.
  bool Obeys(const Node& node, CallId call, std::initializer_list<Rule> rules);
  // Whether one of these cannot become a new node. A child's number is chosen by the daemon; what
  // the client lacks is the request for the child.
  bool AnyUnusable(const std::vector<NodeId>& children) const;
  // DuplicateSync and CreateChildrenSync: what kind of node makes, and the table that speaks of it.
  struct Makers {
    NodeKind kind;
    const char* only_for_them;
    const char* rule;
  };
  void MakeTokens(const Makers& makers, NodeId maker, CallId call,
                  const std::vector<NodeId>& children,
                  const std::optional<std::vector<uint32_t>>& rights_masks);
  bool HasRoomFor(size_t children, const Node& node, CallId call);
  bool HasRoomFor(const ConstraintsWeight& weight, const Node& node, CallId call);
  // FAIL-5: answers the message with `why` and fails its sender's domain.
  void Refuse(const Node& node, CallId call, Failure why);
  Node& AddChild(const Node& parent, NodeId child, NodeKind kind, uint32_t rights_mask);

  // --- collection_groups.cc: what clients may say to groups and about them.
  void On(const event::CreateTokenGroup& e);
  void On(const event::CreateChild& e);
  void On(const event::CreateChildrenSync& e);
  void On(const event::AllChildrenPresent& e);
  void On(const event::GetNodeRef& e);
  void On(const event::IsAlternateFor& e);

  // DEL-2: ends the alternatives that did not come into sight.
  void DropUnchosen(const std::vector<NodeId>& visible);

  // --- collection_results.cc: what was decided.
  void On(const event::AllocationFinished& e);
  void StartAllocation(Agreement agreement, RefusedTries refused);
  // The attempt under way is over: `why` with what had been planned.
  Failure NotAllocated(Failure why);
  // DEL-1, DEL-4: these nodes are allocated now; who waited is told. Then DEL-2.
  void DeliverSuccess(const std::vector<NodeId>& visible);
  // DEL-3, DEL-5: who waits below `top` is told the error, then all of it is closed.
  void DeliverFailure(NodeId top, const Failure& why);
  // What the node gets, in answer to this call; its hand-outs live from now on.
  Grant GrantTo(const Node& node, CallId call);
  void DropBuffers();

  // --- collection_buffers.cc: what becomes of the buffers.
  void On(const event::AttachLifetimeTracking& e);
  void On(const event::GetVmoInfo& e);
  void On(const event::HandOutEnded& e);
  void On(const event::BufferGone& e);

  // RES-4, RES-5: for one buffer, to somebody who wants a vmo or not. `holder`: who, in words.
  BufferShare HandOut(uint32_t buffer, bool weak, bool with_vmo, CallId call,
                      const std::string& holder);
  // END-1 for whichever buffers it is time for; then WEAK-4.
  void CheckBuffers();
  void ReportLeaks(int64_t now_ns);
  // LIFE-1: the allocation of the node is decided, for better or worse.
  void StartLifetimeTrackings(Node& node);
  void DropLifetimeTrackings(Node& node);
  // LIFE-2.
  void CheckLifetimeTrackings();

  // --- Small effects.
  template <typename R>
  void Answer(CallId call, R result) {
    if (call != 0) effects_.push_back(effect::Answer{call, std::move(result)});
  }
  void AnswerWaits(Node& node, const Failure& failure);
  std::string LogPrefix() const;
  void Log(Level level, const std::string& text, effect::Log::About about = {});
  // Ordinary steps: debug level, info once somebody asked for verbose logging (6.4).
  // Of level debug. `text` is a function that gives the text, called only if somebody reads it:
  // each message to a node comes by here.
  template <typename Text>
  void LogStep(const Text& text) {
    if (verbose_) return Log(Level::kInfo, text());
    if (settings_->debug_log) Log(Level::kDebug, text());
  }
  void LogParticipants(const std::vector<NodeId>& pruned);
  void LogAgreed(const std::vector<NodeId>& visible);

  // --- snapshot.cc
  CollectionState StateNow() const;
  NodeId ChosenChild(const Node& node) const;
  NodeSnapshot TakeNodeSnapshot(const Node& node) const;
  std::vector<NodeSnapshot> TakeNodeSnapshots() const;
  void TakeHead(SnapshotWalk& walk) const;
  // Both look at no more than `most` nodes and return how many are left of these.
  size_t TakeNodes(SnapshotWalk& walk, size_t most) const;
  size_t TakeVoices(SnapshotWalk& walk, size_t most) const;
  const std::vector<NodeId>& Speakers() const;
  std::optional<PlanStory::Voice> VoiceOf(NodeId id) const;
  PlanStory StoryWithoutVoices() const;

  const uint64_t id_;
  std::shared_ptr<const Settings> settings_;
  NodeTree tree_;
  std::optional<Name> name_;
  bool verbose_ = false;
  SlowLog slow_log_;
  bool owes_total_time_ = false;  // SLOW-3: the next Tick tells how long it took

  AttemptId last_attempt_ = 0;
  std::optional<Allocation> under_way_;
  std::optional<Plan> result_;
  // What Explain needs besides: who the plan was made for, those of them who are gone since, and
  // what was refused before it came to the plan.
  std::vector<NodeId> founders_;
  std::unordered_map<NodeId, Departed> departed_;
  std::shared_ptr<const RefusedTries> refused_;
  std::vector<NodeSnapshot> nodes_at_failure_;  // if it failed early
  // Who was closed last, and why: for calls that were on their way then.
  struct LastClosed {
    std::vector<NodeId> nodes;
    Failure why;
    bool Has(NodeId id) const { return std::find(nodes.begin(), nodes.end(), id) != nodes.end(); }
  };
  LastClosed last_closed_;
  BufferLives lives_;
  std::vector<LifetimeTracking> lifetime_trackings_;  // of what is decided
  std::optional<Failure> failure_;                    // why the root failed
  // Since domains were last looked at for ZERO-1. Without it none has become idle meanwhile: a node
  // is born connected, and whoever makes a domain of a node is its client.
  bool clients_lost_ = false;
  bool strength_changed_ = false;  // a strong node went during this event (WEAK-3)
  bool finished_ = false;
  uint64_t version_ = 0;

  Effects effects_;
};

}  // namespace sysmem::core
