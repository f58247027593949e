// SPDX-License-Identifier: Apache-2.0
#include "core/existing_buffers.h"

#include <string>
#include <utility>

#include "core/field_values.h"
#include "core/rejection.h"

namespace sysmem::core {
namespace {

constexpr char kNameOfTheBuffers[] = "the existing buffers";
constexpr char kNameOfBuffersToMatch[] = "buffers to match";

// What may differ although the buffers take part, in the order of the settings.
constexpr const char* kComparedFields[] = {
    "buffer_memory_constraints.min_size_bytes",
    "buffer_memory_constraints.physically_contiguous_required",
    "buffer_memory_constraints.secure_required",
    "buffer_memory_constraints.cpu_domain_supported",
    "buffer_memory_constraints.ram_domain_supported",
    "buffer_memory_constraints.inaccessible_domain_supported",
    "buffer_memory_constraints.permitted_heaps",
    "buffer_memory_constraints.min_physical_base_alignment",
    "min_buffer_count",
    "image_format_constraints.pixel_format",
    "image_format_constraints.pixel_format_modifier",
    "image_format_constraints.color_spaces",
    "image_format_constraints.min_size.width",
    "image_format_constraints.min_size.height",
    "image_format_constraints.max_size.width",
    "image_format_constraints.max_size.height",
    "image_format_constraints.min_bytes_per_row",
    "image_format_constraints.max_bytes_per_row",
    "image_format_constraints.max_width_times_height",
    "image_format_constraints.size_alignment.width",
    "image_format_constraints.size_alignment.height",
    "image_format_constraints.display_rect_alignment.width",
    "image_format_constraints.display_rect_alignment.height",
    "image_format_constraints.required_min_size.width",
    "image_format_constraints.required_min_size.height",
    "image_format_constraints.required_max_size.width",
    "image_format_constraints.required_max_size.height",
    "image_format_constraints.required_max_size_list",
    "image_format_constraints.bytes_per_row_divisor",
    "image_format_constraints.start_offset_divisor",
    "image_format_constraints.require_bytes_per_row_at_pixel_boundary",
    "image_format_constraints.is_alpha_present",
    "image_format_constraints.pad_for_block_size.width",
    "image_format_constraints.pad_for_block_size.height",
    "image_format_constraints.pad_beyond_image_size_bytes",
};

// The alignment is no part of the settings (LATE-2), but whoever needs more than the buffers have
// must not be told that all is well.
bool LiesOnCoarserAddresses(const Plan& fresh, const Plan& existing) {
  return fresh.physical_alignment.value_or(1) > existing.physical_alignment.value_or(1);
}

// For the comparison in words: EXIST leaves the alignment out.
Constraints AllOf(const Plan& plan) {
  Constraints all = AsConstraints(plan);
  all.memory->min_physical_base_alignment = plan.physical_alignment;
  return all;
}

std::string ValueOf(const Constraints& constraints, const char* field) {
  const std::optional<FieldValue> value = FindFieldValue(constraints, field, {});
  return value ? value->text : "unset";
}

// LATE-2, in words.
MaybeRejection FindDifference(const Plan& existing, const Plan& fresh) {
  const bool same =
      fresh.buffer_count == existing.buffer_count && fresh.settings == existing.settings;
  if (same && !LiesOnCoarserAddresses(fresh, existing)) return std::nullopt;
  Rejection no{.rule = "LATE-2", .fields = {}, .message = "the buffers that exist do not fit"};
  const Constraints before = AllOf(existing);
  const Constraints after = AllOf(fresh);
  for (const char* field : kComparedFields) {
    const std::string was = ValueOf(before, field);
    const std::string would_be = ValueOf(after, field);
    if (was == would_be) continue;
    no.message.append(no.fields.empty() ? ": " : ", ").append(field).append(" is ").append(was);
    no.message.append(" and would have to be ").append(would_be);
    no.fields.push_back(field);
  }
  return no;
}

}  // namespace

Constraints AsConstraints(const SingleBufferSettings& settings) {
  const BufferMemorySettings& buffer = settings.buffer;
  Constraints exact;
  exact.usage = BufferUsage{.none = kNoneUsage};
  MemoryConstraints& memory = exact.memory.emplace();
  memory.min_size_bytes = buffer.size_bytes;
  memory.max_size_bytes = buffer.size_bytes;
  if (buffer.is_physically_contiguous) memory.physically_contiguous_required = true;
  if (buffer.is_secure) memory.secure_required = true;
  memory.cpu_domain_supported = buffer.coherency_domain == CoherencyDomain::kCpu;
  memory.ram_domain_supported = buffer.coherency_domain == CoherencyDomain::kRam;
  memory.inaccessible_domain_supported = buffer.coherency_domain == CoherencyDomain::kInaccessible;
  memory.permitted_heaps = {{.type = buffer.heap.type, .id = buffer.heap.id}};
  if (settings.image_format) exact.image_formats.push_back(*settings.image_format);
  return exact;
}

Constraints AsConstraints(const Plan& plan) {
  Constraints exact = AsConstraints(plan.settings);
  exact.min_buffer_count = plan.buffer_count;
  exact.max_buffer_count = plan.buffer_count;
  return exact;
}

Participant AsParticipant(const Constraints& buffers) {
  return {.node = 0, .name = kNameOfTheBuffers, .constraints = &buffers, .exists_already = true};
}

Participant AsParticipantToMatch(const Constraints& buffers, NodeId giver,
                                 const std::string& name) {
  // What they are comes first: long names are cut at their end.
  std::string whose = kNameOfBuffersToMatch;
  if (!name.empty()) whose += ", given by " + name;
  return {.node = giver, .name = std::move(whose), .constraints = &buffers, .exists_already = true};
}

std::optional<Failure> WhyNotLike(const Constraints& constraints,
                                  const SingleBufferSettings& buffers, const Settings& settings) {
  const Constraints exact = AsConstraints(buffers);
  const std::vector<Participant> both{{.node = 0, .name = "", .constraints = &constraints},
                                      AsParticipant(exact)};
  const Result<SanitisedConstraints, Refusal> agreed = Agree(both, settings);
  if (agreed.ok()) return std::nullopt;
  return Blame(agreed.failure(), both);
}

std::optional<Refusal> WhyRefused(const std::vector<Participant>& participants,
                                  const Plan& existing, const Settings& settings) {
  const Result<Plan, Refusal> fresh = TryToPlan(participants, settings);
  if (!fresh.ok()) return fresh.failure();
  MaybeRejection no = FindDifference(existing, fresh.value());
  if (!no) return std::nullopt;
  no->stage = Stage::kLate;
  return Refusal{*std::move(no), participants.size()};
}

std::optional<Failure> WhyNotServed(std::vector<Participant> participants, const Plan& existing,
                                    const Settings& settings) {
  const Constraints buffers = AsConstraints(existing);
  participants.push_back(AsParticipant(buffers));
  const std::optional<Refusal> no = WhyRefused(participants, existing, settings);
  if (!no) return std::nullopt;
  return Blame(*no, participants);
}

}  // namespace sysmem::core
