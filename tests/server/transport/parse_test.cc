// SPDX-License-Identifier: Apache-2.0
//
// What each request says, and what it says when something is missing. Bounds: parse_bounds_test.cc.
#include "server/transport/parse.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/server/transport/wire.h"

namespace sysmem::server::transport {
namespace {

// The field a refused request is at fault in.
std::string BadField(const Operation& operation) {
  const core::Failure& why = As<op::Malformed>(operation).why;
  EXPECT_EQ(why.outcome, core::Outcome::kRefused);
  EXPECT_EQ(why.error, core::Error::kProtocolDeviation);
  EXPECT_EQ(why.rule, "WIRE-FIELDS");
  return why.field;
}

TEST(ParseAllocator, TakesHandlesAsTheyAreAndMissingOnesAsMissing) {
  sysmem2::AllocateNonSharedCollectionRequest request;
  EXPECT_EQ(As<op::AllocateNonSharedCollection>(Parse(request)).collection, std::nullopt);
  request.set_collection_handle(0);
  EXPECT_EQ(As<op::AllocateNonSharedCollection>(Parse(request)).collection, 0u);
  request.set_collection_handle(UINT64_MAX);
  EXPECT_EQ(As<op::AllocateNonSharedCollection>(Parse(request)).collection, UINT64_MAX);
}

TEST(ParseAllocator, WantsNoHandleForATokenThatIsExported) {
  sysmem2::AllocateSharedCollectionRequest request;
  EXPECT_FALSE(As<op::AllocateSharedCollection>(Parse(request)).export_node);
  request.set_exported(true);
  EXPECT_TRUE(As<op::AllocateSharedCollection>(Parse(request)).export_node);
  EXPECT_EQ(As<op::AllocateSharedCollection>(Parse(request)).token, std::nullopt);
  request.set_token_handle(3);
  EXPECT_EQ(BadField(Parse(request)), "token_handle");
}

TEST(ParseAllocator, BindsAHandleOrADescriptorButNotNothing) {
  sysmem2::BindSharedCollectionRequest request;
  request.set_collection_handle(9);
  EXPECT_EQ(BadField(Parse(request)), "token");
  request.set_token_handle(4);
  EXPECT_EQ(As<op::BindSharedCollection>(Parse(request)).token, 4u);
  EXPECT_EQ(As<op::BindSharedCollection>(Parse(request)).token_descriptor, std::nullopt);
  request.set_token_descriptor(5);
  EXPECT_EQ(As<op::BindSharedCollection>(Parse(request)).token, std::nullopt);
  EXPECT_EQ(As<op::BindSharedCollection>(Parse(request)).token_descriptor, 5u);
  EXPECT_EQ(As<op::BindSharedCollection>(Parse(request)).collection, 9u);
}

TEST(ParseAllocator, ValidatesATokenByCookieByIdOrByDescriptor) {
  sysmem2::ValidateBufferCollectionTokenRequest request;
  EXPECT_EQ(BadField(Parse(request)), "token");
  request.set_token_server_koid(1);
  EXPECT_EQ(As<op::ValidateToken>(Parse(request)).koid, 1u);
  request.set_node_id(2);
  EXPECT_EQ(As<op::ValidateToken>(Parse(request)).node_id, 2u);
  EXPECT_EQ(As<op::ValidateToken>(Parse(request)).koid, std::nullopt);
  request.set_token_descriptor(3);
  EXPECT_EQ(As<op::ValidateToken>(Parse(request)).descriptor, 3u);
}

TEST(ParseAllocator, KeepsANameThatIsMissingApartFromAnEmptyOne) {
  sysmem2::AllocatorSetDebugClientInfoRequest request;
  EXPECT_EQ(As<op::SetAllocatorDebugInfo>(Parse(request)).name, std::nullopt);
  request.set_name("");
  request.set_id(8);
  EXPECT_EQ(As<op::SetAllocatorDebugInfo>(Parse(request)).name, "");
  EXPECT_EQ(As<op::SetAllocatorDebugInfo>(Parse(request)).id, 8u);
}

TEST(ParseNode, SaysNothingOfTheKind) {
  sysmem2::SyncRequest request;
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).handle, std::nullopt);
  request.set_handle(6);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).handle, 6u);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).kind, std::nullopt);
  EventOf<core::event::Sync>(Parse(request));
}

