// SPDX-License-Identifier: Apache-2.0
//
// Rules C, U and M (server-behaviour.md 4.2, 4.3), and how the image formats are gone through.
#include "core/sanitise.h"

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "core/color_space.h"
#include "core/format_pair.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

bool BothPositive(const SizeU& size) { return size.width > 0 && size.height > 0; }

bool AsksForSize(const ImageFormatConstraints& format) {
  const auto& list = format.required_max_size_list;
  return BothPositive(format.min_size.value_or(SizeU{})) ||
         BothPositive(format.required_max_size.value_or(SizeU{})) ||
         std::any_of(list.begin(), list.end(), BothPositive);
}

std::string MemoryPath(const char* field) { return std::string(kMemoryPath) + field; }

// U2 to U4.
MaybeRejection CheckUsage(const BufferUsage& usage) {
  if (usage == BufferUsage{}) {
    return Rejection{"U2", {"usage"}, "no usage bit is set, although other fields are"};
  }
  if (usage.none != 0 && HasAnyUsage(usage)) {
    return Rejection{"U3", {"usage"}, "usage.none is set beside another usage"};
  }
  if ((usage.none & kNoneUsagePermitAllocation) != 0 && (usage.none & kNoneUsage) == 0) {
    return Rejection{
        "U4", {"usage.none"}, "NONE_USAGE_PERMIT_ALLOCATION is set without NONE_USAGE"};
  }
  return std::nullopt;
}

// M1, M2, M11, M12: what must hold before the defaults.
MaybeRejection CheckSentMemory(const MemoryConstraints& sent) {
  if (sent.min_physical_base_alignment) {
    const uint64_t alignment = *sent.min_physical_base_alignment;
    const std::string path = MemoryPath("min_physical_base_alignment");
    if (!sent.physically_contiguous_required.value_or(false)) {
      return Rejection{"M1",
                       {path, MemoryPath("physically_contiguous_required")},
                       "min_physical_base_alignment is set without physically_contiguous_required"};
    }
    if (!IsPowerOfTwo(alignment)) {
      return Rejection{
          "M2",
          {path},
          "min_physical_base_alignment " + std::to_string(alignment) + " is not a power of two"};
    }
  }
  if (!sent.permitted_heaps) return std::nullopt;
  const std::string heaps = MemoryPath("permitted_heaps");
  if (sent.permitted_heaps->empty()) {
    return Rejection{"M11", {heaps}, "permitted_heaps is set but empty"};
  }
  for (const HeapWish& wish : *sent.permitted_heaps) {
    if (!wish.type) return Rejection{"M12", {heaps}, "a permitted heap has no heap_type"};
  }
  return std::nullopt;
}

// M3 to M10, M13.
SanitisedMemory MemoryWithDefaults(const MemoryConstraints& sent, bool uses_cpu) {
  const bool secure = sent.secure_required.value_or(false);
  SanitisedMemory memory{
      .min_size_bytes = sent.min_size_bytes.value_or(0),
      .max_size_bytes = sent.max_size_bytes.value_or(UINT64_MAX),
      .physically_contiguous_required = sent.physically_contiguous_required.value_or(false),
      .secure_required = secure,
      .cpu_domain_supported = sent.cpu_domain_supported.value_or(!secure),
      .ram_domain_supported = sent.ram_domain_supported.value_or(!secure && !uses_cpu),
      .inaccessible_domain_supported = sent.inaccessible_domain_supported.value_or(!uses_cpu),
      .permitted_heaps = {},
      .min_physical_base_alignment = sent.min_physical_base_alignment.value_or(1),
  };
  if (!sent.permitted_heaps) return memory;
  for (const HeapWish& wish : *sent.permitted_heaps) {
    memory.permitted_heaps.push_back({*wish.type, wish.id.value_or(0)});
  }
  return memory;
}

bool PermitsSecureHeap(const SanitisedMemory& memory, const Settings& settings) {
  if (memory.permitted_heaps.empty()) return !settings.secure_heaps.empty();
  return std::find_first_of(memory.permitted_heaps.begin(), memory.permitted_heaps.end(),
                            settings.secure_heaps.begin(),
                            settings.secure_heaps.end()) != memory.permitted_heaps.end();
}

// M14, M15.
MaybeRejection CheckMemory(const SanitisedMemory& memory, const Settings& settings) {
  const uint64_t max_size_bytes = std::min(memory.max_size_bytes, memory.existing_size_bytes);
  if (memory.min_size_bytes > max_size_bytes) {
    return Rejection{"M14",
                     {MemoryPath("min_size_bytes"), MemoryPath("max_size_bytes")},
                     "min_size_bytes " + std::to_string(memory.min_size_bytes) +
                         " is greater than max_size_bytes " + std::to_string(max_size_bytes)};
  }
  if (!memory.secure_required) return std::nullopt;
  if (!memory.inaccessible_domain_supported) {
    return Rejection{"M15",
                     {MemoryPath("secure_required"), MemoryPath("inaccessible_domain_supported")},
                     "secure memory is required, but the inaccessible domain is not supported"};
  }
  if (!PermitsSecureHeap(memory, settings)) {
    return Rejection{"M15",
                     {MemoryPath("secure_required"), MemoryPath("permitted_heaps")},
                     "secure memory is required, but no secure heap is known and permitted"};
  }
  return std::nullopt;
}

