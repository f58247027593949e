// SPDX-License-Identifier: Apache-2.0
//
// What must hold for every input of a fuzzer. A broken promise ends the process where it is found,
// which a fuzzer keeps as a crash.
//
//   Require(message.ok(), "what was encoded is decoded");
#pragma once

#include <cstdio>
#include <cstdlib>

namespace sysmem::fuzz {

inline void Require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

}  // namespace sysmem::fuzz
