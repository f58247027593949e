// SPDX-License-Identifier: Apache-2.0
//
// The result of one operation as the result message of its method, and replies around it.
//
// Pure functions.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include <variant>

#include "server/reply.h"
#include "server/transport/encode.h"
#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/group.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/node.pb.h"
#include "sysmem2/session.pb.h"
#include "sysmem2/token.pb.h"

namespace sysmem::server::transport {

// False: `from` is no result of that method. A failure never is (it stands beside the result).
bool EncodeResult(const OperationResult& from, sysmem2::Empty* to);
bool EncodeResult(const OperationResult& from, sysmem2::SyncResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::CheckAllBuffersAllocatedResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::UnregisterSecureMemResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::CreateResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::DuplicateSyncResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::CreateChildrenSyncResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::ExportResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::ValidateBufferCollectionTokenResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::GetVmoInfoResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::GetNodeRefResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::IsAlternateForResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::GetBufferCollectionIdResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::WaitForAllBuffersAllocatedResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::ProviderCall* to);
bool EncodeResult(const OperationResult& from, sysmem2::ServerInfo* to);
bool EncodeResult(const OperationResult& from, sysmem2::GetStatusResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::CollectionDetail* to);
bool EncodeResult(const OperationResult& from, sysmem2::ListHeapsResult* to);
bool EncodeResult(const OperationResult& from, sysmem2::NextEventsResult* to);

// What stands in for a result that is none: a mistake of the daemon, not of the client.
core::Failure WrongResult();

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message);

// The reply of a call with one operation. `fill(result, to)` writes the result and says whether it
// could.
template <typename ReplyMessage, typename Fill>
grpc::ByteBuffer EncodeReplyWith(const Reply& reply, const Fill& fill) {
  ReplyMessage message;
  message.set_order(reply.order);
  const OperationResult none = WrongResult();
  const OperationResult& result = reply.results.size() == 1 ? reply.results.front() : none;
  if (const auto* failure = std::get_if<core::Failure>(&result)) {
    Encode(*failure, message.mutable_failure());
  } else if (!fill(result, message.mutable_result())) {
    Encode(WrongResult(), message.mutable_failure());
  }
  return Serialize(message);
}

template <typename ReplyMessage>
grpc::ByteBuffer EncodeReply(const Reply& reply) {
  return EncodeReplyWith<ReplyMessage>(
      reply, [](const OperationResult& from, auto* to) { return EncodeResult(from, to); });
}

}  // namespace sysmem::server::transport
