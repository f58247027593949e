// SPDX-License-Identifier: Apache-2.0
//
// The heap SYSTEM_RAM: ordinary memory, each buffer a memfd of its own.
//
// What holds for every buffer from before its first hand-out on:
//   - its size is fixed (seals SHRINK and GROW), so no holder can make another one's mapping fault;
//   - no further seal can be added (SEAL), so no holder can freeze the others out by sealing it
//     against writing;
//   - its pages are there (fallocate), so using it cannot run out of memory;
//   - its mode is 0600, so a holder of another uid cannot reopen a read-only descriptor for writing
//     (one of the daemon's own uid can: between these, read-only is advisory);
//   - it cannot be made executable, where the kernel knows how (MFD_NOEXEC_SEAL, Linux 6.3);
//   - it is zeroed, by the kernel;
//   - who holds it can be told, hand-out by hand-out, and its last close is announced
//     (memfd_buffer.h).
// The daemon keeps one open file description of it. The one that memfd_create() returned is closed
// and never handed out, because the kernel reports nothing about the closing of that kind.
//
// A memfd that has left the daemon is never used again for another buffer. Those of sizes that were
// wanted lately are made ahead of time (warm_pool.h); those bear the pool's name in /proc, because
// a memfd cannot be renamed.
#pragma once

#include <memory>

#include "heaps/heap.h"
#include "heaps/memfd_maker.h"
#include "heaps/reservation_gate.h"
#include "heaps/spare_descriptors.h"
#include "heaps/warm_pool.h"

namespace sysmem::heaps {

// Name of the memfds that are made before it is known whose they will be.
inline constexpr char kPooledBuffer[] = "sysmem-pool";

struct MemfdHeapOptions {
  WarmPoolOptions warm_pool;
  // Descriptors that may be open for what nobody has asked for yet.
  uint64_t spare_descriptors = 0;
};

class MemfdHeap final : public Heap {
 public:
  // `gate` is asked before memory is taken, and outlives the heap.
  explicit MemfdHeap(ReservationGate& gate, MemfdHeapOptions options = {});

  const core::HeapProperties& properties() const override { return properties_; }
  KeptReady kept_ready() const override { return pool_.kept(); }
  uint64_t spare_descriptors() const override { return spare_->open(); }
  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(const AllocateRequest& request) override;

  WarmPool& warm_pool() { return pool_; }

 private:
  const core::HeapProperties properties_;
  MemfdMaker maker_;
  // The pool asks a gate of its own: its thread may be stopped while it holds the lock of one. What
  // it takes is little (WarmPoolOptions::available_divisor), and shows in the next reading.
  ReservationGate pool_gate_;
  MemfdMaker pool_maker_;
  const std::shared_ptr<SpareDescriptors> spare_;
  WarmPool pool_;  // last: its thread uses the others
};

}  // namespace sysmem::heaps
