// SPDX-License-Identifier: Apache-2.0
#include "heaps/memfd_heap.h"

#include <optional>
#include <utility>

#include "heaps/allocate_request.h"
#include "heaps/memfd_buffer.h"

namespace sysmem::heaps {
namespace {

core::HeapProperties SystemRamProperties() {
  return {
      .heap = {.type = core::kHeapSystemRam, .id = 0},
      .cpu_domain = true,
      .ram_domain = true,
      .inaccessible_domain = true,
      .need_clear = false,
      .need_flush = false,
      .tells_holders_apart = true,
      .reports_end = true,
      .reduces_rights = true,
  };
}

}  // namespace

MemfdHeap::MemfdHeap(ReservationGate& gate, MemfdHeapOptions options)
    : properties_(SystemRamProperties()),
      maker_(gate),
      pool_gate_(ReservationGate::SameMachine{}, gate),
      pool_maker_(pool_gate_),
      spare_(std::make_shared<SpareDescriptors>(options.spare_descriptors)),
      pool_(options.warm_pool, spare_,
            {.make = [this](uint64_t bytes) { return pool_maker_.Make(kPooledBuffer, bytes); },
             .available = [this] { return pool_gate_.ReadAvailable(); }}) {}

absl::StatusOr<std::unique_ptr<Buffer>> MemfdHeap::Allocate(const AllocateRequest& request) {
  if (absl::Status fits = CheckForOrdinaryMemory(request); !fits.ok()) return fits;
  std::string name = NameFor(request, kMaxMemfdNameBytes);
  std::optional<WarmPool::Ready> ready = pool_.Take(request.size_bytes);
  if (!ready) {
    absl::StatusOr<FreshMemfd> made = maker_.Make(name, request.size_bytes);
    // What nobody has asked for goes first.
    if (absl::IsResourceExhausted(made.status()) && pool_.GiveBack()) {
      made = maker_.Make(name, request.size_bytes);
    }
    if (!made.ok()) return Blame(made.status(), name, request.size_bytes);
    ready = WarmPool::Ready{.memfd = *std::move(made), .hand_out = std::nullopt};
  }
  return std::make_unique<MemfdBuffer>(std::move(ready->memfd), std::move(name),
                                       std::move(ready->hand_out), spare_);
}

}  // namespace sysmem::heaps
