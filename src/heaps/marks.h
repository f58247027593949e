// SPDX-License-Identifier: Apache-2.0
//
// Tells the hand-outs of one memfd apart.
//
// A hand-out is a new open file description, and bears a mark from before it leaves: a lock of its
// own on one byte, the mark being the offset of that byte (base/ofd_lock.h). Through the kept
// description the daemon then sees whether that lock, hence that description, is still there.
//
// The offsets are random, so that nobody can lie in wait for the next one. One more random byte is
// never locked by us, the canary: when that one is locked, a holder has locked a whole range. Then
// a lock on any byte means nothing, and no hand-out is said to have gone.
//
// Thread-safe.
#pragma once

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/heap.h"

namespace sysmem::heaps {

class Marks {
 public:
  Marks();

  // A new description of the file of `kept`, marked. When the mark is refused (a holder has an
  // exclusive lock there, the kernel has no memory for locks), it is handed out without.
  // Errors: as base::Reopen.
  absl::StatusOr<HandedOut> Open(base::BorrowedFd kept, Access access) const;
  // The same, open for writing only, which no mapping can be made of; its mark is locked
  // exclusively, which needs no right to read.
  absl::StatusOr<HandedOut> OpenWriteOnly(base::BorrowedFd kept) const;

  // As Buffer::MayLive, through `kept`. One system call if it lives, two if it does not.
  bool MayLive(base::BorrowedFd kept, Mark mark) const;

  // Whether `fd` and the hand-out with this mark are one description. True only while `kept` sees
  // the mark. REQUIRES: `fd` is a descriptor of the same file.
  bool IsHandOut(base::BorrowedFd kept, base::BorrowedFd fd, Mark mark) const;

 private:
  Mark NewMark() const;

  Mark canary_;
};

}  // namespace sysmem::heaps