TEST(ParseNode, MakesTheEventOfEachMethod) {
  EventOf<core::event::Release>(Parse(sysmem2::ReleaseRequest()));
  EventOf<core::event::SetVerboseLogging>(Parse(sysmem2::SetVerboseLoggingRequest()));
  EventOf<core::event::GetBufferCollectionId>(Parse(sysmem2::GetBufferCollectionIdRequest()));
  EventOf<core::event::GetNodeRef>(Parse(sysmem2::GetNodeRefRequest()));
  EventOf<core::event::Wait>(Parse(sysmem2::WaitForAllBuffersAllocatedRequest()));
  EventOf<core::event::Check>(Parse(sysmem2::CheckAllBuffersAllocatedRequest()));
}

TEST(ParseNode, LeavesMissingParametersToTheCore) {
  EXPECT_EQ(EventOf<core::event::SetName>(Parse(sysmem2::SetNameRequest())),
            core::event::SetName{});
  EXPECT_EQ(EventOf<core::event::SetDebugClientInfo>(Parse(sysmem2::SetDebugClientInfoRequest())),
            core::event::SetDebugClientInfo{});
  EXPECT_EQ(EventOf<core::event::SetDebugTimeoutLogDeadline>(
                Parse(sysmem2::SetDebugTimeoutLogDeadlineRequest())),
            core::event::SetDebugTimeoutLogDeadline{});
}

TEST(ParseNode, TakesParametersThatAreZero) {
  sysmem2::SetNameRequest name;
  name.set_priority(0);
  name.set_name("frames");
  EXPECT_EQ(EventOf<core::event::SetName>(Parse(name)),
            (core::event::SetName{.priority = 0, .name = "frames"}));
  sysmem2::SetDebugTimeoutLogDeadlineRequest deadline;
  deadline.set_deadline(-1);
  EXPECT_EQ(EventOf<core::event::SetDebugTimeoutLogDeadline>(Parse(deadline)).deadline_ns, -1);
  sysmem2::SetDebugClientInfoRequest info;
  info.set_name("camera");
  info.set_id(3);
  EXPECT_EQ(EventOf<core::event::SetDebugClientInfo>(Parse(info)),
            (core::event::SetDebugClientInfo{.name = "camera", .id = 3}));
}

TEST(ParseToken, DuplicatesWithAHandleOrExported) {
  sysmem2::DuplicateRequest request;
  EXPECT_EQ(As<op::Duplicate>(Parse(request)).rights_mask, std::nullopt);
  request.set_handle(1);
  request.set_rights_attenuation_mask(0);
  request.set_token_handle(2);
  EXPECT_EQ(As<op::Duplicate>(Parse(request)).token, 1u);
  EXPECT_EQ(As<op::Duplicate>(Parse(request)).rights_mask, 0u);
  EXPECT_EQ(As<op::Duplicate>(Parse(request)).new_token, 2u);
  request.set_exported(true);
  EXPECT_EQ(BadField(Parse(request)), "token_handle");
}

