// SPDX-License-Identifier: Apache-2.0
//
// The heaps that a session serves for others: registration, and the calls that go backwards
// (server-behaviour.md 8.1).
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "server/external_heap.h"
#include "server/session_impl.h"

namespace sysmem::server {
namespace {

using core::Error;
using core::Refused;

std::string NameOf(const core::Heap& heap) {
  return absl::StrCat("heap ", base::Escape(heap.type), " ", heap.id);
}

core::Failure MayNotServe(uid_t uid) {
  return Refused(Error::kHandleAccessDenied, "EXT-1", "",
                 absl::StrCat("user ", uid,
                              " may not serve heaps: whoever does supplies other people's memory "
                              "(heap_providers of the daemon's configuration)"));
}

core::Failure OwnHeap(const core::Heap& heap) {
  return Refused(Error::kProtocolDeviation, "EXT-1", "heap",
                 absl::StrCat(NameOf(heap), " is the daemon's own"));
}

void Refuse(const CallSlot& slot, core::Failure why) {
  slot.Resolve(OperationResult(std::move(why)));
}

}  // namespace

bool Session::Impl::MayServe() const {
  const EngineOptions& options = engine_.options;
  return options.gate != nullptr && (peer.uid == 0 || peer.uid == engine_.daemon_uid ||
                                     options.heap_providers.contains(peer.uid));
}

void Session::Impl::Do(const CallSlot& slot, op::RegisterHeap& what) {
  if (auto refusal = RefuseNewHandle(what.handle, "handle"))
    return Refuse(slot, *std::move(refusal));
  if (!what.heap || what.heap->type.empty()) {
    return Refuse(slot, Refused(Error::kProtocolDeviation, "EXT-1", "heap.heap_type",
                                "the heap needs a name"));
  }
  if (!MayServe()) return Refuse(slot, MayNotServe(peer.uid));
  if (engine_.heaps->IsOwn(*what.heap)) {
    return Refuse(slot, OwnHeap(*what.heap));
  }
  registrations_[*what.handle] =
      Registration{.name = *std::move(what.heap), .calls = {}, .heap = {}};
  slot.Resolve(OperationResult(core::Nothing{}));
}

// SEC-5: answered at once; what there is to ask comes afterwards.
void Session::Impl::Do(const CallSlot& slot, op::RegisterSecureMem& what) {
  if (auto refusal = RefuseNewHandle(what.handle, "handle"))
    return Refuse(slot, *std::move(refusal));
  if (!MayServe()) return Refuse(slot, MayNotServe(peer.uid));
  auto registered = engine_.secure_memory->Register(peer);
  if (!registered.ok()) return Refuse(slot, std::move(registered).failure());
  registrations_[*what.handle] = Registration{
      .name = {}, .calls = std::move(registered).value(), .heap = {}, .is_secure_memory = true};
  engine_.TellOfHeap(WatchKind::kProviderCame, {}, peer, id);
  slot.Resolve(OperationResult(core::Nothing{}));
}

// SEC-H1: of a session that drives nothing it is nothing.
void Session::Impl::Do(const CallSlot& slot, op::UnregisterSecureMem&) {
  for (const auto& [handle, registration] : registrations_) {
    if (registration.is_secure_memory) engine_.secure_memory->Unregister(registration.calls);
  }
  slot.Resolve(OperationResult(core::Nothing{}));
}

void Session::Impl::Do(const CallSlot& slot, op::OnRegister& what) {
  Registration* const registration = RegistrationFor(slot, what.handle, /*ready=*/false);
  if (registration == nullptr) return;
  if (!what.properties) {
    return Refuse(
        slot, Refused(Error::kProtocolDeviation, "EXT-2", what.missing, "the field is missing"));
  }
  const uint32_t limit = engine_.options.limits.provided_heaps;
  if (!engine_.heaps->Find(registration->name) && engine_.heaps->provided() >= limit) {
    return Refuse(slot, Refused(Error::kProtocolDeviation, "LIMIT-HEAPS", "",
                                absl::StrCat("other processes serve ", limit,
                                             " heaps already (limit provided_heaps)")));
  }
  const bool trusted = peer.uid == 0 || peer.uid == engine_.daemon_uid;
  if (what.gives_dma_bufs && !trusted) {
    return Refuse(slot, Refused(Error::kHandleAccessDenied, "EXT-1", "properties.gives_dma_bufs",
                                absl::StrCat("user ", peer.uid,
                                             " may not serve dma-bufs: the daemon cannot make them "
                                             "its own, as it does with memfds; root and the "
                                             "daemon's own user may")));
  }
  core::HeapProperties properties = *what.properties;
  properties.heap = registration->name;
  // A memfd the daemon has made, or has made its own. Of a dma-buf, references can be counted.
  properties.tells_holders_apart = !what.gives_dma_bufs;
  properties.reports_end = true;
  properties.reduces_rights = !what.gives_dma_bufs;
  registration->calls =
      std::make_shared<ProviderCalls>(engine_.loop, engine_.options.limits.provider_answer_ns);
  ExternalHeap::Options options{.properties = std::move(properties),
                                .takes_foreign_memory = trusted,
                                .gives_dma_bufs = what.gives_dma_bufs,
                                .calls = registration->calls,
                                .ledger = engine_.ledger,
                                .complain =
                                    [&engine = engine_, whose = peer](const std::string& text) {
                                      engine.Log(core::effect::Log::Level::kWarn, whose, text);
                                    },
                                .run_aside =
                                    [&engine = engine_](const std::function<void()>& job) {
                                      if (!engine.worker.Run(job)) job();
                                    }};
  registration->heap = std::make_shared<ExternalHeap>(std::move(options), *engine_.options.gate);
  const bool added = engine_.heaps->Add(
      {registration->heap,
       absl::StrCat(what.gives_dma_bufs ? "dma-bufs of " : "", "provider pid ", peer.pid, " (",
                    base::Escape(peer.command), "), user ", peer.uid)});
  if (!added) {  // since RegisterHeap
    registration->calls.reset();
    registration->heap.reset();
    return Refuse(slot, OwnHeap(registration->name));
  }
  engine_.Log(core::effect::Log::Level::kInfo, peer,
              absl::StrCat(NameOf(registration->name), " is there"));
  engine_.TellOfHeap(WatchKind::kProviderCame, registration->name, peer, id);
  slot.Resolve(OperationResult(core::Nothing{}));
}

void Session::Impl::Do(const CallSlot& slot, op::TakeProviderCall& what) {
  const Registration* const registration = RegistrationFor(slot, what.handle, /*ready=*/true);
  if (registration == nullptr) return;
  std::optional<CallSlot> counted = CountWait(slot);
  if (!counted) return;
  waits_[slot.call->number()] =
      WaitRef{nullptr, 0, registration->calls, nullptr, slot.call, slot.index, counted->guard};
  registration->calls->Take(*std::move(counted));
}

void Session::Impl::Do(const CallSlot& slot, op::AnswerProviderCall& what) {
  const auto* const number = what.answer ? std::get_if<DescriptorNumber>(&*what.answer) : nullptr;
  const Registration* const registration = RegistrationFor(slot, what.handle, /*ready=*/true);
  if (registration == nullptr) {
    if (number != nullptr) UseUp({*number});
    return;
  }
  if (!what.call_id || !what.answer) {
    if (number != nullptr) UseUp({*number});
    return Refuse(slot, Refused(Error::kProtocolDeviation, "EXT-6",
                                what.call_id ? "answer" : "call_id", "the field is missing"));
  }
  const auto tell = [&](ProviderAnswer answer) {
    auto taken = registration->calls->AnswerCall(*what.call_id, std::move(answer));
    if (!taken.ok()) return Refuse(slot, std::move(taken).failure());
    slot.Resolve(OperationResult(core::Nothing{}));
  };
  if (number == nullptr) {
    return std::visit(
        [&]<typename Answer>(Answer& answer) {
          if constexpr (!std::is_same_v<Answer, DescriptorNumber>) tell(std::move(answer));
        },
        *what.answer);
  }
  auto claimed = Claim(*number, "allocate_vmo.vmo");
  if (claimed.ok()) return tell(std::move(claimed).value());
  // The call has been answered all the same: with nothing.
  core::Failure why = std::move(claimed).failure();
  (void)registration->calls->AnswerCall(
      *what.call_id,
      core::Failed(Error::kNoMemory, "EXT-6", "", "the provider sent no descriptor"));
  Refuse(slot, std::move(why));
}

// Of a heap that this session serves; on failure the slot is answered and null returned. `ready`:
// after OnRegister, or before it.
Session::Impl::Registration* Session::Impl::RegistrationFor(const CallSlot& slot,
                                                            const std::optional<Handle>& handle,
                                                            bool ready) {
  const auto found = registrations_.find(handle.value_or(0));
  if (found == registrations_.end()) {
    Refuse(slot, Refused(Error::kNotFound, "EXT-2", "handle",
                         absl::StrCat("handle ", handle.value_or(0),
                                      " is no registration of a heap in this session")));
    return nullptr;
  }
  if ((found->second.calls != nullptr) == ready) return &found->second;
  Refuse(slot, Refused(Error::kProtocolDeviation, "EXT-2", "handle",
                       ready ? "the heap's properties come first: OnRegister"
                       : found->second.is_secure_memory ? "secure memory has no properties to say"
                                                        : "OnRegister was received before"));
  return nullptr;
}

// EXT-4: first nobody finds the heap any more, then what waits for its provider ends.
void Session::Impl::EndRegistration(const Registration& registration,
                                    const std::string& why) const {
  if (!registration.calls) return;
  engine_.TellOfHeap(WatchKind::kProviderWent, registration.name, peer, id);
  if (registration.is_secure_memory) {
    engine_.secure_memory->Closed(registration.calls, why);
    return registration.calls->End(why);
  }
  engine_.heaps->Remove(registration.heap);
  registration.calls->End(why);
  engine_.Log(core::effect::Log::Level::kInfo, peer,
              absl::StrCat(NameOf(registration.name), " is gone: ", why));
}

}  // namespace sysmem::server
