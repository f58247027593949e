// SPDX-License-Identifier: Apache-2.0
#include "server/transport/parse_constraints.h"

#include <optional>
#include <string>
#include <utility>

#include "server/transport/constraint_fields.h"
#include "server/transport/refusals.h"

namespace sysmem::server::transport {
namespace {

using MaybeFailure = std::optional<core::Failure>;

std::string At(const char* list, int index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

// The same failure, seen from the message that contains this one.
core::Failure Inside(const std::string& field, core::Failure failure) {
  failure.field = field + "." + failure.field;
  return failure;
}

MaybeFailure TooMany(const char* field, int entries, sysmem2::MessageLimit limit) {
  return ExceedsBound(field, static_cast<size_t>(entries), limit, "entries");
}

core::BufferUsage ParseUsage(const sysmem2::BufferUsage& from) {
  core::BufferUsage usage;
  for (const UsageField& field : fields::kUsage) usage.*field.member = (from.*field.get)();
  return usage;
}

MaybeFailure ParseHeaps(const sysmem2::HeapList& from, std::vector<core::HeapWish>& to) {
  if (auto failure = TooMany("heaps", from.heaps_size(), sysmem2::MESSAGE_LIMIT_PERMITTED_HEAPS)) {
    return failure;
  }
  for (int i = 0; i < from.heaps_size(); ++i) {
    const sysmem2::Heap& heap = from.heaps(i);
    core::HeapWish& wish = to.emplace_back();
    if (heap.has_heap_type()) wish.type = heap.heap_type();
    if (heap.has_id()) wish.id = heap.id();
    if (auto failure = ExceedsBound("heap_type", heap.heap_type().size(),
                                    sysmem2::MESSAGE_LIMIT_HEAP_TYPE_BYTES, "bytes")) {
      return Inside(At("heaps", i), *std::move(failure));
    }
  }
  return std::nullopt;
}

MaybeFailure ParseMemory(const sysmem2::BufferMemoryConstraints& from,
                         core::MemoryConstraints& to) {
  ReadFields(from, to, fields::kMemoryNumbers);
  ReadFields(from, to, fields::kMemoryFlags);
  if (!from.has_permitted_heaps()) return std::nullopt;
  if (auto failure = ParseHeaps(from.permitted_heaps(), to.permitted_heaps.emplace())) {
    return Inside("permitted_heaps", *std::move(failure));
  }
  return std::nullopt;
}

MaybeFailure CheckImageLists(const sysmem2::ImageFormatConstraints& from) {
  const struct {
    const char* field;
    int entries;
    sysmem2::MessageLimit limit;
  } lists[] = {
      {"pixel_format_and_modifiers", from.pixel_format_and_modifiers_size(),
       sysmem2::MESSAGE_LIMIT_PIXEL_FORMAT_AND_MODIFIERS},
      {"color_spaces", from.color_spaces_size(), sysmem2::MESSAGE_LIMIT_COLOR_SPACES},
      {"required_max_size_list", from.required_max_size_list_size(),
       sysmem2::MESSAGE_LIMIT_REQUIRED_MAX_SIZE_LIST},
  };
  for (const auto& list : lists) {
    if (auto failure = TooMany(list.field, list.entries, list.limit)) return failure;
  }
  return std::nullopt;
}

MaybeFailure ParseImageFormat(const sysmem2::ImageFormatConstraints& from,
                              core::ImageFormatConstraints& to) {
  if (auto failure = CheckImageLists(from)) return failure;
  ReadFields(from, to, fields::kImageNumbers);
  ReadFields(from, to, fields::kImageLongs);
  ReadFields(from, to, fields::kImageFlags);
  ReadFields(from, to, fields::kImageSizes);
  for (const auto& pair : from.pixel_format_and_modifiers()) {
    to.pixel_format_and_modifiers.push_back({pair.pixel_format(), pair.pixel_format_modifier()});
  }
  to.color_spaces.assign(from.color_spaces().begin(), from.color_spaces().end());
  for (const auto& size : from.required_max_size_list()) {
    to.required_max_size_list.push_back(ReadSize(size));
  }
  return std::nullopt;
}

}  // namespace

core::Result<core::Constraints> ParseConstraints(const sysmem2::BufferCollectionConstraints& from) {
  constexpr char kImages[] = "image_format_constraints";
  core::Constraints to;
  if (from.has_usage()) to.usage = ParseUsage(from.usage());
  ReadFields(from, to, fields::kCounts);
  if (from.has_buffer_memory_constraints()) {
    if (auto failure = ParseMemory(from.buffer_memory_constraints(), to.memory.emplace())) {
      return Inside("buffer_memory_constraints", *std::move(failure));
    }
  }
  if (auto failure = TooMany(kImages, from.image_format_constraints_size(),
                             sysmem2::MESSAGE_LIMIT_IMAGE_FORMAT_CONSTRAINTS)) {
    return *std::move(failure);
  }
  for (int i = 0; i < from.image_format_constraints_size(); ++i) {
    if (auto failure =
            ParseImageFormat(from.image_format_constraints(i), to.image_formats.emplace_back())) {
      return Inside(At(kImages, i), *std::move(failure));
    }
  }
  return to;
}

}  // namespace sysmem::server::transport
