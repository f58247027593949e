// SPDX-License-Identifier: Apache-2.0
#include "base/reopen.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace sysmem::base {

absl::StatusOr<UniqueFd> Reopen(BorrowedFd fd, int access_mode) {
  const std::string link = absl::StrCat("/proc/self/fd/", fd.get());
  UniqueFd reopened;
  do {
    reopened.reset(::open(link.c_str(), access_mode | O_CLOEXEC));
  } while (!reopened && errno == EINTR);
  if (reopened) return reopened;

  const int error = errno;
  if (error == ENOENT && ::access("/proc/self/fd", X_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "reopen ", link, ": /proc is not there; mount it in this container or chroot"));
  }
  if (error == ENXIO) {
    return absl::InvalidArgumentError(absl::StrCat("reopen ", link, ": ", ErrnoText(error)));
  }
  return ErrnoStatus(error, absl::StrCat("reopen ", link));
}

}  // namespace sysmem::base
