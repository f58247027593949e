// SPDX-License-Identifier: Apache-2.0
//
// How long a test waits for what must happen. Everything is awaited by an event, so a good run
// never comes near; a sanitized build on a busy machine may come nearer than one thinks.
#pragma once

#include <chrono>

namespace sysmem::testing {

inline constexpr std::chrono::seconds kPatience{60};

}  // namespace sysmem::testing
