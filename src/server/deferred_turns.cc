// SPDX-License-Identifier: Apache-2.0
#include "server/deferred_turns.h"

#include <utility>

namespace sysmem::server {
namespace {

thread_local DeferredTurns* innermost = nullptr;

}  // namespace

DeferredTurns::DeferredTurns() : outer_(std::exchange(innermost, this)) {}

DeferredTurns::~DeferredTurns() {
  innermost = outer_;
  for (std::function<void()>& turn : turns_) {
    if (outer_ != nullptr) {
      outer_->Add(std::move(turn));
    } else {
      turn();
    }
  }
}

DeferredTurns* DeferredTurns::OfThisThread() { return innermost; }

}  // namespace sysmem::server
