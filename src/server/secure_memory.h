// SPDX-License-Identifier: Apache-2.0
//
// Secure memory that a process drives (server behaviour 8.2): from the registration of the driver
// over what it tells of its hardware to the heaps that are made of it, and to its end.
//
//   auto calls = secure_memory.Register(peer);  // RegisterSecureMem; the driver is asked at once
//   ...                                         // it has told everything: heaps are there
//   secure_memory.Unregister(calls);            // UnregisterSecureMem: what comes is intended
//   secure_memory.Closed(calls, why);           // its handle or session is gone
//
// Nobody waits for the driver but those who allocate secure memory, and they on a thread of their
// own. One that does not answer leaves secure memory not ready (SEC-H1); one that goes without
// having unregistered ends the daemon (SEC-4), as does one that fails to protect (PROT-5): nobody
// would know any more what is protected.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/effect.h"
#include "core/failure.h"
#include "heaps/pool/pool_space.h"
#include "heaps/reservation_gate.h"
#include "server/heap_registry.h"
#include "server/heap_upkeep.h"
#include "server/inspection.h"
#include "server/provider_calls.h"
#include "server/secure_memory_options.h"
#include "server/secure_protocol.h"
#include "server/worker.h"

namespace sysmem::server {

class SecureMemory {
 public:
  // All outlive it, and the buffers of its heaps.
  struct Surroundings {
    EventLoop& loop;
    HeapRegistry& registry;
    HeapUpkeep& upkeep;
    heaps::ReservationGate* gate = nullptr;  // null: there is no secure memory here
    int64_t patience_ns = 0;                 // with one answer of the driver
    std::function<void(core::effect::Log::Level, const PeerInfo& driver, const std::string& text)>
        log;
  };
  SecureMemory(SecureMemoryOptions options, Surroundings surroundings);
  ~SecureMemory();

  // SEC-2. Fails with PROTOCOL_DEVIATION if somebody drives secure memory already, or did until it
  // was unregistered, or the daemon does it itself.
  core::Result<std::shared_ptr<ProviderCalls>> Register(const PeerInfo& driver);
  // SEC-3. Nothing happens if that one is not registered any more (SEC-H1).
  void Unregister(const std::shared_ptr<ProviderCalls>& calls);
  // SEC-4. Nothing happens if it was unregistered before.
  void Closed(const std::shared_ptr<ProviderCalls>& calls, const std::string& why);
  // From here on drivers may go.
  void BeginShutdown();
  // What waits for a driver is over. No driver may be registered any more.
  void Stop(int64_t deadline_ns);

 private:
  class Inquiry;
  class State;
  const std::shared_ptr<State> state_;
};

}  // namespace sysmem::server
