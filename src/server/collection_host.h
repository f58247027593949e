// SPDX-License-Identifier: Apache-2.0
//
// One logical buffer collection in the daemon: its core, its mailbox, its buffers, and who holds
// each of its nodes.
//
// Everything that happens to the collection is posted here and handled one at a time. Inside the
// turn the event goes through the core, answers and closures are appended to the outboxes of the
// sessions they belong to, and small allocations are carried out; outside of it the outboxes are
// flushed. Large allocations go to a worker and come back as an item.
//
// By file: collection_host.cc has the turn, nodes and answers; collection_host_buffers.cc the
// buffers; collection_host_inspection.cc what the inspector sees; collection_host_events.cc what
// watchers are told.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/collection.h"
#include "server/buffer_set.h"
#include "server/call.h"
#include "server/held_descriptors.h"
#include "server/incoming_descriptors.h"
#include "server/inspection.h"
#include "server/internals.h"
#include "server/mailbox.h"
#include "server/node_holders.h"
#include "server/node_references.h"
#include "server/outbox.h"
#include "server/watch_event.h"

namespace sysmem::server {

// An end that a client wants closed when a node is no more. The closer closes it.
struct Tracking {
  ForeignFd end;
  HeldDescriptors::Lease lease;
};

class CollectionHost : public std::enable_shared_from_this<CollectionHost> {
 public:
  CollectionHost(Engine::Internals& engine, uint64_t buffer_collection_id, PeerInfo creator);
  ~CollectionHost();

  using NamedHolders = std::vector<std::pair<core::NodeId, Holder>>;

  // An event for the core. `slot` is told its answer. `holders` are installed before the event is
  // handled, for the nodes it makes or moves; a node that does not exist afterwards is reported
  // closed to its holder. `ends` are exported ends that go with a positive answer.
  void PostEvent(core::Event event, CallSlot slot, NamedHolders holders = {},
                 std::vector<base::UniqueFd> ends = {});

  // The node changes hands: Export and Import. Answered CLOSED if it is gone.
  void PostMove(core::NodeId node, Holder holder, CallSlot slot,
                std::vector<base::UniqueFd> ends = {});

  // IsAlternateFor about the node whose reference has this SO_COOKIE, if one of this collection's
  // has.
  void PostIsAlternateFor(core::NodeId node, uint64_t cookie, CallSlot slot);

  // AttachNodeTracking: `tracking` is kept until the node is no more, unless the core refuses.
  void PostTracking(core::NodeId node, Tracking tracking, CallSlot slot);

  // AttachLifetimeTracking: `tracking` is kept until so few buffers are left, unless the core
  // refuses.
  void PostLifetimeTracking(core::NodeId node, Tracking tracking,
                            std::optional<uint32_t> buffers_remaining, CallSlot slot);

  // GetVmoInfo about a buffer of this collection. What else is answered is known already: the rest
  // of `info`, or the failure that takes its place if the core finds none (G10).
  void PostVmoInfo(core::event::GetVmoInfo event, core::Result<VmoInfoResult> info,
                   Recipient recipient, CallSlot slot);

  // The client end of `node` is gone: nobody is told of its closure any more.
  void PostClose(core::NodeId node, std::string why, CallSlot slot);

  // The caller takes a wait back: the operation `wait` of an earlier event of his.
  void PostCancelWait(core::NodeId node, CallSlot wait);

  // `done` is called in the collection's turn with the kind of this node, if a client holds it.
  void PostAskKind(core::NodeId node, std::function<void(std::optional<core::NodeKind>)> done);

  // An explanation takes as long as negotiating once more.
  enum class Explain : bool { kNo, kYes };
  struct InspectionWanted {
    uid_t viewer = 0;
    Explain explain = Explain::kNo;
    // Nodes in breadth-first order, then buffers by index.
    uint64_t first_item = 0;
    uint64_t most_items = kMostItemsInPage;
  };
  // `done` is called, by one of the engine's inspection threads and outside of the turn, with what
  // there is to see. The turn is taken for a slice of the nodes at a time (core/snapshot_walk.h).
  void PostInspect(InspectionWanted wanted, std::function<void(CollectionDetail)> done);
  // `done` is called in the collection's turn.
  void PostGlance(std::function<void(CollectionGlance)> done);

