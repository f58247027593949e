// SPDX-License-Identifier: Apache-2.0
#include "core/plan_buffers.h"

#include <algorithm>
#include <utility>

#include "core/format_cost.h"
#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

std::string MemoryPath(const char* field) { return std::string(kMemoryPath) + field; }

Rejection At(Stage stage, Rejection no) {
  no.stage = stage;
  return no;
}

std::string HeapName(const Heap& heap) { return heap.type + " " + std::to_string(heap.id); }

// Whether everybody asks for this heap, or for any, and may use it.
bool Permits(const SanitisedMemory& memory, const Heap& heap) {
  const std::vector<Heap>& permitted = memory.permitted_heaps;
  const std::vector<std::string>& denied = memory.denied_heaps;
  if (std::find(denied.begin(), denied.end(), heap.type) != denied.end()) return false;
  return permitted.empty() ||
         std::find(permitted.begin(), permitted.end(), heap) != permitted.end();
}

// One row per coherency domain, the preferred one first (DOM-1).
struct DomainRow {
  CoherencyDomain domain;
  bool HeapProperties::*served;
  bool SanitisedMemory::*supported;
};
constexpr DomainRow kDomains[] = {
    {CoherencyDomain::kCpu, &HeapProperties::cpu_domain, &SanitisedMemory::cpu_domain_supported},
    {CoherencyDomain::kRam, &HeapProperties::ram_domain, &SanitisedMemory::ram_domain_supported},
    {CoherencyDomain::kInaccessible, &HeapProperties::inaccessible_domain,
     &SanitisedMemory::inaccessible_domain_supported},
};

bool SharesDomain(const SanitisedMemory& memory, const HeapProperties& heap) {
  return std::any_of(std::begin(kDomains), std::end(kDomains), [&](const DomainRow& row) {
    return heap.*row.served && memory.*row.supported;
  });
}

std::vector<std::string> DomainPaths() {
  return {MemoryPath("cpu_domain_supported"), MemoryPath("ram_domain_supported"),
          MemoryPath("inaccessible_domain_supported")};
}

Rejection NoSuchHeap(const Heap& heap) {
  return {.rule = "HEAP-4",
          .fields = {MemoryPath("permitted_heaps")},
          .message = "there is no heap " + HeapName(heap)};
}

OrRejection<HeapProperties> Registered(const Heap& heap, const Settings& settings) {
  const HeapProperties* found = FindHeap(heap, settings);
  if (found == nullptr) return NoSuchHeap(heap);
  return *found;
}

// Where nobody knows beforehand (HeapProperties::physically_contiguous) `unknown` is the answer.
bool IsContiguousEnough(const SanitisedMemory& memory, const HeapProperties& heap, bool unknown) {
  return !memory.physically_contiguous_required || heap.physically_contiguous.value_or(unknown);
}

// The first heap that suits of those that participants name, in their order; if they name none, of
// all that the machine has. Secure heaps are for those who require them.
template <typename Suits>
const HeapProperties* FirstOpenHeap(const SanitisedMemory& memory, const Settings& settings,
                                    Suits suits) {
  std::vector<Heap> candidates = memory.permitted_heaps;
  if (candidates.empty()) {
    for (const HeapProperties& heap : settings.heaps) candidates.push_back(heap.heap);
  }
  const std::vector<Heap>& secure = settings.secure_heaps;
  for (const Heap& candidate : candidates) {
    const HeapProperties* const heap = FindHeap(candidate, settings);
    if (heap == nullptr || !Permits(memory, candidate) || !SharesDomain(memory, *heap)) continue;
    if (std::find(secure.begin(), secure.end(), candidate) != secure.end()) continue;
    if (suits(*heap)) return heap;
  }
  return nullptr;
}

// What the machine's owner prefers, if it is known to do.
const HeapProperties* PreferredHeap(const SanitisedMemory& memory, const Settings& settings) {
  for (const std::string& type : settings.preferred_heaps) {
    const auto suits = [&](const HeapProperties& heap) {
      return heap.heap.type == type && IsContiguousEnough(memory, heap, /*unknown=*/false);
    };
    const HeapProperties* const heap = FirstOpenHeap(memory, settings, suits);
    if (heap != nullptr) return heap;
  }
  return nullptr;
}

