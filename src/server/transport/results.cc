// SPDX-License-Identifier: Apache-2.0
#include "server/transport/results.h"

#include <grpcpp/support/slice.h>

namespace sysmem::server::transport {
namespace {

bool IsNothing(const OperationResult& from) { return std::holds_alternative<core::Nothing>(from); }

// The one node of a result that is about one.
const ExportedNodes* OneNode(const OperationResult& from) {
  const auto* nodes = std::get_if<ExportedNodes>(&from);
  return nodes != nullptr && nodes->descriptors.size() == 1 ? nodes : nullptr;
}

// For results that are encoded as they are.
template <typename From, typename To>
bool EncodeAs(const OperationResult& from, To* to) {
  const auto* value = std::get_if<From>(&from);
  if (value == nullptr) return false;
  Encode(*value, to);
  return true;
}

template <typename To>
bool EncodeNewTokens(const OperationResult& from, To* to) {
  if (IsNothing(from)) return true;
  const auto* nodes = std::get_if<ExportedNodes>(&from);
  if (nodes == nullptr) return false;
  to->mutable_descriptor_numbers()->Add(nodes->descriptors.begin(), nodes->descriptors.end());
  return true;
}

}  // namespace

bool EncodeResult(const OperationResult& from, sysmem2::Empty*) { return IsNothing(from); }

bool EncodeResult(const OperationResult& from, sysmem2::UnregisterSecureMemResult*) {
  return IsNothing(from);
}

bool EncodeResult(const OperationResult& from, sysmem2::SyncResult*) { return IsNothing(from); }

bool EncodeResult(const OperationResult& from, sysmem2::CheckAllBuffersAllocatedResult*) {
  return IsNothing(from);
}

bool EncodeResult(const OperationResult& from, sysmem2::CreateResult* to) {
  if (IsNothing(from)) return true;
  const ExportedNodes* node = OneNode(from);
  if (node == nullptr) return false;
  to->set_descriptor_number(node->descriptors.front());
  return true;
}

bool EncodeResult(const OperationResult& from, sysmem2::DuplicateSyncResult* to) {
  return EncodeNewTokens(from, to);
}

bool EncodeResult(const OperationResult& from, sysmem2::CreateChildrenSyncResult* to) {
  return EncodeNewTokens(from, to);
}

bool EncodeResult(const OperationResult& from, sysmem2::ExportResult* to) {
  const ExportedNodes* node = OneNode(from);
  if (node == nullptr) return false;
  to->set_descriptor_number(node->descriptors.front());
  return true;
}

bool EncodeResult(const OperationResult& from, sysmem2::ValidateBufferCollectionTokenResult* to) {
  const auto* known = std::get_if<TokenKnown>(&from);
  if (known == nullptr) return false;
  to->set_is_known(known->is_known);
  return true;
}

bool EncodeResult(const OperationResult& from, sysmem2::GetVmoInfoResult* to) {
  return EncodeAs<VmoInfoResult>(from, to);
}

bool EncodeResult(const OperationResult& from, sysmem2::GetNodeRefResult* to) {
  const auto* reference = std::get_if<NodeReference>(&from);
  if (reference == nullptr) return false;
  to->set_node_ref(reference->descriptor);
  return true;
}

bool EncodeResult(const OperationResult& from, sysmem2::IsAlternateForResult* to) {
  const auto* answer = std::get_if<IsAlternate>(&from);
  if (answer == nullptr) return false;
  to->set_is_alternate(answer->is_alternate);
  return true;
}

bool EncodeResult(const OperationResult& from, sysmem2::GetBufferCollectionIdResult* to) {
  const auto* id = std::get_if<uint64_t>(&from);
  if (id == nullptr) return false;
  to->set_buffer_collection_id(*id);
  return true;
}

bool EncodeResult(const OperationResult& from, sysmem2::WaitForAllBuffersAllocatedResult* to) {
  return EncodeAs<GrantedBuffers>(from, to->mutable_buffer_collection_info());
}

bool EncodeResult(const OperationResult& from, sysmem2::ProviderCall* to) {
  return EncodeAs<TakenProviderCall>(from, to);
}

bool EncodeResult(const OperationResult& from, sysmem2::ServerInfo* to) {
  return EncodeAs<ServerInfo>(from, to);
}

bool EncodeResult(const OperationResult& from, sysmem2::GetStatusResult* to) {
  return EncodeAs<StatusInfo>(from, to);
}

bool EncodeResult(const OperationResult& from, sysmem2::CollectionDetail* to) {
  return EncodeAs<CollectionDetail>(from, to);
}

bool EncodeResult(const OperationResult& from, sysmem2::ListHeapsResult* to) {
  const auto* heaps = std::get_if<std::vector<HeapInfo>>(&from);
  if (heaps == nullptr) return false;
  for (const HeapInfo& heap : *heaps) Encode(heap, to->add_heaps());
  return true;
}

bool EncodeResult(const OperationResult& from, sysmem2::NextEventsResult* to) {
  return EncodeAs<WatchedEvents>(from, to);
}

core::Failure WrongResult() {
  return {.error = core::Error::kUnspecified,
          .message = "the daemon has an answer of another kind than this method's"};
}

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  grpc_slice bytes = grpc_slice_malloc(size);
  message.SerializeWithCachedSizesToArray(GRPC_SLICE_START_PTR(bytes));
  const grpc::Slice slice(bytes, grpc::Slice::STEAL_REF);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace sysmem::server::transport
