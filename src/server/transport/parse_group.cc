// SPDX-License-Identifier: Apache-2.0
#include "server/transport/new_nodes.h"
#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {

static_assert(sysmem2::MESSAGE_LIMIT_CREATE_CHILDREN == sysmem2::MESSAGE_LIMIT_DUPLICATES);

Operation Parse(const sysmem2::CreateChildRequest& from) {
  if (auto refusal = HandleBesideExport(from.exported(), from.has_token_handle(), "token_handle")) {
    return *std::move(refusal);
  }
  return op::CreateChild{
      .group = HandleOf(from),
      .rights_mask = IfSet(from.has_rights_attenuation_mask(), from.rights_attenuation_mask()),
      .new_token = IfSet(from.has_token_handle(), from.token_handle()),
      .export_node = from.exported()};
}

Operation Parse(const sysmem2::CreateChildrenSyncRequest& from) {
  return ParseNewTokens(from, core::NodeKind::kGroup,
                        op::CreateChildrenSync{.group = HandleOf(from)});
}

Operation Parse(const sysmem2::AllChildrenPresentRequest& from) {
  return op::NodeMessage{.handle = HandleOf(from),
                         .kind = core::NodeKind::kGroup,
                         .event = core::event::AllChildrenPresent{}};
}

}  // namespace sysmem::server::transport
