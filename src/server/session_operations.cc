// SPDX-License-Identifier: Apache-2.0
//
// What each operation of a session does, in the session's turn: look up handles, move nodes
// between handle table and export table, and post events to the collection they belong to. The
// rules of sysmem2 are the core's; what is refused here is only what concerns handles and
// descriptors, which the core does not know. How nodes are made from nodes is session_making.cc,
// what becomes of a client's descriptors is session_descriptors.cc.

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/session_impl.h"

namespace sysmem::server {
namespace {

using core::Error;
using core::NodeKind;
using core::Refused;

// How many answered waits may be remembered before they are swept out.
constexpr size_t kWaitsBeforeSweep = 1024;

core::Failure NoSuchHandle(Handle handle, const char* field) {
  return Refused(Error::kNotFound, "WIRE-HANDLE", field,
                 absl::StrCat("no handle ", handle, " in this session"));
}

// The node a NodeMessage's event is for.
template <typename T>
concept ForNode = requires(T event) {
  event.node;
};
void SetNode(core::Event& event, core::NodeId node) {
  std::visit(
      [&](auto& what) {
        if constexpr (ForNode<decltype(what)>) what.node = node;
      },
      event);
}

}  // namespace

// ---- Allocator -------------------------------------------------------------------------------

void Session::Impl::CreateRoot(const CallSlot& slot, std::optional<Handle> handle, bool bound,
                               bool exported) {
  auto host = engine_.NewCollection(peer);
  const core::NodeId node = engine_.NewNodeId();
  NodeRef ref{host, node, bound ? NodeKind::kCollection : NodeKind::kToken};
  core::event::CreateRoot event{0, node, bound, allocator_debug_};
  if (!exported) {
    AddHandle(*handle, std::move(ref));
    host->PostEvent(std::move(event), slot, {{node, HolderFor(*handle)}});
    return;
  }
  auto made = engine_.exports->Add(std::move(ref));
  if (!made.ok()) {
    engine_.ForgetCollection(host->id());
    return slot.Resolve(OperationResult(std::move(made).failure()));
  }
  std::vector<base::UniqueFd> ends;
  ends.push_back(std::move(made.value().client_end));
  host->PostEvent(std::move(event), slot, {{node, HolderOfEnd(made.value().cookie)}},
                  std::move(ends));
}

void Session::Impl::Do(const CallSlot& slot, op::AllocateSharedCollection& what) {
  if (!what.export_node) {
    if (auto refusal = RefuseNewHandle(what.token, "token_handle")) {
      return slot.Resolve(OperationResult(std::move(*refusal)));
    }
  }
  CreateRoot(slot, what.token, false, what.export_node);
}

void Session::Impl::Do(const CallSlot& slot, op::AllocateNonSharedCollection& what) {
  if (auto refusal = RefuseNewHandle(what.collection, "collection_handle")) {
    return slot.Resolve(OperationResult(std::move(*refusal)));
  }
  CreateRoot(slot, what.collection, true, false);
}

// CONV-3: the collection end is closed, nobody else is harmed.
void Session::Impl::BindDead(const CallSlot& slot, Handle collection, core::Failure why) {
  engine_.Log(core::effect::Log::Level::kError, peer,
              absl::StrCat("BindSharedCollection found no token, rule ", why.rule, ", field \"",
                           why.field, "\": ", why.message,
                           ". A token must be made, and if it travels be exported, before it is "
                           "bound"));
  AddHandle(collection, NodeRef{nullptr, 0, NodeKind::kCollection});
  const std::string text = why.message;
  slot.Resolve(OperationResult(std::move(why)));
  outbox_->AppendNodeClosed(collection, text);
}

void Session::Impl::Do(const CallSlot& slot, op::BindSharedCollection& what) {
  // The collection may take over its token's number.
  if (!what.collection || what.collection != what.token) {
    if (auto refusal = RefuseNewHandle(what.collection, "collection_handle")) {
      if (what.token_descriptor) UseUp({*what.token_descriptor});
      return slot.Resolve(OperationResult(std::move(*refusal)));
    }
  }
  auto token = what.token_descriptor ? TakeTokenByDescriptor(*what.token_descriptor)
                                     : TakeTokenByHandle(what.token);
  if (!token.ok()) {
    if (table_.Find(*what.collection) != nullptr) {  // a handle of another kind, named twice
      return slot.Resolve(OperationResult(std::move(token).failure()));
    }
    if (what.token && token.failure().error == Error::kNotFound) {
      unknown_tokens_.Missed(*what.token);
    }
    return BindDead(slot, *what.collection, std::move(token).failure());
  }
  NodeRef ref = std::move(token).value();
  ref.kind = NodeKind::kCollection;
  core::event::Bind event;
  event.node = ref.node;
  if (allocator_debug_set_) event.allocator_debug = allocator_debug_;
  auto host = ref.host;
  AddHandle(*what.collection, std::move(ref));
  host->PostEvent(event, slot, {{event.node, HolderFor(*what.collection)}});
}

core::Result<NodeRef> Session::Impl::TakeTokenByHandle(const std::optional<Handle>& handle) {
  if (!handle) {
    return Refused(Error::kProtocolDeviation, "CONV-2", "token", "the field is missing");
  }
  const NodeRef* found = table_.Find(*handle);
  if (found == nullptr) return NoSuchHandle(*handle, "token_handle");
  if (found->kind != NodeKind::kToken) {
    return Refused(
        Error::kProtocolDeviation, "CONV-2", "token_handle",
        absl::StrCat("handle ", *handle, " is a ", NodeKindName(found->kind), ", not a token"));
  }
  NodeRef ref = RemoveHandle(*handle);
  if (!ref.host) return core::Closed("the token is closed");
  return ref;
}

core::Result<NodeRef> Session::Impl::TakeTokenByDescriptor(DescriptorNumber number) {
  auto end = ClaimExportedEnd(number, "token_descriptor");
  if (!end.ok()) return std::move(end).failure();
  return TakeExported(end.value().cookie, NodeKind::kToken, "token_descriptor");
}

void Session::Impl::Do(const CallSlot& slot, op::ValidateToken& what) {
  if (what.node_id) return ValidateByNodeId(slot, *what.node_id);
  std::optional<uint64_t> koid = what.koid;
  std::optional<ForeignFd> copy;  // as the last one, its close would be the end of the token
  if (what.descriptor) {
    auto claimed = Claim(what.descriptor, "token_descriptor");
    if (!claimed.ok()) return slot.Resolve(OperationResult(std::move(claimed).failure()));
    copy.emplace(std::move(claimed).value());
    koid = CookieOf(*copy).value_or(0);
  }
  if (!koid) {
    return slot.Resolve(OperationResult(
        Refused(Error::kProtocolDeviation, "2.8", "token", "the field is missing")));
  }
  auto found = engine_.exports->Find(*koid);
  slot.Resolve(OperationResult(TokenKnown{found && found->kind == NodeKind::kToken}));
}

void Session::Impl::Do(const CallSlot& slot, op::SetAllocatorDebugInfo& what) {
  if (!what.name) {
    return slot.Resolve(
        OperationResult(Refused(Error::kProtocolDeviation, "2.8", "name", "the field is missing")));
  }
  allocator_debug_ = core::DebugInfo{std::move(*what.name), what.id};
  allocator_debug_set_ = true;
  slot.Resolve(OperationResult(core::Nothing{}));
}

// ---- Any node --------------------------------------------------------------------------------

void Session::Impl::Do(const CallSlot& slot, op::NodeMessage& what) {
  const NodeRef* ref = NodeFor(slot, what.handle, what.kind, "handle");
  if (ref == nullptr) {
    if (what.descriptor) UseUp({*what.descriptor});
    return;
  }
  SetNode(what.event, ref->node);
  if (const auto* info = std::get_if<core::event::SetDebugClientInfo>(&what.event)) {
    ExplainLateToken(*what.handle, info->name.value_or(""));
  }
  if (auto* constraints = std::get_if<core::event::SetConstraints>(&what.event)) {
    constraints->denied_heaps =
        HeapsDeniedTo(engine_.options.heap_policies, peer.uid, engine_.daemon_uid);
  }
  if (what.descriptor) return WithDescriptor(slot, *ref, what);
  if (!std::holds_alternative<core::event::Wait>(what.event)) {
    ref->host->PostEvent(std::move(what.event), slot);
    return;
  }
  std::optional<CallSlot> counted = CountWait(slot);
  if (!counted) return;
  waits_[slot.call->number()] =
      WaitRef{ref->host, ref->node, nullptr, nullptr, slot.call, slot.index, counted->guard};
  ref->host->PostEvent(std::move(what.event), *std::move(counted));
}

std::optional<CallSlot> Session::Impl::CountWait(const CallSlot& slot) {
  const uint32_t limit = engine_.options.limits.waits_per_session;
  if (waits_pending_->load() >= limit) {
    slot.Resolve(OperationResult(
        Refused(Error::kProtocolDeviation, "LIMIT-WAITS", "",
                absl::StrCat("this session has ", limit, " waits pending, its limit"))));
    return std::nullopt;
  }
  waits_pending_->fetch_add(1);
  CallSlot counted = slot;
  counted.guard = std::shared_ptr<void>(nullptr, [count = waits_pending_](void*) { --*count; });
  if (waits_.size() >= kWaitsBeforeSweep) {
    std::erase_if(waits_, [](const auto& wait) { return wait.second.guard.expired(); });
  }
  return counted;
}

void Session::Impl::TakeBack(const WaitRef& wait) {
  auto call = wait.call.lock();
  if (!call) return;
  const CallSlot slot{std::move(call), wait.index, nullptr};
  if (wait.provider) return wait.provider->CancelTake(slot);
  if (wait.events) return wait.events->Cancel(slot);
  wait.host->PostCancelWait(wait.node, slot);
}

// DBG-4, second half: now it has a name.
void Session::Impl::ExplainLateToken(Handle handle, const std::string& name) {
  if (!unknown_tokens_.IsNamed(handle)) return;
  engine_.Log(core::effect::Log::Level::kWarn, peer,
              absl::StrCat("the token that showed up late, handle ", handle, ", is of \"", name,
                           "\" (DBG-4)"));
}

void Session::Impl::Do(const CallSlot& slot, op::CancelWait& what) {
  if (!what.wait_number) {
    return slot.Resolve(OperationResult(
        Refused(Error::kProtocolDeviation, "WIRE-FIELD", "wait_number", "the field is missing")));
  }
  auto found = waits_.extract(*what.wait_number);
  if (!found.empty()) TakeBack(found.mapped());
  // A wait that was answered meanwhile needs no taking back.
  slot.Resolve(OperationResult(core::Nothing{}));
}

void Session::Impl::Do(const CallSlot& slot, op::CloseHandle& what) {
  if (!what.handle || *what.handle == 0) {
    return slot.Resolve(OperationResult(
        Refused(Error::kProtocolDeviation, "WIRE-HANDLE", "handle", "the handle is missing")));
  }
  if (auto registration = registrations_.extract(*what.handle)) {
    EndRegistration(registration.mapped(), "its handle was closed");
    return slot.Resolve(OperationResult(core::Nothing{}));
  }
  if (table_.Find(*what.handle) == nullptr) {
    return slot.Resolve(OperationResult(NoSuchHandle(*what.handle, "handle")));
  }
  NodeRef ref = RemoveHandle(*what.handle);
  if (!ref.host) return slot.Resolve(OperationResult(core::Nothing{}));
  ref.host->PostClose(ref.node, "its handle was closed", slot);
}

void Session::Impl::Do(const CallSlot& slot, op::Export& what) {
  const NodeRef* ref = NodeFor(slot, what.handle, std::nullopt, "handle");
  if (ref == nullptr) return;
  auto made = engine_.exports->Add(*ref);
  if (!made.ok()) return slot.Resolve(OperationResult(std::move(made).failure()));
  NodeRef moved = RemoveHandle(*what.handle);
  std::vector<base::UniqueFd> ends;
  ends.push_back(std::move(made.value().client_end));
  moved.host->PostMove(moved.node, HolderOfEnd(made.value().cookie), slot, std::move(ends));
}

void Session::Impl::Do(const CallSlot& slot, op::Import& what) {
  if (auto refusal = RefuseNewHandle(what.handle, "handle")) {
    if (what.descriptor) UseUp({*what.descriptor});
    return slot.Resolve(OperationResult(std::move(*refusal)));
  }
  auto end = ClaimExportedEnd(what.descriptor, "descriptor_number");
  if (!end.ok()) return slot.Resolve(OperationResult(std::move(end).failure()));
  auto taken = TakeExported(end.value().cookie, what.kind, "descriptor_number");
  if (!taken.ok()) return slot.Resolve(OperationResult(std::move(taken).failure()));
  NodeRef ref = std::move(taken).value();
  auto host = ref.host;
  const core::NodeId node = ref.node;
  AddHandle(*what.handle, std::move(ref));
  host->PostMove(node, HolderFor(*what.handle), slot);
}

void Session::Impl::Do(const CallSlot& slot, op::Malformed& what) {
  UseUp(what.used_up);
  slot.Resolve(OperationResult(std::move(what.why)));
}

// ---- Helpers ---------------------------------------------------------------------------------

std::optional<core::Failure> Session::Impl::RefuseNewHandle(const std::optional<Handle>& handle,
                                                            const char* field) const {
  if (!handle || *handle == 0) {
    return Refused(Error::kProtocolDeviation, "WIRE-HANDLE", field,
                   "a handle for what is made is required; 0 is none");
  }
  if (IsInUse(*handle)) {
    return Refused(Error::kProtocolDeviation, "WIRE-HANDLE", field,
                   absl::StrCat("handle ", *handle, " is in use"));
  }
  const uint32_t limit = engine_.options.limits.handles_per_session;
  if (table_.size() + registrations_.size() >= limit) {
    return Refused(Error::kProtocolDeviation, "LIMIT-HANDLES", field,
                   absl::StrCat("this session has ", limit, " handles, its limit"));
  }
  return std::nullopt;
}

const NodeRef* Session::Impl::NodeFor(const CallSlot& slot, const std::optional<Handle>& handle,
                                      std::optional<NodeKind> kind, const char* field) {
  if (!handle || *handle == 0) {
    slot.Resolve(OperationResult(
        Refused(Error::kProtocolDeviation, "WIRE-HANDLE", field, "the field is missing")));
    return nullptr;
  }
  const NodeRef* ref = table_.Find(*handle);
  if (ref == nullptr) {
    slot.Resolve(OperationResult(NoSuchHandle(*handle, field)));
    return nullptr;
  }
  if (!ref->host) {
    slot.Resolve(OperationResult(core::Closed("the node is closed")));
    return nullptr;
  }
  if (kind && ref->kind != *kind) {
    slot.Resolve(
        OperationResult(Refused(Error::kProtocolDeviation, "WIRE-HANDLE", field,
                                absl::StrCat("handle ", *handle, " is a ", NodeKindName(ref->kind),
                                             "; this method is one of a ", NodeKindName(*kind)))));
    return nullptr;
  }
  return ref;
}

void Session::Impl::AddHandle(Handle handle, NodeRef ref) {
  if (ref.host) held_collections_.Add(ref.host->id());
  if (ref.kind == NodeKind::kToken && unknown_tokens_.ShowsUp(handle)) {
    engine_.Log(core::effect::Log::Level::kWarn, peer,
                absl::StrCat("token ", ref.node, ", handle ", handle,
                             ", shows up after a BindSharedCollection that named it. Expected "
                             "order: Duplicate, then bind (DBG-4)"));
  }
  table_.Add(handle, std::move(ref));
}

bool Session::Impl::IsInUse(Handle handle) const {
  return table_.Find(handle) != nullptr || registrations_.contains(handle);
}

NodeRef Session::Impl::RemoveHandle(Handle handle) {
  NodeRef ref = table_.Remove(handle);
  if (ref.host) held_collections_.Remove(ref.host->id());
  return ref;
}

}  // namespace sysmem::server
