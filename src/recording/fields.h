// SPDX-License-Identifier: Apache-2.0
//
// The core's events, effects and settings taken apart: what each is called, and what it holds.
//
//   EachField(event, [](const auto& names, auto&... fields) { ... });
//
// One entry per type. A field more in one of them, or an event more in core::Event, does not
// compile until it is here: structured bindings name all of them. Names stand in recordings, so
// they stay.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "core/effect.h"
#include "core/event.h"
#include "core/settings.h"

namespace sysmem::recording {

// T, const or not.
template <typename T, typename Wanted>
concept Is = std::same_as<std::remove_const_t<T>, Wanted>;

// clang-format off

// --- Values.

template <Is<core::DebugInfo> T, typename F> void EachField(T& v, F&& f) {
  auto& [name, id] = v;
  f({"name", "id"}, name, id);
}
template <Is<core::SizeU> T, typename F> void EachField(T& v, F&& f) {
  auto& [width, height] = v;
  f({"width", "height"}, width, height);
}
template <Is<core::BufferUsage> T, typename F> void EachField(T& v, F&& f) {
  auto& [none, cpu, vulkan, display, video] = v;
  f({"none", "cpu", "vulkan", "display", "video"}, none, cpu, vulkan, display, video);
}
template <Is<core::Heap> T, typename F> void EachField(T& v, F&& f) {
  auto& [type, id] = v;
  f({"heap_type", "id"}, type, id);
}
template <Is<core::HeapWish> T, typename F> void EachField(T& v, F&& f) {
  auto& [type, id] = v;
  f({"heap_type", "id"}, type, id);
}
template <Is<core::MemoryConstraints> T, typename F> void EachField(T& v, F&& f) {
  auto& [min_size, max_size, contiguous, secure, cpu, ram, inaccessible, heaps, alignment] = v;
  f({"min_size_bytes", "max_size_bytes", "physically_contiguous_required", "secure_required",
     "cpu_domain_supported", "ram_domain_supported", "inaccessible_domain_supported",
     "permitted_heaps", "min_physical_base_alignment"},
    min_size, max_size, contiguous, secure, cpu, ram, inaccessible, heaps, alignment);
}
template <Is<core::PixelFormatAndModifier> T, typename F> void EachField(T& v, F&& f) {
  auto& [pixel_format, modifier] = v;
  f({"pixel_format", "pixel_format_modifier"}, pixel_format, modifier);
}
template <Is<core::ImageFormatConstraints> T, typename F> void EachField(T& v, F&& f) {
  auto& [pixel_format, modifier, pairs, color_spaces, min_size, max_size, min_row, max_row,
         max_pixels, alignment, display_alignment, required_min, required_max, required_max_list,
         row_divisor, offset_divisor, pixel_boundary, alpha, pad_block, pad_beyond] = v;
  f({"pixel_format", "pixel_format_modifier", "pixel_format_and_modifiers", "color_spaces",
     "min_size", "max_size", "min_bytes_per_row", "max_bytes_per_row", "max_width_times_height",
     "size_alignment", "display_rect_alignment", "required_min_size", "required_max_size",
     "required_max_size_list", "bytes_per_row_divisor", "start_offset_divisor",
     "require_bytes_per_row_at_pixel_boundary", "is_alpha_present", "pad_for_block_size",
     "pad_beyond_image_size_bytes"},
    pixel_format, modifier, pairs, color_spaces, min_size, max_size, min_row, max_row,
    max_pixels, alignment, display_alignment, required_min, required_max, required_max_list,
    row_divisor, offset_divisor, pixel_boundary, alpha, pad_block, pad_beyond);
}
template <Is<core::Constraints> T, typename F> void EachField(T& v, F&& f) {
  auto& [usage, camping, dedicated, shared, min_count, max_count, memory, image_formats] = v;
  f({"usage", "min_buffer_count_for_camping", "min_buffer_count_for_dedicated_slack",
     "min_buffer_count_for_shared_slack", "min_buffer_count", "max_buffer_count",
     "buffer_memory_constraints", "image_format_constraints"},
    usage, camping, dedicated, shared, min_count, max_count, memory, image_formats);
}
template <Is<core::NodeHolder> T, typename F> void EachField(T& v, F&& f) {
  auto& [pid, uid, command] = v;
  f({"pid", "uid", "command"}, pid, uid, command);
}
template <Is<core::ParticipantValue> T, typename F> void EachField(T& v, F&& f) {
  auto& [node, name, value, holder] = v;
  f({"node", "name", "value", "holder"}, node, name, value, holder);
}
template <Is<core::Failure> T, typename F> void EachField(T& v, F&& f) {
  // The report follows from the events.
  auto& [outcome, error, rule, field, message, participants, report, report_text] = v;
  f({"outcome", "error", "rule", "field", "message", "participants"},
    outcome, error, rule, field, message, participants);
}
template <Is<core::BufferMemorySettings> T, typename F> void EachField(T& v, F&& f) {
  auto& [size, contiguous, secure, domain, heap, raw_vmo_size] = v;
  f({"size_bytes", "is_physically_contiguous", "is_secure", "coherency_domain", "heap",
     "raw_vmo_size"}, size, contiguous, secure, domain, heap, raw_vmo_size);
}
template <Is<core::SingleBufferSettings> T, typename F> void EachField(T& v, F&& f) {
  auto& [buffer, image] = v;
  f({"buffer_settings", "image_format_constraints"}, buffer, image);
}
template <Is<core::Plan> T, typename F> void EachField(T& v, F&& f) {
  auto& [count, settings, alignment] = v;
  f({"buffer_count", "settings", "physical_alignment"}, count, settings, alignment);
}
template <Is<core::BufferShare> T, typename F> void EachField(T& v, F&& f) {
  auto& [vmo, close_weak_asap] = v;
  f({"vmo", "close_weak_asap"}, vmo, close_weak_asap);
}
template <Is<core::Grant> T, typename F> void EachField(T& v, F&& f) {
  auto& [plan, id, with_buffers, weak, rights, writable, buffers] = v;
  f({"plan", "buffer_collection_id", "with_buffers", "weak", "rights", "writable", "buffers"},
    plan, id, with_buffers, weak, rights, writable, buffers);
}
template <Is<core::VmoInfo> T, typename F> void EachField(T& v, F&& f) {
  auto& [buffer, share] = v;
  f({"buffer", "share"}, buffer, share);
}
template <Is<core::Reference> T, typename F> void EachField(T& v, F&& f) {
  auto& [node] = v;
  f({"node"}, node);
}
template <Is<core::Nothing> T, typename F> void EachField(T&, F&&) {}

// --- Settings.

template <Is<core::HeapProperties> T, typename F> void EachField(T& v, F&& f) {
  auto& [heap, cpu, ram, inaccessible, clear, flush, contiguous, tells, reports, reduces] = v;
  f({"heap", "cpu_domain", "ram_domain", "inaccessible_domain", "need_clear", "need_flush",
     "physically_contiguous", "tells_holders_apart", "reports_end", "reduces_rights"},
    heap, cpu, ram, inaccessible, clear, flush, contiguous, tells, reports, reduces);
}
template <Is<core::FormatCost> T, typename F> void EachField(T& v, F&& f) {
  auto& [format, usage, cost] = v;
  f({"format", "usage", "cost"}, format, usage, cost);
}
template <Is<core::Limits> T, typename F> void EachField(T& v, F&& f) {
  auto& [page, buffer, collection, allocation, buffers, sizes, formats, combinations, trackings,
         name, nodes, image_formats] = v;
  f({"page_bytes", "buffer_bytes", "collection_bytes", "allocation_bytes",
     "buffers_per_collection", "required_max_sizes", "image_formats_in_merge",
     "group_combinations", "node_trackings_per_node", "debug_name_bytes", "nodes_per_collection",
     "image_formats_per_collection"},
    page, buffer, collection, allocation, buffers, sizes, formats, combinations, trackings,
    name, nodes, image_formats);
}
template <Is<core::Settings> T, typename F> void EachField(T& v, F&& f) {
  auto& [heaps, secure_heaps, no_secure_memory, preferred_heaps, costs, limits, debug_log] = v;
  f({"heaps", "secure_heaps", "no_secure_memory", "preferred_heaps", "format_costs", "limits",
     "debug_log"},
    heaps, secure_heaps, no_secure_memory, preferred_heaps, costs, limits, debug_log);
}

// --- Events.

template <Is<core::event::CreateRoot> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, bound, debug] = v;
  f({"call", "node", "bound", "debug"}, call, node, bound, debug);
}
// Those that say nothing but to whom.
template <typename T>
concept IsBareMessage =
    Is<T, core::event::SetDispensable> || Is<T, core::event::AllChildrenPresent> ||
    Is<T, core::event::Wait> || Is<T, core::event::Check> || Is<T, core::event::Sync> ||
    Is<T, core::event::Release> || Is<T, core::event::SetVerboseLogging> ||
    Is<T, core::event::GetNodeRef> || Is<T, core::event::SetWeak> ||
    Is<T, core::event::GetBufferCollectionId>;
