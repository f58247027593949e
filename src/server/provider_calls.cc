// SPDX-License-Identifier: Apache-2.0
#include "server/provider_calls.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/outbox.h"

namespace sysmem::server {
namespace {

using core::Error;

core::Failure Gone(const std::string& why) {
  return core::Failed(Error::kNoMemory, "EXT-4", "",
                      absl::StrCat("the heap's provider is gone: ", why));
}

template <typename Answer>
bool Is(const ProviderAnswer& answer) {
  return std::holds_alternative<Answer>(answer);
}

bool IsOfItsKind(const ProviderCallKind& call, const ProviderAnswer& answer) {
  if (Is<core::Failure>(answer)) return true;
  const auto calls_for = [&]<typename Call>(const Call&) {
    if constexpr (std::is_same_v<Call, AllocateVmoCall>) return Is<ForeignFd>(answer);
    if constexpr (std::is_same_v<Call, GetPhysicalSecureHeapsCall>) {
      return Is<PhysicalSecureHeaps>(answer);
    }
    if constexpr (std::is_same_v<Call, GetDynamicSecureHeapsCall>) {
      return Is<DynamicSecureHeaps>(answer);
    }
    if constexpr (std::is_same_v<Call, GetSecureHeapPropertiesCall>) {
      return Is<SecureHeapProperties>(answer);
    }
    return Is<core::Nothing>(answer);
  };
  return std::visit(calls_for, call);
}

// Of a call that has waited: perhaps nobody comes by its outbox any more.
void ResolveAndFlush(const CallSlot& slot, PendingResult result) {
  const auto outbox = slot.call->outbox();
  slot.Resolve(std::move(result));
  outbox->Flush();
}

}  // namespace

void ProviderCalls::Ask(Asked asked, Done done) {
  std::optional<CallSlot> taker;
  std::optional<core::Failure> refusal;
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) {
      refusal = Gone(*ended_);
    } else {
      id = ++last_id_;
      Pending& pending = pending_[id];
      pending.done = std::exchange(done, nullptr);
      pending.asked = asked;
      if (parked_.empty()) {
        untaken_.push_back(id);
      } else {
        pending.taken = true;
        taker = std::move(parked_.front());
        parked_.pop_front();
      }
    }
  }
  if (refusal) return done(*std::move(refusal));
  const EventLoop::TimerId timer =
      loop_.RunAt(EventLoop::NowNs() + patience_ns_, [weak = weak_from_this(), id] {
        if (const auto self = weak.lock()) self->Expire(id);
      });
  bool over = true;
  {
    const std::lock_guard lock(mutex_);
    const auto found = pending_.find(id);
    if (found != pending_.end()) {
      found->second.timer = timer;
      over = false;
    }
  }
  if (over) loop_.CancelTimer(timer);
  if (!taker) return;
  ResolveAndFlush(*taker, ProviderCallToPush{id, std::move(asked.what), std::move(asked.open)});
}

void ProviderCalls::Take(CallSlot slot) {
  std::optional<std::string> ended;
  uint64_t id = 0;
  Asked asked;
  {
    const std::lock_guard lock(mutex_);
    ended = ended_;
    if (!ended && untaken_.empty()) return parked_.push_back(std::move(slot));
    if (!ended) {
      id = untaken_.front();
      untaken_.pop_front();
      Pending& pending = pending_.at(id);
      pending.taken = true;
      asked = pending.asked;
    }
  }
  if (ended) return slot.Resolve(OperationResult(core::Closed(*ended)));
  slot.Resolve(ProviderCallToPush{id, std::move(asked.what), std::move(asked.open)});
}

void ProviderCalls::CancelTake(const CallSlot& slot) {
  std::optional<CallSlot> cancelled;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(parked_.begin(), parked_.end(), [&](const CallSlot& parked) {
      return parked.call == slot.call && parked.index == slot.index;
    });
    if (found == parked_.end()) return;
    cancelled = std::move(*found);
    parked_.erase(found);
  }
  core::Failure why;
  why.outcome = core::Outcome::kCancelled;
  why.message = "taken back by its own client";
  ResolveAndFlush(*cancelled, OperationResult(std::move(why)));
}

core::Result<core::Nothing> ProviderCalls::AnswerCall(uint64_t call_id, ProviderAnswer answer) {
  std::optional<Pending> pending;
  std::optional<AllocateVmoCall> late;
  {
    const std::lock_guard lock(mutex_);
    const auto found = pending_.find(call_id);
    if (found != pending_.end() && found->second.taken) {
      pending = std::move(found->second);
      pending_.erase(found);
    }
    if (auto expired = expired_.extract(call_id); !expired.empty()) late = expired.mapped();
  }
  if (late && Is<ForeignFd>(answer)) {
    answer = core::Nothing{};  // which closes it
    DeleteLateOne(*late);
  }
  if (!pending) {
    return core::Refused(Error::kNotFound, "EXT-6", "call_id",
                         absl::StrCat("call ", call_id,
                                      " waits for no answer: it was never taken, is answered, or "
                                      "took too long (limit provider_answer)"));
  }
  loop_.CancelTimer(pending->timer);
  if (IsOfItsKind(pending->asked.what, answer)) {
    pending->done(std::move(answer));
    return core::Nothing{};
  }
  const std::string message = absl::StrCat("call ", call_id, " is of another kind than its answer");
  pending->done(core::Failed(Error::kNoMemory, "EXT-6", "answer", message));
  return core::Refused(Error::kProtocolDeviation, "EXT-6", "answer", message);
}

void ProviderCalls::DeleteLateOne(const AllocateVmoCall& made) {
  Ask({DeleteVmoCall{made.buffer_collection_id, made.buffer_index},
       [] { return base::UniqueFd(); }},
      [](const ProviderAnswer&) {});
}

void ProviderCalls::Expire(uint64_t call_id) {
  std::optional<Pending> pending;
  {
    const std::lock_guard lock(mutex_);
    const auto found = pending_.find(call_id);
    if (found == pending_.end()) return;
    pending = std::move(found->second);
    pending_.erase(found);
    std::erase(untaken_, call_id);
    const auto* const made = std::get_if<AllocateVmoCall>(&pending->asked.what);
    if (pending->taken && made != nullptr) {
      expired_.emplace(call_id, *made);
      if (expired_.size() > kExpiredKept) expired_.erase(expired_.begin());
    }
  }
  pending->done(core::Failed(
      Error::kNoMemory, "EXT-6", "",
      absl::StrCat("the heap's provider did not ", pending->taken ? "answer" : "take the call",
                   " within ", patience_ns_ / 1'000'000, " ms (limit provider_answer)")));
}

void ProviderCalls::End(const std::string& why) {
  std::map<uint64_t, Pending> pending;
  std::deque<CallSlot> parked;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = why;
    pending.swap(pending_);
    parked.swap(parked_);
    untaken_.clear();
    expired_.clear();
  }
  for (auto& [id, one] : pending) {
    loop_.CancelTimer(one.timer);
    one.done(Gone(why));
  }
  for (const CallSlot& slot : parked) ResolveAndFlush(slot, OperationResult(core::Closed(why)));
}

}  // namespace sysmem::server
