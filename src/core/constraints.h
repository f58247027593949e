// SPDX-License-Identifier: Apache-2.0
//
// What a participant says it needs: the tables of interface.md 3.1 to 3.6 as plain values.
//
// An optional that is empty means "the participant left the field unset", which differs from every
// value (0 is LINEAR, CPU, ...). The defaults that stand behind an unset field depend on other
// fields and are applied by sanitising (core/sanitise.h), never here: what is stored and shown to
// people is what was sent. Values are unchecked; a bad one makes the allocation fail, not the
// message (interface.md 4.4). Bounds on the number of entries are checked by the wire parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sysmem::core {

// Widths and heights in pixels, or a pair of per-dimension numbers (alignments, block sizes).
struct SizeU {
  uint32_t width = 0;
  uint32_t height = 0;
  bool operator==(const SizeU&) const = default;
};

// Usage bits as interface.md 2.3 numbers them; 0 = none set.
struct BufferUsage {
  uint32_t none = 0;
  uint32_t cpu = 0;
  uint32_t vulkan = 0;
  uint32_t display = 0;
  uint32_t video = 0;
  bool operator==(const BufferUsage&) const = default;
};

// The bits of either.
constexpr BufferUsage operator|(const BufferUsage& a, const BufferUsage& b) {
  return {a.none | b.none, a.cpu | b.cpu, a.vulkan | b.vulkan, a.display | b.display,
          a.video | b.video};
}

inline constexpr uint32_t kNoneUsage = 1;
inline constexpr uint32_t kNoneUsagePermitAllocation = 2;
inline constexpr uint32_t kCpuUsageRead = 1;
inline constexpr uint32_t kCpuUsageReadOften = 2;
inline constexpr uint32_t kCpuUsageWrite = 4;
inline constexpr uint32_t kCpuUsageWriteOften = 8;

// Rights bits (interface.md 2.5). Only WRITE has a meaning on Linux today; the others are carried
// and combined so that masks compose (RES-1).
inline constexpr uint32_t kRightWrite = 0x8;
inline constexpr uint32_t kSameRights = 0x80000000u;
// What a hand-out has when nothing is taken away: duplicate, transfer, read, write, map, get and
// set property, wait, inspect (RES-1).
inline constexpr uint32_t kHandOutRights = 0xC0EF;

enum class CoherencyDomain : uint32_t { kCpu = 0, kRam = 1, kInaccessible = 2 };

// One heap instance (interface.md 2.6). Equality proves sameness.
struct Heap {
  std::string type;  // "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM"
  uint64_t id = 0;   // 0 for singletons
  bool operator==(const Heap&) const = default;
};
inline constexpr char kHeapSystemRam[] = "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM";

// A permitted heap as sent: heap_type may be missing (M12), id defaults to 0 (M13).
struct HeapWish {
  std::optional<std::string> type;
  std::optional<uint64_t> id;
  bool operator==(const HeapWish&) const = default;
};

struct MemoryConstraints {
  std::optional<uint64_t> min_size_bytes;
  std::optional<uint64_t> max_size_bytes;
  std::optional<bool> physically_contiguous_required;
  std::optional<bool> secure_required;
  std::optional<bool> cpu_domain_supported;
  std::optional<bool> ram_domain_supported;
  std::optional<bool> inaccessible_domain_supported;
  std::optional<std::vector<HeapWish>> permitted_heaps;  // set but empty is an error (M11)
  std::optional<uint64_t> min_physical_base_alignment;
  bool operator==(const MemoryConstraints&) const = default;
};

struct PixelFormatAndModifier {
  uint32_t pixel_format = 0;  // core/pixel_format.h
  uint64_t modifier = 0;
  bool operator==(const PixelFormatAndModifier&) const = default;
};

struct ImageFormatConstraints {
  std::optional<uint32_t> pixel_format;
  std::optional<uint64_t> pixel_format_modifier;
  std::vector<PixelFormatAndModifier> pixel_format_and_modifiers;
  std::vector<uint32_t> color_spaces;
  std::optional<SizeU> min_size;
  std::optional<SizeU> max_size;
  std::optional<uint32_t> min_bytes_per_row;
  std::optional<uint32_t> max_bytes_per_row;
  std::optional<uint64_t> max_width_times_height;
  std::optional<SizeU> size_alignment;
  std::optional<SizeU> display_rect_alignment;
  std::optional<SizeU> required_min_size;
  std::optional<SizeU> required_max_size;
  std::vector<SizeU> required_max_size_list;
  std::optional<uint32_t> bytes_per_row_divisor;
  std::optional<uint32_t> start_offset_divisor;
  std::optional<bool> require_bytes_per_row_at_pixel_boundary;
  std::optional<bool> is_alpha_present;
  std::optional<SizeU> pad_for_block_size;
  std::optional<uint64_t> pad_beyond_image_size_bytes;
  bool operator==(const ImageFormatConstraints&) const = default;
};

struct Constraints {
  std::optional<BufferUsage> usage;
  std::optional<uint32_t> min_buffer_count_for_camping;
  std::optional<uint32_t> min_buffer_count_for_dedicated_slack;
  std::optional<uint32_t> min_buffer_count_for_shared_slack;
  std::optional<uint32_t> min_buffer_count;
  std::optional<uint32_t> max_buffer_count;
  std::optional<MemoryConstraints> memory;
  std::vector<ImageFormatConstraints> image_formats;  // empty is the same as unset (C7)
  bool operator==(const Constraints&) const = default;
};

// True if the usage has any bit outside `none` ("any usage" in server-behaviour.md 4.2).
bool HasAnyUsage(const BufferUsage& usage);
// RES-2: the usage bits that write into a buffer.
bool UsageWrites(const BufferUsage& usage);
// RES-3: a participant with these constraints is handed descriptors.
bool WantsBuffers(const Constraints& constraints);

}  // namespace sysmem::core
