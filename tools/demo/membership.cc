// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/membership.h"

#include <unistd.h>

#include <chrono>
#include <utility>

namespace sysmem::demo {
namespace {

using namespace std::chrono_literals;

// The daemon learns of a death when we do; this is ample for it to tell us.
constexpr auto kNewsMayTake = 3s;

}  // namespace

Result<void> Membership::Connect() {
  Result<Client> client = Client::Connect({.path = options_.socket,
                                           .debug_name = "demo-" + RoleName(role_),
                                           .debug_id = static_cast<uint64_t>(::getpid())});
  if (!client.ok()) return std::move(client).failure();
  client_ = std::move(*client);
  client_->OnEnded([this](const Failure& why) { Lost(why); });
  return PauseIfTold(options_, Stage::kConnected);
}

Result<Token> Membership::Import(UniqueFd descriptor) {
  Result<Token> token = client_->ImportToken(std::move(descriptor));
  if (!token.ok()) return token;
  if (options_.pause_at == Stage::kTokenHeld) {
    if (Result<void> held = token->Sync(); !held.ok()) return held.failure();
  }
  if (Result<void> paused = PauseIfTold(options_, Stage::kTokenHeld); !paused.ok()) {
    return paused.failure();
  }
  return token;
}

Result<Buffers> Membership::Negotiate(Token token, const Constraints& needs) {
  Result<Collection> collection = std::move(token).Bind();
  if (!collection.ok()) return collection.failure();
  collection_ = std::move(*collection);
  collection_->SetListener({.closed = [this](const Failure& why) { Lost(why); }});
  if (Result<void> settled = Settle(Stage::kBound); !settled.ok()) return settled.failure();

  if (Result<void> set = collection_->SetConstraints(needs); !set.ok()) return set.failure();
  if (Result<void> settled = Settle(Stage::kConstraintsSet); !settled.ok()) {
    return settled.failure();
  }

  const Deadline deadline(options_.timeout);
  Result<PendingWait> wait = collection_->StartWait(deadline);
  if (!wait.ok()) return wait.failure();
  if (Result<void> settled = Settle(Stage::kWaiting); !settled.ok()) return settled.failure();
  Result<Buffers> buffers = wait->Finish(deadline);
  if (!buffers.ok() && IsFaultOfOthers(buffers.failure())) Lost(buffers.failure());
  return buffers;
}

// Pausing means something only when the daemon has seen everything up to here.
Result<void> Membership::Settle(Stage stage) {
  if (options_.pause_at != stage) return {};
  if (Result<void> seen = collection_->Sync(); !seen.ok()) return seen;
  return PauseIfTold(options_, stage);
}

Result<void> Membership::Dispatch() {
  if (Result<size_t> ran = client_->Dispatch(); !ran.ok()) Lost(ran.failure());
  if (std::optional<Failure> why = loss()) return *why;
  return {};
}

Failure Membership::AskWhatHappened(const std::string& what_was_seen) {
  // Without a part in anything there is nothing that the daemon could tell.
  if (!collection_ && !loss()) return OthersLeft(what_was_seen);
  const auto enough = std::chrono::steady_clock::now() + kNewsMayTake;
  while (!loss() && std::chrono::steady_clock::now() < enough) {
    if (Result<size_t> ran = client_->Dispatch(Deadline(enough)); !ran.ok()) Lost(ran.failure());
  }
  const std::optional<Failure> why = loss();
  if (!why) return OthersLeft(what_was_seen + "; the daemon has not said why");
  return Prefixed(what_was_seen, *why);
}

void Membership::Leave() {
  collection_.reset();
  client_.reset();
}

// The first news is the reason; what follows follows from it.
void Membership::Lost(const Failure& why) {
  const std::lock_guard lock(mutex_);
  if (loss_) return;
  loss_ = why;
  StatusWriter(options_.status_fd).Line("EVENT", why.message);
}

std::optional<Failure> Membership::loss() const {
  const std::lock_guard lock(mutex_);
  return loss_;
}

}  // namespace sysmem::demo
