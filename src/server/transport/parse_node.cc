// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {
namespace {

template <typename Request>
Operation ForAnyNode(const Request& from, core::Event event,
                     std::optional<DescriptorNumber> descriptor = std::nullopt) {
  return op::NodeMessage{.handle = HandleOf(from),
                         .kind = std::nullopt,
                         .event = std::move(event),
                         .descriptor = descriptor};
}

}  // namespace

Operation Parse(const sysmem2::SyncRequest& from) { return ForAnyNode(from, core::event::Sync{}); }

Operation Parse(const sysmem2::ReleaseRequest& from) {
  return ForAnyNode(from, core::event::Release{});
}

Operation Parse(const sysmem2::SetNameRequest& from) {
  if (auto failure =
          ExceedsBound("name", from.name().size(), sysmem2::MESSAGE_LIMIT_NAME_BYTES, "bytes")) {
    return FailsNode(HandleOf(from), std::nullopt, *std::move(failure));
  }
  return ForAnyNode(from,
                    core::event::SetName{.priority = IfSet(from.has_priority(), from.priority()),
                                         .name = IfSet(from.has_name(), from.name())});
}

Operation Parse(const sysmem2::SetDebugClientInfoRequest& from) {
  if (auto failure = ExceedsBound("name", from.name().size(),
                                  sysmem2::MESSAGE_LIMIT_CLIENT_NAME_BYTES, "bytes")) {
    return FailsNode(HandleOf(from), std::nullopt, *std::move(failure));
  }
  return ForAnyNode(from, core::event::SetDebugClientInfo{
                              .name = IfSet(from.has_name(), from.name()), .id = from.id()});
}

Operation Parse(const sysmem2::SetDebugTimeoutLogDeadlineRequest& from) {
  return ForAnyNode(from, core::event::SetDebugTimeoutLogDeadline{
                              .deadline_ns = IfSet(from.has_deadline(), from.deadline())});
}

Operation Parse(const sysmem2::SetVerboseLoggingRequest& from) {
  return ForAnyNode(from, core::event::SetVerboseLogging{});
}

Operation Parse(const sysmem2::GetBufferCollectionIdRequest& from) {
  return ForAnyNode(from, core::event::GetBufferCollectionId{});
}

Operation Parse(const sysmem2::SetWeakRequest& from) {
  return ForAnyNode(from, core::event::SetWeak{});
}

Operation Parse(const sysmem2::SetWeakOkRequest& from) {
  return ForAnyNode(
      from, core::event::SetWeakOk{.for_child_nodes_also = IfSet(from.has_for_child_nodes_also(),
                                                                 from.for_child_nodes_also())});
}

Operation Parse(const sysmem2::GetNodeRefRequest& from) {
  return ForAnyNode(from, core::event::GetNodeRef{});
}

Operation Parse(const sysmem2::IsAlternateForRequest& from) {
  return ForAnyNode(from, core::event::IsAlternateFor{},
                    IfSet(from.has_node_ref(), from.node_ref()));
}

Operation Parse(const sysmem2::AttachNodeTrackingRequest& from) {
  return ForAnyNode(from, core::event::AttachNodeTracking{},
                    IfSet(from.has_server_end(), from.server_end()));
}

}  // namespace sysmem::server::transport
