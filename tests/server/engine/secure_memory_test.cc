// SPDX-License-Identifier: Apache-2.0
//
// Secure memory that a process drives (server behaviour 8.2). Method: the test is the driver, and
// answers the daemon's calls when it wants to.
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/engine/provider_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

constexpr char kSecure[] = "test.HEAP_TYPE.SECURE";
constexpr char kTee[] = "test.HEAP_TYPE.TEE";
constexpr uint32_t kHwDecoder = 1;  // of BufferUsage::video
constexpr uint64_t kUnit = 64 << 10;
constexpr uint64_t kProtectedBase = uint64_t{1} << 53;
constexpr PhysicalRange kTeeRange{.address = 0x80000000, .size_bytes = 16 * kUnit};

SecureHeapProperties Properties(const std::string& heap) {
  return {.heap = {.type = heap},
          .dynamic_protection_ranges = true,
          .granularity = kUnit,
          .most_ranges = 8,
          .can_modify = true};
}

core::Constraints Secure(const std::string& heap = kSecure) {
  core::Constraints needs;
  needs.usage.emplace().video = kHwDecoder;
  needs.min_buffer_count_for_camping = 1;
  needs.memory.emplace();
  needs.memory->min_size_bytes = kPage;
  needs.memory->secure_required = true;
  needs.memory->inaccessible_domain_supported = true;
  needs.memory->permitted_heaps = {core::HeapWish{.type = heap}};
  return needs;
}

// A daemon with a protected pool that waits for its driver.
class SecureEngine {
 public:
  explicit SecureEngine(EngineLimits limits = LimitsFor(1024))
      : engine(
            limits, [](TestEngine::Heap heap) { return heap; }, {}, {},
            [this](EngineOptions& options) {
              options.core.no_secure_memory = core::NoSecureMemory::kNotYet;
              options.secure_memory.protected_bytes = 16 * kUnit;
              options.secure_memory.physical_base = kProtectedBase;
              options.secure_memory.end_daemon = [this](const std::string& why) {
                const std::lock_guard lock(mutex_);
                ends_.push_back(why);
                ended_.notify_all();
              };
            }) {}

  // Why the daemon would have ended, were it none of a test.
  std::vector<std::string> ends() {
    const std::lock_guard lock(mutex_);
    return ends_;
  }
  std::string AwaitEnd() {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, kPatience, [&] { return !ends_.empty(); });
    return ends_.empty() ? "" : ends_.front();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<std::string> ends_;

 public:
  TestEngine engine;
};

class TestDriver {
 public:
  explicit TestDriver(TestEngine& engine, uid_t uid = ::geteuid())
      : client_(std::make_unique<TestClient>(engine, uid)) {}

  OperationResult Register() { return client_->Do(op::RegisterSecureMem{kRegistration}); }
  OperationResult Unregister() { return client_->Do(op::UnregisterSecureMem{}); }
  OperationResult Close() { return client_->Do(op::CloseHandle{kRegistration}); }
  void Die() { client_.reset(); }

  std::shared_ptr<TestPort> AskForCall() {
    return client_->Send({op::TakeProviderCall{kRegistration}});
  }
  // The daemon's next call, which must be one of this kind.
  template <typename Call>
  Call Next() {
    auto port = AskForCall();
    if (!port->Wait() || !port->abort_reason().empty()) {
      ADD_FAILURE() << "no call";
      return {};
    }
    const auto* taken = std::get_if<TakenProviderCall>(&port->reply().results.back());
    const Call* call = taken == nullptr ? nullptr : std::get_if<Call>(&taken->what);
    EXPECT_NE(call, nullptr) << "a call of another kind";
    if (taken != nullptr) last_call_ = taken->call_id;
    return call == nullptr ? Call{} : *call;
  }
  // To the call that was taken last.
  OperationResult Answer(op::AnswerProviderCall::Answer answer = core::Nothing{}) {
    return client_->Do(op::AnswerProviderCall{kRegistration, last_call_, std::move(answer)});
  }

