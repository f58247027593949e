// SPDX-License-Identifier: Apache-2.0
#include "heaps/udmabuf_buffer.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace sysmem::heaps {

UdmabufBuffer::UdmabufBuffer(FreshMemfd memfd, std::unique_ptr<DmaBufBuffer> shared,
                             std::shared_ptr<const UdmabufMaker> udmabufs,
                             SpareDescriptors::Lease lease,
                             std::shared_ptr<SpareDescriptors> further)
    : memfd_(std::move(memfd)),
      shared_(std::move(shared)),
      udmabufs_(std::move(udmabufs)),
      lease_(std::move(lease)),
      further_(std::move(further)) {}

absl::StatusOr<HandedOut> UdmabufBuffer::HandOut(Access access) const {
  absl::StatusOr<HandedOut> made = shared_->HandOut(access);
  if (made.ok()) made->mark = kShared;
  return made;
}

absl::StatusOr<HandedOut> UdmabufBuffer::HandOutWeak(Access access) const {
  std::optional<SpareDescriptors::Lease> lease = further_->Take();
  if (!lease) return HandOut(access);
  absl::StatusOr<base::UniqueFd> own = udmabufs_->Make(memfd_.kept, memfd_.size_bytes);
  if (!own.ok()) return own.status();
  auto dma_buf = DmaBufBuffer::Adopt(*std::move(own), name());
  if (!dma_buf.ok()) return dma_buf.status();
  absl::StatusOr<HandedOut> made = (*dma_buf)->HandOut(access);
  if (!made.ok()) return made.status();
  made->identity = (*dma_buf)->identity();
  const std::lock_guard lock(mutex_);
  made->mark = next_mark_++;
  apart_.emplace(made->mark, Apart{*std::move(dma_buf), *std::move(lease)});
  return made;
}

bool UdmabufBuffer::MayLive(Mark mark) const {
  if (mark == 0) return true;
  if (mark == kShared) return !shared_->IsOnlyOurs();
  std::map<Mark, Apart>::node_type gone;  // closed without the lock
  const std::lock_guard lock(mutex_);
  const auto found = apart_.find(mark);
  if (found == apart_.end()) return false;
  if (!found->second.dma_buf->IsOnlyOurs()) return true;
  gone = apart_.extract(found);
  return false;
}

bool UdmabufBuffer::IsHandOut(base::BorrowedFd fd, Mark mark) const {
  const absl::StatusOr<BufferIdentity> shown = IdentityOf(fd);
  if (!shown.ok()) return false;
  if (mark == kShared) return *shown == identity();
  const std::lock_guard lock(mutex_);
  const auto found = apart_.find(mark);
  return found != apart_.end() && found->second.dma_buf->identity() == *shown;
}

bool UdmabufBuffer::IsOnlyOurs() const {
  if (!shared_->IsOnlyOurs()) return false;
  const std::lock_guard lock(mutex_);
  return std::all_of(apart_.begin(), apart_.end(),
                     [](const auto& one) { return one.second.dma_buf->IsOnlyOurs(); });
}

void UdmabufBuffer::Discard() const { DiscardPages(memfd_); }

}  // namespace sysmem::heaps
