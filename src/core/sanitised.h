// SPDX-License-Identifier: Apache-2.0
//
// Constraints in which nothing is unset: every field holds what was sent or the default that stands
// behind it (server-behaviour.md 4.2 to 4.4). What sanitising yields, what merging adds up, and
// what planning reads. The initial values below are the neutral ones: merging with them changes
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/constraints.h"

namespace sysmem::core {

struct SanitisedMemory {
  uint64_t min_size_bytes = 0;
  uint64_t max_size_bytes = UINT64_MAX;
  // The size of buffers that exist already. Bounds sizes as max_size_bytes does, but not what lies
  // behind them as padding, which these buffers have as well (LATE-H1).
  uint64_t existing_size_bytes = UINT64_MAX;
  bool physically_contiguous_required = false;
  bool secure_required = false;
  bool cpu_domain_supported = true;
  bool ram_domain_supported = true;
  bool inaccessible_domain_supported = true;
  std::vector<Heap> permitted_heaps;         // empty = any heap
  std::vector<std::string> denied_heaps;     // types that somebody may not use (HEAP-ACCESS)
  uint64_t min_physical_base_alignment = 1;  // 1 also for those who do not care (ACC-H1)
  bool operator==(const SanitisedMemory&) const = default;
};

// One pixel format and modifier, either of which may still be DO_NOT_CARE.
struct SanitisedImageFormat {
  PixelFormatAndModifier format;
  std::vector<uint32_t> color_spaces;  // never empty; one DO_NOT_CARE = any
  SizeU min_size{0, 0};
  SizeU max_size{UINT32_MAX, UINT32_MAX};
  uint32_t min_bytes_per_row = 0;
  uint32_t max_bytes_per_row = UINT32_MAX;
  uint64_t max_width_times_height = UINT64_MAX;
  SizeU size_alignment{1, 1};
  SizeU display_rect_alignment{1, 1};
  SizeU required_min_size{UINT32_MAX, UINT32_MAX};
  SizeU required_max_size{0, 0};
  std::vector<SizeU> required_max_size_list;
  uint32_t bytes_per_row_divisor = 1;
  uint32_t start_offset_divisor = 1;
  bool require_bytes_per_row_at_pixel_boundary = false;
  std::optional<bool> is_alpha_present;  // unset is a value of its own: "out of band"
  SizeU pad_for_block_size{1, 1};
  uint64_t pad_beyond_image_size_bytes = 0;
  bool operator==(const SanitisedImageFormat&) const = default;
};

struct SanitisedConstraints {
  BufferUsage usage;
  // 64 bits: the sums over all participants cannot wrap (ACC-H3).
  uint64_t min_buffer_count_for_camping = 0;
  uint64_t min_buffer_count_for_dedicated_slack = 0;
  uint64_t min_buffer_count_for_shared_slack = 0;
  uint64_t min_buffer_count = 0;
  uint64_t max_buffer_count = UINT32_MAX;
  SanitisedMemory memory;
  std::vector<SanitisedImageFormat> image_formats;  // empty = raw buffers are fine
  bool operator==(const SanitisedConstraints&) const = default;
};

}  // namespace sysmem::core