template <IsBareMessage T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node] = v;
  f({"call", "node"}, call, node);
}
template <Is<core::event::Duplicate> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, child, mask] = v;
  f({"call", "node", "child", "rights_mask"}, call, node, child, mask);
}
template <Is<core::event::DuplicateSync> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, children, masks] = v;
  f({"call", "node", "children", "rights_masks"}, call, node, children, masks);
}
template <Is<core::event::CreateTokenGroup> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, child] = v;
  f({"call", "node", "child"}, call, node, child);
}
template <Is<core::event::CreateChild> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, child, mask] = v;
  f({"call", "node", "child", "rights_mask"}, call, node, child, mask);
}
template <Is<core::event::CreateChildrenSync> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, children, masks] = v;
  f({"call", "node", "children", "rights_masks"}, call, node, children, masks);
}
template <Is<core::event::Bind> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, debug] = v;
  f({"call", "node", "allocator_debug"}, call, node, debug);
}
template <Is<core::event::SetConstraints> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, constraints, must_match, not_a_buffer, denied] = v;
  f({"call", "node", "constraints", "must_match", "not_a_buffer", "denied_heaps"},
    call, node, constraints, must_match, not_a_buffer, denied);
}
template <Is<core::event::CancelWait> T, typename F> void EachField(T& v, F&& f) {
  auto& [node, wait] = v;
  f({"node", "wait"}, node, wait);
}
template <Is<core::event::AttachToken> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, child, mask] = v;
  f({"call", "node", "child", "rights_mask"}, call, node, child, mask);
}
template <Is<core::event::SetName> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, priority, name] = v;
  f({"call", "node", "priority", "name"}, call, node, priority, name);
}
template <Is<core::event::SetDebugClientInfo> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, name, id] = v;
  f({"call", "node", "name", "id"}, call, node, name, id);
}
template <Is<core::event::SetDebugTimeoutLogDeadline> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, deadline] = v;
  f({"call", "node", "deadline_ns"}, call, node, deadline);
}
template <Is<core::event::IsAlternateFor> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, other, unreadable] = v;
  f({"call", "node", "other", "unreadable"}, call, node, other, unreadable);
}
template <Is<core::event::SetWeakOk> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, children_also] = v;
  f({"call", "node", "for_child_nodes_also"}, call, node, children_also);
}
template <Is<core::event::AttachNodeTracking> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, has_end] = v;
  f({"call", "node", "has_end"}, call, node, has_end);
}
template <Is<core::event::AttachLifetimeTracking> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, tracking, remaining] = v;
  f({"call", "node", "tracking", "buffers_remaining"}, call, node, tracking, remaining);
}
template <Is<core::event::GetVmoInfo> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, buffer, is_weak, need_weak, debug] = v;
  f({"call", "buffer", "is_weak", "need_weak", "debug"}, call, buffer, is_weak, need_weak, debug);
}
template <Is<core::event::HandOutEnded> T, typename F> void EachField(T& v, F&& f) {
  auto& [hand_out, buffer] = v;
  f({"hand_out", "buffer"}, hand_out, buffer);
}
template <Is<core::event::BufferGone> T, typename F> void EachField(T& v, F&& f) {
  auto& [buffer] = v;
  f({"buffer"}, buffer);
}
template <Is<core::event::BadMessage> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, why] = v;
  f({"call", "node", "why"}, call, node, why);
}
template <Is<core::event::Close> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, node, why] = v;
  f({"call", "node", "why"}, call, node, why);
}
template <Is<core::event::AllocationFinished> T, typename F> void EachField(T& v, F&& f) {
  auto& [attempt, failure] = v;
  f({"attempt", "failure"}, attempt, failure);
}
template <Is<core::event::HeapsChanged> T, typename F> void EachField(T& v, F&& f) {
  auto& [heaps, secure_heaps, lost, no_secure_memory] = v;
  f({"heaps", "secure_heaps", "lost", "no_secure_memory"}, heaps, secure_heaps, lost,
    no_secure_memory);
}
template <Is<core::event::FailRoot> T, typename F> void EachField(T& v, F&& f) {
  auto& [why] = v;
  f({"why"}, why);
}
template <Is<core::event::Tick> T, typename F> void EachField(T& v, F&& f) {
  auto& [now] = v;
  f({"now_ns"}, now);
}

