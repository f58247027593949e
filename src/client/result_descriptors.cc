// SPDX-License-Identifier: Apache-2.0
#include "client/result_descriptors.h"

namespace sysmem::client {

std::vector<uint64_t> DescriptorsNamed(const sysmem2::OperationResult& result) {
  std::vector<uint64_t> numbers;
  const auto add = [&numbers](uint64_t number) {
    if (number != 0) numbers.push_back(number);
  };
  const auto add_all = [&add](const auto& list) {
    for (const uint64_t number : list) add(number);
  };
  using Result = sysmem2::OperationResult;
  switch (result.result_case()) {
    case Result::kAllocateSharedCollection:
      add(result.allocate_shared_collection().descriptor_number());
      break;
    case Result::kDuplicate:
      add(result.duplicate().descriptor_number());
      break;
    case Result::kCreateBufferCollectionTokenGroup:
      add(result.create_buffer_collection_token_group().descriptor_number());
      break;
    case Result::kAttachToken:
      add(result.attach_token().descriptor_number());
      break;
    case Result::kCreateChild:
      add(result.create_child().descriptor_number());
      break;
    case Result::kExportNode:
      add(result.export_node().descriptor_number());
      break;
    case Result::kDuplicateSync:
      add_all(result.duplicate_sync().descriptor_numbers());
      break;
    case Result::kCreateChildrenSync:
      add_all(result.create_children_sync().descriptor_numbers());
      break;
    case Result::kGetNodeRef:
      add(result.get_node_ref().node_ref());
      break;
    case Result::kGetVmoInfo:
      add(result.get_vmo_info().close_weak_asap());
      add(result.get_vmo_info().weak_vmo());
      break;
    case Result::kWaitForAllBuffersAllocated:
      for (const sysmem2::VmoBuffer& buffer :
           result.wait_for_all_buffers_allocated().buffer_collection_info().buffers()) {
        add(buffer.vmo());
        add(buffer.close_weak_asap());
      }
      break;
    case Result::kTakeProviderCall:
      add(result.take_provider_call().allocate_vmo().offered_vmo());
      add(result.take_provider_call().delete_vmo().vmo());
      break;
    default:
      break;
  }
  return numbers;
}

}  // namespace sysmem::client