  // What a driver with both kinds of heaps says of them.
  void TellEverything() {
    Next<GetPhysicalSecureHeapsCall>();
    EXPECT_OK(Answer(PhysicalSecureHeaps{{{core::Heap{.type = kTee}, {kTeeRange}}}}));
    Next<GetDynamicSecureHeapsCall>();
    EXPECT_OK(Answer(DynamicSecureHeaps{{core::Heap{.type = kSecure}}}));
    EXPECT_EQ(Next<GetSecureHeapPropertiesCall>().entire_heap,
              (SecureHeapAndRange{{.type = kTee}, kTeeRange}));
    EXPECT_OK(Answer(Properties(kTee)));
    EXPECT_EQ(Next<GetSecureHeapPropertiesCall>().entire_heap,
              (SecureHeapAndRange{{.type = kSecure}, {kProtectedBase, 16 * kUnit}}));
    EXPECT_OK(Answer(Properties(kSecure)));
  }
  void BecomeReady() {
    ASSERT_OK(Register());
    TellEverything();
  }
  // Protects and zeroes the buffer that is being made in the protected pool.
  void Protect() {
    Next<AddSecureRangeCall>();
    EXPECT_OK(Answer());
    Next<ZeroSubRangeCall>();
    EXPECT_OK(Answer());
  }

 private:
  std::unique_ptr<TestClient> client_;
  uint64_t last_call_ = 0;
};

// A buffer is being made, and its driver was asked to protect it and has not answered.
struct Protecting {
  Protecting() {
    driver.BecomeReady();
    wait = WantBuffers(client, 1, Secure());
    driver.Next<AddSecureRangeCall>();
  }

  SecureEngine daemon;
  TestClient client{daemon.engine};
  TestDriver driver{daemon.engine};
  std::shared_ptr<TestPort> wait;
};

std::optional<core::Error> ErrorOf(TestPort& wait) {
  const core::Failure* refusal = Refusal(wait);
  return refusal == nullptr ? std::nullopt : std::optional(refusal->error);
}

// That are not gone.
uint64_t LiveBuffers(TestClient& client) {
  const OperationResult status = client.Do(op::InspectStatus{});
  const auto* told = std::get_if<StatusInfo>(&status);
  return told == nullptr ? 0 : told->live_buffers;
}

TEST(SecureMemoryTest, IsWaitedForUntilItsDriverHasToldEverything) {  // INIT-3, SEC-2
  SecureEngine daemon;
  TestClient client(daemon.engine);
  const auto wait = WantBuffers(client, 1, Secure());
  ASSERT_OK(client.Do(op::Ping{}));
  EXPECT_FALSE(wait->answered());
  TestDriver driver(daemon.engine);
  ASSERT_OK(driver.Register());
  EXPECT_FALSE(wait->answered());
  driver.TellEverything();
  const SecureHeapAndRange added = driver.Next<AddSecureRangeCall>().added;
  EXPECT_EQ(added.heap.type, kSecure);
  EXPECT_EQ(added.range, (PhysicalRange{kProtectedBase, kUnit}));
  EXPECT_FALSE(wait->answered());
  EXPECT_OK(driver.Answer());
  const ZeroSubRangeCall zero = driver.Next<ZeroSubRangeCall>();
  EXPECT_TRUE(zero.is_covering_range_explicit);
  EXPECT_EQ(zero.zeroed.range.address, kProtectedBase);
  EXPECT_OK(driver.Answer());

  const GrantedBuffers* granted = Granted(*wait);
  ASSERT_NE(granted, nullptr);
  EXPECT_TRUE(granted->plan.settings.buffer.is_secure);
  const base::UniqueFd buffer = client.Take(granted->descriptors.front());
  EXPECT_EQ(::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, buffer.get(), 0), MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
}

