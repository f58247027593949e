// SPDX-License-Identifier: Apache-2.0
//
// The inside of a session: private to session.cc (order, end), session_operations.cc (what each
// operation does), session_making.cc (those that make nodes from nodes), session_descriptors.cc
// (what clients send), session_buffers.cc (what they ask about buffers), session_providers.cc (the
// heaps they serve) and session_inspection.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/call.h"
#include "server/collection_host.h"
#include "server/handle_table.h"
#include "server/held_collections.h"
#include "server/incoming_descriptors.h"
#include "server/internals.h"
#include "server/outbox.h"
#include "server/provider_calls.h"
#include "server/reorder_queue.h"
#include "server/session.h"
#include "server/unknown_tokens.h"

namespace sysmem::server {

class Session::Impl {
 public:
  Impl(Session& session, Engine::Internals& engine, uint64_t id, PeerInfo peer,
       base::UniqueFd handle_channel, base::UniqueFd wire);
  ~Impl();

  // Begins to watch the handle channel. Separate from construction because callbacks refer to the
  // session weakly.
  absl::Status Start();

  void Submit(Request request, std::shared_ptr<ReplyPort> port);
  void End(SessionEnd end);
  SessionInfo Describe() const;

  const uint64_t id;
  const PeerInfo peer;

 private:
  struct Arrived {
    Request request;
    std::shared_ptr<ReplyPort> port;
  };
  // A wait that may be taken back.
  struct WaitRef {
    std::shared_ptr<CollectionHost> host;  // or ...
    core::NodeId node = 0;
    std::shared_ptr<ProviderCalls> provider;  // ... whose next call is waited for, or ...
    std::shared_ptr<WatchLog> events;         // ... of which more is waited for
    std::weak_ptr<Call> call;
    size_t index = 0;
    std::weak_ptr<void> guard;  // expired once answered
  };

  // Order and end (session.cc).
  void Drain(std::unique_lock<std::mutex>& lock);
  void WatchHole(std::unique_lock<std::mutex>& lock);
  void CheckHole(uint64_t missing);
  void Execute(Arrived arrived);
  void EndTurn(const SessionEnd& end);
  void TakeBackWaits();
  std::string AbortText(const SessionEnd& end) const;

  // Operations (session_operations.cc). Each resolves its slot exactly once, now or later.
  void Do(const CallSlot& slot, op::AllocateSharedCollection& what);
  void Do(const CallSlot& slot, op::AllocateNonSharedCollection& what);
  void Do(const CallSlot& slot, op::BindSharedCollection& what);
  void Do(const CallSlot& slot, op::ValidateToken& what);
  void Do(const CallSlot& slot, op::SetAllocatorDebugInfo& what);
  void Do(const CallSlot& slot, op::GetVmoInfo& what);
  void Do(const CallSlot& slot, op::NodeMessage& what);
  void Do(const CallSlot& slot, op::CloseHandle& what);
  void Do(const CallSlot& slot, op::Export& what);
  void Do(const CallSlot& slot, op::Import& what);
  void Do(const CallSlot& slot, op::CancelWait& what);
  void Do(const CallSlot& slot, op::Ping& what);
  void Do(const CallSlot& slot, op::GetServerInfo& what);
  void Do(const CallSlot& slot, op::RegisterHeap& what);
  void Do(const CallSlot& slot, op::RegisterSecureMem& what);
  void Do(const CallSlot& slot, op::UnregisterSecureMem& what);
  void Do(const CallSlot& slot, op::OnRegister& what);
  void Do(const CallSlot& slot, op::TakeProviderCall& what);
  void Do(const CallSlot& slot, op::AnswerProviderCall& what);
  void Do(const CallSlot& slot, op::InspectStatus& what);
  void Do(const CallSlot& slot, op::InspectCollections& what);
  void Do(const CallSlot& slot, op::InspectCollection& what);
  void Do(const CallSlot& slot, op::InspectHeaps& what);
  void Do(const CallSlot& slot, op::InspectSessions& what);
  void Do(const CallSlot& slot, op::NextEvents& what);
  void Do(const CallSlot& slot, op::Malformed& what);

