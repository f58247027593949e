// SPDX-License-Identifier: Apache-2.0
//
// A process that serves a heap, and clients that want memory of it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {

inline constexpr char kProvided[] = "linux.sysmem.heap.HEAP_TYPE.CARVED";
inline constexpr uint64_t kPage = 4096;
inline constexpr Handle kRegistration = 900;

inline core::HeapProperties CpuMemory(bool need_clear = false) {
  return {.cpu_domain = true, .need_clear = need_clear};
}

inline base::UniqueFd Memfd(uint64_t size_bytes) {
  base::UniqueFd fd(::memfd_create("provided", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size_bytes)), 0);
  return fd;
}

// The daemon's next call, as the provider got it.
struct TakenCall {
  uint64_t id = 0;
  ProviderCallKind what;
  base::UniqueFd fd;
  const AllocateVmoCall& make() const { return std::get<AllocateVmoCall>(what); }
  bool is_deletion() const { return std::holds_alternative<DeleteVmoCall>(what); }
};

class TestProvider {
 public:
  explicit TestProvider(TestEngine& engine, uid_t uid = ::geteuid())
      : client_(std::make_unique<TestClient>(engine, uid)) {}

  OperationResult Register(const std::string& type = kProvided) {
    return client_->Do(op::RegisterHeap{kRegistration, core::Heap{.type = type}});
  }
  OperationResult SayProperties(core::HeapProperties properties) {
    return client_->Do(op::OnRegister{kRegistration, std::move(properties), ""});
  }
  void Serve(core::HeapProperties properties = CpuMemory()) {
    ASSERT_OK(Register());
    ASSERT_OK(SayProperties(std::move(properties)));
  }

  std::shared_ptr<TestPort> AskForCall() {
    return client_->Send({op::TakeProviderCall{kRegistration}});
  }
  std::optional<TakenCall> Taken(TestPort& port) {
    if (!port.Wait() || !port.abort_reason().empty()) return std::nullopt;
    auto* taken =
        std::get_if<TakenProviderCall>(&const_cast<OperationResult&>(port.reply().results.back()));
    if (taken == nullptr) return std::nullopt;
    TakenCall call{taken->call_id, taken->what, {}};
    if (taken->descriptor != 0) call.fd = client_->Take(taken->descriptor);
    return call;
  }
  // Waits for it.
  TakenCall NextCall() {
    auto call = Taken(*AskForCall());
    EXPECT_TRUE(call);
    return call ? *std::move(call) : TakenCall{};
  }
  OperationResult Give(uint64_t call_id, base::UniqueFd fd) {
    const DescriptorNumber number = client_->Push(std::move(fd));
    return client_->Do(op::AnswerProviderCall{kRegistration, call_id, number});
  }
  // As an honest provider of empty memory does.
  void GiveWhatWasOffered() {
    TakenCall call = NextCall();
    ASSERT_OK(Give(call.id, std::move(call.fd)));
  }
  OperationResult Say(uint64_t call_id, core::Nothing nothing = {}) {
    return client_->Do(op::AnswerProviderCall{kRegistration, call_id, nothing});
  }
  OperationResult Refuse(uint64_t call_id, const std::string& message) {
    return client_->Do(op::AnswerProviderCall{
        kRegistration, call_id, core::Failed(core::Error::kNoMemory, "", "", message)});
  }
  OperationResult CloseRegistration() { return client_->Do(op::CloseHandle{kRegistration}); }
  void Die() { client_.reset(); }
  TestClient& client() { return *client_; }

 private:
  std::unique_ptr<TestClient> client_;
};

inline core::Constraints Provided(uint32_t count = 1, const std::string& type = kProvided) {
  core::Constraints constraints = CpuConstraints(count, kPage);
  constraints.memory->permitted_heaps = {core::HeapWish{.type = type}};
  return constraints;
}

// A collection of `client` alone; its wait.
inline std::shared_ptr<TestPort> WantBuffers(TestClient& client, Handle handle,
                                             core::Constraints constraints) {
  client.Send({op::AllocateNonSharedCollection{handle}});
  return client.Send({SetConstraints(handle, std::move(constraints)), Wait(handle)});
}

inline const GrantedBuffers* Granted(TestPort& port) {
  if (!port.Wait() || !port.abort_reason().empty()) return nullptr;
  return std::get_if<GrantedBuffers>(&port.reply().results.back());
}
// The first buffer that a wait brought; none if it brought none.
inline base::UniqueFd FirstBuffer(TestClient& client, TestPort& wait) {
  const GrantedBuffers* granted = Granted(wait);
  return granted == nullptr ? base::UniqueFd() : client.Take(granted->descriptors.front());
}
inline const core::Failure* Refusal(TestPort& port) {
  if (!port.Wait() || !port.abort_reason().empty()) return nullptr;
  return AsFailure(port.reply().results.back());
}

}  // namespace sysmem::server
