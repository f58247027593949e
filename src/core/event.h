// SPDX-License-Identifier: Apache-2.0
//
// Everything that can happen to one logical buffer collection.
//
// An event is a plain value: it can be stored, compared, recorded and replayed. Ids in events are
// chosen by whoever posts them (the engine): node ids are unique for the run of the daemon, call
// ids name the caller who waits for an Answer effect. Time arrives as Tick. Handles, sessions,
// descriptors and gRPC are unknown here.
//
// Every event that carries a `call` is answered by exactly one Answer effect with that call id,
// now or later (Wait); call 0 wants no answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/constraints.h"
#include "core/failure.h"
#include "core/heap_properties.h"
#include "core/plan.h"

namespace sysmem::core {

using CallId = uint64_t;      // 0 = nobody asked
using AttemptId = uint64_t;   // numbers the allocations of one collection from 1
using TrackingId = uint64_t;  // of a lifetime-tracking end; unique in its collection

// Name and id by which a client wants to be known (SetDebugClientInfo).
struct DebugInfo {
  std::string name;
  uint64_t id = 0;
  bool operator==(const DebugInfo&) const = default;
};

namespace event {

// AllocateSharedCollection / AllocateNonSharedCollection: the first event of a collection (TREE-1).
struct CreateRoot {
  CallId call = 0;
  NodeId node = 0;
  bool bound = false;  // true: the root starts as a collection (non-shared)
  DebugInfo debug;     // the allocator's (DBG-3)
  bool operator==(const CreateRoot&) const = default;
};

// Token.Duplicate (2.5). Mask 0 is accepted as "same rights".
struct Duplicate {
  CallId call = 0;
  NodeId node = 0;
  NodeId child = 0;
  std::optional<uint32_t> rights_mask;
  bool operator==(const Duplicate&) const = default;
};

// Token.DuplicateSync (2.5): one child per mask, in order.
// REQUIRES: children.size() == rights_masks.size() when rights_masks is set.
struct DuplicateSync {
  CallId call = 0;
  NodeId node = 0;
  std::vector<NodeId> children;
  std::optional<std::vector<uint32_t>> rights_masks;
  bool operator==(const DuplicateSync&) const = default;
};

// Token.CreateBufferCollectionTokenGroup (2.5): a group as child of the token.
struct CreateTokenGroup {
  CallId call = 0;
  NodeId node = 0;
  NodeId child = 0;
  bool operator==(const CreateTokenGroup&) const = default;
};

// Token.SetDispensable (2.5): once allocated, the node may fail without its parent (FAIL-2). The
// only message that is taken after Release, too.
struct SetDispensable {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const SetDispensable&) const = default;
};

// Group.CreateChild (2.6): one more alternative. No mask is the same as "same rights".
struct CreateChild {
  CallId call = 0;
  NodeId node = 0;
  NodeId child = 0;
  std::optional<uint32_t> rights_mask;
  bool operator==(const CreateChild&) const = default;
};

// Group.CreateChildrenSync (2.6): one child per mask, in order.
// REQUIRES: children.size() == rights_masks.size() when rights_masks is set.
struct CreateChildrenSync {
  CallId call = 0;
  NodeId node = 0;
  std::vector<NodeId> children;
  std::optional<std::vector<uint32_t>> rights_masks;
  bool operator==(const CreateChildrenSync&) const = default;
};

// Group.AllChildrenPresent (2.6): the group has all its alternatives.
struct AllChildrenPresent {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const AllChildrenPresent&) const = default;
};

// Allocator.BindSharedCollection: the token becomes a collection in its place (CONV-2).
struct Bind {
  CallId call = 0;
  NodeId node = 0;
  std::optional<DebugInfo> allocator_debug;  // replaces the node's when set (CONV-5)
  bool operator==(const Bind&) const = default;
};