// --- Effects.

template <Is<core::effect::Answer> T, typename F> void EachField(T& v, F&& f) {
  auto& [call, result] = v;
  f({"call", "result"}, call, result);
}
template <Is<core::effect::NodeClosed> T, typename F> void EachField(T& v, F&& f) {
  auto& [node, why, kind, name] = v;
  f({"node", "why"}, node, why);
}
template <Is<core::effect::Allocate> T, typename F> void EachField(T& v, F&& f) {
  auto& [attempt, plan, name, id] = v;
  f({"attempt", "plan", "name", "buffer_collection_id"}, attempt, plan, name, id);
}
template <Is<core::effect::DropBuffers> T, typename F> void EachField(T&, F&&) {}
template <Is<core::effect::CloseWeakAsap> T, typename F> void EachField(T& v, F&& f) {
  auto& [buffer] = v;
  f({"buffer"}, buffer);
}
template <Is<core::effect::CloseLifetimeTracking> T, typename F> void EachField(T& v, F&& f) {
  auto& [tracking] = v;
  f({"tracking"}, tracking);
}
template <Is<core::effect::ReportLeak> T, typename F> void EachField(T& v, F&& f) {
  auto& [buffer, hand_out, text] = v;
  f({"buffer", "hand_out", "text"}, buffer, hand_out, text);
}
template <Is<core::effect::ArmTimer> T, typename F> void EachField(T& v, F&& f) {
  auto& [deadline] = v;
  f({"deadline_ns"}, deadline);
}
template <Is<core::effect::Log> T, typename F> void EachField(T& v, F&& f) {
  auto& [level, text, about] = v;
  f({"level", "text"}, level, text);
}
template <Is<core::effect::Finished> T, typename F> void EachField(T&, F&&) {}