TEST(ParseToken, WantsOneHandlePerMask) {
  sysmem2::DuplicateSyncRequest request;
  for (const uint32_t mask : {1u, 0u, 0x80000000u}) {
    request.mutable_rights_attenuation_masks()->add_masks(mask);
  }
  request.add_token_handles(5);
  request.add_token_handles(6);
  EXPECT_EQ(BadField(Parse(request)), "token_handles");
  request.add_token_handles(7);
  EXPECT_EQ(As<op::DuplicateSync>(Parse(request)).rights_masks,
            (std::vector<uint32_t>{1, 0, 0x80000000}));
  EXPECT_EQ(As<op::DuplicateSync>(Parse(request)).new_tokens, (std::vector<Handle>{5, 6, 7}));
  request.set_exported(true);
  EXPECT_EQ(BadField(Parse(request)), "token_handles");
  request.clear_token_handles();
  EXPECT_TRUE(As<op::DuplicateSync>(Parse(request)).export_node);
}

TEST(ParseToken, KeepsMasksThatAreMissingApartFromNone) {
  sysmem2::DuplicateSyncRequest request;
  request.add_token_handles(5);
  EXPECT_EQ(As<op::DuplicateSync>(Parse(request)).rights_masks, std::nullopt);
  request.clear_token_handles();
  request.mutable_rights_attenuation_masks();
  EXPECT_EQ(As<op::DuplicateSync>(Parse(request)).rights_masks, std::vector<uint32_t>());
}

TEST(ParseToken, MakesAGroupWithAHandleOrExported) {
  sysmem2::CreateBufferCollectionTokenGroupRequest request;
  EXPECT_EQ(As<op::CreateTokenGroup>(Parse(request)).new_group, std::nullopt);
  request.set_handle(1);
  request.set_group_handle(2);
  EXPECT_EQ(As<op::CreateTokenGroup>(Parse(request)).token, 1u);
  EXPECT_EQ(As<op::CreateTokenGroup>(Parse(request)).new_group, 2u);
  request.set_exported(true);
  EXPECT_EQ(BadField(Parse(request)), "group_handle");
  request.clear_group_handle();
  EXPECT_TRUE(As<op::CreateTokenGroup>(Parse(request)).export_node);
}

TEST(ParseToken, AloneCanBeDispensable) {
  sysmem2::SetDispensableRequest request;
  request.set_handle(4);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).handle, 4u);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).kind, core::NodeKind::kToken);
  EventOf<core::event::SetDispensable>(Parse(request));
}

TEST(ParseNode, PassesDescriptorsOnByTheirNumbers) {
  sysmem2::IsAlternateForRequest alternate;
  EventOf<core::event::IsAlternateFor>(Parse(alternate));
  EXPECT_EQ(As<op::NodeMessage>(Parse(alternate)).descriptor, std::nullopt);
  alternate.set_node_ref(7);
  EXPECT_EQ(As<op::NodeMessage>(Parse(alternate)).descriptor, 7u);
  sysmem2::AttachNodeTrackingRequest tracking;
  EventOf<core::event::AttachNodeTracking>(Parse(tracking));
  EXPECT_EQ(As<op::NodeMessage>(Parse(tracking)).descriptor, std::nullopt);
  tracking.set_server_end(8);
  EXPECT_EQ(As<op::NodeMessage>(Parse(tracking)).descriptor, 8u);
}

TEST(ParseNode, TellsWeakNodesApartByWhomTheyVouchFor) {
  EventOf<core::event::SetWeak>(Parse(sysmem2::SetWeakRequest()));
  sysmem2::SetWeakOkRequest request;
  EXPECT_EQ(EventOf<core::event::SetWeakOk>(Parse(request)).for_child_nodes_also, std::nullopt);
  request.set_for_child_nodes_also(false);
  EXPECT_EQ(EventOf<core::event::SetWeakOk>(Parse(request)).for_child_nodes_also, false);
  request.set_for_child_nodes_also(true);
  EXPECT_EQ(EventOf<core::event::SetWeakOk>(Parse(request)).for_child_nodes_also, true);
}

