// SPDX-License-Identifier: Apache-2.0
//
// Providers of heaps that break the rules of the wire, which the library would not let them: each
// hurts collections on its own heap and nobody else.
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>

#include "tests/hostile/hostile_fixture.h"

namespace sysmem::testing {
namespace {

constexpr char kHeap[] = "linux.test.sysmem.heap.HEAP_TYPE.HOSTILE";
constexpr uint64_t kRegistration = 77;

sysmem2::Operation Register() {
  sysmem2::Operation operation;
  operation.mutable_register_heap()->set_handle(kRegistration);
  operation.mutable_register_heap()->mutable_heap()->set_heap_type(kHeap);
  return operation;
}
sysmem2::Operation OnRegister() {
  sysmem2::Operation operation;
  operation.mutable_on_register()->set_handle(kRegistration);
  sysmem2::HeapProperties& said = *operation.mutable_on_register()->mutable_properties();
  said.mutable_coherency_domain_support()->set_cpu_supported(true);
  said.mutable_coherency_domain_support()->set_ram_supported(false);
  said.mutable_coherency_domain_support()->set_inaccessible_supported(false);
  said.set_need_clear(false);
  return operation;
}
sysmem2::Operation TakeCall() {
  sysmem2::Operation operation;
  operation.mutable_take_provider_call()->set_handle(kRegistration);
  return operation;
}
// Without an answer in it.
sysmem2::Operation Answer(uint64_t call_id) {
  sysmem2::Operation operation;
  operation.mutable_answer_provider_call()->set_handle(kRegistration);
  operation.mutable_answer_provider_call()->set_call_id(call_id);
  return operation;
}
sysmem2::Operation Give(uint64_t call_id, uint64_t descriptor) {
  sysmem2::Operation operation = Answer(call_id);
  operation.mutable_answer_provider_call()->mutable_allocate_vmo()->set_vmo(descriptor);
  return operation;
}

class HostileProviders : public HostileTest {
 protected:
  HostileProviders()
      : HostileTest({.arguments = {"--heap-providers", std::to_string(kClientUid)}}) {}
  void SetUp() override {
    HostileTest::SetUp();
    provider_ = Connect();
    user_ = Connect();
    ASSERT_TRUE(provider_->Run({Register(), OnRegister()}).failures().empty());
  }
  void TearDown() override {
    provider_.reset();
    user_.reset();
    ExpectBackToBaseline();
    HostileTest::TearDown();
  }

  // A collection of one buffer of the heap; its wait.
  RawCall& Want(uint64_t handle) {
    sysmem2::Operation set = SetConstraints(handle);
    set.mutable_set_constraints()
        ->mutable_constraints()
        ->mutable_buffer_memory_constraints()
        ->mutable_permitted_heaps()
        ->add_heaps()
        ->set_heap_type(kHeap);
    EXPECT_TRUE(user_->Run({CreateAlone(handle), set}).failures().empty());
    sysmem2::WaitForAllBuffersAllocatedRequest wait;
    wait.set_handle(handle);
    return user_->Send("BufferCollection.WaitForAllBuffersAllocated", wait);
  }
  sysmem2::WaitForAllBuffersAllocatedReply Outcome(RawCall& wait) {
    EXPECT_TRUE(user_->Await(wait));
    return wait.As<sysmem2::WaitForAllBuffersAllocatedReply>();
  }
  void ExpectNoMemory(RawCall& wait, const std::string& says) {
    const sysmem2::Failure failure = Outcome(wait).failure();
    EXPECT_EQ(failure.error(), sysmem2::ERROR_NO_MEMORY) << failure.ShortDebugString();
    EXPECT_NE(failure.message().find(says), std::string::npos) << failure.message();
  }
  sysmem2::ProviderCall NextCall() {
    const sysmem2::RunReply reply = provider_->Run({TakeCall()});
    EXPECT_TRUE(reply.last().has_take_provider_call()) << reply.ShortDebugString();
    return reply.last().take_provider_call();
  }
  // What was offered, pushed anew.
  uint64_t Offered(const sysmem2::ProviderCall& call) {
    return provider_->Push(provider_->Take(call.allocate_vmo().offered_vmo()));
  }
  void ExpectRefused(const sysmem2::Operation& operation, sysmem2::Error error,
                     const std::string& field) {
    const sysmem2::RunReply reply = provider_->Run({operation});
    ASSERT_EQ(reply.failures_size(), 1) << reply.ShortDebugString();
    ExpectFailure(reply.failures(0).failure(), sysmem2::OUTCOME_REFUSED, error, field);
  }
  // Its heap serves as before.
  void ExpectServes(uint64_t handle) {
    RawCall& wait = Want(handle);
    const sysmem2::ProviderCall call = NextCall();
    EXPECT_TRUE(provider_->Run({Give(call.call_id(), Offered(call))}).failures().empty());
    EXPECT_EQ(Outcome(wait).result().buffer_collection_info().buffers_size(), 1);
  }

