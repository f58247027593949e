// SPDX-License-Identifier: Apache-2.0
//
// The heap UDMABUF: ordinary memory that devices can import. Each buffer is a sealed memfd
// (memfd_maker.h) that /dev/udmabuf makes a dma-buf of.
//
// Of one memfd any number of dma-bufs can be made, and each has a count of references of its own.
// That tells weak holders from strong ones: all strong holders share one dma-buf, whose inode is
// the buffer's, and each weak one gets a dma-buf for himself. Giving every strong holder one, too,
// would tell them apart as well, but break what devices do: the fences by which one device waits
// for another belong to a dma-buf, not to its memory, and an importer takes two dma-bufs for two
// buffers. So a weak holder that hands the buffer to a device has to wait for the others himself.
//
// A hand-out always allows writing (HeapProperties::reduces_rights is false). Its end is announced
// nowhere, but seen when asked for, like that of any dma-buf (dma_buf.h).
//
// A buffer costs two descriptors and one more for each weak holder. These others have a budget;
// when it is used up no buffer is made, and a weak holder gets what the strong ones share: he then
// seems to be one of them.
//
// Limits of the kernel module: size_limit_mb (64 at first) bounds a buffer; list_limit bounds the
// pieces that one dma-buf is made of, and here it is always one. Root changes the first in
// /sys/module/udmabuf/parameters, at any time.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/heap.h"
#include "heaps/memfd_maker.h"
#include "heaps/reservation_gate.h"
#include "heaps/spare_descriptors.h"

namespace sysmem::heaps {

inline constexpr char kHeapUdmabuf[] = "linux.sysmem.heap.HEAP_TYPE.UDMABUF";

struct UdmabufHeapOptions {
  // Where the module says what it allows.
  std::string parameters = "/sys/module/udmabuf/parameters";
  // Descriptors besides the one of each buffer: one of its memfd, and one for each weak hand-out.
  uint64_t further_descriptors = 64;
};

// What makes dma-bufs of memfds; shared by the heap and its buffers, which may outlive it.
class UdmabufMaker {
 public:
  // `node`: /dev/udmabuf, open for reading.
  explicit UdmabufMaker(base::UniqueFd node) : node_(std::move(node)) {}
  // REQUIRES: the memfd is sealed against shrinking. Errors: the kernel's.
  absl::StatusOr<base::UniqueFd> Make(base::BorrowedFd memfd, uint64_t size_bytes) const;

 private:
  const base::UniqueFd node_;
};

class UdmabufHeap final : public Heap {
 public:
  // Makes a dma-buf of one page, to see that it can. `gate` is asked before memory is taken, and
  // outlives the heap. Errors: the kernel's.
  static absl::StatusOr<std::unique_ptr<UdmabufHeap>> Open(base::UniqueFd node,
                                                           ReservationGate& gate,
                                                           UdmabufHeapOptions options = {});

  const core::HeapProperties& properties() const override { return properties_; }
  std::vector<Figure> figures() const override;
  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(const AllocateRequest& request) override;

 private:
  UdmabufHeap(base::UniqueFd node, ReservationGate& gate, UdmabufHeapOptions options);
  absl::Status CheckLimit(uint64_t size_bytes) const;
  absl::StatusOr<std::unique_ptr<Buffer>> Make(std::string name, uint64_t size_bytes);

  const core::HeapProperties properties_;
  const UdmabufHeapOptions options_;
  const std::shared_ptr<const UdmabufMaker> udmabufs_;
  MemfdMaker memfds_;
  const std::shared_ptr<SpareDescriptors> further_;
  std::atomic<uint64_t> allocated_ = 0;
};

}  // namespace sysmem::heaps
