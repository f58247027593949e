// SPDX-License-Identifier: Apache-2.0
#include "server/transport/new_nodes.h"
#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {

Operation Parse(const sysmem2::DuplicateSyncRequest& from) {
  return ParseNewTokens(from, core::NodeKind::kToken, op::DuplicateSync{.token = HandleOf(from)});
}

Operation Parse(const sysmem2::DuplicateRequest& from) {
  if (auto refusal = HandleBesideExport(from.exported(), from.has_token_handle(), "token_handle")) {
    return *std::move(refusal);
  }
  return op::Duplicate{
      .token = HandleOf(from),
      .rights_mask = IfSet(from.has_rights_attenuation_mask(), from.rights_attenuation_mask()),
      .new_token = IfSet(from.has_token_handle(), from.token_handle()),
      .export_node = from.exported()};
}

Operation Parse(const sysmem2::SetDispensableRequest& from) {
  return op::NodeMessage{.handle = HandleOf(from),
                         .kind = core::NodeKind::kToken,
                         .event = core::event::SetDispensable{}};
}

Operation Parse(const sysmem2::CreateBufferCollectionTokenGroupRequest& from) {
  if (auto refusal = HandleBesideExport(from.exported(), from.has_group_handle(), "group_handle")) {
    return *std::move(refusal);
  }
  return op::CreateTokenGroup{.token = HandleOf(from),
                              .new_group = IfSet(from.has_group_handle(), from.group_handle()),
                              .export_node = from.exported()};
}

}  // namespace sysmem::server::transport
