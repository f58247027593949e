// SPDX-License-Identifier: Apache-2.0
//
// A process that serves a heap, and clients that want memory of it.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {

inline constexpr char kProvided[] = "linux.sysmem.heap.HEAP_TYPE.CARVED";
inline constexpr uint64_t kPage = 4096;
inline constexpr Handle kRegistration = 900;

core::HeapProperties CpuMemory(bool need_clear = false);
base::UniqueFd Memfd(uint64_t size_bytes);

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
  explicit TestProvider(TestEngine& engine, uid_t uid = ::geteuid());
  ~TestProvider();

  const OperationResult& Register(const std::string& type = kProvided);
  const OperationResult& SayProperties(core::HeapProperties properties);
  void Serve(core::HeapProperties properties = CpuMemory());

  std::shared_ptr<TestPort> AskForCall();
  std::optional<TakenCall> Taken(TestPort& port);
  // Waits for it.
  TakenCall NextCall();
  const OperationResult& Give(uint64_t call_id, base::UniqueFd fd);
  // As an honest provider of empty memory does.
  void GiveWhatWasOffered();
  const OperationResult& Say(uint64_t call_id, core::Nothing nothing = {});
  const OperationResult& Refuse(uint64_t call_id, const std::string& message);
  const OperationResult& CloseRegistration();
  void Die();
  TestClient& client() { return *client_; }

 private:
  std::unique_ptr<TestClient> client_;
};

core::Constraints Provided(uint32_t count = 1, const std::string& type = kProvided);

// A collection of `client` alone; its wait.
std::shared_ptr<TestPort> WantBuffers(TestClient& client, Handle handle,
                                      core::Constraints constraints);

// What a wait brought; nothing if it brought none.
const GrantedBuffers* Granted(TestPort& port);
// The first buffer that a wait brought; none if it brought none.
base::UniqueFd FirstBuffer(TestClient& client, TestPort& wait);
const core::Failure* Refusal(TestPort& port);
// A wait that the heap could not serve (EXT-6), with `why` in the message.
void ExpectNoMemory(TestPort& wait, const std::string& why);

}  // namespace sysmem::server
