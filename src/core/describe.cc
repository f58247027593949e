// SPDX-License-Identifier: Apache-2.0
#include "core/describe.h"

#include <cstdio>
#include <optional>

#include "core/debug_info.h"

namespace sysmem::core {
namespace {

// A tree may hold thousands of participants with long names.
constexpr size_t kCulpritBytes = 4096;

// Collects "name value" pairs, separated by commas.
class FieldList {
 public:
  template <typename T>
  void Add(const char* name, const std::optional<T>& value) {
    if (value) AddText(name, std::to_string(*value));
  }
  void AddBits(const char* name, uint32_t bits) {
    if (bits == 0) return;
    char text[16];
    std::snprintf(text, sizeof(text), "0x%x", bits);
    AddText(name, text);
  }
  std::string Take() && { return text_.empty() ? "nothing set" : std::move(text_); }

 private:
  void AddText(const char* name, const std::string& value) {
    if (!text_.empty()) text_ += ", ";
    text_ += name;
    text_ += " " + value;
  }

  std::string text_;
};

}  // namespace

std::string Describe(const Node& node) {
  std::string text = NodeKindName(node.kind);
  if (node.debug.name.empty()) {
    text += " without a name (";
  } else {
    text += " \"";
    text += CutUtf8(node.debug.name, kNameBytesInText);
    text += "\" (id " + std::to_string(node.debug.id) + ", ";
  }
  return text + "node " + std::to_string(node.id) + ")";
}

std::string Describe(const Constraints& constraints) {
  FieldList fields;
  const BufferUsage usage = constraints.usage.value_or(BufferUsage{});
  fields.AddBits("usage none", usage.none);
  fields.AddBits("usage cpu", usage.cpu);
  fields.AddBits("usage vulkan", usage.vulkan);
  fields.AddBits("usage display", usage.display);
  fields.AddBits("usage video", usage.video);
  fields.Add("camping", constraints.min_buffer_count_for_camping);
  fields.Add("dedicated slack", constraints.min_buffer_count_for_dedicated_slack);
  fields.Add("shared slack", constraints.min_buffer_count_for_shared_slack);
  fields.Add("min_buffer_count", constraints.min_buffer_count);
  fields.Add("max_buffer_count", constraints.max_buffer_count);
  if (constraints.memory) {
    fields.Add("min_size_bytes", constraints.memory->min_size_bytes);
    fields.Add("max_size_bytes", constraints.memory->max_size_bytes);
  }
  if (!constraints.image_formats.empty()) {
    fields.Add("image formats", std::optional(constraints.image_formats.size()));
  }
  return std::move(fields).Take();
}

std::string Describe(const SanitisedConstraints& constraints) {
  FieldList fields;
  fields.AddBits("usage none", constraints.usage.none);
  fields.AddBits("usage cpu", constraints.usage.cpu);
  fields.AddBits("usage vulkan", constraints.usage.vulkan);
  fields.AddBits("usage display", constraints.usage.display);
  fields.AddBits("usage video", constraints.usage.video);
  const auto add = [&fields](const char* name, uint64_t value) {
    fields.Add(name, std::optional(value));
  };
  add("camping", constraints.min_buffer_count_for_camping);
  add("dedicated slack", constraints.min_buffer_count_for_dedicated_slack);
  add("shared slack", constraints.min_buffer_count_for_shared_slack);
  add("min_buffer_count", constraints.min_buffer_count);
  add("max_buffer_count", constraints.max_buffer_count);
  add("min_size_bytes", constraints.memory.min_size_bytes);
  add("max_size_bytes", constraints.memory.max_size_bytes);
  add("contiguous", constraints.memory.physically_contiguous_required ? 1 : 0);
  add("secure", constraints.memory.secure_required ? 1 : 0);
  add("permitted heaps", constraints.memory.permitted_heaps.size());
  add("image formats", constraints.image_formats.size());
  return std::move(fields).Take();
}

std::string Culprits(const Failure& why) {
  std::string text;
  for (const ParticipantValue& one : why.participants) {
    text += "; node " + std::to_string(one.node) + " \"";
    text += CutUtf8(one.name, kNameBytesInText);
    text += "\"";
    if (!one.value.empty()) text += ": " + one.value;
    if (text.size() > kCulpritBytes) break;
  }
  return text;
}

std::string Describe(const Plan& plan) {
  const BufferMemorySettings& buffer = plan.settings.buffer;
  return std::to_string(plan.buffer_count) + " buffers of " + std::to_string(buffer.size_bytes) +
         " bytes from heap " + buffer.heap.type + " " + std::to_string(buffer.heap.id);
}

}  // namespace sysmem::core
