// SPDX-License-Identifier: Apache-2.0
//
// A driver of secure memory over the wire, and somebody who wants its memory. What a driver may say
// and when is the engine's affair (tests/server/engine/secure_memory_test.cc); this is about a real
// daemon and real messages.
#include <sys/mman.h>

#include <cerrno>
#include <memory>
#include <string>

#include "sysmem2/heap.pb.h"
#include "tests/hostile/hostile_fixture.h"

namespace sysmem::testing {
namespace {

constexpr char kSecure[] = "test.HEAP_TYPE.SECURE";
constexpr char kTee[] = "test.HEAP_TYPE.TEE";
constexpr uint64_t kUnit = 64 << 10;
constexpr uint64_t kRegistration = 900;
constexpr uint64_t kTeeAddress = 0x80000000;

sysmem2::Operation WantSecure(uint64_t handle, const std::string& heap) {
  sysmem2::Operation operation;
  operation.mutable_set_constraints()->set_handle(handle);
  auto& needs = *operation.mutable_set_constraints()->mutable_constraints();
  needs.mutable_usage()->set_video(1);
  needs.set_min_buffer_count_for_camping(1);
  auto& memory = *needs.mutable_buffer_memory_constraints();
  memory.set_min_size_bytes(4096);
  memory.set_secure_required(true);
  memory.set_inaccessible_domain_supported(true);
  memory.mutable_permitted_heaps()->add_heaps()->set_heap_type(heap);
  return operation;
}

class Driver {
 public:
  explicit Driver(const std::string& path) : client_(path, As(kDaemonUid)) {}

  RawClient& client() { return client_; }
  sysmem2::Ack Register() {
    sysmem2::RegisterSecureMemRequest request;
    request.set_handle(kRegistration);
    return client_.Do<sysmem2::Ack>("HeapRegistration.RegisterSecureMem", request);
  }
  sysmem2::ProviderCall Next() {
    sysmem2::TakeProviderCallRequest request;
    request.set_handle(kRegistration);
    auto reply =
        client_.Do<sysmem2::TakeProviderCallReply>("HeapProvider.TakeProviderCall", request);
    EXPECT_TRUE(reply.has_result()) << reply.ShortDebugString();
    call_id_ = reply.result().call_id();
    return reply.result();
  }
  void Answer(sysmem2::AnswerProviderCallRequest answer) {
    answer.set_handle(kRegistration);
    answer.set_call_id(call_id_);
    const auto ack = client_.Do<sysmem2::Ack>("HeapProvider.AnswerProviderCall", answer);
    EXPECT_FALSE(ack.has_failure()) << ack.ShortDebugString();
  }

  void TellPhysicalHeaps() {
    EXPECT_TRUE(Next().has_get_physical_secure_heaps());
    sysmem2::AnswerProviderCallRequest answer;
    auto& heap = *answer.mutable_get_physical_secure_heaps()->add_heaps();
    heap.mutable_heap()->set_heap_type(kTee);
    auto& range = *heap.add_ranges();
    range.set_physical_address(kTeeAddress);
    range.set_size_bytes(16 * kUnit);
    Answer(answer);
  }
  void TellDynamicHeaps() {
    EXPECT_TRUE(Next().has_get_dynamic_secure_heaps());
    sysmem2::AnswerProviderCallRequest answer;
    answer.mutable_get_dynamic_secure_heaps()->add_heaps()->mutable_heap()->set_heap_type(kSecure);
    Answer(answer);
  }
  void TellProperties(const std::string& heap) {
    const sysmem2::ProviderCall call = Next();
    EXPECT_EQ(call.get_physical_secure_heap_properties().entire_heap().heap().heap_type(), heap);
    sysmem2::AnswerProviderCallRequest answer;
    auto& properties = *answer.mutable_get_physical_secure_heap_properties()->mutable_properties();
    properties.mutable_heap()->set_heap_type(heap);
    properties.set_dynamic_protection_ranges(true);
    properties.set_protected_range_granularity(kUnit);
    properties.set_max_protected_range_count(8);
    properties.set_is_mod_protected_range_available(true);
    Answer(answer);
  }
  void BecomeReady() {
    EXPECT_FALSE(Register().has_failure());
    TellPhysicalHeaps();
    TellDynamicHeaps();
    TellProperties(kTee);
    TellProperties(kSecure);
  }
  // What is protected for the buffer that is being made.
  sysmem2::SecureHeapRange Protect() {
    const sysmem2::ProviderCall add = Next();
    EXPECT_TRUE(add.has_add_secure_heap_physical_range()) << add.ShortDebugString();
    sysmem2::AnswerProviderCallRequest added;
    added.mutable_add_secure_heap_physical_range();
    Answer(added);
    const sysmem2::ProviderCall zero = Next();
    EXPECT_TRUE(zero.zero_sub_range().is_covering_range_explicit()) << zero.ShortDebugString();
    sysmem2::AnswerProviderCallRequest zeroed;
    zeroed.mutable_zero_sub_range();
    Answer(zeroed);
    return add.add_secure_heap_physical_range().heap_range().range();
  }

