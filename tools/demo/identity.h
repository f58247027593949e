// SPDX-License-Identifier: Apache-2.0
//
// Under which users the processes of the demo run.
//
// When the launcher is root, each gets a user of its own, one without any rights and without an
// entry in /etc/passwd. Then the daemon can really keep the readers from writing, even if they open
// their descriptors again. Otherwise all run as the caller, and read-only is advice.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <optional>

#include "tools/demo/participant.h"

namespace sysmem::demo {

// Both user and group. From a range of which Debian creates users only when a package asks for its
// own.
inline constexpr uid_t kDaemonUser = 64001;
inline constexpr uid_t kFirstParticipantUser = 64002;  // decoder, analyser, presenter, reference

inline bool HasSeparateUsers() { return ::geteuid() == 0; }

inline std::optional<uid_t> UserOfDaemon() {
  return HasSeparateUsers() ? std::optional(kDaemonUser) : std::nullopt;
}
inline std::optional<uid_t> UserOf(Role role) {
  if (!HasSeparateUsers()) return std::nullopt;
  return kFirstParticipantUser + static_cast<uid_t>(role);
}

}  // namespace sysmem::demo
