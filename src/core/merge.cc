// SPDX-License-Identifier: Apache-2.0
#include "core/merge.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sysmem::core {
namespace {

// One row per field; the column says how two values become one.

template <typename T>
T Larger(T a, T b) {
  return std::max(a, b);
}
template <typename T>
T Smaller(T a, T b) {
  return std::min(a, b);
}
template <typename T>
T Sum(T a, T b) {
  return a + b;  // of at most 2^32 summands of 32 bits each
}

template <typename Table, typename T>
struct Rule {
  T Table::*field;
  T (*combine)(T, T);
};

template <typename Table, typename T, size_t kRules>
void Apply(const Rule<Table, T> (&rules)[kRules], Table& total, const Table& other) {
  for (const Rule<Table, T>& rule : rules) {
    total.*rule.field = rule.combine(total.*rule.field, other.*rule.field);
  }
}

constexpr Rule<BufferUsage, uint32_t> kUsageRules[] = {
    {&BufferUsage::none, [](uint32_t a, uint32_t b) { return a | b; }},
    {&BufferUsage::cpu, [](uint32_t a, uint32_t b) { return a | b; }},
    {&BufferUsage::vulkan, [](uint32_t a, uint32_t b) { return a | b; }},
    {&BufferUsage::display, [](uint32_t a, uint32_t b) { return a | b; }},
    {&BufferUsage::video, [](uint32_t a, uint32_t b) { return a | b; }},
};

using All = SanitisedConstraints;
constexpr Rule<All, uint64_t> kCountRules[] = {
    {&All::min_buffer_count_for_camping, Sum},
    {&All::min_buffer_count_for_dedicated_slack, Sum},
    {&All::min_buffer_count_for_shared_slack, Larger},
    {&All::min_buffer_count, Larger},
    {&All::max_buffer_count, Smaller},
};

using Memory = SanitisedMemory;
constexpr Rule<Memory, uint64_t> kMemoryRules[] = {
    {&Memory::min_size_bytes, Larger},
    {&Memory::max_size_bytes, Smaller},
    {&Memory::existing_size_bytes, Smaller},
    {&Memory::min_physical_base_alignment, Larger},
};

constexpr Rule<Memory, bool> kMemoryFlagRules[] = {
    {&Memory::physically_contiguous_required, [](bool a, bool b) { return a || b; }},
    {&Memory::secure_required, [](bool a, bool b) { return a || b; }},
    {&Memory::cpu_domain_supported, [](bool a, bool b) { return a && b; }},
    {&Memory::ram_domain_supported, [](bool a, bool b) { return a && b; }},
    {&Memory::inaccessible_domain_supported, [](bool a, bool b) { return a && b; }},
};

MaybeRejection MergeHeaps(std::vector<Heap>& total, std::vector<Heap> other) {
  if (other.empty()) return std::nullopt;
  if (total.empty()) {
    total = std::move(other);
    return std::nullopt;
  }
  std::erase_if(total, [&other](const Heap& heap) {
    return std::find(other.begin(), other.end(), heap) == other.end();
  });
  if (!total.empty()) return std::nullopt;
  return Rejection{"4.5",
                   {std::string(kMemoryPath) + "permitted_heaps"},
                   "the participants' permitted heaps have no heap in common"};
}

void MergeDenied(std::vector<std::string>& total, const std::vector<std::string>& other) {
  for (const std::string& type : other) {
    if (std::find(total.begin(), total.end(), type) == total.end()) total.push_back(type);
  }
}

bool BothPositive(const SizeU& size) { return size.width > 0 && size.height > 0; }

}  // namespace

SanitisedConstraints NeutralConstraints() {
  SanitisedConstraints neutral;
  neutral.memory.min_size_bytes = 1;  // a buffer is never empty, whoever forgot to say so
  return neutral;
}

MaybeRejection Merge(SanitisedConstraints& total, SanitisedConstraints participant,
                     const Limits& limits) {
  Apply(kUsageRules, total.usage, participant.usage);
  Apply(kCountRules, total, participant);
  Apply(kMemoryRules, total.memory, participant.memory);
  Apply(kMemoryFlagRules, total.memory, participant.memory);
  MergeDenied(total.memory.denied_heaps, participant.memory.denied_heaps);
  if (MaybeRejection no =
          MergeHeaps(total.memory.permitted_heaps, std::move(participant.memory.permitted_heaps))) {
    return no;
  }
  return MergeImageFormats(total.image_formats, std::move(participant.image_formats), limits);
}

std::vector<SizeU> LargestSizes(const std::vector<SizeU>& sizes) {
  // From the widest to the narrowest, a size is covered unless it is higher than all before it.
  std::vector<size_t> order(sizes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&sizes](size_t a, size_t b) {
    if (sizes[a].width != sizes[b].width) return sizes[a].width > sizes[b].width;
    if (sizes[a].height != sizes[b].height) return sizes[a].height > sizes[b].height;
    return a < b;
  });
  std::vector<size_t> kept;
  for (size_t i : order) {
    if (kept.empty() || sizes[i].height > sizes[kept.back()].height) kept.push_back(i);
  }
  std::sort(kept.begin(), kept.end());
  std::vector<SizeU> largest;
  largest.reserve(kept.size());
  for (size_t i : kept) largest.push_back(sizes[i]);
  return largest;
}

MaybeRejection ReduceRequiredSizes(SanitisedConstraints& total, const Limits& limits) {
  for (SanitisedImageFormat& format : total.image_formats) {
    std::vector<SizeU>& list = format.required_max_size_list;
    if (BothPositive(format.required_max_size)) list.push_back(format.required_max_size);
    list = LargestSizes(list);
    std::reverse(list.begin(), list.end());  // RMSL walks from the back
    if (list.size() <= limits.required_max_sizes) continue;
    return Rejection{"RMSL",
                     {std::string(kImagePath) + "required_max_size_list"},
                     "the participants require " + std::to_string(list.size()) +
                         " sizes of which none covers another, more than " +
                         std::to_string(limits.required_max_sizes),
                     {},
                     format.format};
  }
  return std::nullopt;
}

}  // namespace sysmem::core