// C8 to C10. REQUIRES: defaults are applied.
MaybeRejection CheckAccess(const SanitisedConstraints& sane) {
  const SanitisedMemory& memory = sane.memory;
  const bool cpu_can_reach = memory.cpu_domain_supported || memory.ram_domain_supported;
  const auto domains = [] {
    return std::vector{MemoryPath("cpu_domain_supported"), MemoryPath("ram_domain_supported")};
  };
  if (sane.usage.cpu != 0 && !cpu_can_reach) {
    return Rejection{"C8", domains(),
                     "usage.cpu is set, but neither the CPU nor the RAM domain is supported"};
  }
  if (sane.usage.cpu != 0 && memory.secure_required) {
    return Rejection{
        "C9", {MemoryPath("secure_required")}, "usage.cpu is set, but secure memory is required"};
  }
  if (memory.secure_required && cpu_can_reach) {
    return Rejection{"C10", domains(),
                     "secure memory is required, but the CPU or the RAM domain is supported"};
  }
  return std::nullopt;
}

// C4, C5.
MaybeRejection CheckCounts(const SanitisedConstraints& sane) {
  if (sane.max_buffer_count == 0)
    return Rejection{"C4", {"max_buffer_count"}, "max_buffer_count is 0"};
  if (sane.min_buffer_count > sane.max_buffer_count) {
    return Rejection{"C5",
                     {"min_buffer_count", "max_buffer_count"},
                     "min_buffer_count " + std::to_string(sane.min_buffer_count) +
                         " is greater than max_buffer_count " +
                         std::to_string(sane.max_buffer_count)};
  }
  return std::nullopt;
}

SanitisedConstraints CountsWithDefaults(const Constraints& sent) {
  SanitisedConstraints sane;
  sane.min_buffer_count_for_camping = sent.min_buffer_count_for_camping.value_or(0);
  sane.min_buffer_count_for_dedicated_slack = sent.min_buffer_count_for_dedicated_slack.value_or(0);
  sane.min_buffer_count_for_shared_slack = sent.min_buffer_count_for_shared_slack.value_or(0);
  sane.min_buffer_count = sent.min_buffer_count.value_or(0);
  sane.max_buffer_count = sent.max_buffer_count.value_or(UINT32_MAX);
  return sane;
}

// C11: F1 to F5 for all entries. The second of each pair is the position of its entry as sent.
using SentPair = std::pair<PixelFormatAndModifier, size_t>;
OrRejection<std::vector<SentPair>> FlattenAll(const std::vector<ImageFormatConstraints>& sent,
                                              const BufferUsage& usage) {
  std::vector<SentPair> all;
  for (size_t i = 0; i < sent.size(); ++i) {
    OrRejection<std::vector<PixelFormatAndModifier>> pairs = FlattenPairs(sent[i], usage);
    if (!pairs.ok()) {
      Rejection no = std::move(pairs).failure();
      no.entry = i;
      return no;
    }
    for (const PixelFormatAndModifier& pair : pairs.value()) all.emplace_back(pair, i);
  }
  return all;
}

// C16. REQUIRES: each pair has passed SanitiseImageFormat.
MaybeRejection CheckRedundancy(const std::vector<SentPair>& flat) {
  std::vector<PixelFormatAndModifier> pairs;
  pairs.reserve(flat.size());
  for (const SentPair& one : flat) pairs.push_back(one.first);
  const std::optional<PixelFormatAndModifier> redundant = FindRedundantPair(pairs);
  if (!redundant) return std::nullopt;
  Rejection no{"C16",
               {"image_format_constraints"},
               PairName(*redundant) +
                   " is given twice by one participant, or is covered by another "
                   "of its formats"};
  no.format = redundant;
  return no;
}

// C11, C12, C16.
MaybeRejection SanitiseSentFormats(const std::vector<ImageFormatConstraints>& sent,
                                   const Limits& limits, SanitisedConstraints& sane) {
  OrRejection<std::vector<SentPair>> flat = FlattenAll(sent, sane.usage);
  if (!flat.ok()) return std::move(flat).failure();
  for (const auto& [pair, entry] : flat.value()) {
    SanitisedImageFormat format = WithDefaults(sent[entry], pair);
    if (MaybeRejection no = SanitiseImageFormat(format, limits)) {
      no->entry = entry;
      return no;
    }
    sane.image_formats.push_back(std::move(format));
  }
  return CheckRedundancy(flat.value());
}

