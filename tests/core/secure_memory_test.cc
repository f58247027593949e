// SPDX-License-Identifier: Apache-2.0
//
// Secure memory that comes and goes while collections live (INIT-3, SEC-1 to SEC-3).
#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Heap kSecure{.type = "test.HEAP_TYPE.SECURE"};

// A machine whose driver of secure memory has not registered.
std::shared_ptr<Settings> Expecting() {
  auto settings = SystemRamOnly();
  settings->no_secure_memory = NoSecureMemory::kNotYet;
  return settings;
}

event::HeapsChanged Secured(std::optional<NoSecureMemory> none = std::nullopt) {
  event::HeapsChanged event{.heaps = SystemRamOnly()->heaps, .secure_heaps = {kSecure}};
  event.heaps.push_back({.heap = kSecure, .inaccessible_domain = true});
  event.no_secure_memory = none;
  return event;
}

Constraints Secure() {
  Constraints constraints = Picky(4096);
  constraints.usage = BufferUsage{.video = 1};
  constraints.memory->secure_required = true;
  constraints.memory->cpu_domain_supported = false;
  constraints.memory->inaccessible_domain_supported = true;
  return constraints;
}

TEST(SecureMemory, IsWaitedForWhereItIsExpected_INIT_3_SEC_2) {
  Harness h(Expecting());
  h.MakeTokens(0);
  h.BindAndConstrain(1, Secure());
  const CallId wait = h.Say(event::Wait{.node = 1});
  EXPECT_EQ(h.Count<effect::Allocate>(), 0u);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
  EXPECT_FALSE(h.Look().failure);
  h.Do(Secured());
  ASSERT_EQ(h.Count<effect::Allocate>(), 1u);
  EXPECT_EQ(h.Last<effect::Allocate>()->plan.settings.buffer.heap, kSecure);
  EXPECT_TRUE(h.Last<effect::Allocate>()->plan.settings.buffer.is_secure);
  h.FinishAllocation();
  EXPECT_TRUE(h.GrantOf(wait));
}

TEST(SecureMemory, KeepsNobodyElseWaiting) {
  Harness h(Expecting());
  h.MakeTokens(0);
  h.BindAndConstrain(1, Picky(4096));
  EXPECT_EQ(h.Count<effect::Allocate>(), 1u);
}

TEST(SecureMemory, IsRefusedByM15WhereNoneIsExpected_SEC_1) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Secure());
  ASSERT_TRUE(h.Look().failure);
  EXPECT_EQ(h.Look().failure->rule, "M15");
}

TEST(SecureMemory, IsRefusedForGoodOnceItIsGone_SEC_3) {
  Harness h(Expecting());
  h.MakeTokens(0);
  h.Do(Secured());
  h.Do(Secured(NoSecureMemory::kNoMore));
  h.BindAndConstrain(1, Secure());
  ASSERT_TRUE(h.Look().failure);
  EXPECT_EQ(h.Look().failure->rule, "INIT-3");
  EXPECT_EQ(h.Look().failure->error, Error::kUnspecified);
  EXPECT_THAT(h.Look().failure->message, HasSubstr("unregistered"));
  ASSERT_THAT(h.Look().failure->participants, SizeIs(1));
  EXPECT_EQ(h.Look().failure->participants.front().node, 1u);
}

TEST(SecureMemory, LeavesBuffersWhatTheyAreWhenItGoes_SEC_3) {
  Harness h(Expecting());
  h.MakeTokens(0);
  h.Do(Secured());
  h.BindAndConstrain(1, Secure());
  h.FinishAllocation();
  EXPECT_THAT(h.Do(Secured(NoSecureMemory::kNoMore)), IsEmpty());
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
}

// GRP-7: the alternatives behind it are not tried.
TEST(SecureMemory, EndsTheSearchForAnAlternative) {
  for (const bool secure_first : {true, false}) {
    Harness h(Expecting());
    h.Say(event::CreateRoot{.node = 1});
    h.Say(event::CreateTokenGroup{.node = 1, .child = 2});
    h.Say(event::CreateChild{.node = 2, .child = 3});
    h.Say(event::CreateChild{.node = 2, .child = 4});
    h.Say(event::AllChildrenPresent{.node = 2});
    h.BindAndConstrain(1, Constraints{});
    h.BindAndConstrain(3, secure_first ? Secure() : Picky(4096));
    h.BindAndConstrain(4, secure_first ? Picky(4096) : Secure());
    EXPECT_EQ(h.Count<effect::Allocate>(), secure_first ? 0u : 1u);
    EXPECT_THAT(h.ClosedNodes(), IsEmpty());
  }
}

}  // namespace
}  // namespace sysmem::core::test