  // Operations that make nodes from nodes (session_making.cc).
  void Do(const CallSlot& slot, op::Duplicate& what);
  void Do(const CallSlot& slot, op::DuplicateSync& what);
  void Do(const CallSlot& slot, op::AttachToken& what);
  void Do(const CallSlot& slot, op::CreateTokenGroup& what);
  void Do(const CallSlot& slot, op::CreateChild& what);
  void Do(const CallSlot& slot, op::CreateChildrenSync& what);
  // Of the kind `made`: posts `event`, which makes event.child below event.node.
  struct NewNode {
    core::NodeKind kind = core::NodeKind::kToken;
    const char* field = "token_handle";  // the message's, for the handle
    std::optional<Handle> handle;
    bool exported = false;
  };
  template <typename Event>
  void MakeNode(const CallSlot& slot, NodeRef parent, Event event, const NewNode& made);
  // One token per mask: posts an Event, which is DuplicateSync or CreateChildrenSync.
  template <typename Event, typename Op>
  void MakeTokens(const CallSlot& slot, NodeRef parent, Op& what);
  std::optional<core::Failure> RefuseNewHandles(const std::vector<Handle>& handles,
                                                size_t needed) const;

  // A heap that this session serves, or secure memory that it drives (session_providers.cc).
  struct Registration {
    core::Heap name;
    std::shared_ptr<ProviderCalls> calls;  // of a heap from OnRegister on
    std::shared_ptr<heaps::Heap> heap;     // likewise
    bool is_secure_memory = false;         // then there are calls alone
  };
  bool MayServe() const;
  Registration* RegistrationFor(const CallSlot& slot, const std::optional<Handle>& handle,
                                bool ready);
  void EndRegistration(const Registration& registration, const std::string& why) const;
  // Counts a wait of this session; nothing, after refusing it, when there are too many.
  std::optional<CallSlot> CountWait(const CallSlot& slot);
  static void TakeBack(const WaitRef& wait);

