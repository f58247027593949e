// SPDX-License-Identifier: Apache-2.0
//
// Names, debug info, verbose logging and the slow-allocation log: server-behaviour.md 6.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/collection_harness.h"

namespace sysmem::core::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Level = effect::Log::Level;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kBorn = Harness::kBorn;

TEST(CollectionName, IsTheOneOfHighestPriorityNotTheLast_NAME_2_DBG_1) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::SetName{.node = 1, .priority = 5, .name = "c"});
  h.Say(event::SetName{.node = 1, .priority = 100, .name = "a"});
  h.Say(event::SetName{.node = 1, .priority = 6, .name = "b"});
  h.Say(event::Bind{.node = 1});
  EXPECT_EQ(h.Look().name, "a");
}

TEST(CollectionName, StaysWithEqualPriority_row_47_DBG_1) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::SetName{.node = 1, .priority = 0, .name = "a"});
  h.Say(event::SetName{.node = 1, .priority = 0, .name = "b"});
  EXPECT_EQ(h.Look().name, "a") << "also with priority 0";
}

TEST(CollectionName, StandsInEveryLogLine) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::SetName{.node = 1, .priority = 5, .name = "cam"});
  h.Say(event::Close{.node = 1});
  EXPECT_THAT(h.Logged(Level::kError, "collection 77 \"cam\": "), SizeIs(1));
}

TEST(CollectionDebugInfo, NeedsNoId_DBG_2) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 2});
  for (NodeId node : Ids{1, 2}) {
    EXPECT_TRUE(h.Succeeded(h.Say(event::SetDebugClientInfo{.node = node, .name = "foo"})));
    EXPECT_EQ(h.Look(node).debug, (DebugInfo{"foo", 0}));
    EXPECT_TRUE(h.Succeeded(h.Say(event::Sync{.node = node})));
  }
}

TEST(CollectionDebugInfo, KeepsTheEarlierNameInBracketsAndPassesToLaterChildren_DBG_2_DBG_3) {
  Harness h;
  h.Say(event::CreateRoot{.node = 1, .debug = {"allocator", 1}});
  h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
  h.Say(event::SetDebugClientInfo{.node = 1, .name = "client", .id = 2});
  h.Say(event::Duplicate{.node = 1, .child = 3, .rights_mask = kSameRights});
  EXPECT_EQ(h.Look(1).debug, (DebugInfo{"client (was allocator)", 2}));
  EXPECT_EQ(h.Look(2).debug, (DebugInfo{"allocator", 1}));
  EXPECT_EQ(h.Look(3).debug, (DebugInfo{"client (was allocator)", 2}));
}

TEST(CollectionDebugInfo, IsCutAtTheLimitWhereverItComesFrom_DBG_2) {
  auto settings = SystemRamOnly();
  settings->limits.debug_name_bytes = 8;
  Harness h(settings);
  h.Say(event::CreateRoot{.node = 1, .debug = {"0123456789", 1}});
  EXPECT_EQ(h.Look(1).debug.name, "01234567");
  h.Say(event::SetDebugClientInfo{.node = 1, .name = "x"});
  EXPECT_EQ(h.Look(1).debug.name, "x (was 0");
  h.Say(event::Bind{.node = 1, .allocator_debug = DebugInfo{"abcdefghij", 1}});
  EXPECT_EQ(h.Look(1).debug.name, "abcdefgh");
}

// DBG-1 of the conformance cases: verbose logging changes nothing but the log.
TEST(CollectionVerboseLogging, ChangesOnlyTheLogAlsoWhenItFails_case_DBG_1) {
  auto run = [](Harness& h, bool verbose) {
    h.Say(event::CreateRoot{.node = 1});
    if (verbose) {
      h.Say(event::SetVerboseLogging{.node = 1});
    } else {
      h.Say(event::Sync{.node = 1});
    }
    h.Say(event::Duplicate{.node = 1, .child = 2, .rights_mask = kSameRights});
    h.Say(event::Duplicate{.node = 2, .child = 3, .rights_mask = kSameRights});
    for (NodeId node : Ids{1, 2, 3}) h.Say(event::Bind{.node = node});
    h.Constrain(1, Picky(4096));
    h.Say(event::Wait{.node = 1});
    h.Constrain(2, Picky(8192));
    h.Say(event::Wait{.node = 2});
    h.Constrain(3, Constraints{});
    h.Say(event::Wait{.node = 3});
  };
  Harness verbose;
  Harness quiet;
  run(verbose, true);
  run(quiet, false);
  auto without_logs = [](Effects effects) {
    std::erase_if(effects, [](const Effect& e) { return std::holds_alternative<effect::Log>(e); });
    return effects;
  };
  EXPECT_EQ(without_logs(verbose.all()), without_logs(quiet.all()));
  EXPECT_TRUE(verbose.Finished());
  EXPECT_GT(verbose.Logged(Level::kInfo).size(), quiet.Logged(Level::kInfo).size());
  EXPECT_FALSE(verbose.Logged(Level::kInfo, "min_size_bytes 8192").empty());
  EXPECT_TRUE(verbose.Look().verbose);
}