// All of it is cleared once, each place again for whoever comes later; no range is ever added.
TEST(SecureMemoryTest, ServesHeapsThatAreAlwaysProtected) {
  SecureEngine daemon;
  TestClient client(daemon.engine);
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  const auto first = WantBuffers(client, 1, Secure(kTee));
  const ZeroSubRangeCall all = driver.Next<ZeroSubRangeCall>();
  EXPECT_FALSE(all.is_covering_range_explicit);
  EXPECT_EQ(all.zeroed, (SecureHeapAndRange{{.type = kTee}, kTeeRange}));
  EXPECT_OK(driver.Answer());
  EXPECT_NE(Granted(*first), nullptr);
  const auto second = WantBuffers(client, 2, Secure(kTee));
  EXPECT_EQ(driver.Next<ZeroSubRangeCall>().zeroed.range,
            (PhysicalRange{kTeeRange.address + kPage, kPage}));
  EXPECT_OK(driver.Answer());
  EXPECT_NE(Granted(*second), nullptr);
}

TEST(SecureMemoryTest, IsUnprotectedBeforeABufferCountsAsGone) {  // LIFE-4
  SecureEngine daemon;
  TestClient client(daemon.engine);
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  const auto wait = WantBuffers(client, 1, Secure());
  driver.Protect();
  ASSERT_NE(Granted(*wait), nullptr);
  client.Take(Granted(*wait)->descriptors.front()).reset();
  ASSERT_OK(client.Do(op::CloseHandle{1}));
  EXPECT_EQ(driver.Next<DeleteSecureRangeCall>().deleted.range,
            (PhysicalRange{kProtectedBase, kUnit}));
  EXPECT_EQ(LiveBuffers(client), 1u);
  EXPECT_OK(driver.Answer());
  EXPECT_TRUE(sysmem::testing::Eventually([&] { return LiveBuffers(client) == 0; }));
}

TEST(SecureMemoryTest, HoldsUpNobodyElse) {  // SEC-H1
  Protecting midst;
  EXPECT_NE(Granted(*WantBuffers(midst.client, 2, CpuConstraints())), nullptr);
  EXPECT_FALSE(midst.wait->answered());
  EXPECT_OK(midst.driver.Answer());
}

TEST(SecureMemoryTest, IsToldOfWhileItsDriverIsWaitedFor) {  // SEC-H1
  Protecting midst;
  const auto heaps = midst.client.Send({op::InspectHeaps{}});
  EXPECT_TRUE(heaps->Wait());
  EXPECT_FALSE(midst.wait->answered());
  EXPECT_OK(midst.driver.Answer());
}

TEST(SecureMemoryTest, IsNotHandedOutWhenItsDriverUnregistersInTheMidstOfProtectingIt) {  // SEC-3
  Protecting midst;
  EXPECT_OK(midst.driver.Unregister());
  midst.driver.Die();
  EXPECT_EQ(ErrorOf(*midst.wait), core::Error::kNoMemory);
  EXPECT_TRUE(midst.daemon.ends().empty());
  EXPECT_TRUE(sysmem::testing::Eventually([&] { return LiveBuffers(midst.client) == 0; }));
}

TEST(SecureMemoryTest, CannotBeServedByAnotherWhoRegisteredItsNameBefore) {  // SEC-2
  SecureEngine daemon;
  TestClient client(daemon.engine);
  TestProvider provider(daemon.engine);
  ASSERT_OK(provider.Register(kSecure));
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  const core::Failure* refusal = AsFailure(provider.SayProperties(CpuMemory()));
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->rule, "EXT-1");
  const auto wait = WantBuffers(client, 1, Secure());
  driver.Protect();
  EXPECT_NE(Granted(*wait), nullptr);
  EXPECT_OK(provider.CloseRegistration());
  EXPECT_OK(client.Do(Message(1, core::event::Check{}))) << "it was never the provider's";
}

TEST(SecureMemoryTest, IsRefusedOnceItsDriverHasUnregistered) {  // SEC-3
  SecureEngine daemon;
  TestClient client(daemon.engine);
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  EXPECT_OK(driver.Unregister());
  EXPECT_EQ(ErrorOf(*WantBuffers(client, 1, Secure())), core::Error::kUnspecified);
  EXPECT_OK(driver.Close());
  EXPECT_TRUE(daemon.ends().empty());
  const OperationResult again = driver.Register();
  ASSERT_NE(AsFailure(again), nullptr);
  EXPECT_EQ(AsFailure(again)->rule, "SEC-2");
}