TEST(ParseGroup, MakesAChildWithAHandleOrExported) {
  sysmem2::CreateChildRequest request;
  request.set_handle(1);
  request.set_token_handle(2);
  EXPECT_EQ(As<op::CreateChild>(Parse(request)).group, 1u);
  EXPECT_EQ(As<op::CreateChild>(Parse(request)).new_token, 2u);
  EXPECT_EQ(As<op::CreateChild>(Parse(request)).rights_mask, std::nullopt);
  request.set_rights_attenuation_mask(0);
  EXPECT_EQ(As<op::CreateChild>(Parse(request)).rights_mask, 0u);
  request.set_exported(true);
  EXPECT_EQ(BadField(Parse(request)), "token_handle");
  request.clear_token_handle();
  EXPECT_TRUE(As<op::CreateChild>(Parse(request)).export_node);
}

TEST(ParseGroup, MakesAChildPerMask) {
  sysmem2::CreateChildrenSyncRequest request;
  request.set_handle(1);
  EXPECT_EQ(As<op::CreateChildrenSync>(Parse(request)).rights_masks, std::nullopt)
      << "missing is not the same as none";
  request.mutable_rights_attenuation_masks()->add_masks(7);
  EXPECT_EQ(BadField(Parse(request)), "token_handles");
  request.add_token_handles(5);
  EXPECT_EQ(As<op::CreateChildrenSync>(Parse(request)).group, 1u);
  EXPECT_EQ(As<op::CreateChildrenSync>(Parse(request)).rights_masks, std::vector<uint32_t>{7});
  EXPECT_EQ(As<op::CreateChildrenSync>(Parse(request)).new_tokens, std::vector<Handle>{5});
  request.set_exported(true);
  EXPECT_EQ(BadField(Parse(request)), "token_handles");
  request.clear_token_handles();
  EXPECT_TRUE(As<op::CreateChildrenSync>(Parse(request)).export_node);
}

TEST(ParseGroup, AloneHasAllChildrenPresent) {
  sysmem2::AllChildrenPresentRequest request;
  request.set_handle(4);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).handle, 4u);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).kind, core::NodeKind::kGroup);
  EventOf<core::event::AllChildrenPresent>(Parse(request));
}

TEST(ParseCollection, KeepsConstraintsThatAreMissingApartFromEmptyOnes) {
  sysmem2::SetConstraintsRequest request;
  request.set_handle(2);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).kind, core::NodeKind::kCollection);
  EXPECT_EQ(EventOf<core::event::SetConstraints>(Parse(request)).constraints, std::nullopt);
  request.mutable_constraints();
  EXPECT_EQ(EventOf<core::event::SetConstraints>(Parse(request)).constraints, core::Constraints{});
}

TEST(ParseCollection, AttachesWithAHandleOrExported) {
  sysmem2::AttachTokenRequest request;
  EXPECT_EQ(As<op::AttachToken>(Parse(request)).rights_mask, std::nullopt);
  EXPECT_EQ(As<op::AttachToken>(Parse(request)).new_token, std::nullopt);
  request.set_handle(1);
  request.set_rights_attenuation_mask(0);
  request.set_token_handle(2);
  EXPECT_EQ(As<op::AttachToken>(Parse(request)).collection, 1u);
  EXPECT_EQ(As<op::AttachToken>(Parse(request)).rights_mask, 0u);
  EXPECT_EQ(As<op::AttachToken>(Parse(request)).new_token, 2u);
  EXPECT_FALSE(As<op::AttachToken>(Parse(request)).export_node);
  request.set_exported(true);
  EXPECT_EQ(BadField(Parse(request)), "token_handle");
  request.clear_token_handle();
  EXPECT_TRUE(As<op::AttachToken>(Parse(request)).export_node);
}

TEST(ParseCollection, NamesTheBufferToMatch) {
  sysmem2::SetConstraintsRequest request;
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).descriptor, std::nullopt);
  request.set_must_match_vmo(4);
  EXPECT_EQ(As<op::NodeMessage>(Parse(request)).descriptor, 4u);
}

