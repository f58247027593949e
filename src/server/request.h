// SPDX-License-Identifier: Apache-2.0
//
// What a session asks for: one numbered call, parsed.
//
// The transport turns bytes into these values and checks every bound of interface.md 2.1 on the
// way; nothing behind this header sees a protobuf message. Handles and descriptor numbers are the
// session's own (0 = absent); they are looked up in the session's turn, where calls run in the
// order of their numbers. An optional that is empty means that the message lacked the field: the
// session refuses it by the field's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/event.h"
#include "core/snapshot.h"
#include "server/inspection.h"
#include "server/secure_protocol.h"

namespace sysmem::server {

using Handle = uint64_t;            // chosen by the client; 0 is no handle
using DescriptorNumber = uint64_t;  // counts the descriptors sent in one direction from 1

namespace op {

struct AllocateSharedCollection {
  std::optional<Handle> token;  // absent only with export_node
  bool export_node = false;
};
struct AllocateNonSharedCollection {
  std::optional<Handle> collection;
};
// Exactly one of token and token_descriptor is given; the parser refuses anything else.
struct BindSharedCollection {
  std::optional<Handle> token;
  std::optional<DescriptorNumber> token_descriptor;
  std::optional<Handle> collection;
};
// Exactly one is given; the parser refuses anything else.
struct ValidateToken {
  std::optional<uint64_t> koid;     // SO_COOKIE of an exported end
  std::optional<uint64_t> node_id;  // as the inspector shows it
  std::optional<DescriptorNumber> descriptor;
};
// Allocator.SetDebugClientInfo: for nodes this session makes afterwards.
struct SetAllocatorDebugInfo {
  std::optional<std::string> name;
  uint64_t id = 0;
};

// Allocator.GetVmoInfo.
struct GetVmoInfo {
  std::optional<DescriptorNumber> vmo;
  bool need_weak = false;
  bool need_settings = false;
  std::optional<core::Constraints> constraints_to_check;
  std::optional<DescriptorNumber> vmo_settings_to_check;
  bool ignore_size = false;  // in that comparison
};

struct Duplicate {
  std::optional<Handle> token;
  std::optional<uint32_t> rights_mask;
  std::optional<Handle> new_token;  // absent only with export_node
  bool export_node = false;
};
struct DuplicateSync {
  std::optional<Handle> token;
  std::optional<std::vector<uint32_t>> rights_masks;
  std::vector<Handle> new_tokens;  // as many as masks; empty with export_node
  bool export_node = false;
};

// Collection.AttachToken: as Duplicate, but of a collection.
struct AttachToken {
  std::optional<Handle> collection;
  std::optional<uint32_t> rights_mask;
  std::optional<Handle> new_token;  // absent only with export_node
  bool export_node = false;
};

// Token.CreateBufferCollectionTokenGroup.
struct CreateTokenGroup {
  std::optional<Handle> token;
  std::optional<Handle> new_group;  // absent only with export_node
  bool export_node = false;
};
// Group.CreateChild: as Duplicate, but of a group.
struct CreateChild {
  std::optional<Handle> group;
  std::optional<uint32_t> rights_mask;
  std::optional<Handle> new_token;  // absent only with export_node
  bool export_node = false;
};
// Group.CreateChildrenSync: as DuplicateSync, but of a group.
struct CreateChildrenSync {
  std::optional<Handle> group;
  std::optional<std::vector<uint32_t>> rights_masks;
  std::vector<Handle> new_tokens;  // as many as masks; empty with export_node
  bool export_node = false;
};

// A message for one node that becomes a core event as it is: node and call are filled in by the
// session. Sync, Release, SetConstraints, Wait, Check, SetName, ..., BadMessage.
struct NodeMessage {
  std::optional<Handle> handle;
  // The kind the called service speaks for; empty for the methods every node has (in a batch).
  std::optional<core::NodeKind> kind;
  core::Event event;
  // What IsAlternateFor, AttachNodeTracking, AttachLifetimeTracking and SetConstraints name:
  // node_ref, server_end, must_match_vmo. The session makes of it what the event says about it; a
  // BadMessage just uses it up.
  std::optional<DescriptorNumber> descriptor = std::nullopt;
};

struct CloseHandle {
  std::optional<Handle> handle;
};
struct Export {
  std::optional<Handle> handle;
};
struct Import {
  std::optional<DescriptorNumber> descriptor;
  std::optional<Handle> handle;
  // What the importer expects to get; empty = whatever it is.
  std::optional<core::NodeKind> kind;
};
struct CancelWait {
  std::optional<uint64_t> wait_number;  // `number` of the call that waits
};
struct Ping {};
struct GetServerInfo {};

// HeapRegistration.RegisterHeap.
struct RegisterHeap {
  std::optional<Handle> handle;
  std::optional<core::Heap> heap;
};
// HeapRegistration.RegisterSecureMem and UnregisterSecureMem.
struct RegisterSecureMem {
  std::optional<Handle> handle;
};
struct UnregisterSecureMem {};
// HeapProvider.OnRegister.
struct OnRegister {
  std::optional<Handle> handle;
  // Absent if the message lacked one that it must have; `missing` names that.
  std::optional<core::HeapProperties> properties;  // without the heap's name and abilities
  std::string missing;
  bool gives_dma_bufs = false;
};
struct TakeProviderCall {
  std::optional<Handle> handle;
};
struct AnswerProviderCall {
  std::optional<Handle> handle;
  std::optional<uint64_t> call_id;
  // As ProviderAnswer; a descriptor by its number. Absent: no answer at all.
  using Answer = std::variant<DescriptorNumber, core::Nothing, core::Failure, PhysicalSecureHeaps,
                              DynamicSecureHeaps, SecureHeapProperties>;
  std::optional<Answer> answer;
};

struct InspectStatus {};
struct InspectCollections {
  uint64_t after = 0;  // of those with greater ids
  // Nobody needs more than one beyond these: pages are cut out later.
  uint64_t at_most = kMostItemsInPage;
};
struct InspectCollection {
  std::optional<uint64_t> buffer_collection_id;
  // Nodes breadth-first, then buffers.
  uint64_t first_item = 0;
  uint64_t most_items = kMostItemsInPage;
};
struct InspectHeaps {};
struct InspectSessions {};
struct NextEvents {
  std::optional<uint64_t> after;
  uint32_t at_most = 0;  // 0: as many as fit
  std::optional<uint64_t> buffer_collection_id;
};

// A message that is wrong in itself and names no node to fail: answered with `why`, harms nobody.
struct Malformed {
  core::Failure why;
  // Descriptors the message named all the same: it uses them up.
  std::vector<DescriptorNumber> used_up;
};

}  // namespace op

using Operation = std::variant<
    op::AllocateSharedCollection, op::AllocateNonSharedCollection, op::BindSharedCollection,
    op::ValidateToken, op::SetAllocatorDebugInfo, op::GetVmoInfo, op::Duplicate, op::DuplicateSync,
    op::AttachToken, op::CreateTokenGroup, op::CreateChild, op::CreateChildrenSync, op::NodeMessage,
    op::CloseHandle, op::Export, op::Import, op::CancelWait, op::Ping, op::RegisterHeap,
    op::RegisterSecureMem, op::UnregisterSecureMem, op::OnRegister, op::TakeProviderCall,
    op::AnswerProviderCall, op::GetServerInfo, op::InspectStatus, op::InspectCollections,
    op::InspectCollection, op::InspectHeaps, op::InspectSessions, op::NextEvents, op::Malformed>;

// One call. `number` is its place in the session's order, from 1. A plain call has one operation;
// Session.Run may have many (or none).
struct Request {
  uint64_t number = 0;
  std::vector<Operation> operations;
};

}  // namespace sysmem::server
