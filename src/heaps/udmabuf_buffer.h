// SPDX-License-Identifier: Apache-2.0
//
// A buffer of the heap UDMABUF (udmabuf_heap.h says what it is and why).
//
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "heaps/dma_buf.h"
#include "heaps/memfd_maker.h"
#include "heaps/spare_descriptors.h"
#include "heaps/udmabuf_heap.h"

namespace sysmem::heaps {

class UdmabufBuffer final : public Buffer {
 public:
  // `shared`: a dma-buf of `memfd`. `lease` is for the descriptor of the memfd.
  UdmabufBuffer(FreshMemfd memfd, std::unique_ptr<DmaBufBuffer> shared,
                std::shared_ptr<const UdmabufMaker> udmabufs, SpareDescriptors::Lease lease,
                std::shared_ptr<SpareDescriptors> further);

  absl::StatusOr<HandedOut> HandOut(Access access) const override;
  absl::StatusOr<HandedOut> HandOutWeak(Access access) const override;
  bool MayLive(Mark mark) const override;
  bool IsHandOut(base::BorrowedFd fd, Mark mark) const override;
  bool IsOnlyOurs() const override;
  void Discard() const override;

  BufferIdentity identity() const override { return shared_->identity(); }
  uint64_t size_bytes() const override { return memfd_.size_bytes; }
  const std::string& name() const override { return shared_->name(); }

 private:
  // What one weak holder has.
  struct Apart {
    std::unique_ptr<DmaBufBuffer> dma_buf;
    SpareDescriptors::Lease lease;
  };
  // Of all strong hand-outs; those of weak ones count on from here.
  static constexpr Mark kShared = 1;

  const FreshMemfd memfd_;
  const std::unique_ptr<DmaBufBuffer> shared_;
  const std::shared_ptr<const UdmabufMaker> udmabufs_;
  const SpareDescriptors::Lease lease_;
  const std::shared_ptr<SpareDescriptors> further_;
  mutable std::mutex mutex_;
  mutable std::map<Mark, Apart> apart_;   // guarded by mutex_
  mutable Mark next_mark_ = kShared + 1;  // likewise
};

}  // namespace sysmem::heaps