TEST(ParseSession, MovesNodesOutAndIn) {
  sysmem2::ExportRequest out;
  out.set_handle(3);
  EXPECT_EQ(As<op::Export>(Parse(out)).handle, 3u);
  sysmem2::ImportRequest in;
  EXPECT_EQ(As<op::Import>(Parse(in)).kind, std::nullopt);
  in.set_descriptor_number(4);
  in.set_handle(5);
  in.set_expected_kind(sysmem2::NODE_KIND_GROUP);
  EXPECT_EQ(As<op::Import>(Parse(in)).descriptor, 4u);
  EXPECT_EQ(As<op::Import>(Parse(in)).handle, 5u);
  EXPECT_EQ(As<op::Import>(Parse(in)).kind, core::NodeKind::kGroup);
  in.set_expected_kind(static_cast<sysmem2::NodeKind>(99));
  EXPECT_EQ(BadField(Parse(in)), "expected_kind");
}

TEST(ParseSession, NamesTheWaitToCancel) {
  sysmem2::CancelWaitRequest request;
  EXPECT_EQ(As<op::CancelWait>(Parse(request)).wait_number, std::nullopt);
  request.set_wait_number(17);
  EXPECT_EQ(As<op::CancelWait>(Parse(request)).wait_number, 17u);
}

TEST(ParseSession, ClosesHandlesAndAsksAboutTheDaemon) {
  sysmem2::CloseHandleRequest close;
  close.set_handle(1);
  EXPECT_EQ(As<op::CloseHandle>(Parse(close)).handle, 1u);
  As<op::Ping>(Parse(sysmem2::PingRequest()));
  As<op::GetServerInfo>(Parse(sysmem2::GetServerInfoRequest()));
  As<op::InspectStatus>(Parse(sysmem2::GetStatusRequest()));
  sysmem2::ListCollectionsRequest list;
  EXPECT_EQ(As<op::InspectCollections>(Parse(list)).at_most, kMostItemsInPage);
  list.set_after(7);
  list.set_at_most(UINT32_MAX);
  EXPECT_EQ(As<op::InspectCollections>(Parse(list)).after, 7u);
  EXPECT_EQ(As<op::InspectCollections>(Parse(list)).at_most, kMostItemsInPage);
  As<op::InspectHeaps>(Parse(sysmem2::ListHeapsRequest()));
  As<op::InspectSessions>(Parse(sysmem2::ListSessionsRequest()));
  sysmem2::ShowCollectionRequest show;
  EXPECT_EQ(As<op::InspectCollection>(Parse(show)).buffer_collection_id, std::nullopt);
  show.set_buffer_collection_id(2);
  EXPECT_EQ(As<op::InspectCollection>(Parse(show)).buffer_collection_id, 2u);
  EXPECT_EQ(As<op::InspectCollection>(Parse(show)).first_item, 0u);
  EXPECT_EQ(As<op::InspectCollection>(Parse(show)).most_items, kMostItemsInPage);
  show.set_first_item(UINT64_MAX);
  show.set_at_most(5);
  EXPECT_EQ(As<op::InspectCollection>(Parse(show)).first_item, UINT64_MAX);
  EXPECT_EQ(As<op::InspectCollection>(Parse(show)).most_items, 5u);
}

TEST(ParseSession, AsksForEventsFromWhereTheReaderIs) {
  sysmem2::NextEventsRequest next;
  const auto begin = As<op::NextEvents>(Parse(next));
  EXPECT_EQ(begin.after, std::nullopt);
  EXPECT_EQ(begin.at_most, 0u);
  EXPECT_EQ(begin.buffer_collection_id, std::nullopt);
  next.set_after(0);
  next.set_at_most(7);
  next.set_buffer_collection_id(2);
  const auto more = As<op::NextEvents>(Parse(next));
  EXPECT_EQ(more.after, 0u);
  EXPECT_EQ(more.at_most, 7u);
  EXPECT_EQ(more.buffer_collection_id, 2u);
}

}  // namespace
}  // namespace sysmem::server::transport
