// SPDX-License-Identifier: Apache-2.0
//
// Providers of heaps that lie, hang, answer twice, or end at any moment: collections on their own
// heap fail, and nobody else's.
#include <sys/mman.h>

#include <array>
#include <functional>
#include <random>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/internals.h"
#include "tests/server/engine/provider_harness.h"
#include "tests/support/eventually.h"
#include "tests/support/users.h"

namespace sysmem::server {
namespace {

using ::sysmem::testing::Eventually;
using ::testing::HasSubstr;

constexpr Handle kFirst = 1;
constexpr Handle kSecond = 2;
constexpr uid_t kStranger = 61'234;

class LyingProviders : public ::testing::Test {
 protected:
  // What becomes of a collection whose provider answers with that.
  void ExpectRefused(base::UniqueFd answer, const std::string& why) {
    auto wait = WantBuffers(client_, ++handle_, Provided());
    const TakenCall call = provider_.NextCall();
    EXPECT_OK(provider_.Give(call.id, std::move(answer))) << "it is an answer";
    ExpectNoMemory(*wait, why);
    ExpectGivenBack(call.make());
    ExpectAllIsWell();
  }
  // EXT-7: its provider counted it as somebody's.
  void ExpectGivenBack(const AllocateVmoCall& given) {
    const TakenCall back = provider_.NextCall();
    ASSERT_TRUE(back.is_deletion());
    const auto& what = std::get<DeleteVmoCall>(back.what);
    EXPECT_EQ(what.buffer_collection_id, given.buffer_collection_id);
    EXPECT_EQ(what.buffer_index, given.buffer_index);
    EXPECT_FALSE(back.fd) << "nobody has used it";
    EXPECT_OK(provider_.Say(back.id));
  }
  // Others, and this heap as well, if its provider behaves.
  void ExpectAllIsWell() {
    EXPECT_NE(Granted(*WantBuffers(client_, ++handle_, CpuConstraints())), nullptr);
    auto wait = WantBuffers(client_, ++handle_, Provided());
    provider_.GiveWhatWasOffered();
    EXPECT_NE(Granted(*wait), nullptr);
  }

  TestEngine engine_;
  TestProvider provider_{engine_};
  TestClient client_{engine_};
  Handle handle_ = 10;
};

TEST_F(LyingProviders, AboutSizeAreFoundOut) {
  provider_.Serve();
  ExpectRefused(Memfd(2 * kPage), "8192 bytes instead of 4096");
  ExpectRefused(Memfd(0), "0 bytes instead of 4096");
}

TEST_F(LyingProviders, WithDescriptorsOfAnotherKindAreFoundOut) {
  provider_.Serve();
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd other(ends[1]);
  ExpectRefused(base::UniqueFd(ends[0]), "another kind than a memfd: pipe");
}

TEST_F(LyingProviders, WhoseMemoryCannotBeWrittenOrFixedAreFoundOut) {
  provider_.Serve();
  base::UniqueFd written = Memfd(kPage);
  ASSERT_EQ(::fcntl(written.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  ExpectRefused(std::move(written), "sealed against writing");
  base::UniqueFd resizable = Memfd(kPage);
  ASSERT_EQ(::fcntl(resizable.get(), F_ADD_SEALS, F_SEAL_SEAL), 0);
  ExpectRefused(std::move(resizable), "seal it against resizing");
}

TEST_F(LyingProviders, CannotGiveTheSameMemoryTwice) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided(2));
  const TakenCall first = provider_.NextCall();
  const TakenCall second = provider_.NextCall();
  const base::UniqueFd memory = Memfd(kPage);
  ASSERT_OK(provider_.Give(first.id, base::Dup(memory)));
  ASSERT_OK(provider_.Give(second.id, base::Dup(memory)));
  ExpectNoMemory(*wait, "the same memory twice");
  for (const char* which : {"the second", "the first"}) {
    EXPECT_TRUE(provider_.NextCall().is_deletion())
        << "nothing of a collection is left that did not come to be: " << which;
  }
}

TEST_F(LyingProviders, CannotGiveWhatIsSomebodysBufferAlready) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, CpuConstraints());
  const GrantedBuffers* granted = Granted(*wait);
  ASSERT_NE(granted, nullptr);
  ExpectRefused(client_.Take(granted->descriptors.front()), "is another buffer already");
}

