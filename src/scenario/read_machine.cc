// SPDX-License-Identifier: Apache-2.0
#include "scenario/read_machine.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "scenario/kinds.h"
#include "scenario/read_constraints.h"

namespace sysmem::scenario {
namespace {

constexpr size_t kHeaps = 64;
constexpr size_t kFormatCosts = 1024;

core::HeapProperties SystemRam() {
  return {.heap = {.type = core::kHeapSystemRam},
          .cpu_domain = true,
          .ram_domain = true,
          .inaccessible_domain = true,
          .reduces_rights = true};
}

void ReadHeap(const Value& value, const std::string& path, Mistakes& mistakes,
              core::Settings& settings) {
  core::HeapProperties heap;
  bool secure = false;
  Fields fields(value, path, mistakes);
  if (fields.Find("name") == nullptr) {
    mistakes.Add(value.where, path + ".name", "is missing");
  }
  fields.Read("name", heap.heap, kHeapName);
  fields.Read("cpu_domain", heap.cpu_domain, kFlag);
  fields.Read("ram_domain", heap.ram_domain, kFlag);
  fields.Read("inaccessible_domain", heap.inaccessible_domain, kFlag);
  fields.Read("physically_contiguous", heap.physically_contiguous, kFlag);
  fields.Read("need_clear", heap.need_clear, kFlag);
  fields.Read("need_flush", heap.need_flush, kFlag);
  fields.Read("secure", secure, kFlag);
  fields.Finish();
  const bool twice =
      std::any_of(settings.heaps.begin(), settings.heaps.end(),
                  [&](const core::HeapProperties& other) { return other.heap == heap.heap; });
  if (twice) mistakes.Add(value.where, path + ".name", "another heap has this name and id");
  settings.heaps.push_back(heap);
  if (secure) settings.secure_heaps.push_back(heap.heap);
}

// One entry per format.
void ReadFormatCost(const Value& value, const std::string& path, Mistakes& mistakes,
                    std::vector<core::FormatCost>& costs) {
  core::FormatCost entry;
  std::vector<core::PixelFormatAndModifier> formats(1);
  Fields fields(value, path, mistakes);
  for (const char* required : {"format", "cost"}) {
    if (fields.Find(required) == nullptr) {
      mistakes.Add(value.where, path + "." + required, "is missing");
    }
  }
  const Member* format = fields.Find("format");
  if (format != nullptr && std::holds_alternative<Array>(format->value.data)) {
    formats.clear();
    fields.ReadList("format", formats, kPair, kFormatCosts);
  } else {
    fields.Read("format", formats[0], kPair);
  }
  fields.Read("cost", entry.cost, kCost);
  if (const Member* usage = fields.Find("usage")) {
    entry.usage = ReadUsage(usage->value, fields.PathOf("usage"), mistakes);
  }
  fields.Finish();
  for (const core::PixelFormatAndModifier& one : formats) {
    entry.format = one;
    costs.push_back(entry);
  }
}

// A limit may be tightened, and raised as far as time and the protocol allow.
template <typename T>
void ReadLimit(Fields& fields, const char* key, T& limit, const Kind<T>& kind, T at_most) {
  fields.Read(key, limit, kind);
  const Member* member = fields.Find(key);
  if (member == nullptr || limit <= at_most) return;
  fields.Refuse(*member, "can be " + std::to_string(at_most) + " at most");
}

void ReadLimits(const Value& value, Mistakes& mistakes, core::Limits& limits) {
  constexpr uint64_t kAnyBytes = UINT64_MAX;
  Fields fields(value, "limits", mistakes);
  ReadLimit(fields, "page_bytes", limits.page_bytes, kBytes64, uint64_t{1} << 30);
  ReadLimit(fields, "buffer_bytes", limits.buffer_bytes, kBytes64, kAnyBytes);
  ReadLimit(fields, "collection_bytes", limits.collection_bytes, kBytes64, kAnyBytes);
  ReadLimit(fields, "allocation_bytes", limits.allocation_bytes, kBytes64, kAnyBytes);
  ReadLimit(fields, "buffers_per_collection", limits.buffers_per_collection, kNumber32, 128u);
  ReadLimit(fields, "required_max_sizes", limits.required_max_sizes, kNumber32, 1024u);
  ReadLimit(fields, "image_formats_in_merge", limits.image_formats_in_merge, kNumber32, 4096u);
  ReadLimit(fields, "group_combinations", limits.group_combinations, kNumber32, 4096u);
  ReadLimit(fields, "nodes_per_collection", limits.nodes_per_collection, kNumber32, 4096u);
  ReadLimit(fields, "image_formats_per_collection", limits.image_formats_per_collection, kNumber64,
            uint64_t{1} << 20);
  const Member* page = fields.Find("page_bytes");
  if (page != nullptr && !std::has_single_bit(limits.page_bytes)) {
    fields.Refuse(*page, "must be a power of two");
  }
  fields.Finish();
}

}  // namespace

core::Settings ReadMachine(Fields& file, Mistakes& mistakes) {
  core::Settings settings;
  settings.debug_log = false;
  if (file.Find("heaps") == nullptr) settings.heaps.push_back(SystemRam());
  file.ReadEach("heaps", "a table", kHeaps, [&](const Value& one, const std::string& path) {
    ReadHeap(one, path, mistakes, settings);
  });
  std::vector<core::Heap> preferred;
  file.ReadList("preferred_heaps", preferred, kHeapName, kHeaps);
  for (core::Heap& heap : preferred) settings.preferred_heaps.push_back(std::move(heap.type));
  file.ReadEach("format_costs", "a table", kFormatCosts,
                [&](const Value& one, const std::string& path) {
                  ReadFormatCost(one, path, mistakes, settings.format_costs);
                });
  if (const Member* limits = file.Find("limits")) {
    ReadLimits(limits->value, mistakes, settings.limits);
  }
  return settings;
}

}  // namespace sysmem::scenario
