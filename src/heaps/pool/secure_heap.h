// SPDX-License-Identifier: Apache-2.0
//
// A heap of memory that no CPU can read, simulated (server behaviour 8.2): buffers with a place in
// simulated physical memory, which protecting hardware covers while they live.
//
//   auto hardware = std::make_shared<SimulatedProtection>(
//       SimulatedProtectionOptions{.space = {.begin = base, .end = base + size}});
//   absl::StatusOr<std::unique_ptr<SecureHeap>> heap = SecureHeap::Create(
//       gate, {.name = "SysmemProtectedPool", .heap = {.type = kSecure}, .size_bytes = size,
//              .physical_base = base, .guards = kNoGuards, .ready = false}, hardware);
//   (*heap)->SetReady(true);     // secure memory has registered (SEC-2); false: it is gone (SEC-3)
//
// A buffer is a memfd of the right size without a single page, sealed against writing and handed
// out for writing only: read() gives EBADF, write() EPERM, every mmap() EACCES, while fstat(), the
// mark that tells a hand-out and the announcement of closes are those of any buffer. A holder of
// the daemon's own uid can open it anew for reading, and finds zeroes: there is nothing else in it.
// What a holder can do is to have the kernel put pages of zeroes there (fallocate(), which no seal
// forbids), as it could in a file of its own.
//
// A buffer's place is free, and no longer protected, when its Buffer is destroyed. Buffers may
// outlive the heap, and keep the hardware. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "heaps/heap.h"
#include "heaps/memfd_maker.h"
#include "heaps/pool/pool_figures.h"
#include "heaps/pool/pool_space.h"
#include "heaps/pool/protected_ranges.h"
#include "heaps/reservation_gate.h"

namespace sysmem::heaps {

// There is nothing to write a pattern to, so secure pools have none.
inline constexpr GuardOptions kNoGuards = {.pages = 0, .unused = false};

class SecureHeap final : public Heap {
 public:
  // Each buffer is protected in `hardware`, whose space is the pool's, in physical addresses; with
  // hardware that is not dynamic, all of it from the first buffer on.
  // Errors: InvalidArgument for options out of their bounds, guards, or another space.
  static absl::StatusOr<std::unique_ptr<SecureHeap>> Create(
      ReservationGate& gate, PoolOptions options, std::shared_ptr<ProtectionHardware> hardware);

  // The inaccessible domain only.
  const core::HeapProperties& properties() const override { return properties_; }
  std::vector<Figure> figures() const override { return ToFigures(ReadFigures()); }
  std::string backing() const override;
  // When nothing has been allocated or freed for a second, one step towards the fewest protected
  // bytes, each second until there is none left (PROT-4).
  int64_t Maintain(int64_t now_ns) override;
  void OnMaintenanceDue(std::function<void()> due) override;

  // Besides what heap.h says: what the hardware says when it has no pages for another range; the
  // buffer is then not made (PROT-3).
  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(const AllocateRequest& request) override;

  bool answers_later() const override;
  void AllocateAll(std::vector<AllocateRequest> requests,
                   std::shared_ptr<const core::SingleBufferSettings> settings,
                   AllAllocated done) override;

  // Buffers stay what they are when it is no longer ready.
  void SetReady(bool ready);
  PoolFigures ReadFigures() const;

 private:
  class Core;
  class SecureBuffer;

  SecureHeap(ReservationGate& gate, std::shared_ptr<Core> core);
  absl::StatusOr<std::unique_ptr<Buffer>> TryAllocate(const AllocateRequest& request);

  MemfdMaker maker_;
  const std::shared_ptr<Core> core_;  // shared with the buffers
  const core::HeapProperties properties_;
};

}  // namespace sysmem::heaps
