// SPDX-License-Identifier: Apache-2.0
//
// One call under way: collects the results of its operations and leaves through the session's
// outbox when the last one is there.
//
// Operations of a batch go to collections that take their turns independently, so results arrive
// from several threads and in any order. A result may still owe descriptors: exported ends, or
// buffers of which hand-outs are made when the outbox can send them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "base/unique_fd.h"
#include "server/buffer_set.h"
#include "server/reply.h"

namespace sysmem::server {

class Outbox;

// Ends of exported nodes on their way to the client.
struct EndsToPush {
  std::vector<base::UniqueFd> ends;
};

// Buffers for one participant (core::Grant); hand-outs are opened when they can be sent.
struct BuffersToPush {
  core::Grant grant;
  PromisedBuffers buffers;
};

// The answer to GetVmoInfo, with what it promises of that one buffer.
struct VmoInfoToPush {
  VmoInfoResult info;  // without its descriptors
  PromisedBuffers buffers;
};

// A copy of a node's reference.
struct ReferenceToPush {
  base::UniqueFd copy;
};

// What the daemon wants of a provider, and the descriptor that goes along: opened when it can be
// sent, so that a provider that takes no call costs none. Empty if it cannot be opened.
using OpenDescriptor = std::function<base::UniqueFd()>;
struct ProviderCallToPush {
  uint64_t call_id = 0;
  ProviderCallKind what;
  OpenDescriptor open;
};

using PendingResult = std::variant<OperationResult, EndsToPush, BuffersToPush, VmoInfoToPush,
                                   ReferenceToPush, ProviderCallToPush>;

class Call : public std::enable_shared_from_this<Call> {
 public:
  // `operations` results are awaited; with 0 the call is complete at once (see Start).
  Call(uint64_t number, size_t operations, std::shared_ptr<ReplyPort> port,
       std::shared_ptr<Outbox> outbox)
      : number_(number),
        port_(std::move(port)),
        outbox_(std::move(outbox)),
        results_(operations),
        outstanding_(operations + 1) {}

  // Gives the result of one operation, exactly once each. Appends the call to the outbox if it was
  // the last; somebody must flush the outbox afterwards, outside of every turn.
  void Resolve(size_t index, PendingResult result);

  // Every operation was started. Until then the call does not complete.
  void AllStarted() { CountDown(); }

  uint64_t number() const { return number_; }
  const std::shared_ptr<ReplyPort>& port() const { return port_; }
  const std::shared_ptr<Outbox>& outbox() const { return outbox_; }
  // REQUIRES: the call is complete (the outbox holds it).
  std::vector<PendingResult>& results() { return results_; }

 private:
  void CountDown();

  const uint64_t number_;
  const std::shared_ptr<ReplyPort> port_;
  const std::shared_ptr<Outbox> outbox_;
  std::vector<PendingResult> results_;
  std::atomic<size_t> outstanding_;
};

// One operation of a call: whom to tell its result.
struct CallSlot {
  std::shared_ptr<Call> call;  // null: nobody asked
  size_t index = 0;
  std::shared_ptr<void> guard;  // let go of when the operation is answered (counts waits)

  explicit operator bool() const { return call != nullptr; }
  void Resolve(PendingResult result) const {
    if (call) call->Resolve(index, std::move(result));
  }
};

}  // namespace sysmem::server
