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
  const std::string domains = "properties.coherency_domain_support";
  if (!properties.has_coherency_domain_support()) return domains;
  const sysmem2::CoherencyDomainSupport& support = properties.coherency_domain_support();
  if (!support.has_cpu_supported()) return domains + ".cpu_supported";
  if (!support.has_ram_supported()) return domains + ".ram_supported";
  if (!support.has_inaccessible_supported()) return domains + ".inaccessible_supported";
  return properties.has_need_clear() ? "" : "properties.need_clear";
}

}  // namespace

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
    default:  // none, or of a secure memory driver, which no session is
      break;
  }
  return to;
}

}  // namespace sysmem::server::transport
