// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a state that no event announces, such as "all descriptors are back".
#pragma once

#include <chrono>

#include "tests/support/patience.h"

namespace sysmem::testing {

// Asks `probe` until it says true, at most for kPatience; its last word. The probe must ask the
// daemon something that is answered, so that the loop runs at the pace of answers.
template <typename Probe>
bool Eventually(Probe probe) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!probe()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
  }
  return true;
}

}  // namespace sysmem::testing
