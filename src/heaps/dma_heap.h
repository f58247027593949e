// SPDX-License-Identifier: Apache-2.0
//
// The heaps of the kernel behind /dev/dma_heap: one for each node there, each buffer a dma-buf that
// devices import without a copy (dma_buf.h says what can be told of its holders).
//
//   absl::StatusOr<std::unique_ptr<DmaHeap>> heap = DmaHeap::Open("system", std::move(node), gate);
//
// A buffer is full of zeroes. The kernel's own heaps clear what they give; that is looked at once,
// in the first and last page of a first buffer, and never believed again after it was not so. What
// others give is cleared here.
//
// Memory of heaps that take it from all memory ("system") is asked for at the gate first. Others
// have memory of their own set aside (CMA, carve-outs), of which the kernel refuses what it has
// not.
//
// Caches: the kernel cleans them when a device imports a buffer and in DMA_BUF_IOCTL_SYNC, so
// memory that the CPU can map serves the domains CPU and RAM, cached or not; memory that it cannot
// map (secure) serves INACCESSIBLE only.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/heap.h"
#include "heaps/reservation_gate.h"

namespace sysmem::heaps {

// "linux,cma" -> "linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_LINUX_CMA" (the grammar of interface.md 2.6,
// third form).
std::string DmaHeapType(std::string_view name);

// Whether a heap of this name gives memory in one piece, set aside for devices at boot: those of
// the kernel's contiguous memory allocator ("linux,cma", later "default_cma_region", once
// "reserved"), and others whose name has "cma" as a word ("vendor-cma", "cma_camera").
bool IsContiguousDmaHeap(std::string_view name);

class DmaHeap final : public Heap {
 public:
  // `node`: /dev/dma_heap/NAME, open for reading. Takes one page, to see what it is like.
  // `gate` outlives the heap. Errors: what the kernel says when it gives no page.
  static absl::StatusOr<std::unique_ptr<DmaHeap>> Open(const std::string& name, base::UniqueFd node,
                                                       ReservationGate& gate);

  const core::HeapProperties& properties() const override { return properties_; }
  std::vector<Figure> figures() const override;
  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(const AllocateRequest& request) override;

 private:
  DmaHeap(core::HeapProperties properties, std::string name, base::UniqueFd node,
          ReservationGate& gate, bool clears);

  absl::StatusOr<base::UniqueFd> Take(uint64_t size_bytes);
  absl::StatusOr<base::UniqueFd> TakeZeroed(uint64_t size_bytes);

  const core::HeapProperties properties_;
  const std::string name_;
  const base::UniqueFd node_;
  ReservationGate& gate_;
  const bool takes_system_ram_;
  std::atomic<bool> clears_;  // what the kernel gives is not to be relied on
  std::once_flag looked_at_;
  std::atomic<uint64_t> allocated_ = 0;
  std::atomic<uint64_t> cleared_ = 0;
};

}  // namespace sysmem::heaps
