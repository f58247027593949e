// SPDX-License-Identifier: Apache-2.0
#include "base/ofd_lock.h"

#include <cerrno>

#include "base/errno_status.h"

namespace sysmem::base {
namespace {

// l_pid must be 0 in all commands on OFD locks.
struct flock OneByte(short type, uint64_t offset) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = 1;
  return lock;
}

absl::Status LockByte(BorrowedFd fd, short type, uint64_t offset) {
  struct flock lock = OneByte(type, offset);
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "lock a byte of a file");
}

}  // namespace

absl::Status LockByteShared(BorrowedFd fd, uint64_t offset) {
  return LockByte(fd, F_RDLCK, offset);
}

absl::Status LockByteExclusively(BorrowedFd fd, uint64_t offset) {
  return LockByte(fd, F_WRLCK, offset);
}

std::optional<bool> ByteIsLockedByAnother(BorrowedFd fd, uint64_t offset) {
  // Asks for an exclusive lock, which conflicts with every lock.
  struct flock lock = OneByte(F_WRLCK, offset);
  if (::fcntl(fd.get(), F_OFD_GETLK, &lock) != 0) return std::nullopt;
  return lock.l_type != F_UNLCK;
}

}  // namespace sysmem::base