  uint64_t id() const { return id_; }
  const PeerInfo& creator() const { return creator_; }

 private:
  // What the answer to GetVmoInfo needs besides the core's.
  struct VmoInfoAsked {
    core::Result<VmoInfoResult> info;
    Recipient recipient;  // of a weak handle
  };
  struct EventItem {
    core::Event event;
    CallSlot slot;
    NamedHolders holders;
    std::vector<base::UniqueFd> ends;
    core::NodeId forget = 0;        // holder to forget first (Close)
    core::TrackingId tracking = 0;  // kept for this event, unless it is refused
    std::shared_ptr<VmoInfoAsked> asked = nullptr;
  };
  struct MoveItem {
    core::NodeId node = 0;
    Holder holder;
    CallSlot slot;
    std::vector<base::UniqueFd> ends;
  };
  struct AlternateItem {
    core::NodeId node = 0;
    uint64_t cookie = 0;
    CallSlot slot;
  };
  struct TrackingItem {
    core::NodeId node = 0;
    Tracking tracking;
    CallSlot slot;
  };
  struct LifetimeItem {
    core::NodeId node = 0;
    Tracking tracking;
    std::optional<uint32_t> buffers_remaining;
    CallSlot slot;
  };
  struct AllocatedItem {
    core::AttemptId attempt = 0;
    std::variant<std::shared_ptr<BufferSet>, core::Failure> outcome;
  };
  struct CancelItem {
    core::NodeId node = 0;
    CallSlot wait;
  };
  struct AskKindItem {
    core::NodeId node = 0;
    std::function<void(std::optional<core::NodeKind>)> done;
  };
  struct Inspection;  // one under way
  struct InspectItem {
    std::shared_ptr<Inspection> inspection;
  };
  struct GlanceItem {
    std::function<void(CollectionGlance)> done;
  };
  using Item = std::variant<EventItem, MoveItem, AlternateItem, TrackingItem, LifetimeItem,
                            AllocatedItem, CancelItem, AskKindItem, InspectItem, GlanceItem>;
  struct Pending {
    CallSlot slot;
    std::vector<base::UniqueFd> ends;
    core::NodeId node = 0;  // that the event was for
    core::TrackingId tracking = 0;
    std::shared_ptr<VmoInfoAsked> asked;
  };

  void Post(Item item);

  // All of these run inside the turn.
  std::optional<Mailbox<Item>::After> Take(Item item);
  bool IsDear(const Item& item) const;
  Mailbox<Item>::After Handle(Item item);
  void Handle(EventItem item);
  void Handle(MoveItem item);
  void Handle(AlternateItem item);
  void Handle(TrackingItem item);
  void Handle(LifetimeItem item);
  void Handle(AllocatedItem item);
  void Handle(CancelItem item);
  void Handle(AskKindItem item);
  void Handle(InspectItem item);
  void Handle(GlanceItem item);
  void TakeSlice(Inspection& inspection) const;
  CollectionDetail DescribeAtOnce() const;
  void Run(const core::Event& event);
  void Record(const core::Event& event, const core::Effects& effects) const;