TEST(CollectionVerboseLogging, TellsWhoTookPartWhatTheyAgreedOnAndWhatCameOfIt_6_4) {
  Harness h;
  h.MakeTokens(2);
  h.Say(event::SetVerboseLogging{.node = 1});
  h.ReleaseAndClose(1);
  h.BindAndConstrain(2, test::Camping(1));
  h.BindAndConstrain(3, test::Camping(2));
  h.FinishAllocation();
  EXPECT_EQ(h.Logged(Level::kInfo, "takes part: ").size(), 2u);
  EXPECT_FALSE(h.Logged(Level::kInfo, "chosen nodes: 1 2 3; together they want ").empty());
  EXPECT_FALSE(h.Logged(Level::kInfo, "camping 3").empty());
  EXPECT_FALSE(h.Logged(Level::kInfo, "allocated 3 buffers of 4096 bytes").empty());
  for (const Effect& effect : h.all()) {
    const auto* const log = std::get_if<effect::Log>(&effect);
    if (log != nullptr && log->text.find("allocated") != std::string::npos) {
      EXPECT_TRUE(log->about.verbose);
    }
  }
}

TEST(CollectionLog, TellsProgramsWhichNodeBrokeWhichRule) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Release{.node = 2});
  h.Say(event::Sync{.node = 2});
  const auto log = std::find_if(h.all().begin(), h.all().end(), [](const Effect& effect) {
    const auto* one = std::get_if<effect::Log>(&effect);
    return one != nullptr && one->level == Level::kError;
  });
  ASSERT_NE(log, h.all().end());
  EXPECT_EQ(std::get<effect::Log>(*log).about.node, 2u);
  EXPECT_FALSE(std::get<effect::Log>(*log).about.rule.empty());
  EXPECT_FALSE(std::get<effect::Log>(*log).about.verbose);
}

TEST(CollectionSlowLog, ArmsItsTimerAtBirthForFiveSeconds_SLOW_1) {
  Harness h;
  h.MakeTokens(0);
  ASSERT_EQ(h.Count<effect::ArmTimer>(), 1u);
  EXPECT_EQ(h.Last<effect::ArmTimer>()->deadline_ns, kBorn + 5 * kSecond);
}

TEST(CollectionSlowLog, ListsWhoIsAwaitedAndReportsTwice_SLOW_2_SLOW_3) {
  Harness h;
  h.MakeTokens(3);
  h.Say(event::SetDebugClientInfo{.node = 2, .name = "viewer", .id = 4});
  h.Say(event::Bind{.node = 3});
  h.BindAndConstrain(4, Camping(1));
  h.Do(event::Tick{.now_ns = kBorn + 5 * kSecond - 1});
  EXPECT_THAT(h.Logged(Level::kError), IsEmpty()) << "too early";
  h.Do(event::Tick{.now_ns = kBorn + 5 * kSecond + 7'000'000});
  EXPECT_THAT(h.Logged(Level::kError), SizeIs(5));
  EXPECT_THAT(h.Logged(Level::kError)[0], HasSubstr("report 1 after 5007 ms; waiting for "));
  EXPECT_THAT(h.Logged(Level::kError)[0],
              ::testing::EndsWith("(node 1): neither bound nor released and 2 more"));
  EXPECT_THAT(h.Logged(Level::kError, "token \"viewer\" (id 4, node 2)"), SizeIs(1));
  EXPECT_THAT(h.Logged(Level::kError, "(node 3): constraints not set"), SizeIs(1));
  EXPECT_THAT(h.Logged(Level::kError, "(node 4): constraints set"), SizeIs(1));
  EXPECT_EQ(h.Last<effect::ArmTimer>()->deadline_ns, kBorn + 35 * kSecond + 7'000'000);
  h.ReleaseAndClose(2);
  h.Do(event::Tick{.now_ns = kBorn + 36 * kSecond});
  EXPECT_THAT(h.Logged(Level::kError, "report 2"), SizeIs(1));
  EXPECT_THAT(h.Logged(Level::kError), SizeIs(5 + 4)) << "orphans are not awaited";
  EXPECT_EQ(h.Count<effect::ArmTimer>(), 2u);
  h.Do(event::Tick{.now_ns = kBorn + 1000 * kSecond});
  EXPECT_THAT(h.Logged(Level::kError), SizeIs(5 + 4)) << "then silence";
}