TEST(SecureMemoryTest, EndsTheDaemonWhenItsDriverGoesUnannounced) {  // SEC-4
  for (const bool dies : {true, false}) {
    SecureEngine daemon;
    TestDriver driver(daemon.engine);
    driver.BecomeReady();
    if (dies) {
      driver.Die();
    } else {
      EXPECT_OK(driver.Close());
    }
    EXPECT_NE(daemon.AwaitEnd().find("SEC-4"), std::string::npos) << daemon.AwaitEnd();
  }
}

TEST(SecureMemoryTest, EndsWithNobodyWhenItsDriverGoesBeforeItIsReady) {
  SecureEngine daemon;
  {
    TestDriver hasty(daemon.engine);
    ASSERT_OK(hasty.Register());
    hasty.Next<GetPhysicalSecureHeapsCall>();
    EXPECT_OK(hasty.Close());
  }
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  EXPECT_TRUE(daemon.ends().empty());
}

TEST(SecureMemoryTest, EndsTheDaemonWhenItsDriverFailsToProtect) {  // PROT-5
  Protecting midst;
  EXPECT_OK(
      midst.driver.Answer(core::Failed(core::Error::kUnspecified, "", "", "no register is left")));
  EXPECT_NE(midst.daemon.AwaitEnd().find("PROT-5"), std::string::npos);
  EXPECT_NE(midst.daemon.AwaitEnd().find("no register is left"), std::string::npos);
  midst.driver.Next<ZeroSubRangeCall>();  // the daemon of a test goes on
  EXPECT_OK(midst.driver.Answer());
}

TEST(SecureMemoryTest, EndsInOrderWithTheDaemon) {  // SHUT-1
  SecureEngine daemon;
  TestClient client(daemon.engine);
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  const auto wait = WantBuffers(client, 1, Secure());
  driver.Protect();
  ASSERT_NE(Granted(*wait), nullptr);
  daemon.engine.engine().Shutdown();
  EXPECT_TRUE(daemon.ends().empty());
}

// Case HEAP-13
TEST(SecureMemoryTest, LetsADriverGoThatNeverAnswered) {
  SecureEngine daemon;
  {
    TestDriver silent(daemon.engine);
    ASSERT_OK(silent.Register());
    silent.AskForCall();
    EXPECT_OK(silent.Unregister());
    EXPECT_OK(silent.Unregister());
    silent.Die();
  }
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  TestClient client(daemon.engine);
  const auto wait = WantBuffers(client, 1, Secure());
  driver.Protect();
  EXPECT_NE(Granted(*wait), nullptr);
  EXPECT_TRUE(daemon.ends().empty());
}

TEST(SecureMemoryTest, DoesNotMindAnUnregisteringThatConcernsNobody) {  // SEC-H1
  SecureEngine daemon;
  TestDriver driver(daemon.engine);
  driver.BecomeReady();
  TestDriver other(daemon.engine);
  EXPECT_OK(other.Unregister());
  TestClient client(daemon.engine);
  const auto wait = WantBuffers(client, 1, Secure());
  driver.Protect();
  EXPECT_NE(Granted(*wait), nullptr);
}

TEST(SecureMemoryTest, IsNotReadyWhenItsDriverDoesNotAnswerInTime) {  // SEC-H1
  EngineLimits limits = LimitsFor(1024);
  limits.provider_answer_ns = 1'000'000;
  SecureEngine daemon(limits);
  TestDriver driver(daemon.engine);
  ASSERT_OK(driver.Register());
  const auto late = driver.AskForCall();
  ASSERT_TRUE(late->Wait());
  TestClient client(daemon.engine);
  EXPECT_TRUE(sysmem::testing::Eventually([&] {
    EXPECT_OK(client.Do(op::Ping{}));
    return !daemon.engine.Logged("secure memory is not ready").empty();
  }));
  const auto wait = WantBuffers(client, 1, Secure());
  ASSERT_OK(client.Do(op::Ping{}));
  EXPECT_FALSE(wait->answered());
  EXPECT_TRUE(daemon.ends().empty());
  EXPECT_OK(driver.Unregister());
}