  // What watchers are told of one event. REQUIRES: somebody watches; the core has handled the
  // event, and no effect was carried out. `before` is how things stood until then.
  struct Before {
    bool released = false;  // the node that is closed ...
    WatchEvent closing;     // ... and what there is to say of it
    bool failed_early = false;
    std::string name;
  };
  Before NoteBefore(const core::Event& event) const;
  void TellWatchers(const core::Event& event, const core::Effects& effects, const Before& before);
  void TellOfNodes(const core::Event& event, const core::Effects& effects, const Before& before);
  void TellOfAllocation(const core::Event& event, const core::Effects& effects);
  void TellOfEnds(const core::Event& event, const core::Effects& effects, const Before& before);
  void Tell(WatchEvent event);
  WatchEvent AboutNode(WatchKind kind, core::NodeId node) const;
  const PeerInfo* HolderOf(core::NodeId node, uint64_t* session_id) const;
  void Apply(core::Effect effect);
  void Apply(core::effect::Answer answer);
  void Apply(core::effect::NodeClosed closed);
  void Apply(core::effect::Allocate allocate);
  void Apply(core::effect::DropBuffers);
  void Apply(core::effect::CloseWeakAsap close);
  void Apply(core::effect::CloseLifetimeTracking close);
  void Apply(core::effect::ReportLeak leak);
  void Apply(core::effect::ArmTimer timer);
  void Apply(core::effect::Log log);
  void Apply(core::effect::Finished);
  void HaveMade(const std::shared_ptr<heaps::Heap>& heap, const core::effect::Allocate& allocate,
                BufferSet::Done done);
  void Adopt(std::shared_ptr<BufferSet> made);
  PendingResult BuffersFor(core::Grant grant, core::NodeId node, core::CallId call,
                           const Outbox& receiver);
  PendingResult Complete(const core::VmoInfo& found, core::CallId call, VmoInfoAsked& asked,
                         const PeerInfo& receiver);
  PendingResult CopyOf(core::Reference reference, const PeerInfo& receiver);
  void NameHolders(core::Failure& failure, const PeerInfo& receiver) const;
  std::shared_ptr<const core::ReportText> TextFor(
      const std::shared_ptr<const core::Report>& report);
  void TellClosed(core::NodeId node, const std::string& why);
  void Touch(const std::shared_ptr<Outbox>& outbox);
  HolderInfo InfoOf(core::NodeId node, const Holder& holder) const;

  // These run outside of the turn.
  CollectionDetail PutTogether(Inspection& inspection) const;
  static void AddBuffers(const BufferSet& set, const InspectionWanted& wanted,
                         CollectionDetail& detail);

  Engine::Internals& engine_;
  const uint64_t id_;
  const PeerInfo creator_;
  const int64_t created_ns_;
  Mailbox<Item> mailbox_;

  // Touched in the turn only.
  core::Collection core_;
  NodeHolders holders_;
  uint64_t moves_ = 0;  // of nodes from one holder to another: changes that the core does not see
  NodeReferences references_;
  std::unordered_multimap<core::NodeId, Tracking> trackings_;
  std::unordered_map<core::CallId, Pending> pending_;
  core::CallId last_call_ = 0;
  std::unordered_map<core::TrackingId, Tracking> lifetime_trackings_;
  core::TrackingId last_tracking_ = 0;
  std::optional<core::AttemptId> awaited_;  // the attempt whose buffers are wanted
  std::shared_ptr<BufferSet> buffers_;
  std::shared_ptr<BufferSet> unwatched_;  // of buffers_, until the turn in which they came is over
  std::optional<bool> complains_;         // whether the first complaint of this event was written
  std::deque<core::Event> follow_ups_;    // of effects carried out on the spot
  EventLoop::TimerId timer_ = 0;
  bool finished_ = false;
  std::vector<std::shared_ptr<Outbox>> touched_;
  // The last report that was told, and its text: all who wait are told the same one.
  std::shared_ptr<const core::Report> told_;
  std::shared_ptr<const core::ReportText> told_text_;
  // Who began it, and who holds or has held a node or a buffer of it.
  Sight seen_by_;
  // What is being made, and since when, if somebody watched then.
  std::optional<WatchEvent> begun_;
  int64_t begun_ns_ = 0;
  // Of a collection that has failed; else only during a close: of who closes.
  std::vector<HolderInfo> last_holders_;
};

}  // namespace sysmem::server
