// SPDX-License-Identifier: Apache-2.0
//
// Operations that make nodes from nodes: their handles and exported ends, here; everything else is
// the core's.
//
// The new nodes are in the tables before the core has heard of them, so that calls sent behind find
// them. What the core refuses to make is closed again by the collection's host.
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/session_impl.h"

namespace sysmem::server {

using core::Error;
using core::NodeKind;
using core::Refused;

template <typename Event>
void Session::Impl::MakeNode(const CallSlot& slot, NodeRef parent, Event event,
                             const NewNode& made) {
  event.node = parent.node;
  event.child = engine_.NewNodeId();
  NodeRef child{parent.host, event.child, made.kind};
  if (!made.exported) {
    if (auto refusal = RefuseNewHandle(made.handle, made.field)) {
      return slot.Resolve(OperationResult(std::move(*refusal)));
    }
    AddHandle(*made.handle, std::move(child));
    parent.host->PostEvent(event, slot, {{event.child, HolderFor(*made.handle)}});
    return;
  }
  auto end = engine_.exports->Add(std::move(child));
  if (!end.ok()) return slot.Resolve(OperationResult(std::move(end).failure()));
  std::vector<base::UniqueFd> ends;
  ends.push_back(std::move(end.value().client_end));
  parent.host->PostEvent(event, slot, {{event.child, HolderOfEnd(end.value().cookie)}},
                         std::move(ends));
}

void Session::Impl::Do(const CallSlot& slot, op::Duplicate& what) {
  const NodeRef* parent = NodeFor(slot, what.token, NodeKind::kToken, "handle");
  if (parent == nullptr) return;
  MakeNode(slot, *parent, core::event::Duplicate{.rights_mask = what.rights_mask},
           {.handle = what.new_token, .exported = what.export_node});
}

void Session::Impl::Do(const CallSlot& slot, op::AttachToken& what) {
  const NodeRef* parent = NodeFor(slot, what.collection, NodeKind::kCollection, "handle");
  if (parent == nullptr) return;
  MakeNode(slot, *parent, core::event::AttachToken{.rights_mask = what.rights_mask},
           {.handle = what.new_token, .exported = what.export_node});
}

void Session::Impl::Do(const CallSlot& slot, op::CreateTokenGroup& what) {
  const NodeRef* parent = NodeFor(slot, what.token, NodeKind::kToken, "handle");
  if (parent == nullptr) return;
  MakeNode(slot, *parent, core::event::CreateTokenGroup{},
           {.kind = NodeKind::kGroup,
            .field = "group_handle",
            .handle = what.new_group,
            .exported = what.export_node});
}

void Session::Impl::Do(const CallSlot& slot, op::CreateChild& what) {
  const NodeRef* parent = NodeFor(slot, what.group, NodeKind::kGroup, "handle");
  if (parent == nullptr) return;
  MakeNode(slot, *parent, core::event::CreateChild{.rights_mask = what.rights_mask},
           {.handle = what.new_token, .exported = what.export_node});
}

std::optional<core::Failure> Session::Impl::RefuseNewHandles(const std::vector<Handle>& handles,
                                                             size_t needed) const {
  if (handles.size() != needed) {
    return Refused(Error::kProtocolDeviation, "WIRE-HANDLE", "token_handles",
                   absl::StrCat(handles.size(), " new handles for ", needed, " masks"));
  }
  std::set<Handle> distinct;
  for (const Handle handle : handles) {
    if (auto refusal = RefuseNewHandle(handle, "token_handles")) return refusal;
    if (!distinct.insert(handle).second) {
      return Refused(Error::kProtocolDeviation, "WIRE-HANDLE", "token_handles",
                     absl::StrCat("handle ", handle, " is named twice"));
    }
  }
  return std::nullopt;
}

template <typename Event, typename Op>
void Session::Impl::MakeTokens(const CallSlot& slot, NodeRef parent, Op& what) {
  const size_t count = what.rights_masks ? what.rights_masks->size() : 0;
  if (!what.export_node) {
    if (auto refusal = RefuseNewHandles(what.new_tokens, count)) {
      return slot.Resolve(OperationResult(std::move(*refusal)));
    }
  }
  Event event;
  event.node = parent.node;
  CollectionHost::NamedHolders holders;
  std::vector<base::UniqueFd> ends;
  for (size_t index = 0; index < count; ++index) {
    const core::NodeId node = engine_.NewNodeId();
    NodeRef child{parent.host, node, NodeKind::kToken};
    event.children.push_back(node);
    if (!what.export_node) {
      AddHandle(what.new_tokens[index], std::move(child));
      holders.emplace_back(node, HolderFor(what.new_tokens[index]));
      continue;
    }
    auto end = engine_.exports->Add(std::move(child));
    if (!end.ok()) {
      for (auto& [made, holder] : holders) engine_.exports->Drop(holder.cookie);
      return slot.Resolve(OperationResult(std::move(end).failure()));
    }
    holders.emplace_back(node, HolderOfEnd(end.value().cookie));
    ends.push_back(std::move(end.value().client_end));
  }
  event.rights_masks = std::move(what.rights_masks);
  parent.host->PostEvent(std::move(event), slot, std::move(holders), std::move(ends));
}

void Session::Impl::Do(const CallSlot& slot, op::DuplicateSync& what) {
  const NodeRef* parent = NodeFor(slot, what.token, NodeKind::kToken, "handle");
  if (parent != nullptr) MakeTokens<core::event::DuplicateSync>(slot, *parent, what);
}

void Session::Impl::Do(const CallSlot& slot, op::CreateChildrenSync& what) {
  const NodeRef* parent = NodeFor(slot, what.group, NodeKind::kGroup, "handle");
  if (parent != nullptr) MakeTokens<core::event::CreateChildrenSync>(slot, *parent, what);
}

}  // namespace sysmem::server
