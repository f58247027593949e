// SPDX-License-Identifier: Apache-2.0
//
// The users that tests run as. A test run by root puts the daemon and its clients under uids of
// their own, as an installation does; an ordinary user's test run has only itself, and what needs
// several uids is skipped there, by name.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <optional>

#include "gtest/gtest.h"

namespace sysmem::testing {

// Of nobody, and not those of the distribution's own services.
inline constexpr uid_t kDaemonUid = 61001;
inline constexpr uid_t kClientUid = 61002;
inline constexpr uid_t kOtherClientUid = 61003;

inline bool IsRoot() { return ::geteuid() == 0; }
// `uid` for a process to be started under, or nothing when we cannot choose.
inline std::optional<uid_t> As(uid_t uid) {
  return IsRoot() ? std::optional<uid_t>(uid) : std::nullopt;
}

}  // namespace sysmem::testing

// First statement of a test that means something only between different users.
#define SYSMEM_NEEDS_SEVERAL_UIDS()                                               \
  if (!::sysmem::testing::IsRoot()) {                                             \
    GTEST_SKIP() << "needs several uids, which only a test run by root can have"; \
  }
