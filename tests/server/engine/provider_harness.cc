// SPDX-License-Identifier: Apache-2.0
#include "tests/server/engine/provider_harness.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sysmem::server {

core::HeapProperties CpuMemory(bool need_clear) {
  return {.cpu_domain = true, .need_clear = need_clear};
}

base::UniqueFd Memfd(uint64_t size_bytes) {
  base::UniqueFd fd(::memfd_create("provided", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size_bytes)), 0);
  return fd;
}

TestProvider::TestProvider(TestEngine& engine, uid_t uid)
    : client_(std::make_unique<TestClient>(engine, uid)) {}
TestProvider::~TestProvider() = default;

const OperationResult& TestProvider::Register(const std::string& type) {
  return client_->Do(op::RegisterHeap{kRegistration, core::Heap{.type = type}});
}

const OperationResult& TestProvider::SayProperties(core::HeapProperties properties) {
  return client_->Do(op::OnRegister{kRegistration, std::move(properties), ""});
}

void TestProvider::Serve(core::HeapProperties properties) {
  ASSERT_OK(Register());
  ASSERT_OK(SayProperties(std::move(properties)));
}

std::shared_ptr<TestPort> TestProvider::AskForCall() {
  return client_->Send({op::TakeProviderCall{kRegistration}});
}

std::optional<TakenCall> TestProvider::Taken(TestPort& port) {
  if (!port.Wait() || !port.abort_reason().empty()) return std::nullopt;
  const auto* taken = std::get_if<TakenProviderCall>(&port.reply().results.back());
  if (taken == nullptr) return std::nullopt;
  TakenCall call{taken->call_id, taken->what, {}};
  if (taken->descriptor != 0) call.fd = client_->Take(taken->descriptor);
  return call;
}

TakenCall TestProvider::NextCall() {
  auto call = Taken(*AskForCall());
  EXPECT_TRUE(call);
  return call ? *std::move(call) : TakenCall{};
}

const OperationResult& TestProvider::Give(uint64_t call_id, base::UniqueFd fd) {
  const DescriptorNumber number = client_->Push(std::move(fd));
  return client_->Do(op::AnswerProviderCall{kRegistration, call_id, number});
}

void TestProvider::GiveWhatWasOffered() {
  TakenCall call = NextCall();
  ASSERT_OK(Give(call.id, std::move(call.fd)));
}

const OperationResult& TestProvider::Say(uint64_t call_id, core::Nothing nothing) {
  return client_->Do(op::AnswerProviderCall{kRegistration, call_id, nothing});
}

const OperationResult& TestProvider::Refuse(uint64_t call_id, const std::string& message) {
  return client_->Do(op::AnswerProviderCall{kRegistration, call_id,
                                            core::Failed(core::Error::kNoMemory, "", "", message)});
}

const OperationResult& TestProvider::CloseRegistration() {
  return client_->Do(op::CloseHandle{kRegistration});
}

void TestProvider::Die() { client_.reset(); }

core::Constraints Provided(uint32_t count, const std::string& type) {
  core::Constraints constraints = CpuConstraints(count, kPage);
  constraints.memory->permitted_heaps = {core::HeapWish{.type = type}};
  return constraints;
}

std::shared_ptr<TestPort> WantBuffers(TestClient& client, Handle handle,
                                      core::Constraints constraints) {
  client.Send({op::AllocateNonSharedCollection{handle}});
  return client.Send({SetConstraints(handle, std::move(constraints)), Wait(handle)});
}

const GrantedBuffers* Granted(TestPort& port) {
  if (!port.Wait() || !port.abort_reason().empty()) return nullptr;
  return std::get_if<GrantedBuffers>(&port.reply().results.back());
}

base::UniqueFd FirstBuffer(TestClient& client, TestPort& wait) {
  const GrantedBuffers* granted = Granted(wait);
  return granted == nullptr ? base::UniqueFd() : client.Take(granted->descriptors.front());
}

const core::Failure* Refusal(TestPort& port) {
  if (!port.Wait() || !port.abort_reason().empty()) return nullptr;
  return AsFailure(port.reply().results.back());
}

void ExpectNoMemory(TestPort& wait, const std::string& why) {
  const core::Failure* failure = Refusal(wait);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->error, core::Error::kNoMemory) << "EXT-6";
  EXPECT_THAT(failure->message, ::testing::HasSubstr(why));
}

}  // namespace sysmem::server
