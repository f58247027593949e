// SPDX-License-Identifier: Apache-2.0
//
// Makes the pools that the configuration asks for, and offers them.
//
//   absl::Status made = AddPools(options.pools, memory_bytes, gate, complain, engine_options);
//   if (!made.ok()) ...                                             // the daemon does not start
//
// Secure heaps for which there is no memory are listed as unusable, with what to set.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "heaps/pool/pool_space.h"
#include "heaps/reservation_gate.h"
#include "server/engine.h"
#include "server/pool_settings.h"

namespace sysmem::server {

// `memory_bytes`: how much this machine has. `gate` outlives the engine, and `complain` is called
// as long as anybody has a buffer of a pool.
// Errors: InvalidArgument or ResourceExhausted, with the setting.
absl::Status AddPools(const PoolSettings& settings, uint64_t memory_bytes,
                      heaps::ReservationGate& gate, const heaps::Complain& complain,
                      EngineOptions& engine_options);

}  // namespace sysmem::server
