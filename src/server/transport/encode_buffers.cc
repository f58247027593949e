// SPDX-License-Identifier: Apache-2.0
#include "server/transport/encode.h"

namespace sysmem::server::transport {
namespace {

void EncodeMemorySettings(const core::BufferMemorySettings& from,
                          sysmem2::BufferMemorySettings* to) {
  to->set_size_bytes(from.size_bytes);
  to->set_is_physically_contiguous(from.is_physically_contiguous);
  to->set_is_secure(from.is_secure);
  // The numbers are the same on both sides.
  to->set_coherency_domain(
      static_cast<sysmem2::CoherencyDomain>(static_cast<int>(from.coherency_domain)));
  Encode(from.heap, to->mutable_heap());
  to->set_raw_vmo_size(from.raw_vmo_size);
}

}  // namespace

void EncodeAbilities(const core::HeapProperties& from, sysmem2::HeapAbilities* to) {
  to->set_tells_holders_apart(from.tells_holders_apart);
  to->set_reports_end(from.reports_end);
  to->set_reduces_rights(from.reduces_rights);
}

void Encode(const core::SingleBufferSettings& from, sysmem2::SingleBufferSettings* to) {
  EncodeMemorySettings(from.buffer, to->mutable_buffer_settings());
  if (from.image_format) Encode(*from.image_format, to->mutable_image_format_constraints());
}

void Encode(const HandOutInfo& from, sysmem2::HandOut* to) {
  to->set_rights(from.rights);
  to->set_read_only(from.read_only);
  to->set_read_only_enforced(from.read_only_enforced);
  EncodeAbilities(from.heap, to->mutable_heap_abilities());
}

void Encode(const GrantedBuffers& from, sysmem2::BufferCollectionInfo* to) {
  Encode(from.plan.settings, to->mutable_settings());
  to->set_buffer_collection_id(from.buffer_collection_id);
  const auto number_at = [](const std::vector<DescriptorNumber>& numbers, uint32_t index) {
    return index < numbers.size() ? numbers[index] : 0;
  };
  for (uint32_t i = 0; i < from.plan.buffer_count; ++i) {
    sysmem2::VmoBuffer* buffer = to->add_buffers();
    buffer->set_vmo_usable_start(0);
    // RES-3: a participant without usage is told how many there are, and gets none.
    if (const auto vmo = number_at(from.descriptors, i); vmo != 0) buffer->set_vmo(vmo);
    const auto signal = number_at(from.close_weak_asap, i);
    if (signal != 0) buffer->set_close_weak_asap(signal);
  }
  Encode(from.hand_out, to->mutable_hand_out());
}

void Encode(const VmoInfoResult& from, sysmem2::GetVmoInfoResult* to) {
  to->set_buffer_collection_id(from.buffer_collection_id);
  to->set_buffer_index(from.buffer_index);
  if (from.close_weak_asap != 0) to->set_close_weak_asap(from.close_weak_asap);
  if (from.weak_vmo != 0) {
    to->set_weak_vmo(from.weak_vmo);
    Encode(from.hand_out, to->mutable_hand_out());
  }
  if (from.settings) Encode(*from.settings, to->mutable_single_buffer_settings());
  if (from.constraints_ok) to->set_constraints_ok(*from.constraints_ok);
  if (from.vmo_settings_match) to->set_vmo_settings_match(*from.vmo_settings_match);
}

}  // namespace sysmem::server::transport