// HEAP-1. M15 has made sure that there is one.
OrRejection<HeapProperties> ChooseSecureHeap(const SanitisedMemory& memory,
                                             const Settings& settings) {
  const Heap* lowest = nullptr;
  for (const Heap& heap : settings.secure_heaps) {
    if (Permits(memory, heap) && (lowest == nullptr || heap.type < lowest->type)) lowest = &heap;
  }
  if (lowest == nullptr) {
    return Rejection{.rule = "HEAP-1",
                     .fields = {MemoryPath("secure_required"), MemoryPath("permitted_heaps")},
                     .message = "no secure heap is permitted"};
  }
  return Registered(*lowest, settings);
}

// HEAP-2, HEAP-4. Where system RAM is not handed out in one piece another heap that is will do.
OrRejection<HeapProperties> ChooseSystemRam(const SanitisedMemory& memory,
                                            const Settings& settings) {
  OrRejection<HeapProperties> ram = Registered({kHeapSystemRam, 0}, settings);
  if (!ram.ok() || IsContiguousEnough(memory, ram.value(), /*unknown=*/false)) return ram;
  const HeapProperties* const other =
      FirstOpenHeap(memory, settings, [&](const HeapProperties& heap) {
        return IsContiguousEnough(memory, heap, /*unknown=*/false);
      });
  if (other != nullptr) return *other;
  return Rejection{.rule = "HEAP-4",
                   .fields = {MemoryPath("physically_contiguous_required")},
                   .message = "this machine's system RAM is not handed out contiguously"};
}

// HEAP-3.
OrRejection<HeapProperties> ChooseNamedHeap(const SanitisedMemory& memory,
                                            const Settings& settings) {
  bool any_is_there = false;
  bool any_shares_a_domain = false;
  for (const Heap& named : memory.permitted_heaps) {
    const HeapProperties* const heap = FindHeap(named, settings);
    if (heap == nullptr || !Permits(memory, named)) continue;
    any_is_there = true;
    if (!SharesDomain(memory, *heap)) continue;
    any_shares_a_domain = true;
    if (IsContiguousEnough(memory, *heap, /*unknown=*/true)) return *heap;
  }
  const std::string heaps = MemoryPath("permitted_heaps");
  if (!any_is_there) {
    return Rejection{.rule = "HEAP-3",
                     .fields = {heaps},
                     .message = "this machine has none of the permitted heaps"};
  }
  if (any_shares_a_domain) {
    return Rejection{.rule = "HEAP-4",
                     .fields = {heaps, MemoryPath("physically_contiguous_required")},
                     .message = "no permitted heap hands out contiguous memory"};
  }
  std::vector<std::string> fields = DomainPaths();
  fields.insert(fields.begin(), heaps);
  return Rejection{.rule = "HEAP-3",
                   .fields = std::move(fields),
                   .message = "no permitted heap serves a supported coherency domain"};
}

OrRejection<HeapProperties> ChooseAllowedHeap(const SanitisedMemory& memory,
                                              const Settings& settings) {
  if (memory.secure_required) return ChooseSecureHeap(memory, settings);
  if (const HeapProperties* preferred = PreferredHeap(memory, settings)) return *preferred;
  if (Permits(memory, {kHeapSystemRam, 0})) return ChooseSystemRam(memory, settings);
  return ChooseNamedHeap(memory, settings);
}

// HEAP-ACCESS: it is the machine's owner who leaves no heap.
Rejection NotForEverybody(const SanitisedMemory& memory, const Heap& would_do) {
  Rejection no{
      .rule = "HEAP-ACCESS",
      .fields = {MemoryPath("permitted_heaps"), kAccessPath},
      .message = "heap " + HeapName(would_do) +
                 " would do, but the daemon's configuration does not let everybody use it"};
  for (const std::string& type : memory.denied_heaps) {
    const bool named = std::any_of(memory.permitted_heaps.begin(), memory.permitted_heaps.end(),
                                   [&type](const Heap& heap) { return heap.type == type; });
    if (named || type == would_do.type) no.denied_heaps.push_back(type);
  }
  return no;
}

