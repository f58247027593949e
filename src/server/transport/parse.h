// SPDX-License-Identifier: Apache-2.0
//
// Requests from the wire to the engine's operations: one Parse per request message.
//
// Every bound of interface.md 2.1 is checked here, once. A required field that is missing stays an
// empty optional, which the session refuses by name; a field that makes the request meaningless is
// refused here (refusals.h). Handles and descriptor numbers are passed on as they are.
//
// The methods that all nodes share say nothing of the node's kind: calling them through the service
// of another kind is no error. A method that only one kind has names that kind.
//
// Pure functions.
#pragma once

#include "server/request.h"
#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/group.pb.h"
#include "sysmem2/heap.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/node.pb.h"
#include "sysmem2/session.pb.h"
#include "sysmem2/token.pb.h"

namespace sysmem::server::transport {

// parse_allocator.cc
Operation Parse(const sysmem2::AllocateNonSharedCollectionRequest& from);
Operation Parse(const sysmem2::AllocateSharedCollectionRequest& from);
Operation Parse(const sysmem2::BindSharedCollectionRequest& from);
Operation Parse(const sysmem2::ValidateBufferCollectionTokenRequest& from);
Operation Parse(const sysmem2::AllocatorSetDebugClientInfoRequest& from);
Operation Parse(const sysmem2::GetVmoInfoRequest& from);

// parse_node.cc: methods of every node
Operation Parse(const sysmem2::SyncRequest& from);
Operation Parse(const sysmem2::ReleaseRequest& from);
Operation Parse(const sysmem2::SetNameRequest& from);
Operation Parse(const sysmem2::SetDebugClientInfoRequest& from);
Operation Parse(const sysmem2::SetDebugTimeoutLogDeadlineRequest& from);
Operation Parse(const sysmem2::SetVerboseLoggingRequest& from);
Operation Parse(const sysmem2::GetBufferCollectionIdRequest& from);
Operation Parse(const sysmem2::GetNodeRefRequest& from);
Operation Parse(const sysmem2::IsAlternateForRequest& from);
Operation Parse(const sysmem2::AttachNodeTrackingRequest& from);
Operation Parse(const sysmem2::SetWeakRequest& from);
Operation Parse(const sysmem2::SetWeakOkRequest& from);

// parse_token.cc, parse_group.cc, parse_collection.cc
Operation Parse(const sysmem2::DuplicateSyncRequest& from);
Operation Parse(const sysmem2::DuplicateRequest& from);
Operation Parse(const sysmem2::SetDispensableRequest& from);
Operation Parse(const sysmem2::CreateBufferCollectionTokenGroupRequest& from);
Operation Parse(const sysmem2::CreateChildRequest& from);
Operation Parse(const sysmem2::CreateChildrenSyncRequest& from);
Operation Parse(const sysmem2::AllChildrenPresentRequest& from);
Operation Parse(const sysmem2::SetConstraintsRequest& from);
Operation Parse(const sysmem2::WaitForAllBuffersAllocatedRequest& from);
Operation Parse(const sysmem2::CheckAllBuffersAllocatedRequest& from);
Operation Parse(const sysmem2::AttachTokenRequest& from);
Operation Parse(const sysmem2::AttachLifetimeTrackingRequest& from);

// parse_heap.cc: HeapRegistration and HeapProvider
Operation Parse(const sysmem2::RegisterHeapRequest& from);
Operation Parse(const sysmem2::RegisterSecureMemRequest& from);
Operation Parse(const sysmem2::UnregisterSecureMemRequest& from);
Operation Parse(const sysmem2::OnRegisterRequest& from);
Operation Parse(const sysmem2::TakeProviderCallRequest& from);
Operation Parse(const sysmem2::AnswerProviderCallRequest& from);

// parse_session.cc: Session (Run: batch.h) and Inspect
Operation Parse(const sysmem2::ExportRequest& from);
Operation Parse(const sysmem2::ImportRequest& from);
Operation Parse(const sysmem2::CloseHandleRequest& from);
Operation Parse(const sysmem2::CancelWaitRequest& from);
Operation Parse(const sysmem2::PingRequest& from);
Operation Parse(const sysmem2::GetServerInfoRequest& from);
Operation Parse(const sysmem2::GetStatusRequest& from);
Operation Parse(const sysmem2::ListCollectionsRequest& from);
Operation Parse(const sysmem2::ShowCollectionRequest& from);
Operation Parse(const sysmem2::ListHeapsRequest& from);
Operation Parse(const sysmem2::ListSessionsRequest& from);
Operation Parse(const sysmem2::NextEventsRequest& from);

}  // namespace sysmem::server::transport