struct SetConstraints {
  CallId call = 0;
  NodeId node = 0;
  std::optional<Constraints> constraints;  // unset = no constraints (2.7)
  // What the must_match_vmo of the message is: how its buffer was made (PART-3), or, if it is no
  // buffer that is known, what it is instead, in words. Both unset: there was none.
  std::optional<SingleBufferSettings> must_match = std::nullopt;
  std::optional<std::string> not_a_buffer = std::nullopt;
  // Types of heaps that the sender's user may not use, if there are any: whoever says what buffers
  // are for answers for it, whoever is given the node later (HEAP-ACCESS).
  std::optional<std::vector<std::string>> denied_heaps = std::nullopt;
  bool operator==(const SetConstraints&) const = default;
};

// WaitForAllBuffersAllocated: answered when the logical allocation is decided.
struct Wait {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const Wait&) const = default;
};

// The caller of `wait` takes it back: that call is answered CANCELLED if it was still pending.
struct CancelWait {
  NodeId node = 0;
  CallId wait = 0;
  bool operator==(const CancelWait&) const = default;
};

// CheckAllBuffersAllocated.
struct Check {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const Check&) const = default;
};

// Collection.AttachToken (2.7): a token whose sub-tree is allocated later and by itself, out of the
// buffers that exist (3.7). Unlike Duplicate it takes no mask 0.
struct AttachToken {
  CallId call = 0;
  NodeId node = 0;
  NodeId child = 0;
  std::optional<uint32_t> rights_mask;
  bool operator==(const AttachToken&) const = default;
};

struct Sync {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const Sync&) const = default;
};

struct Release {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const Release&) const = default;
};

struct SetName {
  CallId call = 0;
  NodeId node = 0;
  std::optional<uint32_t> priority;
  std::optional<std::string> name;
  bool operator==(const SetName&) const = default;
};

struct SetDebugClientInfo {
  CallId call = 0;
  NodeId node = 0;
  std::optional<std::string> name;
  uint64_t id = 0;
  bool operator==(const SetDebugClientInfo&) const = default;
};

struct SetDebugTimeoutLogDeadline {
  CallId call = 0;
  NodeId node = 0;
  std::optional<int64_t> deadline_ns;  // monotonic clock
  bool operator==(const SetDebugTimeoutLogDeadline&) const = default;
};

struct SetVerboseLogging {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const SetVerboseLogging&) const = default;
};

// The caller wants to speak about this node to others: answered with a Reference (2.4).
struct GetNodeRef {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const GetNodeRef&) const = default;
};

// Is the other node an alternative to this one (2.4)? Answered with a bool: whether the nearest
// node above both (one of the two, if it stands above the other) is a group.
struct IsAlternateFor {
  CallId call = 0;
  NodeId node = 0;
  // What the node_ref of the message stands for; unset = there was none, 0 = no node that is known.
  std::optional<NodeId> other;
  bool unreadable = false;  // the node_ref cannot stand for any node whatever
  bool operator==(const IsAlternateFor&) const = default;
};

// The node, and children made later, keep no buffer alive (WEAK-1).
struct SetWeak {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const SetWeak&) const = default;
};

// The client knows what it means that its buffers are weak (WEAK-2).
struct SetWeakOk {
  CallId call = 0;
  NodeId node = 0;
  std::optional<bool> for_child_nodes_also;  // unset = false
  bool operator==(const SetWeakOk&) const = default;
};

// The client wants to know when the node is no more and its buffer counts are free (TRK-1). The
// core only counts; whoever posts the event keeps the end until NodeClosed.
struct AttachNodeTracking {
  CallId call = 0;
  NodeId node = 0;
  bool has_end = false;  // the message came with something to close
  bool operator==(const AttachNodeTracking&) const = default;
};

// Collection.AttachLifetimeTracking (5.5): the client wants to know when no more than so many
// buffers are left. Whoever posts the event keeps the end until effect CloseLifetimeTracking names
// it; if the answer is a failure, that effect never comes.
struct AttachLifetimeTracking {
  CallId call = 0;
  NodeId node = 0;
  TrackingId tracking = 0;  // 0: the message came with nothing to close
  std::optional<uint32_t> buffers_remaining;
  bool operator==(const AttachLifetimeTracking&) const = default;
};

struct GetBufferCollectionId {
  CallId call = 0;
  NodeId node = 0;
  bool operator==(const GetBufferCollectionId&) const = default;
};

