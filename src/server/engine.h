// SPDX-License-Identifier: Apache-2.0
//
// The daemon without its wire: sessions, collections, heaps.
//
// The transport opens sessions and submits parsed requests; tests do the same without any gRPC.
// One core per logical collection runs behind its own mailbox (collection_host.h); sessions meet
// only in there and in the export table. Locks are leaves: never two at once, none while calling
// the transport, closing a foreign descriptor or logging.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "core/settings.h"
#include "heaps/heap.h"
#include "server/inspection.h"
#include "server/session.h"
#include "server/session_end.h"

namespace sysmem::server {

class EventLoop;

// Named limits of the daemon with their units and reasons; server/limits.cc prints them.
struct EngineLimits {
  uint32_t waits_per_session = 512;        // half of max_concurrent_streams (design 3, Waiting)
  uint32_t held_calls_per_session = 256;   // behind a hole in the numbers
  int64_t hole_ns = 2'000'000'000;         // how long a hole may last
  uint32_t unread_descriptors = 512;       // pushed and unread, per session
  int64_t outbox_stall_ns = 5'000'000'000; // no progress for so long ends the session
  uint32_t handles_per_session = 16384;
  uint32_t sessions_per_uid = 64;
  uint32_t sessions = 256;
  uint32_t received_descriptors_per_session = 64;  // sent by the client, not yet named by a call
  uint64_t inline_allocation_bytes = 256 << 10;    // above: on a worker
};

struct EngineOptions {
  EngineLimits limits;
  core::Settings core;  // heaps are filled in from `heaps`
  std::vector<std::shared_ptr<heaps::Heap>> heaps;
  std::string version;
  gid_t admin_gid = static_cast<gid_t>(-1);  // this group, root and the daemon's uid see all
};

class Engine {
 public:
  // `loop` watches descriptors and deadlines for the engine; it must outlive it.
  Engine(EngineOptions options, EventLoop& loop);
  ~Engine();

  // Starts a session on an accepted connection whose hello is done. Refused with the reason when a
  // cap is reached (kLimit). Called on the event loop's thread.
  std::shared_ptr<Session> OpenSession(PeerInfo peer, base::UniqueFd handle_channel,
                                       base::UniqueFd wire, SessionEnd* refusal);

  // Ends every session and fails every collection (SHUT-1). Returns when nothing runs any more.
  void Shutdown();

  const EngineOptions& options() const;
  ServerInfo GetServerInfo() const;

  class Internals;  // shared by session.cc, collection_host.cc, ...: server/internals.h
  Internals& internals();

 private:
  std::unique_ptr<Internals> internals_;
};

}  // namespace sysmem::server