TEST(CollectionSlowLog, IsMovedByTheDeadlineOfAClientUntilItSpoke_SLOW_1) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::SetDebugTimeoutLogDeadline{.node = 1, .deadline_ns = kBorn - kSecond});
  EXPECT_EQ(h.Last<effect::ArmTimer>()->deadline_ns, kBorn - kSecond);
  h.Do(event::Tick{.now_ns = kBorn});
  EXPECT_THAT(h.Logged(Level::kError, "report 1 after 0 ms"), SizeIs(1)) << "a past one, at once";
  const size_t armed = h.Count<effect::ArmTimer>();
  EXPECT_TRUE(h.Succeeded(
      h.Say(event::SetDebugTimeoutLogDeadline{.node = 1, .deadline_ns = kBorn + kSecond})));
  EXPECT_EQ(h.Count<effect::ArmTimer>(), armed) << "too late to move it";
}

TEST(CollectionSlowLog, FallsSilentWithTheResult_SLOW_3) {
  Harness h;
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  h.FinishAllocation();
  h.Say(event::SetDebugTimeoutLogDeadline{.node = 1, .deadline_ns = 1});
  EXPECT_EQ(h.Count<effect::ArmTimer>(), 1u) << "only the one of its birth";
  h.Do(event::Tick{.now_ns = kBorn + 6 * kSecond});
  EXPECT_THAT(h.Logged(Level::kError), IsEmpty());
}

TEST(CollectionSlowLog, TellsTheTotalTimeOfASlowSuccess_SLOW_3) {
  Harness h;
  h.MakeTokens(0);
  h.Do(event::Tick{.now_ns = kBorn + 5 * kSecond});
  h.BindAndConstrain(1, Camping(1));
  h.FinishAllocation();
  EXPECT_LE(h.Last<effect::ArmTimer>()->deadline_ns, kBorn) << "asks for the time at once";
  h.Do(event::Tick{.now_ns = kBorn + 8 * kSecond});
  EXPECT_THAT(h.Logged(Level::kInfo, "8000 ms after creation"), SizeIs(1));
  h.Do(event::Tick{.now_ns = kBorn + 9 * kSecond});
  EXPECT_THAT(h.Logged(Level::kInfo, "ms after creation"), SizeIs(1)) << "once";
}

TEST(CollectionSlowLog, TellsThatAFailureWasSlow_SLOW_3) {
  Harness h;
  h.MakeTokens(0);
  h.Do(event::Tick{.now_ns = kBorn + 5 * kSecond});
  h.Say(event::Close{.node = 1});
  EXPECT_THAT(h.Logged(Level::kInfo, "more than 5000 ms after its creation"), SizeIs(1));
}

TEST(CollectionSlowLog, StaysReadableForALargeTree) {
  Harness h;
  h.MakeTokens(500);
  h.Do(event::Tick{.now_ns = kBorn + 5 * kSecond});
  EXPECT_LE(h.Logged(Level::kError).size(), 66u);
  EXPECT_THAT(h.Logged(Level::kError, "and 437 more"), SizeIs(1));
}

TEST(CollectionSlowLog, TakesAnyTimeAClientMayName) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::SetDebugTimeoutLogDeadline{.node = 1, .deadline_ns = INT64_MIN});
  h.Do(event::Tick{.now_ns = INT64_MAX});
  h.Do(event::Tick{.now_ns = INT64_MIN});
  EXPECT_THAT(h.Logged(Level::kError, "report"), SizeIs(1));
}

}  // namespace
}  // namespace sysmem::core::test