// Allocator.GetVmoInfo (5.6), once it is known that the descriptor is one of this collection's
// buffers. Answered with a VmoInfo, also when the tree is gone (GVI-2).
struct GetVmoInfo {
  CallId call = 0;
  uint32_t buffer = 0;
  bool is_weak = false;  // the descriptor that was shown
  bool need_weak = false;
  DebugInfo debug;  // the allocator's, for the leak report of the weak one
  bool operator==(const GetVmoInfo&) const = default;
};

// A message for this node broke a bound of interface.md 2.1, or is not one this kind of node knows:
// the node fails before any other check (2.4), and the answer is `why`.
struct BadMessage {
  CallId call = 0;
  NodeId node = 0;
  Failure why;
  bool operator==(const BadMessage&) const = default;
};

// The node's client end is gone: closed by number, by the end of its session, or by the hang-up of
// its exported end. Clean only after Release (1.2). `call` is answered (CloseHandle waits for it).
struct Close {
  CallId call = 0;
  NodeId node = 0;
  std::string why;  // for the inspector: "handle closed", "session ended", ...
  bool operator==(const Close&) const = default;
};

// The answer to an Allocate effect. On failure nothing of the attempt is left.
struct AllocationFinished {
  AttemptId attempt = 0;
  std::optional<Failure> failure;
  bool operator==(const AllocationFinished&) const = default;
};

// Nothing is left of what one answer handed out of one buffer: every copy of the descriptor and
// every mapping is gone, or it never was made (END-4, and half of END-1).
struct HandOutEnded {
  CallId hand_out = 0;  // the call that was answered with it
  uint32_t buffer = 0;
  bool operator==(const HandOutEnded&) const = default;
};

// Nobody has this buffer any more, and its memory is back with its heap (END-5). Comes after
// DropBuffers, and after HandOutEnded for every hand-out of it.
struct BufferGone {
  uint32_t buffer = 0;
  bool operator==(const BufferGone&) const = default;
};

// Heaps came or went. Attempts made from now on see these; none is made because of it (EXT-5), but
// when secure memory has become ready (SEC-2). A collection with buffers from a heap in `lost`, or
// with an allocation under way there, fails from the root (BUF-3, EXT-4); a heap may be lost and be
// there again, from another provider (EXT-3). A heap that is neither in `heaps` nor in `lost` gives
// no more, but its buffers stay.
struct HeapsChanged {
  std::vector<HeapProperties> heaps;
  std::vector<Heap> secure_heaps;  // as Settings::secure_heaps
  std::vector<Heap> lost;
  std::optional<NoSecureMemory> no_secure_memory = std::nullopt;  // as Settings'
  bool operator==(const HeapsChanged&) const = default;
};

// The daemon shuts down (SHUT-1): the collection fails from the root.
struct FailRoot {
  Failure why;
  bool operator==(const FailRoot&) const = default;
};

// The time now. Sent when a deadline of an ArmTimer effect has passed.
struct Tick {
  int64_t now_ns = 0;  // monotonic clock
  bool operator==(const Tick&) const = default;
};

}  // namespace event

using Event =
    std::variant<event::CreateRoot, event::Duplicate, event::DuplicateSync, event::CreateTokenGroup,
                 event::SetDispensable, event::CreateChild, event::CreateChildrenSync,
                 event::AllChildrenPresent, event::Bind, event::SetConstraints, event::Wait,
                 event::CancelWait, event::Check, event::AttachToken, event::Sync, event::Release,
                 event::SetName, event::SetDebugClientInfo, event::SetDebugTimeoutLogDeadline,
                 event::SetVerboseLogging, event::GetNodeRef, event::IsAlternateFor, event::SetWeak,
                 event::SetWeakOk, event::AttachNodeTracking, event::AttachLifetimeTracking,
                 event::GetBufferCollectionId, event::GetVmoInfo, event::BadMessage, event::Close,
                 event::AllocationFinished, event::HandOutEnded, event::BufferGone,
                 event::HeapsChanged, event::FailRoot, event::Tick>;

}  // namespace sysmem::core
