// SPDX-License-Identifier: Apache-2.0
//
// One process's part in the collection: session, token, negotiation, and what the daemon has to
// tell afterwards. The steps are the stages of participant.h, at each of which it can pause.
//
//   Membership membership(options, Role::kAnalyser);
//   membership.Connect();
//   Result<Token> token = membership.Import(token_descriptor);
//   Result<Buffers> buffers = membership.Negotiate(std::move(*token), needs);
//   ... poll membership.fd(), call membership.Dispatch() ...
//   membership.Leave();
//
// Thread-safety: one thread sets up and leaves; in between another may poll and dispatch.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <sysmem/sysmem.hpp>

#include "tools/demo/participant.h"

namespace sysmem::demo {

class Membership {
 public:
  Membership(const ParticipantOptions& options, Role role) : options_(options), role_(role) {}
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  Result<void> Connect();
  // REQUIRES: connected; likewise below.
  Client& client() { return *client_; }
  // A token that arrived as a descriptor.
  Result<Token> Import(UniqueFd descriptor);
  // Says what this process needs and waits until the buffers are there.
  Result<Buffers> Negotiate(Token token, const Constraints& needs);

  // Readable when Dispatch() has something to do.
  int fd() const { return client_->fd(); }
  // Takes in what the daemon tells. Failure, for good, once the collection or the session is gone.
  Result<void> Dispatch();
  // Waits a moment for the daemon to tell why somebody has gone, who was seen to go by
  // `what_was_seen`; a failure in any case.
  Failure AskWhatHappened(const std::string& what_was_seen);

  // Leaves so that the others can go on.
  void Leave();

 private:
  Result<void> Settle(Stage stage);
  void Lost(const Failure& why);
  std::optional<Failure> loss() const;

  const ParticipantOptions& options_;
  const Role role_;
  mutable std::mutex mutex_;
  std::optional<Failure> loss_;  // guarded by mutex_
  // Last: their callbacks use the above.
  std::optional<Client> client_;
  std::optional<Collection> collection_;
};

}  // namespace sysmem::demo
