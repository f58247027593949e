// SPDX-License-Identifier: Apache-2.0
//
// Who keeps buffers alive, what their ends bring about, and who is told (5.3 to 5.6).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/buffer_lives.h"
#include "tests/core/group_harness.h"

namespace sysmem::core::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The buffers whose close_weak_asap was signalled, in order.
std::vector<uint32_t> Signalled(const Harness& h) {
  std::vector<uint32_t> buffers;
  for (const Effect& e : h.all()) {
    if (const auto* close = std::get_if<effect::CloseWeakAsap>(&e))
      buffers.push_back(close->buffer);
  }
  return buffers;
}

std::vector<TrackingId> EndedTrackings(const Harness& h) {
  std::vector<TrackingId> ended;
  for (const Effect& e : h.all()) {
    if (const auto* close = std::get_if<effect::CloseLifetimeTracking>(&e)) {
      ended.push_back(close->tracking);
    }
  }
  return ended;
}

CallId Track(Harness& h, NodeId node, TrackingId tracking, uint32_t buffers_remaining) {
  return h.Say(event::AttachLifetimeTracking{
      .node = node, .tracking = tracking, .buffers_remaining = buffers_remaining});
}

// Node 1 is strong, node 2 weak; `count` buffers, which nobody was handed yet.
void MakeStrongAndWeak(Harness& h, uint32_t count) {
  h.HoldBuffers();
  h.MakeTokens(1);
  Weaken(h, 2);
  h.BindAndConstrain(1, Camping(0));
  h.BindAndConstrain(2, Camping(count));
  h.FinishAllocation();
}

CallId Wait(Harness& h, NodeId node) { return h.Say(event::Wait{.node = node}); }

// ---- What participants receive

TEST(Shares, StrongNodesGetBuffersAndNoSignal_RES_4) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  const Grant grant = *h.GrantOf(Wait(h, 1));
  EXPECT_FALSE(grant.weak);
  EXPECT_THAT(grant.buffers, ElementsAre(BufferShare{.vmo = true}, BufferShare{.vmo = true}));
}

TEST(Shares, WeakNodesGetBuffersWithTheirSignals_RES_5) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  const Grant grant = *h.GrantOf(Wait(h, 2));
  EXPECT_TRUE(grant.weak);
  EXPECT_THAT(grant.buffers, ElementsAre(BufferShare{.vmo = true, .close_weak_asap = true},
                                         BufferShare{.vmo = true, .close_weak_asap = true}));
}

TEST(Shares, WeakNodesWithoutUsageGetTheSignalsAlone_RES_5) {
  Harness h;
  h.MakeTokens(1);
  Weaken(h, 2);
  h.BindAndConstrain(1, Camping(1));
  h.BindAndConstrain(2, std::nullopt);
  h.FinishAllocation();
  EXPECT_THAT(h.GrantOf(Wait(h, 2))->buffers, ElementsAre(BufferShare{.close_weak_asap = true}));
}

// ---- The last strong one

TEST(LastStrong, OneIsTheDaemonWhileAStrongNodeStands_END_2) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  h.LetGo(Wait(h, 1));
  EXPECT_THAT(Signalled(h), IsEmpty());
  h.ReleaseAndClose(1);
  EXPECT_THAT(Signalled(h), ElementsAre(0));
}

TEST(LastStrong, HandOutKeepsItsBufferStrongWithoutAnyStrongNode_row_28) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  const CallId strong = Wait(h, 1);
  h.ReleaseAndClose(1);
  EXPECT_THAT(Signalled(h), IsEmpty());
  EXPECT_THAT(h.GrantOf(Wait(h, 2))->buffers,
              ElementsAre(BufferShare{.vmo = true, .close_weak_asap = true},
                          BufferShare{.vmo = true, .close_weak_asap = true}));
  h.LetGo(strong, 1);
  EXPECT_THAT(Signalled(h), ElementsAre(1)) << "each buffer for itself (END-7)";
  EXPECT_THAT(h.GrantOf(Wait(h, 2))->buffers,
              ElementsAre(BufferShare{.vmo = true, .close_weak_asap = true},
                          BufferShare{.close_weak_asap = true}));
}

