// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "server/transport/new_nodes.h"
#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/parse_constraints.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {
namespace {

template <typename Request>
Operation ForCollection(const Request& from, core::Event event,
                        std::optional<DescriptorNumber> descriptor = std::nullopt) {
  return op::NodeMessage{.handle = HandleOf(from),
                         .kind = core::NodeKind::kCollection,
                         .event = std::move(event),
                         .descriptor = descriptor};
}

}  // namespace

Operation Parse(const sysmem2::SetConstraintsRequest& from) {
  core::event::SetConstraints event;
  if (from.has_constraints()) {
    core::Result<core::Constraints> constraints = ParseConstraints(from.constraints());
    if (!constraints.ok()) {
      core::Failure failure = std::move(constraints).failure();
      failure.field = "constraints." + failure.field;
      return FailsNode(HandleOf(from), core::NodeKind::kCollection, std::move(failure));
    }
    event.constraints = std::move(constraints).value();
  }
  return ForCollection(from, std::move(event),
                       IfSet(from.has_must_match_vmo(), from.must_match_vmo()));
}

Operation Parse(const sysmem2::WaitForAllBuffersAllocatedRequest& from) {
  return ForCollection(from, core::event::Wait{});
}

Operation Parse(const sysmem2::CheckAllBuffersAllocatedRequest& from) {
  return ForCollection(from, core::event::Check{});
}

Operation Parse(const sysmem2::AttachLifetimeTrackingRequest& from) {
  return ForCollection(
      from,
      core::event::AttachLifetimeTracking{
          .buffers_remaining = IfSet(from.has_buffers_remaining(), from.buffers_remaining())},
      IfSet(from.has_server_end(), from.server_end()));
}

Operation Parse(const sysmem2::AttachTokenRequest& from) {
  if (auto refusal = HandleBesideExport(from.exported(), from.has_token_handle(), "token_handle")) {
    return *std::move(refusal);
  }
  return op::AttachToken{
      .collection = HandleOf(from),
      .rights_mask = IfSet(from.has_rights_attenuation_mask(), from.rights_attenuation_mask()),
      .new_token = IfSet(from.has_token_handle(), from.token_handle()),
      .export_node = from.exported()};
}

}  // namespace sysmem::server::transport
