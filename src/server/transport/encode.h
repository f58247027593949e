// SPDX-License-Identifier: Apache-2.0
//
// Values of the core and the engine into messages of the wire.
//
// Strings are made valid UTF-8 on the way (text.h). Pure functions; `to` starts out empty.
#pragma once

#include "core/constraints.h"
#include "core/failure.h"
#include "core/plan.h"
#include "server/inspection.h"
#include "server/reply.h"
#include "sysmem2/allocator.pb.h"
#include "sysmem2/constraints.pb.h"
#include "sysmem2/failure.pb.h"
#include "sysmem2/heap.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/results.pb.h"
#include "sysmem2/session.pb.h"

namespace sysmem::server::transport {

// encode_failure.cc
void Encode(const core::Failure& from, sysmem2::Failure* to);

// encode_constraints.cc
void Encode(const core::Heap& from, sysmem2::Heap* to);
void Encode(const core::Constraints& from, sysmem2::BufferCollectionConstraints* to);
void Encode(const core::ImageFormatConstraints& from, sysmem2::ImageFormatConstraints* to);

// encode_buffers.cc
void Encode(const core::SingleBufferSettings& from, sysmem2::SingleBufferSettings* to);
void Encode(const HandOutInfo& from, sysmem2::HandOut* to);
void Encode(const GrantedBuffers& from, sysmem2::BufferCollectionInfo* to);
void Encode(const VmoInfoResult& from, sysmem2::GetVmoInfoResult* to);
void Encode(const TakenProviderCall& from, sysmem2::ProviderCall* to);
void EncodeAbilities(const core::HeapProperties& from, sysmem2::HeapAbilities* to);

// encode_server_info.cc
void Encode(const HeapInfo& from, sysmem2::HeapInfo* to);
void Encode(const NamedLimit& from, sysmem2::Limit* to);
void Encode(const ServerInfo& from, sysmem2::ServerInfo* to);

// encode_inspection.cc
void Encode(const PeerInfo& from, sysmem2::PeerInfo* to);
void Encode(const StatusInfo& from, sysmem2::GetStatusResult* to);
void Encode(const SessionInfo& from, sysmem2::SessionInfo* to);

// encode_events.cc
void Encode(const WatchedEvents& from, sysmem2::NextEventsResult* to);

// encode_collection.cc
sysmem2::NodeKind EncodeKind(core::NodeKind kind);
void Encode(const CollectionSummary& from, sysmem2::CollectionSummary* to);
void Encode(const CollectionDetail& from, sysmem2::CollectionDetail* to);

}  // namespace sysmem::server::transport
