// SPDX-License-Identifier: Apache-2.0
//
// What a negotiation comes to: the settings every participant receives (interface.md 3.7) and what
// the engine needs to make the buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/constraints.h"

namespace sysmem::core {

struct BufferMemorySettings {
  uint64_t size_bytes = 0;  // logical size, not page aligned, without padding
  bool is_physically_contiguous = false;
  bool is_secure = false;
  CoherencyDomain coherency_domain = CoherencyDomain::kCpu;
  Heap heap;
  uint64_t raw_vmo_size = 0;  // exactly the size of the memory object
  bool operator==(const BufferMemorySettings&) const = default;
};

struct SingleBufferSettings {
  BufferMemorySettings buffer;
  std::optional<ImageFormatConstraints> image_format;  // one concrete format and modifier (FMT-2)
  bool operator==(const SingleBufferSettings&) const = default;
};

struct Plan {
  uint32_t buffer_count = 0;
  SingleBufferSettings settings;
  // Alignment of each buffer's physical base; absent unless contiguity is required (BUF-1).
  std::optional<uint64_t> physical_alignment;
  bool operator==(const Plan&) const = default;
};

}  // namespace sysmem::core
