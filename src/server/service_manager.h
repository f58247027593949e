// SPDX-License-Identifier: Apache-2.0
//
// What systemd hands us and wants to hear. Started by anybody else, these do nothing.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::server {

// The listening socket that systemd made for us, unchecked; empty when there is none.
// InvalidArgument when there are several. The answer is for the first call only; the variables that
// told about it are removed from the environment.
absl::StatusOr<std::optional<base::UniqueFd>> TakeActivationSocket();

void NotifyReady();
void NotifyStopping();

}  // namespace sysmem::server
