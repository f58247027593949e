// SPDX-License-Identifier: Apache-2.0
//
// One client: its handle channel, its handles, its place in the order of calls.
//
//   bytes --transport--> Submit(Request) --reorder queue--> turn: Execute --> collection hosts
//                                                            answers --> Outbox --> ReplyPort
//
// Calls are carried out in the order of their numbers however they arrive. The turn is a mailbox:
// whoever completes the order drains it. The session owns the handle table, which only its turn
// touches. A session ends once, for one reason (session_end.h); its nodes are then closed
// uncleanly and every later call is aborted.
//
// Thread-safe. Kept alive by the engine until it ended, and by whoever still answers a call of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "server/inspection.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/session_end.h"

namespace sysmem::server {

class Engine;
class Outbox;
class CollectionHost;

class Session : public std::enable_shared_from_this<Session> {
 public:
  // Made by Engine::OpenSession. `handle_channel` is the accepted connection; `wire` is a duplicate
  // of the descriptor that carries the session's calls: shut down at the end, so that a client
  // that lives on notices.
  Session(Engine& engine, uint64_t id, PeerInfo peer, base::UniqueFd handle_channel,
          base::UniqueFd wire);
  ~Session();

  // Begins to watch the handle channel; right after construction, before anything else.
  absl::Status Start();

  // One call has arrived, in any order. `port` is answered exactly once, now or later.
  void Submit(Request request, std::shared_ptr<ReplyPort> port);

  // A call arrived that bears no running number: nobody can say where it belongs (kBadMessage).
  void SubmitUnnumbered(const std::string& method, std::shared_ptr<ReplyPort> port);

  // The handle channel hung up, or somebody found a reason to end this session. Only the first
  // call counts. May be called from any thread, also from within Submit.
  void End(SessionEnd end);

  SessionInfo Describe() const;
  uint64_t id() const;
  const PeerInfo& peer() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace sysmem::server
