// SPDX-License-Identifier: Apache-2.0
#include "server/call.h"

#include "server/outbox.h"

namespace sysmem::server {

void Call::Resolve(size_t index, PendingResult result) {
  results_[index] = std::move(result);
  CountDown();
}

void Call::CountDown() {
  // The last one to count down sees what all the others wrote.
  if (outstanding_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    outbox_->AppendReply(shared_from_this());
  }
}

}  // namespace sysmem::server
