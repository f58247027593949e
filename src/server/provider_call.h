// SPDX-License-Identifier: Apache-2.0
//
// What the daemon asks of whoever serves it: the Heap and SecureMem protocols as plain values
// (proto/sysmem2/heap.proto).
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "core/plan.h"
#include "server/secure_protocol.h"

namespace sysmem::server {

// Make one buffer. The descriptor that goes along is an empty memfd of that size, to fill and give
// back instead of one of the provider's own.
struct AllocateVmoCall {
  uint64_t size_bytes = 0;
  std::shared_ptr<const core::SingleBufferSettings> settings;
  uint64_t buffer_collection_id = 0;
  uint64_t buffer_index = 0;
};

// Take one buffer back. The descriptor that goes along is the last one anywhere.
struct DeleteVmoCall {
  uint64_t buffer_collection_id = 0;
  uint64_t buffer_index = 0;
};

// The first two are for heaps, the others for drivers of secure memory.
using ProviderCallKind =
    std::variant<AllocateVmoCall, DeleteVmoCall, GetPhysicalSecureHeapsCall,
                 GetDynamicSecureHeapsCall, GetSecureHeapPropertiesCall, AddSecureRangeCall,
                 DeleteSecureRangeCall, ModifySecureRangeCall, ZeroSubRangeCall>;

}  // namespace sysmem::server
