// SPDX-License-Identifier: Apache-2.0
#include "heaps/memfd_buffer.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/file_lease.h"

namespace sysmem::heaps {

MemfdBuffer::MemfdBuffer(FreshMemfd memfd, std::string name, std::optional<OpenedAhead> ahead,
                         std::shared_ptr<SpareDescriptors> spare)
    : memfd_(std::move(memfd)),
      name_(std::move(name)),
      spare_(std::move(spare)),
      ahead_(std::move(ahead)) {}

absl::StatusOr<HandedOut> MemfdBuffer::HandOut(Access access) const {
  if (std::optional<OpenedAhead> ready = TakeAhead(access)) return std::move(ready->hand_out);
  return Open(access);
}

absl::StatusOr<HandedOut> MemfdBuffer::Open(Access access) const {
  absl::StatusOr<HandedOut> opened = OpenMarked(access);
  if (!absl::IsPermissionDenied(opened.status()) || !RestoreMode()) return opened;
  return OpenMarked(access);
}

// A holder of the daemon's own uid can change the mode; the others are not to suffer from it.
bool MemfdBuffer::RestoreMode() const { return ::fchmod(memfd_.kept.get(), kMemfdMode) == 0; }

std::optional<OpenedAhead> MemfdBuffer::TakeAhead(Access access) const {
  const std::lock_guard lock(mutex_);
  if (!ahead_ || ahead_->access != access) return std::nullopt;
  return std::exchange(ahead_, std::nullopt);
}

void MemfdBuffer::OpenAhead(Access access) const {
  std::optional<OpenedAhead> other;  // closed without the lock
  {
    const std::lock_guard lock(mutex_);
    if (!opens_ahead_ || (ahead_ && ahead_->access == access)) return;
    other.swap(ahead_);
  }
  std::optional<SpareDescriptors::Lease> lease = spare_->Take();
  if (!lease) return;
  absl::StatusOr<HandedOut> opened = Open(access);
  if (!opened.ok()) return;  // whoever needs it will hear why
  OpenedAhead ahead{.hand_out = *std::move(opened), .access = access, .lease = *std::move(lease)};
  const std::lock_guard lock(mutex_);
  if (opens_ahead_ && !ahead_) ahead_.emplace(std::move(ahead));
}

void MemfdBuffer::StopOpeningAhead() const {
  std::optional<OpenedAhead> unwanted;  // closed without the lock
  const std::lock_guard lock(mutex_);
  opens_ahead_ = false;
  unwanted.swap(ahead_);
}

bool MemfdBuffer::MayLive(Mark mark) const { return memfd_.marks.MayLive(memfd_.kept, mark); }

bool MemfdBuffer::IsHandOut(base::BorrowedFd fd, Mark mark) const {
  // A mark says nothing about another file.
  const absl::StatusOr<BufferIdentity> shown = IdentityOf(fd);
  return shown.ok() && *shown == memfd_.identity && memfd_.marks.IsHandOut(memfd_.kept, fd, mark);
}

bool MemfdBuffer::IsOnlyOurs() const { return base::IsOnlyDescription(memfd_.kept); }

void MemfdBuffer::Discard() const { DiscardPages(memfd_); }

absl::StatusOr<int> MemfdBuffer::WatchCloses(base::BorrowedFd inotify) const {
  // By way of /proc, since a memfd has no path; this opens nothing, so it causes no event itself.
  const std::string link = absl::StrCat("/proc/self/fd/", memfd_.kept.get());
  int watch = ::inotify_add_watch(inotify.get(), link.c_str(), IN_CLOSE);
  if (watch < 0 && errno == EACCES && RestoreMode()) {
    watch = ::inotify_add_watch(inotify.get(), link.c_str(), IN_CLOSE);
  }
  if (watch >= 0) return watch;
  return base::ErrnoStatus(errno, "watch a memfd (fs.inotify.max_user_watches limits how many)");
}

}  // namespace sysmem::heaps
