// SPDX-License-Identifier: Apache-2.0
#include "server/transport/operation_table.h"

#include <algorithm>
#include <iterator>

#include "server/transport/parse.h"
#include "server/transport/results.h"

namespace sysmem::server::transport {
namespace {

using Wire = sysmem2::Operation;
using Result = sysmem2::OperationResult;

bool Never(const Wire&) { return false; }
bool Always(const Wire&) { return true; }
// The node leaves as a descriptor, which only a result can name.
template <auto kGet>
bool IfExported(const Wire& operation) {
  return (operation.*kGet)().exported();
}

// kGet: the member of Wire that reads the request.
template <auto kGet>
Operation ParseIt(const Wire& operation) {
  return Parse((operation.*kGet)());
}

// kMutate: the member of Result that makes the result.
template <auto kMutate>
bool EncodeIt(const OperationResult& from, Result* to) {
  return EncodeResult(from, (to->*kMutate)());
}

// By rising number.
constexpr OperationKind kOperations[] = {
    {Wire::kAllocateNonSharedCollection, "AllocateNonSharedCollection", Never,
     ParseIt<&Wire::allocate_non_shared_collection>, nullptr},
    {Wire::kAllocateSharedCollection, "AllocateSharedCollection",
     IfExported<&Wire::allocate_shared_collection>, ParseIt<&Wire::allocate_shared_collection>,
     EncodeIt<&Result::mutable_allocate_shared_collection>},
    {Wire::kBindSharedCollection, "BindSharedCollection", Never,
     ParseIt<&Wire::bind_shared_collection>, nullptr},
    {Wire::kValidateBufferCollectionToken, "ValidateBufferCollectionToken", Always,
     ParseIt<&Wire::validate_buffer_collection_token>,
     EncodeIt<&Result::mutable_validate_buffer_collection_token>},
    {Wire::kAllocatorSetDebugClientInfo, "Allocator.SetDebugClientInfo", Never,
     ParseIt<&Wire::allocator_set_debug_client_info>, nullptr},
    {Wire::kGetVmoInfo, "GetVmoInfo", Always, ParseIt<&Wire::get_vmo_info>,
     EncodeIt<&Result::mutable_get_vmo_info>},

    {Wire::kSync, "Sync", Always, ParseIt<&Wire::sync>, EncodeIt<&Result::mutable_sync>},
    {Wire::kRelease, "Release", Never, ParseIt<&Wire::release>, nullptr},
    {Wire::kSetName, "SetName", Never, ParseIt<&Wire::set_name>, nullptr},
    {Wire::kSetDebugClientInfo, "SetDebugClientInfo", Never, ParseIt<&Wire::set_debug_client_info>,
     nullptr},
    {Wire::kSetDebugTimeoutLogDeadline, "SetDebugTimeoutLogDeadline", Never,
     ParseIt<&Wire::set_debug_timeout_log_deadline>, nullptr},
    {Wire::kSetVerboseLogging, "SetVerboseLogging", Never, ParseIt<&Wire::set_verbose_logging>,
     nullptr},
    {Wire::kGetNodeRef, "GetNodeRef", Always, ParseIt<&Wire::get_node_ref>,
     EncodeIt<&Result::mutable_get_node_ref>},
    {Wire::kIsAlternateFor, "IsAlternateFor", Always, ParseIt<&Wire::is_alternate_for>,
     EncodeIt<&Result::mutable_is_alternate_for>},
    {Wire::kGetBufferCollectionId, "GetBufferCollectionId", Always,
     ParseIt<&Wire::get_buffer_collection_id>, EncodeIt<&Result::mutable_get_buffer_collection_id>},
    {Wire::kSetWeak, "SetWeak", Never, ParseIt<&Wire::set_weak>, nullptr},
    {Wire::kSetWeakOk, "SetWeakOk", Never, ParseIt<&Wire::set_weak_ok>, nullptr},
    {Wire::kAttachNodeTracking, "AttachNodeTracking", Never, ParseIt<&Wire::attach_node_tracking>,
     nullptr},

    {Wire::kDuplicateSync, "DuplicateSync", Always, ParseIt<&Wire::duplicate_sync>,
     EncodeIt<&Result::mutable_duplicate_sync>},
    {Wire::kDuplicate, "Duplicate", IfExported<&Wire::duplicate>, ParseIt<&Wire::duplicate>,
     EncodeIt<&Result::mutable_duplicate>},
    {Wire::kSetDispensable, "SetDispensable", Never, ParseIt<&Wire::set_dispensable>, nullptr},
    {Wire::kCreateBufferCollectionTokenGroup, "CreateBufferCollectionTokenGroup",
     IfExported<&Wire::create_buffer_collection_token_group>,
     ParseIt<&Wire::create_buffer_collection_token_group>,
     EncodeIt<&Result::mutable_create_buffer_collection_token_group>},

    {Wire::kSetConstraints, "SetConstraints", Never, ParseIt<&Wire::set_constraints>, nullptr},
    {Wire::kWaitForAllBuffersAllocated, "WaitForAllBuffersAllocated", Always,
     ParseIt<&Wire::wait_for_all_buffers_allocated>,
     EncodeIt<&Result::mutable_wait_for_all_buffers_allocated>},
    {Wire::kCheckAllBuffersAllocated, "CheckAllBuffersAllocated", Always,
     ParseIt<&Wire::check_all_buffers_allocated>,
     EncodeIt<&Result::mutable_check_all_buffers_allocated>},
    {Wire::kAttachToken, "AttachToken", IfExported<&Wire::attach_token>,
     ParseIt<&Wire::attach_token>, EncodeIt<&Result::mutable_attach_token>},
    {Wire::kAttachLifetimeTracking, "AttachLifetimeTracking", Never,
     ParseIt<&Wire::attach_lifetime_tracking>, nullptr},

    {Wire::kCreateChild, "CreateChild", IfExported<&Wire::create_child>,
     ParseIt<&Wire::create_child>, EncodeIt<&Result::mutable_create_child>},
    {Wire::kCreateChildrenSync, "CreateChildrenSync", Always, ParseIt<&Wire::create_children_sync>,
     EncodeIt<&Result::mutable_create_children_sync>},
    {Wire::kAllChildrenPresent, "AllChildrenPresent", Never, ParseIt<&Wire::all_children_present>,
     nullptr},

    {Wire::kExportNode, "Export", Always, ParseIt<&Wire::export_node>,
     EncodeIt<&Result::mutable_export_node>},
    {Wire::kImportNode, "Import", Never, ParseIt<&Wire::import_node>, nullptr},
    {Wire::kCloseHandle, "CloseHandle", Never, ParseIt<&Wire::close_handle>, nullptr},
    {Wire::kCancelWait, "CancelWait", Never, ParseIt<&Wire::cancel_wait>, nullptr},
    {Wire::kPing, "Ping", Never, ParseIt<&Wire::ping>, nullptr},
    {Wire::kGetServerInfo, "GetServerInfo", Always, ParseIt<&Wire::get_server_info>,
     EncodeIt<&Result::mutable_get_server_info>},

    {Wire::kRegisterHeap, "RegisterHeap", Never, ParseIt<&Wire::register_heap>, nullptr},
    {Wire::kRegisterSecureMem, "RegisterSecureMem", Never, ParseIt<&Wire::register_secure_mem>,
     nullptr},
    {Wire::kUnregisterSecureMem, "UnregisterSecureMem", Always,
     ParseIt<&Wire::unregister_secure_mem>, EncodeIt<&Result::mutable_unregister_secure_mem>},
    {Wire::kOnRegister, "OnRegister", Never, ParseIt<&Wire::on_register>, nullptr},
    {Wire::kTakeProviderCall, "TakeProviderCall", Always, ParseIt<&Wire::take_provider_call>,
     EncodeIt<&Result::mutable_take_provider_call>},
    {Wire::kAnswerProviderCall, "AnswerProviderCall", Never, ParseIt<&Wire::answer_provider_call>,
     nullptr},
};

}  // namespace

const OperationKind* FindOperation(Wire::RequestCase request) {
  const auto* found = std::lower_bound(
      std::begin(kOperations), std::end(kOperations), request,
      [](const OperationKind& kind, Wire::RequestCase number) { return kind.request < number; });
  return found != std::end(kOperations) && found->request == request ? found : nullptr;
}

}  // namespace sysmem::server::transport
