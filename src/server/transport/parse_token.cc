// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {
namespace {

// One handle per mask, or none when the tokens are exported. Nullopt: it is so.
std::optional<Operation> WrongHandles(const sysmem2::DuplicateSyncRequest& from) {
  const int masks = from.rights_attenuation_masks().masks_size();
  const int handles = from.token_handles_size();
  if (from.exported() && handles > 0) {
    return BadFields("token_handles", "tokens that are exported at once get no handles");
  }
  if (!from.exported() && handles != masks) {
    return BadFields("token_handles", std::to_string(handles) + " handles for " +
                                          std::to_string(masks) +
                                          " masks; every new token needs one");
  }
  return std::nullopt;
}

}  // namespace

Operation Parse(const sysmem2::DuplicateSyncRequest& from) {
  const sysmem2::RightsMasks& masks = from.rights_attenuation_masks();
  if (auto failure =
          ExceedsBound("rights_attenuation_masks", static_cast<size_t>(masks.masks_size()),
                       sysmem2::MESSAGE_LIMIT_DUPLICATES, "entries")) {
    return FailsNode(HandleOf(from), core::NodeKind::kToken, *std::move(failure));
  }
  op::DuplicateSync to{.token = HandleOf(from), .export_node = from.exported()};
  // Without masks the token fails, whatever else the message says.
  if (!from.has_rights_attenuation_masks()) return to;
  if (auto refusal = WrongHandles(from)) return *std::move(refusal);
  to.rights_masks.emplace(masks.masks().begin(), masks.masks().end());
  to.new_tokens.assign(from.token_handles().begin(), from.token_handles().end());
  return to;
}

Operation Parse(const sysmem2::DuplicateRequest& from) {
  if (from.exported() && from.has_token_handle()) {
    return BadFields("token_handle", "a token that is exported at once gets no handle");
  }
  return op::Duplicate{
      .token = HandleOf(from),
      .rights_mask = IfSet(from.has_rights_attenuation_mask(), from.rights_attenuation_mask()),
      .new_token = IfSet(from.has_token_handle(), from.token_handle()),
      .export_node = from.exported()};
}

}  // namespace sysmem::server::transport
