// SPDX-License-Identifier: Apache-2.0
//
// A heap of physically contiguous buffers, simulated (server behaviour 7): an address space of a
// fixed size, given out first fit, which fragments and runs out as real memory does, finds who
// writes where nothing is his, and tells each buffer where it lies.
//
//   absl::StatusOr<std::unique_ptr<ContiguousPool>> pool = ContiguousPool::Create(
//       gate, {.name = "SysmemContiguousPool",
//              .size_bytes = PoolSizeBytes(setting, kDefaultContiguousPercent, ram, page),
//              .guards = *ParseGuardOptions(texts),
//              .complain = [](Severity severity, const std::string& text) { ... }});
//   if (!pool.ok()) ...                                            // the daemon does not start
//   ... (*pool)->Allocate({.size_bytes = 8192, .physical_alignment = 65536}) ...
//   ... next_ns = (*pool)->Maintain(now_ns) ...                    // finds damage
//
// What is simulated and what is not. Only the addresses are: each buffer is a fresh memfd of its
// own (memfd_maker.h), so no two buffers share a file, and nothing that was handed out is used
// again. The pool's own memory (pool_memory.h) is never handed out. A device that is simulated too
// writes into it by physical address, and if that was no place of its own, the pool finds out.
//
// A buffer's region is free again when its Buffer is destroyed. Buffers may outlive the pool.
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "heaps/heap.h"
#include "heaps/memfd_maker.h"
#include "heaps/pool/pool_figures.h"
#include "heaps/pool/pool_memory.h"
#include "heaps/pool/pool_space.h"
#include "heaps/reservation_gate.h"

namespace sysmem::heaps {

class ContiguousPool final : public Heap {
 public:
  // `gate` is asked before memory is taken, and outlives the pool.
  // Errors: InvalidArgument for options out of their bounds; as Heap::Allocate for the memory that
  // the guards and the pattern in unused pages take.
  static absl::StatusOr<std::unique_ptr<ContiguousPool>> Create(ReservationGate& gate,
                                                                PoolOptions options);

  // Contiguous, and told apart from the daemon's other SYSTEM_RAM by that (HEAP-4).
  const core::HeapProperties& properties() const override { return properties_; }
  std::string backing() const override;
  std::vector<Figure> figures() const override { return ToFigures(ReadFigures()); }
  int64_t Maintain(int64_t now_ns) override;

  // Besides what heap.h says: ResourceExhausted also when no free region is large enough, although
  // there may be enough free in pieces (POOL-6); nobody is evicted, and nothing is waited for.
  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(const AllocateRequest& request) override;

  // POOL-3. Buffers stay what they are when it is no longer ready.
  void SetReady(bool ready);
  PoolFigures ReadFigures() const;

  // As a device would, at a simulated physical address, rightly or wrongly. Into a buffer's region
  // it reaches the hole under the buffer, not the buffer's memory.
  // Errors: OutOfRange for what does not lie in the pool.
  absl::Status WritePhysical(uint64_t address, std::span<const uint8_t> bytes);
  // The pool's own memory, for tests.
  const PoolMemory& memory() const;

 private:
  class Core;
  class PoolBuffer;

  ContiguousPool(ReservationGate& gate, std::shared_ptr<Core> core);

  absl::StatusOr<std::unique_ptr<Buffer>> TryAllocate(const AllocateRequest& request);

  MemfdMaker maker_;
  const std::shared_ptr<Core> core_;  // shared with the buffers
  const core::HeapProperties properties_;
};

}  // namespace sysmem::heaps
