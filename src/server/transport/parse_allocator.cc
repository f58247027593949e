// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "server/transport/new_nodes.h"
#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/parse_constraints.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {

Operation Parse(const sysmem2::AllocateNonSharedCollectionRequest& from) {
  return op::AllocateNonSharedCollection{
      .collection = IfSet(from.has_collection_handle(), from.collection_handle())};
}

Operation Parse(const sysmem2::AllocateSharedCollectionRequest& from) {
  if (auto refusal = HandleBesideExport(from.exported(), from.has_token_handle(), "token_handle")) {
    return *std::move(refusal);
  }
  return op::AllocateSharedCollection{.token = IfSet(from.has_token_handle(), from.token_handle()),
                                      .export_node = from.exported()};
}

Operation Parse(const sysmem2::BindSharedCollectionRequest& from) {
  if (from.token_case() == sysmem2::BindSharedCollectionRequest::TOKEN_NOT_SET) {
    return BadFields("token", "the token to bind is missing: a handle or a descriptor");
  }
  return op::BindSharedCollection{
      .token = IfSet(from.has_token_handle(), from.token_handle()),
      .token_descriptor = IfSet(from.has_token_descriptor(), from.token_descriptor()),
      .collection = IfSet(from.has_collection_handle(), from.collection_handle())};
}

Operation Parse(const sysmem2::ValidateBufferCollectionTokenRequest& from) {
  op::ValidateToken to;
  switch (from.token_case()) {
    case sysmem2::ValidateBufferCollectionTokenRequest::kTokenServerKoid:
      to.koid = from.token_server_koid();
      break;
    case sysmem2::ValidateBufferCollectionTokenRequest::kNodeId:
      to.node_id = from.node_id();
      break;
    case sysmem2::ValidateBufferCollectionTokenRequest::kTokenDescriptor:
      to.descriptor = from.token_descriptor();
      break;
    case sysmem2::ValidateBufferCollectionTokenRequest::TOKEN_NOT_SET:
      return BadFields("token", "the token to look for is missing: an id or a descriptor");
  }
  return to;
}

Operation Parse(const sysmem2::AllocatorSetDebugClientInfoRequest& from) {
  if (auto failure = ExceedsBound("name", from.name().size(),
                                  sysmem2::MESSAGE_LIMIT_CLIENT_NAME_BYTES, "bytes")) {
    return op::Malformed{*std::move(failure)};
  }
  return op::SetAllocatorDebugInfo{.name = IfSet(from.has_name(), from.name()), .id = from.id()};
}

Operation Parse(const sysmem2::GetVmoInfoRequest& from) {
  op::GetVmoInfo to{.vmo = IfSet(from.has_vmo(), from.vmo()),
                    .need_weak = from.need_weak(),
                    .need_settings = from.need_single_buffer_settings(),
                    .constraints_to_check = std::nullopt,
                    .vmo_settings_to_check =
                        IfSet(from.has_vmo_settings_to_check(), from.vmo_settings_to_check()),
                    .ignore_size = from.vmo_settings_to_check_ignore_size()};
  if (from.has_constraints_to_check()) {
    core::Result<core::Constraints> constraints = ParseConstraints(from.constraints_to_check());
    if (!constraints.ok()) {
      core::Failure failure = std::move(constraints).failure();
      failure.field = "constraints_to_check." + failure.field;
      return op::Malformed{.why = std::move(failure), .used_up = {}};
    }
    to.constraints_to_check = std::move(constraints).value();
  }
  return to;
}

}  // namespace sysmem::server::transport
