// SPDX-License-Identifier: Apache-2.0
#include "heaps/foreign_memfd.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace sysmem::heaps {
namespace {

constexpr int kFixed = F_SEAL_SHRINK | F_SEAL_GROW;

// Before its size is looked at: until then its maker can change it.
absl::Status Fix(base::BorrowedFd fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0) return base::ErrnoStatus(errno, "read the seals of a memfd");
  if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
    return absl::InvalidArgumentError("it is sealed against writing");
  }
  constexpr int kWanted = kFixed | F_SEAL_SEAL;
  if ((seals & kWanted) == kWanted) return absl::OkStatus();
  if (::fcntl(fd.get(), F_ADD_SEALS, kWanted) == 0) return absl::OkStatus();
  return base::ErrnoStatus(errno, "seal it against resizing");
}

}  // namespace

absl::StatusOr<FreshMemfd> TakeForeignMemfd(base::BorrowedFd fd, uint64_t size_bytes) {
  if (absl::Status fixed = Fix(fd); !fixed.ok()) return fixed;
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return base::ErrnoStatus(errno, "look at a memfd");
  if (static_cast<uint64_t>(facts.st_size) != size_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", facts.st_size, " bytes instead of ", size_bytes));
  }
  if (::fchmod(fd.get(), kMemfdMode) != 0) return base::ErrnoStatus(errno, "set its mode to 0600");
  return KeepAnew(fd, size_bytes);
}

}  // namespace sysmem::heaps
