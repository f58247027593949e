// SPDX-License-Identifier: Apache-2.0
#include "server/transport/method.h"

#include <google/protobuf/message.h>

#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include "server/transport/arena.h"
#include "server/transport/batch.h"
#include "server/transport/number.h"
#include "server/transport/pages.h"
#include "server/transport/parse.h"
#include "server/transport/refusals.h"
#include "server/transport/results.h"
#include "server/transport/used_up.h"

namespace sysmem::server::transport {
namespace {

using google::protobuf::Message;

// False: the bytes are no such message. REQUIRES: body.size() <= kMaxRequestBytes.
bool ParseMessage(std::string_view body, Message* message) {
  return message->ParseFromArray(body.data(), static_cast<int>(body.size()));
}

ReadBody Refused(const Method& method, Operation refusal) {
  ReadBody refused;
  refused.operations.push_back(std::move(refusal));
  refused.encode = method.encode_refusal;
  return refused;
}

ReadBody One(Operation operation, ReplyEncoder encode) {
  ReadBody body;
  body.operations.push_back(std::move(operation));
  body.encode = std::move(encode);
  return body;
}

// --- How the body of a method is read ---

template <typename Request, typename ReplyMessage>
ReadBody ReadPlain(const Method& method, std::string_view body) {
  Request request;
  if (!ParseMessage(body, &request)) return Refused(method, Unparsable(method.name));
  Operation operation = Parse(request);
  NoteUsedUp(request, operation);
  // What all nodes know was asked of one kind of them.
  if (auto* message = std::get_if<op::NodeMessage>(&operation)) {
    if (!message->kind) message->kind = method.kind;
  }
  return One(std::move(operation), EncodeReply<ReplyMessage>);
}

ReadBody ReadBatch(const Method& method, std::string_view body) {
  MessageArena arena;
  auto* request = arena.Make<sysmem2::RunRequest>();
  if (!ParseMessage(body, request)) return Refused(method, Unparsable(method.name));
  return ParseBatch(*request);
}

ReadBody ReadListCollections(const Method& method, std::string_view body) {
  sysmem2::ListCollectionsRequest request;
  if (!ParseMessage(body, &request)) return Refused(method, Unparsable(method.name));
  Page page{.at_most = request.at_most()};
  if (request.has_after()) page.after = request.after();
  return One(Parse(request), [page](const Reply& reply) { return EncodeCollections(reply, page); });
}

ReadBody ReadListSessions(const Method& method, std::string_view body) {
  sysmem2::ListSessionsRequest request;
  if (!ParseMessage(body, &request)) return Refused(method, Unparsable(method.name));
  Page page{.at_most = request.at_most()};
  if (request.has_after()) page.after = request.after();
  if (request.has_session_id()) page.only_id = request.session_id();
  return One(Parse(request), [page](const Reply& reply) { return EncodeSessions(reply, page); });
}

// For methods this version does not have. The body is looked at all the same: it may be no message,
// and it may name descriptors.
ReadBody ReadNotYet(const Method& method, std::string_view body) {
  const std::unique_ptr<Message> request(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(method.request)->New());
  if (!ParseMessage(body, request.get())) return Refused(method, Unparsable(method.name));
  Operation refusal = NotYet(method.name);
  NoteUsedUp(*request, refusal);
  return Refused(method, std::move(refusal));
}

// --- The table ---

using Reader = decltype(Method::read);

struct Row {
  const google::protobuf::Descriptor* request;
  Reader read;
};

template <typename Request, typename ReplyMessage>
Row Plain() {
  return {Request::descriptor(), ReadPlain<Request, ReplyMessage>};
}

// Every request this version can read; the others are not implemented.
Reader FindReader(const google::protobuf::Descriptor* request) {
  using namespace sysmem2;  // NOLINT(google-build-using-namespace): the rows are names of the wire
  static const Row kRows[] = {
      Plain<AllocateNonSharedCollectionRequest, CreateReply>(),
      Plain<AllocateSharedCollectionRequest, CreateReply>(),
      Plain<BindSharedCollectionRequest, CreateReply>(),
      Plain<ValidateBufferCollectionTokenRequest, ValidateBufferCollectionTokenReply>(),
      Plain<AllocatorSetDebugClientInfoRequest, Ack>(),
      Plain<GetVmoInfoRequest, GetVmoInfoReply>(),

      Plain<SyncRequest, SyncReply>(),
      Plain<ReleaseRequest, Ack>(),
      Plain<SetNameRequest, Ack>(),
      Plain<SetDebugClientInfoRequest, Ack>(),
      Plain<SetDebugTimeoutLogDeadlineRequest, Ack>(),
      Plain<SetVerboseLoggingRequest, Ack>(),
      Plain<GetBufferCollectionIdRequest, GetBufferCollectionIdReply>(),
      Plain<GetNodeRefRequest, GetNodeRefReply>(),
      Plain<IsAlternateForRequest, IsAlternateForReply>(),
      Plain<AttachNodeTrackingRequest, Ack>(),
      Plain<SetWeakRequest, Ack>(),
      Plain<SetWeakOkRequest, Ack>(),

      Plain<DuplicateSyncRequest, DuplicateSyncReply>(),
      Plain<DuplicateRequest, CreateReply>(),
      Plain<SetDispensableRequest, Ack>(),
      Plain<CreateBufferCollectionTokenGroupRequest, CreateReply>(),

      Plain<CreateChildRequest, CreateReply>(),
      Plain<CreateChildrenSyncRequest, CreateChildrenSyncReply>(),
      Plain<AllChildrenPresentRequest, Ack>(),

      Plain<SetConstraintsRequest, Ack>(),
      Plain<WaitForAllBuffersAllocatedRequest, WaitForAllBuffersAllocatedReply>(),
      Plain<CheckAllBuffersAllocatedRequest, CheckAllBuffersAllocatedReply>(),
      Plain<AttachTokenRequest, CreateReply>(),
      Plain<AttachLifetimeTrackingRequest, Ack>(),

      Plain<RegisterHeapRequest, Ack>(),
      Plain<RegisterSecureMemRequest, Ack>(),
      Plain<UnregisterSecureMemRequest, UnregisterSecureMemReply>(),
      Plain<OnRegisterRequest, Ack>(),
      Plain<TakeProviderCallRequest, TakeProviderCallReply>(),
      Plain<AnswerProviderCallRequest, Ack>(),

      {RunRequest::descriptor(), ReadBatch},
      Plain<ExportRequest, ExportReply>(),
      Plain<ImportRequest, Ack>(),
      Plain<CloseHandleRequest, Ack>(),
      Plain<CancelWaitRequest, Ack>(),
      Plain<PingRequest, Ack>(),
      Plain<GetServerInfoRequest, GetServerInfoReply>(),

      Plain<GetStatusRequest, GetStatusReply>(),
      {ListCollectionsRequest::descriptor(), ReadListCollections},
      Plain<ShowCollectionRequest, ShowCollectionReply>(),
      Plain<ListHeapsRequest, ListHeapsReply>(),
      {ListSessionsRequest::descriptor(), ReadListSessions},
      Plain<NextEventsRequest, NextEventsReply>(),
  };
  for (const Row& row : kRows) {
    if (row.request == request) return row.read;
  }
  return ReadNotYet;
}

// The kind of node a service is about.
std::optional<core::NodeKind> KindOf(const google::protobuf::ServiceDescriptor& service) {
  const std::string& name = service.name();
  if (name == "BufferCollectionToken") return core::NodeKind::kToken;
  if (name == "BufferCollection") return core::NodeKind::kCollection;
  if (name == "BufferCollectionTokenGroup") return core::NodeKind::kGroup;
  return std::nullopt;
}

}  // namespace

Method DescribeMethod(const google::protobuf::MethodDescriptor& description) {
  Method method{.name = description.service()->name() + "." + description.name(),
                .kind = KindOf(*description.service()),
                .request = description.input_type(),
                .read = FindReader(description.input_type()),
                .encode_refusal = EncodeReply<sysmem2::Ack>};
  // All replies have Ack's shape when there is no result, but this one.
  if (method.read == ReadBatch) method.encode_refusal = EncodeRefusedBatch;
  return method;
}

ReadCall Read(const Method& method, const grpc::ByteBuffer& from) {
  const grpc::Slice bytes = InOnePiece(from);
  const std::string_view body = ViewOf(bytes);
  const std::optional<uint64_t> number = ReadNumber(body);
  if (!number) return {std::nullopt, method.encode_refusal};
  ReadBody read = body.size() > kMaxRequestBytes
                      ? Refused(method, TooLarge(method.name, body.size()))
                      : method.read(method, body);
  return {Request{.number = *number, .operations = std::move(read.operations)},
          std::move(read.encode)};
}

}  // namespace sysmem::server::transport
