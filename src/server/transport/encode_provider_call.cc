// SPDX-License-Identifier: Apache-2.0
//
// What the daemon asks of those who serve heaps and secure memory.
#include <type_traits>
#include <variant>

#include "server/transport/encode.h"

namespace sysmem::server::transport {
namespace {

void Encode(PhysicalRange from, sysmem2::SecureHeapRange* to) {
  to->set_physical_address(from.address);
  to->set_size_bytes(from.size_bytes);
}

void Encode(const SecureHeapAndRange& from, sysmem2::SecureHeapAndRange* to) {
  transport::Encode(from.heap, to->mutable_heap());
  Encode(from.range, to->mutable_range());
}

// Of each kind of call; `descriptor` goes along.
class CallEncoder {
 public:
  CallEncoder(DescriptorNumber descriptor, sysmem2::ProviderCall* to)
      : descriptor_(descriptor), to_(to) {}

  void operator()(const AllocateVmoCall& from) const {
    sysmem2::AllocateVmoCall* const call = to_->mutable_allocate_vmo();
    call->set_size(from.size_bytes);
    if (from.settings) transport::Encode(*from.settings, call->mutable_settings());
    call->set_buffer_collection_id(from.buffer_collection_id);
    call->set_buffer_index(from.buffer_index);
    if (descriptor_ != 0) call->set_offered_vmo(descriptor_);
  }
  void operator()(const DeleteVmoCall& from) const {
    sysmem2::DeleteVmoCall* const call = to_->mutable_delete_vmo();
    call->set_buffer_collection_id(from.buffer_collection_id);
    call->set_buffer_index(from.buffer_index);
    call->set_vmo(descriptor_);
  }
  void operator()(const GetPhysicalSecureHeapsCall&) const {
    to_->mutable_get_physical_secure_heaps();
  }
  void operator()(const GetDynamicSecureHeapsCall&) const {
    to_->mutable_get_dynamic_secure_heaps();
  }
  void operator()(const GetSecureHeapPropertiesCall& from) const {
    Encode(from.entire_heap,
           to_->mutable_get_physical_secure_heap_properties()->mutable_entire_heap());
  }
  void operator()(const AddSecureRangeCall& from) const {
    Encode(from.added, to_->mutable_add_secure_heap_physical_range()->mutable_heap_range());
  }
  void operator()(const DeleteSecureRangeCall& from) const {
    Encode(from.deleted, to_->mutable_delete_secure_heap_physical_range()->mutable_heap_range());
  }
  void operator()(const ModifySecureRangeCall& from) const {
    sysmem2::SecureHeapAndRangeModification* const change =
        to_->mutable_modify_secure_heap_physical_range()->mutable_range_modification();
    transport::Encode(from.heap, change->mutable_heap());
    Encode(from.from, change->mutable_old_range());
    Encode(from.to, change->mutable_new_range());
  }
  void operator()(const ZeroSubRangeCall& from) const {
    sysmem2::ZeroSubRangeCall* const call = to_->mutable_zero_sub_range();
    call->set_is_covering_range_explicit(from.is_covering_range_explicit);
    Encode(from.zeroed, call->mutable_heap_range());
  }

 private:
  const DescriptorNumber descriptor_;
  sysmem2::ProviderCall* const to_;
};

}  // namespace

void Encode(const TakenProviderCall& from, sysmem2::ProviderCall* to) {
  to->set_call_id(from.call_id);
  std::visit(CallEncoder(from.descriptor, to), from.what);
}

}  // namespace sysmem::server::transport