ImageFormatConstraints AsResult(const SanitisedImageFormat& format, bool has_alpha_channel) {
  return {.pixel_format = format.format.pixel_format,
          .pixel_format_modifier = format.format.modifier,
          .pixel_format_and_modifiers = {},
          .color_spaces = format.color_spaces,
          .min_size = format.min_size,
          .max_size = format.max_size,
          .min_bytes_per_row = format.min_bytes_per_row,
          .max_bytes_per_row = format.max_bytes_per_row,
          .max_width_times_height = format.max_width_times_height,
          .size_alignment = format.size_alignment,
          .display_rect_alignment = format.display_rect_alignment,
          .required_min_size = format.required_min_size,
          .required_max_size = format.required_max_size,
          .required_max_size_list = format.required_max_size_list,
          .bytes_per_row_divisor = format.bytes_per_row_divisor,
          .start_offset_divisor = format.start_offset_divisor,
          .require_bytes_per_row_at_pixel_boundary = format.require_bytes_per_row_at_pixel_boundary,
          .is_alpha_present = has_alpha_channel ? format.is_alpha_present : std::nullopt,
          .pad_for_block_size = format.pad_for_block_size,
          .pad_beyond_image_size_bytes = format.pad_beyond_image_size_bytes};
}

// FMT-2.
ImageFormatConstraints AsResult(const SanitisedImageFormat& format) {
  const PixelFormatInfo* info = FindPixelFormat(format.format.pixel_format);
  return AsResult(format, info != nullptr && info->has_alpha_channel);
}

// What made the count: min_buffer_count, or the summands that are there.
std::vector<std::string> CountPaths(const SanitisedConstraints& agreed, uint64_t count) {
  const uint64_t sum = agreed.min_buffer_count_for_camping +
                       agreed.min_buffer_count_for_dedicated_slack +
                       agreed.min_buffer_count_for_shared_slack;
  if (count > sum) return {"min_buffer_count"};
  std::vector<std::string> paths;
  if (agreed.min_buffer_count_for_camping > 0) paths.push_back("min_buffer_count_for_camping");
  if (agreed.min_buffer_count_for_dedicated_slack > 0) {
    paths.push_back("min_buffer_count_for_dedicated_slack");
  }
  if (agreed.min_buffer_count_for_shared_slack > 0) {
    paths.push_back("min_buffer_count_for_shared_slack");
  }
  if (paths.empty()) paths.push_back("min_buffer_count");
  return paths;
}

std::string CountText(const SanitisedConstraints& agreed, uint64_t count) {
  return std::to_string(count) + " buffers are needed (camping " +
         std::to_string(agreed.min_buffer_count_for_camping) + ", dedicated slack " +
         std::to_string(agreed.min_buffer_count_for_dedicated_slack) + ", shared slack " +
         std::to_string(agreed.min_buffer_count_for_shared_slack) + ", min_buffer_count " +
         std::to_string(agreed.min_buffer_count) + ")";
}

}  // namespace

OrRejection<HeapProperties> ChooseHeap(const SanitisedMemory& memory, const Settings& settings) {
  OrRejection<HeapProperties> chosen = ChooseAllowedHeap(memory, settings);
  if (chosen.ok() || memory.denied_heaps.empty()) return chosen;
  SanitisedMemory asked = memory;
  asked.denied_heaps.clear();
  const OrRejection<HeapProperties> would_do = ChooseAllowedHeap(asked, settings);
  return would_do.ok() ? NotForEverybody(memory, would_do.value().heap) : chosen;
}