 private:
  RawClient client_;
  uint64_t call_id_ = 0;
};

class SecureDriver : public ::testing::Test {
 protected:
  SecureDriver() : daemon_({.arguments = {"--protected-pool", std::to_string(16 * kUnit)}}) {}
  void SetUp() override {
    ASSERT_TRUE(daemon_.ready());
    client_ = std::make_unique<RawClient>(daemon_.socket_path(), As(kClientUid));
    driver_ = std::make_unique<Driver>(daemon_.socket_path());
    ASSERT_TRUE(client_->open() && driver_->client().open());
  }

  // The wait of a collection that wants a secure buffer.
  RawCall& Want(uint64_t handle, const std::string& heap) {
    sysmem2::RunRequest request;
    *request.add_operations() = CreateAlone(handle);
    *request.add_operations() = WantSecure(handle, heap);
    *request.add_operations() = Wait(handle);
    return client_->Send("Session.Run", request);
  }
  sysmem2::RunReply Came(RawCall& call) {
    if (!client_->Await(call)) return {};
    return call.As<sysmem2::RunReply>();
  }

  DaemonProcess daemon_;
  std::unique_ptr<RawClient> client_;
  std::unique_ptr<Driver> driver_;
};

TEST_F(SecureDriver, ServesWhoeverWaitedForIt) {
  RawCall& wait = Want(1, kSecure);
  driver_->BecomeReady();
  const sysmem2::SecureHeapRange range = driver_->Protect();
  EXPECT_EQ(range.size_bytes(), kUnit);
  const sysmem2::RunReply reply = Came(wait);
  ASSERT_TRUE(reply.last().has_wait_for_all_buffers_allocated()) << reply.ShortDebugString();
  const auto& info = reply.last().wait_for_all_buffers_allocated().buffer_collection_info();
  EXPECT_TRUE(info.settings().buffer_settings().is_secure());
  EXPECT_EQ(info.settings().buffer_settings().heap().heap_type(), kSecure);
  const base::UniqueFd buffer = client_->Take(info.buffers(0).vmo());
  ASSERT_TRUE(buffer);
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, buffer.get(), 0), MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
  sysmem2::UnregisterSecureMemRequest over;
  EXPECT_TRUE(
      driver_->client()
          .Do<sysmem2::UnregisterSecureMemReply>("HeapRegistration.UnregisterSecureMem", over)
          .has_result());
  const sysmem2::RunReply refused = Came(Want(2, kTee));
  ASSERT_GE(refused.failures_size(), 1) << refused.ShortDebugString();
  EXPECT_EQ(refused.failures(refused.failures_size() - 1).failure().rule(), "INIT-3")
      << refused.ShortDebugString();
}

// Case HEAP-13
TEST_F(SecureDriver, MayGoAlthoughItNeverAnswered) {
  EXPECT_FALSE(driver_->Register().has_failure());
  sysmem2::UnregisterSecureMemRequest over;
  EXPECT_TRUE(
      driver_->client()
          .Do<sysmem2::UnregisterSecureMemReply>("HeapRegistration.UnregisterSecureMem", over)
          .has_result());
  driver_.reset();
  EXPECT_TRUE(client_->Run({CreateToken(1), Sync(1)}).last().has_sync());
}

TEST_F(SecureDriver, TakesTheDaemonAlongWhenItIsLost) {  // SEC-4
  driver_->BecomeReady();
  driver_.reset();
  EXPECT_EQ(daemon_.process().WaitForExit(), 1);
  EXPECT_NE(daemon_.Log().find("SEC-4"), std::string::npos);
}

TEST_F(SecureDriver, IsNobodyWhoMayNotServeHeaps) {
  if (!As(kClientUid)) GTEST_SKIP() << "needs users of its own, so root";
  sysmem2::RegisterSecureMemRequest request;
  request.set_handle(kRegistration);
  const auto ack = client_->Do<sysmem2::Ack>("HeapRegistration.RegisterSecureMem", request);
  EXPECT_EQ(ack.failure().error(), sysmem2::ERROR_HANDLE_ACCESS_DENIED) << ack.ShortDebugString();
}

}  // namespace
}  // namespace sysmem::testing
