// SPDX-License-Identifier: Apache-2.0
//
// What the daemon's configuration says of secure memory that a process drives (secure_memory.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "heaps/pool/pool_space.h"

namespace sysmem::server {

struct SecureMemoryOptions {
  // Of the protected pool, whole units (heaps::kProtectedPoolUnitBytes); 0: there is none.
  uint64_t protected_bytes = 0;
  uint64_t physical_base = 0;  // of that pool: a multiple of a MiB
  // The daemon simulates the heaps of secure memory itself, so nobody may register.
  bool is_simulated = false;
  heaps::Complain complain;  // of pools
  // The daemon has to end, and why. May return: tests go on.
  std::function<void(const std::string& why)> end_daemon = [](const std::string&) {};
};

}  // namespace sysmem::server
