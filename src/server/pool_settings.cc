// SPDX-License-Identifier: Apache-2.0
#include "server/pool_settings.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "core/constraints.h"

namespace sysmem::server {
namespace {

// As many as a driver may have (MAX_HEAPS_COUNT).
constexpr size_t kMostSecureHeaps = 32;

struct GuardWord {
  const char* name;
  bool has_count;
  std::optional<std::string_view> heaps::GuardTexts::*text;
};

constexpr GuardWord kGuardWords[] = {
    {"pages", true, &heaps::GuardTexts::pages},
    {"internal", false, &heaps::GuardTexts::internal},
    {"fatal", false, &heaps::GuardTexts::fatal},
    {"unused-disabled", false, &heaps::GuardTexts::unused_disabled},
    {"unused-cycle-seconds", true, &heaps::GuardTexts::unused_cycle_seconds},
};

absl::Status NoGuardWord(std::string_view word) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected internal, fatal, unused-disabled, pages=COUNT and "
                   "unused-cycle-seconds=COUNT, separated by commas, not ",
                   base::Quote(word)));
}

absl::Status NoSecureHeap(std::string_view name, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "expected heap types, as in fuchsia.amlogic.platform.sysmem.heap.HEAP_TYPE.SECURE"
      ", separated by commas, not ",
      base::Quote(name), std::string(why)));
}

}  // namespace

absl::Status ReadContiguousPool(const std::string& value, PoolSettings& settings) {
  return heaps::OverridePoolSize("size", value, settings.contiguous);
}

absl::Status ReadProtectedPool(const std::string& value, PoolSettings& settings) {
  return heaps::OverridePoolSize("size", value, settings.protected_memory);
}

absl::Status ReadPoolGuards(const std::string& value, PoolSettings& settings) {
  heaps::GuardTexts texts;
  for (const absl::string_view part : absl::StrSplit(value, ',', absl::SkipEmpty())) {
    const std::string_view word(part.data(), part.size());
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const bool has_count = equals != std::string_view::npos;
    const auto* const known = std::find_if(
        std::begin(kGuardWords), std::end(kGuardWords),
        [&](const GuardWord& one) { return one.name == name && one.has_count == has_count; });
    if (known == std::end(kGuardWords)) return NoGuardWord(word);
    texts.*known->text = has_count ? word.substr(equals + 1) : std::string_view();
  }
  absl::StatusOr<heaps::GuardOptions> guards = heaps::ParseGuardOptions(texts);
  if (!guards.ok()) return guards.status();
  settings.guards = *guards;
  return absl::OkStatus();
}

absl::Status ReadSimulatedSecureHeaps(const std::string& value, PoolSettings& settings) {
  std::vector<std::string> types = absl::StrSplit(value, ',', absl::SkipEmpty());
  for (size_t i = 0; i < types.size(); ++i) {
    if (!absl::StrContains(types[i], ".HEAP_TYPE.")) return NoSecureHeap(types[i], "");
    if (types[i] == core::kHeapSystemRam)
      return NoSecureHeap(types[i], ", which the CPU can reach");
    const auto here = types.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(types.begin(), here, types[i]) != here) return NoSecureHeap(types[i], " twice");
  }
  if (types.size() > kMostSecureHeaps) {
    return NoSecureHeap(types[kMostSecureHeaps],
                        absl::StrCat(" besides ", kMostSecureHeaps, " others"));
  }
  settings.simulated_secure_heaps = std::move(types);
  return absl::OkStatus();
}

}  // namespace sysmem::server