TEST_F(LyingProviders, OfOtherUsersMustUseTheMemoryTheyAreOffered) {
  if (!testing::IsRoot()) GTEST_SKIP() << "the daemon's own user is trusted";
  TestEngine engine(LimitsFor(1024), [](TestEngine::Heap heap) { return heap; }, {}, {kStranger});
  TestProvider provider(engine, kStranger);
  TestClient client(engine);
  provider.Serve();
  auto wait = WantBuffers(client, kFirst, Provided());
  const TakenCall call = provider.NextCall();
  ASSERT_OK(provider.Give(call.id, Memfd(kPage)));
  ExpectNoMemory(*wait, "it has to fill and give back what it was offered");
  EXPECT_TRUE(provider.NextCall().is_deletion());
  wait = WantBuffers(client, kSecond, Provided());
  provider.GiveWhatWasOffered();
  EXPECT_NE(Granted(*wait), nullptr);
}

TEST_F(LyingProviders, CannotAnswerTwiceOrWhatTheyWereNotAsked) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided());
  TakenCall call = provider_.NextCall();
  ASSERT_OK(provider_.Give(call.id, std::move(call.fd)));
  ASSERT_NE(Granted(*wait), nullptr);
  for (const uint64_t id : {call.id, call.id + 7}) {
    const OperationResult& again = provider_.Give(id, Memfd(kPage));
    ASSERT_NE(AsFailure(again), nullptr);
    EXPECT_EQ(AsFailure(again)->error, core::Error::kNotFound);
    EXPECT_EQ(AsFailure(again)->field, "call_id");
  }
  ExpectAllIsWell();
}

TEST_F(LyingProviders, ThatAnswerAnotherQuestionHaveNotAnswered) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided());
  const TakenCall call = provider_.NextCall();
  const OperationResult& answer = provider_.Say(call.id);
  ASSERT_NE(AsFailure(answer), nullptr);
  EXPECT_EQ(AsFailure(answer)->field, "answer");
  ExpectNoMemory(*wait, "of another kind than its answer");
  ExpectAllIsWell();
}

TEST_F(LyingProviders, ThatRefuseAreQuoted_EXT_6) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided());
  const TakenCall call = provider_.NextCall();
  ASSERT_OK(provider_.Refuse(call.id, "all 12 slots are in use"));
  ExpectNoMemory(*wait, "all 12 slots are in use");
  ExpectAllIsWell();
}

TEST_F(LyingProviders, CannotPromiseAlignment_EXT_6) {
  provider_.Serve();
  core::Constraints constraints = Provided();
  constraints.memory->min_physical_base_alignment = 2 * kPage;
  constraints.memory->physically_contiguous_required = true;
  ExpectNoMemory(*WantBuffers(client_, kFirst, constraints), "promises no more than a page");
  ExpectAllIsWell();
}

TEST_F(LyingProviders, NeedPermission_EXT_1) {
  TestProvider stranger(engine_, kStranger);
  const OperationResult& refused = stranger.Register();
  ASSERT_NE(AsFailure(refused), nullptr);
  EXPECT_EQ(AsFailure(refused)->error, core::Error::kHandleAccessDenied);
  EXPECT_THAT(AsFailure(refused)->message, HasSubstr("heap_providers"));
}

TEST_F(LyingProviders, CannotTakeThePlaceOfTheDaemonsOwnHeaps) {
  const OperationResult& refused = provider_.Register(core::kHeapSystemRam);
  ASSERT_NE(AsFailure(refused), nullptr);
  EXPECT_THAT(AsFailure(refused)->message, HasSubstr("is the daemon's own"));
}

TEST_F(LyingProviders, MustSayWhatTheyCanExactlyOnceAndFirst_EXT_2) {
  const OperationResult& early = provider_.SayProperties(CpuMemory());
  ASSERT_NE(AsFailure(early), nullptr);
  EXPECT_EQ(AsFailure(early)->error, core::Error::kNotFound);
  ASSERT_OK(provider_.Register());
  const OperationResult& take = provider_.client().Do(op::TakeProviderCall{kRegistration});
  ASSERT_NE(AsFailure(take), nullptr);
  const OperationResult& missing =
      provider_.client().Do(op::OnRegister{kRegistration, std::nullopt, "properties.need_clear"});
  ASSERT_NE(AsFailure(missing), nullptr);
  EXPECT_EQ(AsFailure(missing)->field, "properties.need_clear");
  ASSERT_OK(provider_.SayProperties(CpuMemory()));
  const OperationResult& again = provider_.SayProperties(CpuMemory());
  ASSERT_NE(AsFailure(again), nullptr);
  EXPECT_EQ(AsFailure(again)->rule, "EXT-2");
  ExpectAllIsWell();
}

TEST_F(LyingProviders, CannotUseAHandleForTwoThings) {
  ASSERT_OK(provider_.Register());
  EXPECT_NE(AsFailure(provider_.Register("linux.sysmem.heap.HEAP_TYPE.OTHER")), nullptr);
  const OperationResult& node =
      provider_.client().Do(op::AllocateNonSharedCollection{kRegistration});
  ASSERT_NE(AsFailure(node), nullptr);
  EXPECT_THAT(AsFailure(node)->message, HasSubstr("is in use"));
  ASSERT_OK(provider_.CloseRegistration());
  EXPECT_OK(provider_.client().Do(op::AllocateNonSharedCollection{kRegistration}));
}