  // Helpers of the operations.
  bool IsInUse(Handle handle) const;
  std::optional<core::Failure> RefuseNewHandle(const std::optional<Handle>& handle,
                                               const char* field) const;
  // The node a message is for; on failure the slot is answered, no node is harmed, and null
  // returned.
  const NodeRef* NodeFor(const CallSlot& slot, const std::optional<Handle>& handle,
                         std::optional<core::NodeKind> kind, const char* field);
  // NodeMessages that name a descriptor.
  void WithDescriptor(const CallSlot& slot, const NodeRef& ref, op::NodeMessage& what);
  void Compare(const CallSlot& slot, const NodeRef& ref, const ForeignFd& node_ref);
  void Track(const CallSlot& slot, const NodeRef& ref, const core::Event& event,
             ForeignFd server_end);
  void Match(const CallSlot& slot, const NodeRef& ref, core::event::SetConstraints event,
             DescriptorNumber number, ForeignFd buffer);
  // Buffers that clients show (session_buffers.cc).
  static bool IsMemory(const ForeignFd& shown);
  // G2 to G4.
  core::Result<std::shared_ptr<HeldBuffer>> LookUp(const ForeignFd& shown, const char* field) const;
  // G8 to G10; fails where G10 does.
  core::Result<VmoInfoResult> Compare(op::GetVmoInfo& what, const HeldBuffer& buffer);
  // An end the client sent. It stays open until the node is taken out: as the last copy, its close
  // would be the end of the node.
  struct ExportedEnd {
    uint64_t cookie = 0;
    ForeignFd fd;
  };
  void UseUp(const std::vector<DescriptorNumber>& numbers);
  core::Result<ForeignFd> Claim(const std::optional<DescriptorNumber>& number, const char* field);
  // What a socket is known by; nothing for any other descriptor.
  static std::optional<uint64_t> CookieOf(const ForeignFd& fd);
  core::Result<ExportedEnd> ClaimExportedEnd(const std::optional<DescriptorNumber>& number,
                                             const char* field);
  void CreateRoot(const CallSlot& slot, std::optional<Handle> handle, bool bound, bool exported);
  core::Result<NodeRef> TakeTokenByHandle(const std::optional<Handle>& handle);
  core::Result<NodeRef> TakeTokenByDescriptor(DescriptorNumber number);
  core::Result<NodeRef> TakeExported(uint64_t cookie, std::optional<core::NodeKind> kind,
                                     const char* field);
  void ValidateByNodeId(const CallSlot& slot, core::NodeId node);
  // CONV-3: the collection end exists and is closed at once.
  void BindDead(const CallSlot& slot, Handle collection, core::Failure why);
  void ExplainLateToken(Handle handle, const std::string& name);
  void AddHandle(Handle handle, NodeRef ref);
  NodeRef RemoveHandle(Handle handle);
  Holder HolderFor(Handle handle) const { return Holder{outbox_, handle, 0}; }
  Holder HolderOfEnd(uint64_t cookie) const { return Holder{outbox_, 0, cookie}; }
  // Inspection: runs `job` aside, while the session is kept.
  void LookAside(const std::function<void()>& job);
  struct Gathering;
  void Gather(const std::shared_ptr<Gathering>& gathering);
  void Sift(const std::shared_ptr<Gathering>& gathering);
  // The collections with ids above `after` that this session may see, by rising id; those that
  // failed are not among them. And how many it came by, with their nodes, whoever may see these.
  struct Gathered {
    std::vector<CollectionSummary> summaries;
    uint64_t collections = 0;
    uint64_t nodes = 0;
  };
  // `done` is called with `at_most` of them.
  void GatherCollections(uint64_t after, uint64_t at_most, std::function<void(Gathered)> done);
  void AddFailed(std::vector<CollectionSummary>& summaries) const;
  bool MaySee(const Sight& sight) const;
  // Watchers learn of it, if it is about one of the daemon's limits.
  void TellOfLimit(const core::Failure& refusal) const;
  void ShowStatus(const CallSlot& slot, const Gathered& gathered);
  void ShowSessions(const CallSlot& slot);
  void ShowFailed(const CallSlot& slot, const op::InspectCollection& what);
  // What this session may know of a peer: all of its own user's, nothing of others.
  PeerInfo Shown(const PeerInfo& peer_info) const;
  CollectionSummary Shown(CollectionSummary summary) const;
  CollectionDetail Shown(CollectionDetail detail) const;

  Session& session_;
  Engine::Internals& engine_;
  const std::shared_ptr<base::UniqueFd> channel_;
  const base::UniqueFd wire_;
  const int64_t opened_ns_;
  const std::shared_ptr<UnreadBudget::Account> unread_;
  std::shared_ptr<Outbox> outbox_;
  std::atomic<EventLoop::WatchId> watch_ = 0;
  std::atomic<EventLoop::WatchId> wire_watch_ = 0;

  mutable std::mutex mutex_;
  ReorderQueue<Arrived> queue_;
  bool busy_ = false;
  bool hole_watched_ = false;
  std::optional<SessionEnd> end_;  // set once
  bool ended_ = false;             // its turn has run

  // Written in the turn, read by Describe.
  std::atomic<uint64_t> handle_count_ = 0;
  const std::shared_ptr<std::atomic<uint32_t>> waits_pending_;
  HeldCollections held_collections_;  // of table_; at the end, what it had last

  // Touched in the turn only.
  HandleTable table_;
  UnknownTokens unknown_tokens_;
  IncomingDescriptors incoming_;
  core::DebugInfo allocator_debug_;
  bool allocator_debug_set_ = false;
  std::map<uint64_t, WaitRef> waits_;
  std::map<Handle, Registration> registrations_;
};

}  // namespace sysmem::server
