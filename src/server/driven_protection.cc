// SPDX-License-Identifier: Apache-2.0
#include "server/driven_protection.h"

#include <future>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace sysmem::server {
namespace {

PhysicalRange AsSent(heaps::Region region) {
  return {.address = region.begin, .size_bytes = region.size()};
}

}  // namespace

bool DrivenProtection::is_dynamic() const {
  return options_.properties.dynamic_protection_ranges && !options_.always_protected;
}

void DrivenProtection::AddRange(heaps::Region range) {
  if (options_.always_protected) return;
  Tell("AddSecureHeapPhysicalRange", AddSecureRangeCall{Name(range)});
}

void DrivenProtection::DeleteRange(heaps::Region range) {
  if (options_.always_protected) return;
  Tell("DeleteSecureHeapPhysicalRange", DeleteSecureRangeCall{Name(range)});
}

void DrivenProtection::ModifyRange(heaps::Region from, heaps::Region to) {
  Tell("ModifySecureHeapPhysicalRange",
       ModifySecureRangeCall{options_.properties.heap, AsSent(from), AsSent(to)});
}

void DrivenProtection::Zero(heaps::Region piece) {
  Tell("ZeroSubRange", ZeroSubRangeCall{!options_.always_protected, Name(piece)});
}

SecureHeapAndRange DrivenProtection::Name(heaps::Region range) const {
  return {options_.properties.heap, AsSent(range)};
}

void DrivenProtection::Tell(const char* what, ProviderCallKind call) const {
  auto promise = std::make_shared<std::promise<ProviderAnswer>>();
  std::future<ProviderAnswer> answered = promise->get_future();
  options_.calls->Ask({std::move(call), [] { return base::UniqueFd(); }},
                      [promise](ProviderAnswer answer) { promise->set_value(std::move(answer)); });
  const ProviderAnswer answer = answered.get();
  if (const auto* failure = std::get_if<core::Failure>(&answer)) {
    options_.failed(absl::StrCat(what, ": ", failure->message));
  }
}

}  // namespace sysmem::server
