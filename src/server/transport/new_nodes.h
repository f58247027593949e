// SPDX-License-Identifier: Apache-2.0
//
// How a request names the nodes it makes: with a handle for each, or `exported`, never both.
//
// Pure functions.
#pragma once

#include <optional>
#include <string>

#include "server/request.h"
#include "server/transport/optional_field.h"
#include "server/transport/refusals.h"
#include "sysmem2/node.pb.h"

namespace sysmem::server::transport {

// The refusal of a request that says both about one new node. `field`: of its handle.
inline std::optional<Operation> HandleBesideExport(bool exported, bool has_handle,
                                                   std::string_view field) {
  if (!exported || !has_handle) return std::nullopt;
  return BadFields(field, "a node that is exported at once gets no handle");
}

// DuplicateSync and CreateChildrenSync, which differ in who makes the tokens. `to` has the maker.
template <typename Op, typename Request>
Operation ParseNewTokens(const Request& from, core::NodeKind maker, Op to) {
  const sysmem2::RightsMasks& masks = from.rights_attenuation_masks();
  const auto count = static_cast<size_t>(masks.masks_size());
  if (auto failure = ExceedsBound("rights_attenuation_masks", count,
                                  sysmem2::MESSAGE_LIMIT_DUPLICATES, "entries")) {
    return FailsNode(HandleOf(from), maker, *std::move(failure));
  }
  to.export_node = from.exported();
  // Without masks the maker fails, whatever else the message says.
  if (!from.has_rights_attenuation_masks()) return to;
  const auto handles = static_cast<size_t>(from.token_handles_size());
  if (from.exported() && handles > 0) {
    return BadFields("token_handles", "tokens that are exported at once get no handles");
  }
  if (!from.exported() && handles != count) {
    return BadFields("token_handles", std::to_string(handles) + " handles for " +
                                          std::to_string(count) +
                                          " masks; every new token needs one");
  }
  to.rights_masks.emplace(masks.masks().begin(), masks.masks().end());
  to.new_tokens.assign(from.token_handles().begin(), from.token_handles().end());
  return to;
}

}  // namespace sysmem::server::transport
