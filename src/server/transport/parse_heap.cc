// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "server/transport/optional_field.h"
#include "server/transport/parse.h"
#include "server/transport/refusals.h"
#include "sysmem2/constants.pb.h"

namespace sysmem::server::transport {
namespace {

// The name of what must be there and is not; empty if nothing is missing (EXT-2).
std::string MissingIn(const sysmem2::OnRegisterRequest& from) {
  if (!from.has_properties()) return "properties";
  const sysmem2::HeapProperties& properties = from.properties();
  std::string domains = "properties.coherency_domain_support";
  if (!properties.has_coherency_domain_support()) return domains;
  const sysmem2::CoherencyDomainSupport& support = properties.coherency_domain_support();
  if (!support.has_cpu_supported()) return domains + ".cpu_supported";
  if (!support.has_ram_supported()) return domains + ".ram_supported";
  if (!support.has_inaccessible_supported()) return domains + ".inaccessible_supported";
  return properties.has_need_clear() ? "" : "properties.need_clear";
}

core::Heap ParseHeap(const sysmem2::Heap& from) {
  return {.type = from.heap_type(), .id = from.id()};
}

// What is out of its bounds is found by whoever looks at the answer (server/secure_heap_facts.h).
PhysicalSecureHeaps Parse(const sysmem2::GetPhysicalSecureHeapsAnswer& from) {
  PhysicalSecureHeaps to;
  for (const sysmem2::SecureHeapAndRanges& heap : from.heaps()) {
    PhysicalSecureHeaps::One& one = to.heaps.emplace_back();
    one.heap = ParseHeap(heap.heap());
    for (const sysmem2::SecureHeapRange& range : heap.ranges()) {
      one.ranges.push_back({.address = range.physical_address(), .size_bytes = range.size_bytes()});
    }
  }
  return to;
}

DynamicSecureHeaps Parse(const sysmem2::GetDynamicSecureHeapsAnswer& from) {
  DynamicSecureHeaps to;
  for (const sysmem2::DynamicSecureHeap& heap : from.heaps()) {
    to.heaps.push_back(ParseHeap(heap.heap()));
  }
  return to;
}

SecureHeapProperties Parse(const sysmem2::SecureHeapProperties& from) {
  return {.heap = ParseHeap(from.heap()),
          .dynamic_protection_ranges = from.dynamic_protection_ranges(),
          .granularity = from.protected_range_granularity(),
          .most_ranges = from.max_protected_range_count(),
          .can_modify = from.is_mod_protected_range_available()};
}

}  // namespace

Operation Parse(const sysmem2::RegisterSecureMemRequest& from) {
  return op::RegisterSecureMem{.handle = HandleOf(from)};
}

Operation Parse(const sysmem2::UnregisterSecureMemRequest&) { return op::UnregisterSecureMem{}; }

Operation Parse(const sysmem2::RegisterHeapRequest& from) {
  op::RegisterHeap to{.handle = HandleOf(from), .heap = {}};
  if (!from.has_heap()) return to;
  const std::string& type = from.heap().heap_type();
  if (auto failure = ExceedsBound("heap.heap_type", type.size(),
                                  sysmem2::MESSAGE_LIMIT_HEAP_TYPE_BYTES, "bytes")) {
    return op::Malformed{.why = *std::move(failure), .used_up = {}};
  }
  to.heap = core::Heap{.type = type, .id = from.heap().id()};
  return to;
}

Operation Parse(const sysmem2::OnRegisterRequest& from) {
  op::OnRegister to{.handle = HandleOf(from),
                    .properties = {},
                    .missing = MissingIn(from),
                    .gives_dma_bufs = false};
  if (!to.missing.empty()) return to;
  const sysmem2::HeapProperties& properties = from.properties();
  const sysmem2::CoherencyDomainSupport& support = properties.coherency_domain_support();
  core::HeapProperties& known = to.properties.emplace();
  known.cpu_domain = support.cpu_supported();
  known.ram_domain = support.ram_supported();
  known.inaccessible_domain = support.inaccessible_supported();
  known.need_clear = properties.need_clear();
  known.need_flush = IfSet(properties.has_need_flush(), properties.need_flush());
  to.gives_dma_bufs = properties.gives_dma_bufs();
  return to;
}

Operation Parse(const sysmem2::TakeProviderCallRequest& from) {
  return op::TakeProviderCall{.handle = HandleOf(from)};
}

Operation Parse(const sysmem2::AnswerProviderCallRequest& from) {
  op::AnswerProviderCall to{
      .handle = HandleOf(from), .call_id = IfSet(from.has_call_id(), from.call_id()), .answer = {}};
  switch (from.answer_case()) {
    case sysmem2::AnswerProviderCallRequest::kFailure:
      to.answer = core::Failed(core::Error::kNoMemory, "EXT-6", "", from.failure().message());
      break;
    case sysmem2::AnswerProviderCallRequest::kAllocateVmo:
      to.answer = DescriptorNumber{from.allocate_vmo().vmo()};
      break;
    case sysmem2::AnswerProviderCallRequest::kDeleteVmo:
      to.answer = core::Nothing{};
      break;
    case sysmem2::AnswerProviderCallRequest::kGetPhysicalSecureHeaps:
      to.answer = Parse(from.get_physical_secure_heaps());
      break;
    case sysmem2::AnswerProviderCallRequest::kGetDynamicSecureHeaps:
      to.answer = Parse(from.get_dynamic_secure_heaps());
      break;
    case sysmem2::AnswerProviderCallRequest::kGetPhysicalSecureHeapProperties:
      to.answer = Parse(from.get_physical_secure_heap_properties().properties());
      break;
    case sysmem2::AnswerProviderCallRequest::kAddSecureHeapPhysicalRange:
    case sysmem2::AnswerProviderCallRequest::kDeleteSecureHeapPhysicalRange:
    case sysmem2::AnswerProviderCallRequest::kModifySecureHeapPhysicalRange:
    case sysmem2::AnswerProviderCallRequest::kZeroSubRange:
      to.answer = core::Nothing{};
      break;
    case sysmem2::AnswerProviderCallRequest::ANSWER_NOT_SET:
      break;
  }
  return to;
}

}  // namespace sysmem::server::transport
