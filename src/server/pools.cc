// SPDX-License-Identifier: Apache-2.0
#include "server/pools.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "heaps/pool/contiguous_pool.h"
#include "heaps/pool/secure_heap.h"
#include "heaps/pool/simulated_protection.h"

namespace sysmem::server {
namespace {

// Between the beginnings of two pools of secure memory in simulated physical memory, the first of
// which lies behind the contiguous pool, however large that is.
constexpr uint64_t kSecureSpacing = 2 * heaps::kMaxPoolBytes;

uint64_t SizeOf(int64_t setting, int64_t default_percent, uint64_t memory_bytes, uint64_t unit) {
  return heaps::PoolSizeBytes(heaps::ToPoolSizeSetting(setting), default_percent, memory_bytes,
                              unit);
}

absl::Status About(const char* setting, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(setting, ": ", status.message()));
}

absl::Status AddContiguousPool(uint64_t bytes, const heaps::GuardOptions& guards,
                               heaps::ReservationGate& gate, const heaps::Complain& complain,
                               EngineOptions& engine_options) {
  if (bytes == 0) return absl::OkStatus();
  auto pool = heaps::ContiguousPool::Create(
      gate, {.size_bytes = bytes, .guards = guards, .complain = complain});
  if (!pool.ok()) return About("pools.contiguous", pool.status());
  engine_options.contiguous_ram = *std::move(pool);
  return absl::OkStatus();
}

// The protected pool, whose ranges come and go, or what a trusted world always has for itself.
absl::StatusOr<std::shared_ptr<heaps::SecureHeap>> SimulateSecureHeap(
    const std::string& type, size_t index, uint64_t bytes, heaps::ReservationGate& gate,
    const heaps::Complain& complain) {
  const bool is_first = index == 0;
  const uint64_t base = (index + 1) * kSecureSpacing;
  heaps::PoolOptions options{.name = is_first ? "SysmemProtectedPool" : "tee_secure",
                             .heap = {.type = type},
                             .size_bytes = bytes,
                             .physical_base = base,
                             .fixed_place = !is_first,
                             .guards = heaps::kNoGuards,
                             .complain = complain};
  return heaps::SecureHeap::Create(
      gate, std::move(options),
      std::make_shared<heaps::SimulatedProtection>(heaps::SimulatedProtectionOptions{
          .space = {.begin = base, .end = base + bytes}, .is_dynamic = is_first}));
}

absl::Status AddSimulatedSecureHeaps(const std::vector<std::string>& types, uint64_t bytes,
                                     heaps::ReservationGate& gate, const heaps::Complain& complain,
                                     EngineOptions& engine_options) {
  for (size_t i = 0; i < types.size(); ++i) {
    if (bytes == 0) {
      engine_options.unusable_heaps.push_back(
          {.properties = {.heap = {.type = types[i]}},
           .usable = false,
           .why_unusable = "there is no protected memory",
           .remedy = "set pools.protected (--protected-pool) to its size"});
      continue;
    }
    auto heap = SimulateSecureHeap(types[i], i, bytes, gate, complain);
    if (!heap.ok()) return About("pools.protected", heap.status());
    engine_options.core.secure_heaps.push_back((*heap)->properties().heap);
    engine_options.heaps.push_back(*std::move(heap));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddPools(const PoolSettings& settings, uint64_t memory_bytes,
                      heaps::ReservationGate& gate, const heaps::Complain& complain,
                      EngineOptions& engine_options) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t contiguous =
      SizeOf(settings.contiguous, heaps::kDefaultContiguousPercent, memory_bytes, page);
  const uint64_t secure = SizeOf(settings.protected_memory, heaps::kDefaultProtectedPercent,
                                 memory_bytes, heaps::kProtectedPoolUnitBytes);
  absl::Status added =
      AddContiguousPool(contiguous, settings.guards, gate, complain, engine_options);
  if (!added.ok()) return added;
  SecureMemoryOptions& driven = engine_options.secure_memory;
  driven.complain = complain;
  driven.is_simulated = !settings.simulated_secure_heaps.empty();
  if (secure != 0 && !driven.is_simulated) {
    driven.protected_bytes = secure;
    driven.physical_base = kSecureSpacing;
    engine_options.core.no_secure_memory = core::NoSecureMemory::kNotYet;  // SEC-1
  }
  return AddSimulatedSecureHeaps(settings.simulated_secure_heaps, secure, gate, complain,
                                 engine_options);
}

}  // namespace sysmem::server