// U5.
MaybeRejection CheckSomebodyUses(const BufferUsage& usage) {
  if (HasAnyUsage(usage) || (usage.none & kNoneUsagePermitAllocation) != 0) return std::nullopt;
  return Rejection{.rule = "U5",
                   .fields = {"usage"},
                   .message = "no participant uses the buffers",
                   .by_absence = true};
}

// I35 and the block width once more (ACC-H2).
MaybeRejection CheckAggregatedBlocks(SanitisedImageFormat& format) {
  constexpr uint32_t kWidthLimit = 0x80000000;
  if (!AlignRowsToBlocks(format)) {
    return Rejection{
        "4.5",
        {std::string(kImagePath) + "pad_for_block_size.width",
         std::string(kImagePath) + "bytes_per_row_divisor"},
        "the width of a block and bytes_per_row_divisor have no common multiple in 32 bits",
        {},
        format.format};
  }
  if (format.pad_for_block_size.height > 1 && format.max_size.width >= kWidthLimit) {
    return Rejection{"I35",
                     {std::string(kImagePath) + "max_size.width",
                      std::string(kImagePath) + "pad_for_block_size.height"},
                     "max_size.width " + std::to_string(format.max_size.width) +
                         " is too great for pad_for_block_size.height",
                     {},
                     format.format};
  }
  return std::nullopt;
}

// C13, C14: drops what nobody made definite.
MaybeRejection DropIndefinite(std::vector<SanitisedImageFormat>& formats) {
  const PixelFormatAndModifier first = formats.front().format;
  std::erase_if(formats, [](const auto& format) { return !IsSpecific(format.format); });
  if (formats.empty()) {
    return Rejection{
        .rule = "C13",
        .fields = {"image_format_constraints"},
        .message = "no participant says which pixel format or modifier, all that is left is " +
                   PairName(first),
        .format = first,
        .by_absence = true};
  }
  const PixelFormatAndModifier colorless = formats.front().format;
  std::erase_if(formats, [](const auto& format) {
    return format.color_spaces.front() == color_space::kDoNotCare;
  });
  if (formats.empty()) {
    return Rejection{
        .rule = "C14",
        .fields = {std::string(kImagePath) + "color_spaces"},
        .message = "no participant says which colour space, for " + PairName(colorless),
        .format = colorless,
        .by_absence = true};
  }
  return std::nullopt;
}

// C12 to C15.
MaybeRejection SanitiseMergedFormats(std::vector<SanitisedImageFormat>& formats,
                                     const Limits& limits) {
  if (formats.empty()) return std::nullopt;
  for (SanitisedImageFormat& format : formats) {
    if (MaybeRejection no = CheckAggregatedBlocks(format)) return no;
    if (MaybeRejection no = SanitiseImageFormat(format, limits)) return no;
  }
  if (MaybeRejection no = DropIndefinite(formats)) return no;
  for (SanitisedImageFormat& format : formats) {
    format.color_spaces = {BestColorSpace(format.color_spaces)};
  }
  return std::nullopt;
}

}  // namespace

bool AsksForSize(const Constraints& constraints) {
  if (constraints.memory && constraints.memory->min_size_bytes.value_or(0) > 0) return true;
  return std::any_of(constraints.image_formats.begin(), constraints.image_formats.end(),
                     [](const ImageFormatConstraints& format) { return AsksForSize(format); });
}

OrRejection<SanitisedConstraints> SanitiseParticipant(const Constraints& constraints,
                                                      const Settings& settings) {
  SanitisedConstraints sane = CountsWithDefaults(constraints);
  sane.usage = constraints.usage.value_or(BufferUsage{});
  if (constraints == Constraints{}) sane.usage.none = kNoneUsage;  // C1
  const MemoryConstraints memory = constraints.memory.value_or(MemoryConstraints{});

  if (MaybeRejection no = CheckUsage(sane.usage)) return *no;
  if (MaybeRejection no = CheckCounts(sane)) return *no;
  if (MaybeRejection no = CheckSentMemory(memory)) return *no;
  sane.memory = MemoryWithDefaults(memory, sane.usage.cpu != 0);
  if (MaybeRejection no = CheckMemory(sane.memory, settings)) return *no;
  if (MaybeRejection no = CheckAccess(sane)) return *no;
  if (MaybeRejection no = SanitiseSentFormats(constraints.image_formats, settings.limits, sane)) {
    return *no;
  }
  return sane;
}

OrRejection<SanitisedConstraints> SanitiseAggregate(SanitisedConstraints merged,
                                                    const Settings& settings) {
  if (MaybeRejection no = CheckSomebodyUses(merged.usage)) return *no;
  if (MaybeRejection no = CheckCounts(merged)) return *no;
  if (MaybeRejection no = CheckMemory(merged.memory, settings)) return *no;
  if (MaybeRejection no = SanitiseMergedFormats(merged.image_formats, settings.limits)) return *no;
  return merged;
}

}  // namespace sysmem::core