  std::unique_ptr<RawClient> provider_;
  std::unique_ptr<RawClient> user_;
};

TEST_F(HostileProviders, ThatAnswerTwiceAreRefusedTheSecondTime) {
  RawCall& wait = Want(1);
  const sysmem2::ProviderCall call = NextCall();
  EXPECT_TRUE(provider_->Run({Give(call.call_id(), Offered(call))}).failures().empty());
  EXPECT_EQ(Outcome(wait).result().buffer_collection_info().buffers_size(), 1);
  ExpectRefused(Give(call.call_id(), provider_->Push(AnyPipe())), sysmem2::ERROR_NOT_FOUND,
                "call_id");
  ExpectServes(2);
}

TEST_F(HostileProviders, ThatAnswerWhatNobodyAskedAreRefused) {
  RawCall& wait = Want(1);
  const sysmem2::ProviderCall call = NextCall();
  ExpectRefused(Give(call.call_id() + 1, provider_->Push(AnyPipe())), sysmem2::ERROR_NOT_FOUND,
                "call_id");
  ExpectRefused(Answer(call.call_id()), sysmem2::ERROR_PROTOCOL_DEVIATION, "answer");
  EXPECT_TRUE(provider_->Run({Give(call.call_id(), Offered(call))}).failures().empty())
      << "the call waited on";
  EXPECT_EQ(Outcome(wait).result().buffer_collection_info().buffers_size(), 1);
}

TEST_F(HostileProviders, ThatNameADescriptorTheyNeverSentHaveGivenNothing) {
  RawCall& wait = Want(1);
  const sysmem2::ProviderCall call = NextCall();
  ExpectRefused(Give(call.call_id(), 99), sysmem2::ERROR_NOT_FOUND, "allocate_vmo.vmo");
  ExpectNoMemory(wait, "the provider sent no descriptor");
  ExpectServes(2);
}

TEST_F(HostileProviders, ThatAnswerAnotherQuestionHaveFailed) {
  RawCall& wait = Want(1);
  const sysmem2::ProviderCall call = NextCall();
  sysmem2::Operation deleted = Answer(call.call_id());
  deleted.mutable_answer_provider_call()->mutable_delete_vmo();
  ExpectRefused(deleted, sysmem2::ERROR_PROTOCOL_DEVIATION, "answer");
  ExpectNoMemory(wait, "of another kind than its answer");
  ExpectServes(2);
}

TEST_F(HostileProviders, WhoseSessionEndsForWhatTheySendTakeTheirCollectionsAlong_EXT_4) {
  ExpectServes(1);
  RawCall& wait = Want(2);
  const sysmem2::ProviderCall call = NextCall();
  const uint64_t forbidden = provider_->Push(base::UniqueFd(::eventfd(0, EFD_CLOEXEC)));
  sysmem2::RunRequest request;
  *request.add_operations() = Give(call.call_id(), forbidden);
  provider_->Send("Session.Run", request);
  ExpectEnded(*provider_, sysmem2::SESSION_END_REASON_FORBIDDEN_DESCRIPTOR,
              "descriptor " + std::to_string(forbidden));
  ExpectNoMemory(wait, "the provider sent no descriptor");
  const std::set<uint64_t> closed{user_->AwaitNodeClosed(), user_->AwaitNodeClosed()};
  EXPECT_EQ(closed, (std::set<uint64_t>{1, 2}));
  ExpectServed(*user_);
}

TEST_F(HostileProviders, MayTakeAsManyCallsAheadAsASessionHasWaits) {
  constexpr int kWaits = 512;
  sysmem2::TakeProviderCallRequest take;
  take.set_handle(kRegistration);
  for (int i = 0; i < kWaits; ++i) provider_->Send("HeapProvider.TakeProviderCall", take);
  const auto refused =
      provider_->Do<sysmem2::TakeProviderCallReply>("HeapProvider.TakeProviderCall", take);
  EXPECT_EQ(refused.failure().outcome(), sysmem2::OUTCOME_REFUSED) << refused.ShortDebugString();
  EXPECT_NE(refused.failure().message().find("waits pending"), std::string::npos);
  ExpectServed(*user_);
}

}  // namespace
}  // namespace sysmem::testing