TEST(LastStrong, OneOfAllBuffersFailsTheNodesThatAreLeft_row_29) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  const CallId strong = Wait(h, 1);
  h.ReleaseAndClose(1);
  h.LetGo(strong, 0);
  EXPECT_THAT(h.ClosedNodes(), IsEmpty());
  h.LetGo(strong, 1);
  EXPECT_THAT(Signalled(h), ElementsAre(0, 1));
  EXPECT_THAT(h.ClosedNodes(), ElementsAre(2, 1));
  EXPECT_EQ(h.Look().failure->rule, "WEAK-4");
  EXPECT_EQ(h.Look().state, CollectionState::kOutlived);
  EXPECT_FALSE(h.Finished());
  h.EndBuffer(0);
  h.EndBuffer(1);
  EXPECT_TRUE(h.Finished());
}

TEST(LastStrong, EveryReplyIsAHandOutOfItsOwn) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  const CallId first = Wait(h, 1);
  const CallId second = Wait(h, 1);
  h.ReleaseAndClose(1);
  h.LetGo(first);
  EXPECT_THAT(Signalled(h), IsEmpty());
  h.LetGo(second);
  EXPECT_THAT(Signalled(h), ElementsAre(0));
}

TEST(LastStrong, EndsThatNobodyCanMeanChangeNothing) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  const CallId strong = Wait(h, 1);
  h.ReleaseAndClose(1);
  h.Do(event::HandOutEnded{strong, 7});
  h.Do(event::HandOutEnded{strong + 100, 0});
  h.Do(event::BufferGone{1});
  EXPECT_THAT(Signalled(h), IsEmpty());
  EXPECT_EQ(h.Look().buffers.at(0), (BufferSnapshot{.state = BufferState::kStrong, .strong = 1}));
}

TEST(LastStrong, WhereHoldersLookAlikeAllCountAsStrong) {
  auto settings = SystemRamOnly();
  settings->heaps[0].tells_holders_apart = false;
  Harness h(settings);
  MakeStrongAndWeak(h, 1);
  const CallId weak = Wait(h, 2);
  h.ReleaseAndClose(1);
  EXPECT_THAT(Signalled(h), IsEmpty()) << "the weak one is a handle like any other";
  h.LetGo(weak);
  EXPECT_THAT(Signalled(h), ElementsAre(0));
}

// ---- After the nodes

TEST(Outliving, BuffersKeepTheirCollectionUntilTheyAreGone_GONE_5) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  Wait(h, 1);
  h.Do(event::Close{.node = 1});
  EXPECT_EQ(h.Look().state, CollectionState::kOutlived);
  h.EndBuffer(1);
  EXPECT_EQ(h.Look().buffers.at(0).state, BufferState::kStrong);
  EXPECT_EQ(h.Look().buffers.at(1).state, BufferState::kGone);
  EXPECT_FALSE(h.Finished());
  h.EndBuffer(0);
  EXPECT_TRUE(h.Finished());
}

TEST(Outliving, CollectionTakesNoNewRoot) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  Wait(h, 1);
  h.Do(event::Close{.node = 1});
  EXPECT_EQ(h.OutcomeOf(h.Say(event::CreateRoot{.node = 9})), Outcome::kClosed);
}

// ---- Lifetime tracking

TEST(LifetimeTracking, EndsWhenNoMoreThanSoManyBuffersAreLeft_LIFE_2) {
  Harness h;
  MakeStrongAndWeak(h, 3);
  EXPECT_TRUE(h.Succeeded(Track(h, 1, 10, 2)));
  EXPECT_TRUE(h.Succeeded(Track(h, 1, 11, 0)));
  h.Do(event::Close{.node = 1});
  EXPECT_THAT(EndedTrackings(h), IsEmpty()) << "not tied to the node (LIFE-3)";
  h.EndBuffer(1);
  EXPECT_THAT(EndedTrackings(h), ElementsAre(10));
  h.EndBuffer(0);
  EXPECT_THAT(EndedTrackings(h), ElementsAre(10));
  h.EndBuffer(2);
  EXPECT_THAT(EndedTrackings(h), ElementsAre(10, 11));
}

