// SPDX-License-Identifier: Apache-2.0
#include "heaps/marks.h"

#include <fcntl.h>
#include <sys/random.h>

#include <cstdint>
#include <utility>

#include "base/ofd_lock.h"
#include "base/reopen.h"

namespace sysmem::heaps {
namespace {

// Below 2^62: the end of the byte fits off_t as well.
constexpr uint64_t kOffsetMask = (uint64_t{1} << 62) - 1;

// 1 to 2^62 - 1; 0 only when the kernel has no random numbers, which it has once it has booted.
Mark RandomOffset() {
  uint64_t random = 0;
  while (::getrandom(&random, sizeof(random), 0) == ssize_t{sizeof(random)}) {
    if ((random & kOffsetMask) != 0) return random & kOffsetMask;
  }
  return 0;
}

// The kernel not answering proves nothing.
bool SeesLock(base::BorrowedFd kept, uint64_t offset) {
  return base::ByteIsLockedByAnother(kept, offset).value_or(true);
}

}  // namespace

Marks::Marks() : canary_(RandomOffset()) {}

absl::StatusOr<HandedOut> Marks::Open(base::BorrowedFd kept, Access access) const {
  absl::StatusOr<base::UniqueFd> opened =
      base::Reopen(kept, access == Access::kReadOnly ? O_RDONLY : O_RDWR);
  if (!opened.ok()) return opened.status();
  HandedOut handed_out{.fd = *std::move(opened), .mark = NewMark()};
  if (handed_out.mark != 0 && !base::LockByteShared(handed_out.fd, handed_out.mark).ok()) {
    handed_out.mark = 0;
  }
  return handed_out;
}

absl::StatusOr<HandedOut> Marks::OpenWriteOnly(base::BorrowedFd kept) const {
  absl::StatusOr<base::UniqueFd> opened = base::Reopen(kept, O_WRONLY);
  if (!opened.ok()) return opened.status();
  HandedOut handed_out{.fd = *std::move(opened), .mark = NewMark()};
  if (handed_out.mark != 0 && !base::LockByteExclusively(handed_out.fd, handed_out.mark).ok()) {
    handed_out.mark = 0;
  }
  return handed_out;
}

// 0 if there is none that means anything.
Mark Marks::NewMark() const {
  const Mark mark = RandomOffset();
  return mark == canary_ ? 0 : mark;
}

bool Marks::MayLive(base::BorrowedFd kept, Mark mark) const {
  return mark == 0 || SeesLock(kept, mark) || SeesLock(kept, canary_);
}

bool Marks::IsHandOut(base::BorrowedFd kept, base::BorrowedFd fd, Mark mark) const {
  // The kept description conflicts with the lock, the one that has it does not.
  return mark != 0 && SeesLock(kept, mark) && !base::ByteIsLockedByAnother(fd, mark).value_or(true);
}

}  // namespace sysmem::heaps