OrRejection<CoherencyDomain> ChooseCoherencyDomain(const SanitisedConstraints& agreed,
                                                   const HeapProperties& heap) {
  // Displays read RAM past the CPU's caches; the heap is not asked (DOM-1).
  if (agreed.usage.display != 0 && agreed.memory.ram_domain_supported) return CoherencyDomain::kRam;
  for (const DomainRow& row : kDomains) {
    if (heap.*row.served && agreed.memory.*row.supported) return row.domain;
  }
  return Rejection{.rule = "DOM-1",
                   .fields = DomainPaths(),
                   .message = "no coherency domain is supported by all participants and by heap " +
                              HeapName(heap.heap)};
}

OrRejection<SanitisedImageFormat> ChooseImageFormat(const SanitisedConstraints& agreed,
                                                    const Settings& settings) {
  std::vector<SanitisedImageFormat> possible = agreed.image_formats;
  if (agreed.memory.secure_required) {
    std::erase_if(possible, [](const SanitisedImageFormat& one) {
      return !IsCompatibleWithProtectedMemory(one.format);
    });
  }
  if (possible.empty()) {
    return Rejection{.rule = "FMT-1",
                     .fields = {"image_format_constraints", MemoryPath("secure_required")},
                     .message = "no image format can lie in secure memory"};
  }
  return BestFormat(possible, agreed.usage, settings.format_costs);
}

OrRejection<uint32_t> CountBuffers(const SanitisedConstraints& agreed, const Limits& limits) {
  const uint64_t count =
      std::max(agreed.min_buffer_count_for_camping + agreed.min_buffer_count_for_dedicated_slack +
                   agreed.min_buffer_count_for_shared_slack,
               agreed.min_buffer_count);
  if (count > 0 && count <= agreed.max_buffer_count && count <= limits.buffers_per_collection) {
    return static_cast<uint32_t>(count);
  }
  Rejection no{
      .rule = "4.8", .fields = CountPaths(agreed, count), .message = CountText(agreed, count)};
  if (count > agreed.max_buffer_count) {
    no.fields.push_back("max_buffer_count");
    no.message += ", more than max_buffer_count " + std::to_string(agreed.max_buffer_count);
    return no;
  }
  if (count > limits.buffers_per_collection) {
    no.message +=
        ", more than a collection may have, " + std::to_string(limits.buffers_per_collection);
    return no;
  }
  no.message = "no participant asks for a buffer";
  no.by_absence = true;
  return no;
}

OrRejection<Plan> PlanBuffers(const SanitisedConstraints& agreed, const Settings& settings) {
  const OrRejection<HeapProperties> heap = ChooseHeap(agreed.memory, settings);
  if (!heap.ok()) return At(Stage::kHeap, heap.failure());
  const OrRejection<CoherencyDomain> domain = ChooseCoherencyDomain(agreed, heap.value());
  if (!domain.ok()) return At(Stage::kDomain, domain.failure());

  std::optional<SanitisedImageFormat> format;
  if (!agreed.image_formats.empty()) {
    OrRejection<SanitisedImageFormat> chosen = ChooseImageFormat(agreed, settings);
    if (!chosen.ok()) return At(Stage::kFormat, std::move(chosen).failure());
    format = std::move(chosen).value();
  }

  const OrRejection<uint32_t> count = CountBuffers(agreed, settings.limits);
  if (!count.ok()) return At(Stage::kCount, count.failure());
  const OrRejection<BufferSizes> sizes =
      SizeBuffers(agreed.memory, format ? &*format : nullptr, count.value(), settings.limits);
  if (!sizes.ok()) return At(Stage::kBufferSize, sizes.failure());

  Plan plan;
  plan.buffer_count = count.value();
  plan.settings.buffer = {
      .size_bytes = sizes.value().size_bytes,
      .is_physically_contiguous = agreed.memory.physically_contiguous_required,
      .is_secure = agreed.memory.secure_required,
      .coherency_domain = domain.value(),
      .heap = heap.value().heap,
      .raw_vmo_size = sizes.value().raw_vmo_size,
  };
  if (format) plan.settings.image_format = AsResult(*format);
  if (agreed.memory.physically_contiguous_required) {
    plan.physical_alignment = agreed.memory.min_physical_base_alignment;
  }
  return plan;
}

}  // namespace sysmem::core
