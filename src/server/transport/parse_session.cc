// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {

Operation Parse(const sysmem2::ExportRequest& from) { return op::Export{.handle = HandleOf(from)}; }

Operation Parse(const sysmem2::ImportRequest& from) {
  op::Import to{.descriptor = IfSet(from.has_descriptor_number(), from.descriptor_number()),
                .handle = HandleOf(from)};
  switch (from.expected_kind()) {
    case sysmem2::NODE_KIND_UNSPECIFIED:
      return to;
    case sysmem2::NODE_KIND_TOKEN:
      to.kind = core::NodeKind::kToken;
      return to;
    case sysmem2::NODE_KIND_COLLECTION:
      to.kind = core::NodeKind::kCollection;
      return to;
    case sysmem2::NODE_KIND_GROUP:
      to.kind = core::NodeKind::kGroup;
      return to;
    default:
      return BadFields("expected_kind", "there is no kind of node with the number " +
                                            std::to_string(from.expected_kind()));
  }
}

Operation Parse(const sysmem2::CloseHandleRequest& from) {
  return op::CloseHandle{.handle = HandleOf(from)};
}

Operation Parse(const sysmem2::CancelWaitRequest& from) {
  return op::CancelWait{.wait_number = IfSet(from.has_wait_number(), from.wait_number())};
}

Operation Parse(const sysmem2::PingRequest&) { return op::Ping{}; }

Operation Parse(const sysmem2::GetServerInfoRequest&) { return op::GetServerInfo{}; }

Operation Parse(const sysmem2::GetStatusRequest&) { return op::InspectStatus{}; }

// Pages and filters of lists are cut out of the answer (pages.h).
Operation Parse(const sysmem2::ListCollectionsRequest& from) {
  op::InspectCollections list{.after = from.after()};
  if (from.at_most() > 0) list.at_most = std::min<uint64_t>(from.at_most(), kMostItemsInPage);
  return list;
}

Operation Parse(const sysmem2::ShowCollectionRequest& from) {
  op::InspectCollection show{
      .buffer_collection_id = IfSet(from.has_buffer_collection_id(), from.buffer_collection_id()),
      .first_item = from.first_item()};
  if (from.at_most() > 0) show.most_items = std::min<uint64_t>(from.at_most(), kMostItemsInPage);
  return show;
}

Operation Parse(const sysmem2::ListHeapsRequest&) { return op::InspectHeaps{}; }

Operation Parse(const sysmem2::ListSessionsRequest&) { return op::InspectSessions{}; }

Operation Parse(const sysmem2::NextEventsRequest& from) {
  return op::NextEvents{
      .after = IfSet(from.has_after(), from.after()),
      .at_most = from.at_most(),
      .buffer_collection_id = IfSet(from.has_buffer_collection_id(), from.buffer_collection_id())};
}

}  // namespace sysmem::server::transport