TEST(SecureMemoryTest, HasOneDriverAtATime) {
  SecureEngine daemon;
  TestDriver driver(daemon.engine);
  ASSERT_OK(driver.Register());
  TestDriver other(daemon.engine);
  const OperationResult refused = other.Register();
  ASSERT_NE(AsFailure(refused), nullptr);
  EXPECT_EQ(AsFailure(refused)->error, core::Error::kProtocolDeviation);
  EXPECT_NE(AsFailure(refused)->message.find("drives it already"), std::string::npos);
  EXPECT_OK(driver.Unregister());
}

TEST(SecureMemoryTest, IsDrivenByThoseWhoMayServeHeaps) {
  SecureEngine daemon;
  TestDriver stranger(daemon.engine, ::geteuid() + 1);
  const OperationResult refused = stranger.Register();
  ASSERT_NE(AsFailure(refused), nullptr);
  EXPECT_EQ(AsFailure(refused)->error, core::Error::kHandleAccessDenied);
}

// What a driver says that cannot be, and what the log says then.
struct Lie {
  PhysicalSecureHeaps physical;
  SecureHeapProperties properties;
  std::string told;
};

TEST(SecureMemoryTest, BelievesNoDriverThatSaysWhatCannotBe) {
  const core::Heap tee{.type = kTee};
  const PhysicalSecureHeaps good{{{tee, {kTeeRange}}}};
  SecureHeapProperties fine_grained = Properties(kTee);
  fine_grained.granularity = 1000;
  SecureHeapProperties coarse = Properties(kTee);
  coarse.granularity = 1 << 30;
  const std::vector<Lie> lies = {
      {{{{tee, {kTeeRange, kTeeRange}}}}, {}, "2 physical ranges, expected exactly one"},
      {{{{tee, {}}}}, {}, "0 physical ranges"},
      {{{{tee, {{0, 100}}}}}, {}, "a range of 100 bytes"},
      {{{{tee, {{UINT64_MAX - 4095, 8192}}}}}, {}, "a range at "},
      {{{{tee, {kTeeRange}}, {tee, {kTeeRange}}}}, {}, "told of twice"},
      {{{{tee, {kTeeRange}}, {{.type = "x"}, {kTeeRange}}}}, {}, "overlaps"},
      {{std::vector<PhysicalSecureHeaps::One>(33, {tee, {kTeeRange}})}, {}, "33 secure heaps"},
      {good, Properties("x"), "instead of those of heap"},
      {good, fine_grained, "protected_range_granularity 1000"},
      {good, coarse, "is no multiple"},
  };
  for (const Lie& lie : lies) {
    SecureEngine daemon;
    TestDriver driver(daemon.engine);
    ASSERT_OK(driver.Register());
    driver.Next<GetPhysicalSecureHeapsCall>();
    EXPECT_OK(driver.Answer(lie.physical));
    if (lie.properties.granularity != 0) {
      driver.Next<GetDynamicSecureHeapsCall>();
      EXPECT_OK(driver.Answer(DynamicSecureHeaps{}));
      driver.Next<GetSecureHeapPropertiesCall>();
      EXPECT_OK(driver.Answer(lie.properties));
    }
    EXPECT_EQ(daemon.engine.Logged("secure memory is not ready: ").size(), 1u) << lie.told;
    EXPECT_EQ(daemon.engine.Logged(lie.told).size(), 1u) << lie.told;
    EXPECT_OK(driver.Unregister());
  }
}

TEST(SecureMemoryTest, TakesNoAnswerOfAnotherKind) {
  SecureEngine daemon;
  TestDriver driver(daemon.engine);
  ASSERT_OK(driver.Register());
  driver.Next<GetPhysicalSecureHeapsCall>();
  const OperationResult refused = driver.Answer(DynamicSecureHeaps{});
  ASSERT_NE(AsFailure(refused), nullptr);
  EXPECT_EQ(AsFailure(refused)->field, "answer");
  EXPECT_EQ(daemon.engine.Logged("secure memory is not ready: ").size(), 1u);
  EXPECT_OK(driver.Unregister());
}

}  // namespace
}  // namespace sysmem::server