TEST(LifetimeTracking, OfAllTheBuffersThereAreEndsAtOnce_row_30) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  Track(h, 1, 10, 2);
  Track(h, 1, 11, 3);
  EXPECT_THAT(EndedTrackings(h), ElementsAre(10, 11));
}

TEST(LifetimeTracking, BeginsWithTheAllocation_LIFE_1) {
  Harness h;
  h.HoldBuffers();
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Track(h, 1, 10, 2);
  Track(h, 1, 11, 1);
  EXPECT_EQ(h.Look().lifetime_trackings, 2u);
  h.Constrain(1, Camping(2));
  EXPECT_THAT(EndedTrackings(h), IsEmpty());
  h.FinishAllocation();
  EXPECT_THAT(EndedTrackings(h), ElementsAre(10));
  EXPECT_EQ(h.Look().lifetime_trackings, 1u);
}

TEST(LifetimeTracking, EndsWithAFailedAllocationWhateverItWaitsFor_LIFE_1) {
  Harness h;
  h.MakeTokens(0);
  h.Say(event::Bind{.node = 1});
  Track(h, 1, 10, 1000);
  h.Constrain(1, Camping(1));
  h.RefuseAllocation();
  EXPECT_THAT(EndedTrackings(h), ElementsAre(10));
}

TEST(LifetimeTracking, EndsWithItsCollectionIfThatGoesUndecided_CONV_8) {
  for (bool clean : {true, false}) {
    Harness h;
    h.MakeTokens(1);
    h.Say(event::Bind{.node = 2});
    Track(h, 2, 10, 0);
    if (clean) h.Say(event::Release{.node = 2});
    EXPECT_THAT(EndedTrackings(h), IsEmpty());
    h.Say(event::Close{.node = 2});
    EXPECT_THAT(EndedTrackings(h), ElementsAre(10));
  }
}

TEST(LifetimeTracking, OfAnAttachedNodeEndsWithItsFailureAlone_LIFE_1) {
  Harness h;
  h.HoldBuffers();
  h.MakeTokens(0);
  h.BindAndConstrain(1, Camping(1));
  h.FinishAllocation();
  Track(h, 1, 10, 0);
  h.Say(event::AttachToken{.node = 1, .child = 2, .rights_mask = kSameRights});
  h.Say(event::Bind{.node = 2});
  Track(h, 2, 20, 0);
  h.Constrain(2, Camping(5));
  EXPECT_THAT(EndedTrackings(h), ElementsAre(20)) << "buffers exist because of others";
}

TEST(LifetimeTracking, NeedsAnEndAndANumber_2_7) {
  Harness h;
  h.MakeTokens(1);
  h.Say(event::Bind{.node = 1});
  EXPECT_EQ(h.RefusedBy(h.Say(event::AttachLifetimeTracking{.node = 1, .buffers_remaining = 1})),
            "2.7 server_end");
  Harness other;
  other.MakeTokens(1);
  other.Say(event::Bind{.node = 1});
  EXPECT_EQ(other.RefusedBy(other.Say(event::AttachLifetimeTracking{.node = 1, .tracking = 1})),
            "2.7 buffers_remaining");
}

// ---- GetVmoInfo

event::GetVmoInfo About(uint32_t buffer, bool is_weak, bool need_weak) {
  return {.buffer = buffer, .is_weak = is_weak, .need_weak = need_weak, .debug = {"asker", 3}};
}

std::optional<VmoInfo> InfoOf(const Harness& h, CallId call) {
  const auto* info = std::get_if<VmoInfo>(&h.AnswerTo(call)->result);
  return info == nullptr ? std::nullopt : std::optional(*info);
}

TEST(VmoInfoOf, StrongHandleComesWithoutASignal_G7) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  EXPECT_EQ(InfoOf(h, h.Say(About(1, false, false))), (VmoInfo{.buffer = 1, .share = {}}));
}

TEST(VmoInfoOf, WeakHandleComesWithItsSignal_G7) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  EXPECT_EQ(InfoOf(h, h.Say(About(1, true, false))),
            (VmoInfo{.buffer = 1, .share = {.close_weak_asap = true}}));
}

