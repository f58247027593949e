// SPDX-License-Identifier: Apache-2.0
//
// The calls that go backwards: from the daemon to one provider of a heap, in the provider's own
// session.
//
//   daemon:   calls->Ask({AllocateVmoCall{...}, std::move(offered)}, [](ProviderAnswer answer)
//   {...}); provider: Take, now or before, is answered with the call; AnswerCall carries what came
//   of it
//
// Whoever asks is answered exactly once: by the provider, by the end of its patience (the limit
// provider_answer), or by the end of the registration. Calls may be answered in any order.
//
// Thread-safe. Callbacks are called without locks: by the thread that brings the provider's answer,
// the loop's, or, after End, the caller's own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "base/unique_fd.h"
#include "core/failure.h"
#include "server/call.h"
#include "server/event_loop.h"
#include "server/incoming_descriptors.h"
#include "server/provider_call.h"

namespace sysmem::server {

// A descriptor to AllocateVmoCall, what the driver of secure memory is asked for, nothing to the
// others, or why not.
using ProviderAnswer = std::variant<ForeignFd, core::Nothing, core::Failure, PhysicalSecureHeaps,
                                    DynamicSecureHeaps, SecureHeapProperties>;

class ProviderCalls : public std::enable_shared_from_this<ProviderCalls> {
 public:
  struct Asked {
    ProviderCallKind what;
    OpenDescriptor open;
  };
  using Done = std::function<void(ProviderAnswer)>;

  // REQUIRES: owned by a shared_ptr; `loop` outlives it.
  ProviderCalls(EventLoop& loop, int64_t patience_ns) : loop_(loop), patience_ns_(patience_ns) {}

  void Ask(Asked asked, Done done);

  // The provider wants the next call: `slot` is resolved with it, now or later. Whoever calls this
  // flushes the slot's outbox afterwards.
  void Take(CallSlot slot);
  // As if it had not asked. Nothing happens if it was answered.
  void CancelTake(const CallSlot& slot);

  // Fails with NOT_FOUND if no such call waits for an answer, and with PROTOCOL_DEVIATION if it is
  // an answer of another kind: the call has then failed. A buffer that comes too late is asked to
  // be deleted again, like any that nobody wants any more (EXT-7).
  core::Result<core::Nothing> AnswerCall(uint64_t call_id, ProviderAnswer answer);

  // The registration is over. Everything that waits ends.
  void End(const std::string& why);

 private:
  struct Pending {
    Asked asked;
    Done done;
    EventLoop::TimerId timer = 0;
    bool taken = false;
  };

  // Of a provider that is late again and again, so many calls are known that may yet be answered.
  static constexpr size_t kExpiredKept = 1024;

  void Expire(uint64_t call_id);
  void DeleteLateOne(const AllocateVmoCall& made);

  EventLoop& loop_;
  const int64_t patience_ns_;

  std::mutex mutex_;
  // Guarded by mutex_:
  uint64_t last_id_ = 0;
  std::map<uint64_t, Pending> pending_;
  std::deque<uint64_t> untaken_;
  std::deque<CallSlot> parked_;
  std::map<uint64_t, AllocateVmoCall> expired_;  // that were taken
  std::optional<std::string> ended_;
};

}  // namespace sysmem::server
