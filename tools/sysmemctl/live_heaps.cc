// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/live_heaps.h"

#include <algorithm>

namespace sysmem::ctl {
namespace {

core::HeapProperties PropertiesOf(const Json& info) {
  const Json heap = info.value("heap", Json::object());
  const Json properties = info.value("properties", Json::object());
  const Json domains = properties.value("coherency_domain_support", Json::object());
  const Json abilities = info.value("abilities", Json::object());
  core::HeapProperties known{
      .heap = {.type = Text(heap, "heap_type"), .id = Number(heap, "id")},
      .cpu_domain = Flag(domains, "cpu_supported"),
      .ram_domain = Flag(domains, "ram_supported"),
      .inaccessible_domain = Flag(domains, "inaccessible_supported"),
      .need_clear = Flag(properties, "need_clear"),
      .physically_contiguous = Flag(info, "physically_contiguous"),
      .tells_holders_apart = Flag(abilities, "tells_holders_apart"),
      .reports_end = Flag(abilities, "reports_end"),
      .reduces_rights = Flag(abilities, "reduces_rights"),
  };
  if (properties.contains("need_flush")) known.need_flush = Flag(properties, "need_flush");
  return known;
}

}  // namespace

void UseLiveHeaps(const Json& heaps, core::Settings& settings) {
  settings.heaps.clear();
  settings.secure_heaps.clear();
  for (const Json& info : heaps) {
    if (!Flag(info, "usable")) continue;
    const core::HeapProperties known = PropertiesOf(info);
    if (Flag(info, "secure")) settings.secure_heaps.push_back(known.heap);
    const auto same = std::find_if(settings.heaps.begin(), settings.heaps.end(),
                                   [&](const auto& heap) { return heap.heap == known.heap; });
    if (same == settings.heaps.end()) {
      settings.heaps.push_back(known);
    } else {
      // The pool behind SYSTEM_RAM for whoever requires contiguous memory (HEAP-4).
      if (known.physically_contiguous == true) same->physically_contiguous = true;
    }
  }
}

}  // namespace sysmem::ctl
