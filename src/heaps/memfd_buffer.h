// SPDX-License-Identifier: Apache-2.0
//
// A buffer that is a memfd: what heap.h promises of buffers, kept for one.
//
// Each promise rests on one Linux mechanism: separate rights and a separate end for each hand-out
// on reopening (base/reopen.h), marks on locks (marks.h), the proof that nobody is left on a lease
// (base/file_lease.h), the announcement of closes on inotify.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "heaps/heap.h"
#include "heaps/memfd_maker.h"
#include "heaps/spare_descriptors.h"
#include "heaps/warm_pool.h"

namespace sysmem::heaps {

class MemfdBuffer : public Buffer {
 public:
  // `ahead`: the first hand-out, if it is open already. `spare` is the budget for further ones.
  MemfdBuffer(FreshMemfd memfd, std::string name, std::optional<OpenedAhead> ahead,
              std::shared_ptr<SpareDescriptors> spare);

  absl::StatusOr<HandedOut> HandOut(Access access) const override;
  void OpenAhead(Access access) const override;
  void StopOpeningAhead() const override;
  bool MayLive(Mark mark) const override;
  bool IsHandOut(base::BorrowedFd fd, Mark mark) const override;
  bool IsOnlyOurs() const override;
  void Discard() const override;
  absl::StatusOr<int> WatchCloses(base::BorrowedFd inotify) const override;

  BufferIdentity identity() const override { return memfd_.identity; }
  uint64_t size_bytes() const override { return memfd_.size_bytes; }
  const std::string& name() const override { return name_; }

 protected:
  // Opens a hand-out, marked; tried again when the memfd's mode had to be restored.
  virtual absl::StatusOr<HandedOut> OpenMarked(Access access) const {
    return memfd_.marks.Open(memfd_.kept, access);
  }
  const FreshMemfd& memfd() const { return memfd_; }

 private:
  absl::StatusOr<HandedOut> Open(Access access) const;
  bool RestoreMode() const;
  std::optional<OpenedAhead> TakeAhead(Access access) const;

  const FreshMemfd memfd_;  // its descriptor is the daemon's one open file description
  const std::string name_;
  const std::shared_ptr<SpareDescriptors> spare_;
  mutable std::mutex mutex_;
  mutable std::optional<OpenedAhead> ahead_;  // guarded by mutex_
  mutable bool opens_ahead_ = true;           // guarded by mutex_
};

}  // namespace sysmem::heaps