TEST(SilentProviders, AreGivenUpAfterAWhileAndTheirLateAnswerIsNone) {
  EngineLimits limits = LimitsFor(1024);
  limits.provider_answer_ns = 20'000'000;
  TestEngine engine(limits);
  TestProvider provider(engine);
  TestClient client(engine);
  provider.Serve();
  auto untaken = WantBuffers(client, kFirst, Provided());
  const core::Failure* failure = Refusal(*untaken);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->error, core::Error::kNoMemory);
  EXPECT_THAT(failure->message, HasSubstr("did not take the call within 20 ms"));
  EXPECT_THAT(failure->message, HasSubstr("limit provider_answer"));

  auto parked = provider.AskForCall();
  auto taken = WantBuffers(client, kSecond, Provided());
  auto call = provider.Taken(*parked);
  ASSERT_TRUE(call);
  failure = Refusal(*taken);
  ASSERT_NE(failure, nullptr);
  EXPECT_THAT(failure->message, HasSubstr("did not answer within 20 ms"));
  parked = provider.AskForCall();
  const OperationResult& late = provider.Give(call->id, std::move(call->fd));
  ASSERT_NE(AsFailure(late), nullptr);
  EXPECT_EQ(AsFailure(late)->error, core::Error::kNotFound);
  const auto back = provider.Taken(*parked);
  ASSERT_TRUE(back && back->is_deletion()) << "or the provider would keep it for ever";
  EXPECT_EQ(std::get<DeleteVmoCall>(back->what).buffer_collection_id,
            call->make().buffer_collection_id);
}

// A provider that ends after any of its messages, while clients come and go.
class Schedule {
 public:
  explicit Schedule(uint64_t seed) : random_(seed) {}
  bool Flip() { return random_() % 2 == 0; }
  size_t Below(size_t bound) { return random_() % bound; }

 private:
  std::mt19937_64 random_;
};

TEST(DyingProviders, HarmNobodyElseWhereverTheyEnd) {
  TestEngine engine;
  TestClient bystander(engine);
  auto& internals = engine.engine().internals();
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(seed);
    Schedule schedule(seed);
    TestProvider provider(engine);
    TestClient client(engine);
    const size_t steps = schedule.Below(12);
    size_t step = 0;
    const auto lives = [&] { return step++ < steps; };
    std::vector<std::shared_ptr<TestPort>> waits;
    std::vector<base::UniqueFd> buffers;
    Handle handle = 0;
    const auto want = [&] {
      waits.push_back(WantBuffers(client, ++handle, Provided(schedule.Flip() ? 1 : 3)));
    };
    if (lives()) {
      ASSERT_OK(provider.Register());
    }
    if (schedule.Flip()) want();
    if (lives()) {
      ASSERT_OK(provider.SayProperties(CpuMemory(schedule.Flip())));
    }
    want();
    std::vector<TakenCall> taken;
    while (step < steps) {
      if (schedule.Flip()) {
        auto port = provider.AskForCall();
        if (port->answered()) {
          if (auto call = provider.Taken(*port)) taken.push_back(*std::move(call));
        }
      } else if (!taken.empty()) {
        const size_t which = schedule.Below(taken.size());
        TakenCall call = std::move(taken[which]);
        taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
        if (call.is_deletion()) {
          call.fd.reset();
          (void)provider.Say(call.id);
        } else {
          (void)provider.Give(call.id, std::move(call.fd));
        }
      }
      if (schedule.Below(4) == 0) want();
      ++step;
    }
    provider.Die();
    taken.clear();
    for (const auto& wait : waits) {
      ASSERT_TRUE(wait->Wait()) << "nobody waits for ever";
      if (const auto* granted = std::get_if<GrantedBuffers>(&wait->reply().results.back())) {
        for (const DescriptorNumber number : granted->descriptors) {
          buffers.push_back(client.Take(number));
          ASSERT_EQ(::pwrite(buffers.back().get(), "x", 1, 0), 1) << "who has it keeps it";
        }
      }
    }
    ASSERT_TRUE(Eventually([&] { return internals.heaps->provided() == 0; }));
    ASSERT_TRUE(FirstBuffer(bystander, *WantBuffers(bystander, seed + 1, CpuConstraints())));
    ASSERT_OK(bystander.Do(op::CloseHandle{seed + 1}));
  }
  EXPECT_TRUE(Eventually([&] { return internals.Collections().size() <= 1; }));
}

}  // namespace
}  // namespace sysmem::server