// --- What the alternatives of a variant are called.

template <typename T> inline constexpr const char* kName = nullptr;
template <> inline constexpr const char* kName<core::event::CreateRoot> = "CreateRoot";
template <> inline constexpr const char* kName<core::event::Duplicate> = "Duplicate";
template <> inline constexpr const char* kName<core::event::DuplicateSync> = "DuplicateSync";
template <> inline constexpr const char* kName<core::event::CreateTokenGroup> = "CreateTokenGroup";
template <> inline constexpr const char* kName<core::event::SetDispensable> = "SetDispensable";
template <> inline constexpr const char* kName<core::event::CreateChild> = "CreateChild";
template <> inline constexpr const char* kName<core::event::CreateChildrenSync> = "CreateChildrenSync";
template <> inline constexpr const char* kName<core::event::AllChildrenPresent> = "AllChildrenPresent";
template <> inline constexpr const char* kName<core::event::Bind> = "Bind";
template <> inline constexpr const char* kName<core::event::SetConstraints> = "SetConstraints";
template <> inline constexpr const char* kName<core::event::Wait> = "Wait";
template <> inline constexpr const char* kName<core::event::CancelWait> = "CancelWait";
template <> inline constexpr const char* kName<core::event::Check> = "Check";
template <> inline constexpr const char* kName<core::event::AttachToken> = "AttachToken";
template <> inline constexpr const char* kName<core::event::Sync> = "Sync";
template <> inline constexpr const char* kName<core::event::Release> = "Release";
template <> inline constexpr const char* kName<core::event::SetName> = "SetName";
template <> inline constexpr const char* kName<core::event::SetDebugClientInfo> = "SetDebugClientInfo";
template <> inline constexpr const char* kName<core::event::SetDebugTimeoutLogDeadline> = "SetDebugTimeoutLogDeadline";
template <> inline constexpr const char* kName<core::event::SetVerboseLogging> = "SetVerboseLogging";
template <> inline constexpr const char* kName<core::event::GetNodeRef> = "GetNodeRef";
template <> inline constexpr const char* kName<core::event::IsAlternateFor> = "IsAlternateFor";
template <> inline constexpr const char* kName<core::event::SetWeak> = "SetWeak";
template <> inline constexpr const char* kName<core::event::SetWeakOk> = "SetWeakOk";
template <> inline constexpr const char* kName<core::event::AttachNodeTracking> = "AttachNodeTracking";
template <> inline constexpr const char* kName<core::event::AttachLifetimeTracking> = "AttachLifetimeTracking";
template <> inline constexpr const char* kName<core::event::GetVmoInfo> = "GetVmoInfo";
template <> inline constexpr const char* kName<core::event::HandOutEnded> = "HandOutEnded";
template <> inline constexpr const char* kName<core::event::BufferGone> = "BufferGone";
template <> inline constexpr const char* kName<core::event::GetBufferCollectionId> = "GetBufferCollectionId";
template <> inline constexpr const char* kName<core::event::BadMessage> = "BadMessage";
template <> inline constexpr const char* kName<core::event::Close> = "Close";
template <> inline constexpr const char* kName<core::event::AllocationFinished> = "AllocationFinished";
template <> inline constexpr const char* kName<core::event::HeapsChanged> = "HeapsChanged";
template <> inline constexpr const char* kName<core::event::FailRoot> = "FailRoot";
template <> inline constexpr const char* kName<core::event::Tick> = "Tick";
template <> inline constexpr const char* kName<core::effect::Answer> = "Answer";
template <> inline constexpr const char* kName<core::effect::NodeClosed> = "NodeClosed";
template <> inline constexpr const char* kName<core::effect::Allocate> = "Allocate";
template <> inline constexpr const char* kName<core::effect::DropBuffers> = "DropBuffers";
template <> inline constexpr const char* kName<core::effect::CloseWeakAsap> = "CloseWeakAsap";
template <> inline constexpr const char* kName<core::effect::CloseLifetimeTracking> = "CloseLifetimeTracking";
template <> inline constexpr const char* kName<core::effect::ReportLeak> = "ReportLeak";
template <> inline constexpr const char* kName<core::effect::ArmTimer> = "ArmTimer";
template <> inline constexpr const char* kName<core::effect::Log> = "Log";
template <> inline constexpr const char* kName<core::effect::Finished> = "Finished";
template <> inline constexpr const char* kName<core::Nothing> = "nothing";
template <> inline constexpr const char* kName<uint64_t> = "id";
template <> inline constexpr const char* kName<core::Grant> = "grant";
template <> inline constexpr const char* kName<core::Failure> = "failure";
template <> inline constexpr const char* kName<bool> = "alternate";
template <> inline constexpr const char* kName<core::Reference> = "reference";
template <> inline constexpr const char* kName<core::VmoInfo> = "vmo_info";

// clang-format on

}  // namespace sysmem::recording