TEST(VmoInfoOf, StrongHandleGivesAWeakOneThatKeepsNothingAlive_G6) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  const CallId asked = h.Say(About(0, false, true));
  EXPECT_EQ(InfoOf(h, asked)->share, (BufferShare{.vmo = true, .close_weak_asap = true}));
  h.ReleaseAndClose(1);
  EXPECT_THAT(Signalled(h), ElementsAre(0));
}

TEST(VmoInfoOf, WeakHandleGivesNoOtherOnceNothingStrongIsLeft_G6) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  Wait(h, 2);
  h.ReleaseAndClose(1);
  const CallId asked = h.Say(About(0, true, true));
  EXPECT_EQ(h.ErrorOf(asked), Error::kNoMoreStrongVmoHandles);
  EXPECT_EQ(h.FailureOf(asked)->field, "need_weak");
  EXPECT_TRUE(InfoOf(h, h.Say(About(0, true, false)))) << "the rest is answered (GVI-2)";
}

TEST(VmoInfoOf, BufferThatIsGoneIsNone_G4) {
  Harness h;
  MakeStrongAndWeak(h, 2);
  Wait(h, 1);
  h.Do(event::Close{.node = 1});
  h.EndBuffer(0);
  EXPECT_EQ(h.ErrorOf(h.Say(About(0, false, false))), Error::kNotFound);
  EXPECT_EQ(h.ErrorOf(h.Say(About(2, false, false))), Error::kNotFound);
}

// ---- Leaks

TEST(Leak, IsReportedOnceWithWhoHoldsIt_END_6) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  h.Say(event::SetName{.node = 1, .priority = 1, .name = "preview"});
  h.Say(event::SetDebugClientInfo{.node = 2, .name = "lazy", .id = 5});
  const CallId weak = Wait(h, 2);
  h.ReleaseAndClose(1);
  const int64_t now = Harness::kBorn + 100;
  ASSERT_LE(h.Last<effect::ArmTimer>()->deadline_ns, now) << "the time is asked for";
  h.Do(event::Tick{now});
  EXPECT_EQ(h.Last<effect::ArmTimer>()->deadline_ns, now + kLeakReportAfterNs);
  h.Do(event::Tick{now + kLeakReportAfterNs - 1});
  EXPECT_EQ(h.Count<effect::ReportLeak>(), 0u);
  h.Do(event::Tick{now + kLeakReportAfterNs});
  h.Do(event::Tick{now + 10 * kLeakReportAfterNs});
  ASSERT_EQ(h.Count<effect::ReportLeak>(), 1u);
  const auto* leak = h.Last<effect::ReportLeak>();
  EXPECT_EQ(leak->hand_out, weak);
  EXPECT_EQ(leak->buffer, 0u);
  EXPECT_THAT(leak->text, HasSubstr("collection 77 \"preview\": "));
  EXPECT_THAT(leak->text, HasSubstr("buffer 0"));
  EXPECT_THAT(leak->text, HasSubstr("\"lazy\" (id 5, node 2)"));
}

TEST(Leak, IsNoneIfTheWeakHandleGoesInTime_END_5) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  Wait(h, 2);
  h.ReleaseAndClose(1);
  h.Do(event::Tick{Harness::kBorn});
  h.EndBuffer(0);
  h.Do(event::Tick{Harness::kBorn + 2 * kLeakReportAfterNs});
  EXPECT_EQ(h.Count<effect::ReportLeak>(), 0u);
}

TEST(Leak, TimerIsNoneWithoutWeakHandles) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  const size_t timers = h.Count<effect::ArmTimer>();
  h.ReleaseAndClose(1);
  EXPECT_EQ(h.Count<effect::ArmTimer>(), timers);
}

TEST(Leak, TimeAtTheEndOfTimeIsNoTrouble) {
  Harness h;
  MakeStrongAndWeak(h, 1);
  Wait(h, 2);
  h.ReleaseAndClose(1);
  h.Do(event::Tick{INT64_MAX});
  EXPECT_EQ(h.Last<effect::ArmTimer>()->deadline_ns, INT64_MAX);
}

}  // namespace
}  // namespace sysmem::core::test
