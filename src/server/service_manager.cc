// SPDX-License-Identifier: Apache-2.0
#include "server/service_manager.h"

#include <systemd/sd-daemon.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace sysmem::server {

absl::StatusOr<std::optional<base::UniqueFd>> TakeActivationSocket() {
  const int count = ::sd_listen_fds(/*unset_environment=*/1);
  if (count < 0) return base::ErrnoStatus(-count, "ask systemd for the listening socket");
  if (count == 0) return std::nullopt;
  if (count > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("systemd handed over ", count, " sockets; expected one"));
  }
  return base::UniqueFd(SD_LISTEN_FDS_START);
}

void NotifyReady() { ::sd_notify(/*unset_environment=*/0, "READY=1"); }
void NotifyStopping() { ::sd_notify(/*unset_environment=*/0, "STOPPING=1"); }

}  // namespace sysmem::server
