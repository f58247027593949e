// SPDX-License-Identifier: Apache-2.0
//
// Conformance: weak nodes (WEAK) and node tracking (NODE), through the library and the wire.
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

class Weak : public Conformance {};
class Node : public Conformance {};

// Case WEAK-1
TEST_F(Weak, OneThatIsWeakByInheritanceMayNotWaitUnlessItSaidSo) {
  sysmem::Token root = Root();
  sysmem::Token strong = Dup(root);
  SYSMEM_EXPECT_OK(root.SetWeak());
  sysmem::Token weak = Dup(root);
  sysmem::Collection parent = Bind(std::move(root));
  sysmem::Collection child = Bind(std::move(weak));
  SYSMEM_EXPECT_OK(parent.SetConstraints(Picky(kPage)));
  SYSMEM_EXPECT_OK(child.SetConstraints(Picky(kPage)));
  SYSMEM_EXPECT_OK(parent.Sync(Patience()));
  SYSMEM_EXPECT_OK(child.Sync(Patience()));
  // At once: the strong token is never bound, so nothing else would end this wait.
  auto outcome = Wait(child);
  ASSERT_FALSE(outcome.ok());
  EXPECT_NE(outcome.failure().status, sysmem::Status::kTimeout) << outcome.failure().text;
}

// Case WEAK-2
TEST_F(Weak, OneThatIsWeakByInheritanceMayWaitOnceItSaidSo) {
  sysmem::Token root = Root();
  sysmem::Token strong_token = Dup(root);
  SYSMEM_EXPECT_OK(root.SetWeak());
  sysmem::Token weak = Dup(root);
  sysmem::Collection parent = Bind(std::move(root));
  sysmem::Collection child = Bind(std::move(weak));
  sysmem::Collection strong = Bind(std::move(strong_token));
  for (sysmem::Collection* each : {&parent, &child, &strong}) {
    SYSMEM_EXPECT_OK(each->SetConstraints(Picky(kPage)));
    SYSMEM_EXPECT_OK(each->Sync(Patience()));
  }
  SYSMEM_EXPECT_OK(child.SetWeakOk());
  EXPECT_TRUE(HasSize(Wait(child), kPage));
}

// Case WEAK-5
TEST_F(Weak, WithoutAnyStrongNodeBeforeAllocationEverythingFails) {
  sysmem::Token root = Root();
  sysmem::Token weak = Dup(root);
  SYSMEM_EXPECT_OK(weak.SetWeak());
  sysmem::Collection child = Bind(std::move(weak));
  SYSMEM_EXPECT_OK(child.Sync(Patience()));
  SYSMEM_EXPECT_OK(root.Release());
  root.Close();
  Settle();
  EXPECT_TRUE(IsClosed(Why(child.Sync())));
}

// Case WEAK-8
TEST_F(Weak, OkForChildNodesAlsoIsInherited) {
  sysmem::Token root = Root();
  sysmem::Token child_token = Dup(root);
  SYSMEM_EXPECT_OK(child_token.SetWeak());
  SYSMEM_EXPECT_OK(child_token.SetWeakOk(/*for_child_nodes_also=*/true));
  sysmem::Token grandchild_token = Dup(child_token);
  sysmem::Collection parent = Bind(std::move(root));
  sysmem::Collection child = Bind(std::move(child_token));
  sysmem::Collection grandchild = Bind(std::move(grandchild_token));
  for (sysmem::Collection* each : {&parent, &child, &grandchild}) {
    SYSMEM_EXPECT_OK(each->SetConstraints(Camp(1)));
  }
  auto strong = Wait(parent);
  SYSMEM_ASSERT_OK(strong);
  ASSERT_EQ(strong->count(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*strong)[i].close_weak_asap_fd, -1) << i;
    EXPECT_FALSE((*strong)[i].is_weak) << i;
    EXPECT_FALSE(strong->MustClose(i)) << i;
  }
  for (sysmem::Collection* each : {&child, &grandchild}) {
    auto weak = Wait(*each);
    SYSMEM_ASSERT_OK(weak);
    ASSERT_EQ(weak->count(), 3u);
    EXPECT_EQ(NameMemory(*weak), NameMemory(*strong));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_GE((*weak)[i].close_weak_asap_fd, 0) << i;
      EXPECT_TRUE((*weak)[i].is_weak) << i;
      EXPECT_FALSE(weak->MustClose(i)) << i;
    }
  }
}

// Case NODE-1
TEST_F(Node, TrackingSurvivesTheBindAndEndsWithTheNode) {
  sysmem::Token parent_token = Root();
  sysmem::Token child_token = Dup(parent_token);
  TrackedEnd end;
  SYSMEM_EXPECT_OK(parent_token.AttachNodeTracking(end.Give()));
  sysmem::Collection parent = Bind(std::move(parent_token));
  sysmem::Collection child = Bind(std::move(child_token));
  Settle();
  EXPECT_FALSE(end.HasSignalled());
  child.Close();
  Settle();
  EXPECT_TRUE(end.HasSignalled()) << "the child takes its parent along";
  EXPECT_TRUE(IsClosed(Why(parent.Sync())));
}

// Case NODE-2
TEST_F(Node, TrackingSurvivesTheReleaseOfTheNode) {
  sysmem::Token parent_token = Root();
  sysmem::Token child_token = Dup(parent_token);
  TrackedEnd end;
  SYSMEM_EXPECT_OK(parent_token.AttachNodeTracking(end.Give()));
  sysmem::Collection parent = Bind(std::move(parent_token));
  sysmem::Collection child = Bind(std::move(child_token));
  SYSMEM_EXPECT_OK(parent.SetConstraints(Camp(1)));
  SYSMEM_EXPECT_OK(parent.Release());
  parent.Close();
  Settle();
  EXPECT_FALSE(end.HasSignalled()) << "its constraints still count";
  child.Close();
  EXPECT_TRUE([&] {
    SYSMEM_EXPECT_OK(other().Flush());
    return end.Signals();
  }());
}

// TRK-2, row 32.
TEST_F(Node, TrackingSignalsWhenTheRoomOfALateParticipantIsFree) {
  sysmem::Constraints two_buffers = Camp(1);
  two_buffers.min_buffer_count = 2;
  sysmem::Collection initial = Bind(Root());
  SYSMEM_EXPECT_OK(initial.SetConstraints(two_buffers));
  SYSMEM_ASSERT_OK(Wait(initial));
  for (int round = 0; round < 3; ++round) {
    auto token = initial.AttachToken();
    SYSMEM_ASSERT_OK(token);
    TrackedEnd end;
    SYSMEM_EXPECT_OK(token->AttachNodeTracking(end.Give()));
    auto late = std::move(*token).Bind();
    SYSMEM_ASSERT_OK(late);
    SYSMEM_EXPECT_OK(late->SetConstraints(Camp(1)));
    EXPECT_TRUE(HasSize(Wait(*late), kPage)) << "round " << round;
    auto too_many = initial.AttachToken();
    SYSMEM_ASSERT_OK(too_many);
    auto later = std::move(*too_many).Bind();
    SYSMEM_ASSERT_OK(later);
    SYSMEM_EXPECT_OK(later->SetConstraints(Camp(1)));
    EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(*later))));
    late->Close();
    SYSMEM_EXPECT_OK(other().Flush());
    EXPECT_TRUE(end.Signals());
  }
}

// 2.4, row 46.
class ManyDescriptors : public Conformance {
 protected:
  ManyDescriptors() : Conformance({.max_descriptors = 16384}) {}
};

TEST_F(ManyDescriptors, TrackANodeAtMost256Times) {
  sysmem::Token token = Root();
  std::vector<TrackedEnd> ends(256);
  for (TrackedEnd& end : ends) SYSMEM_EXPECT_OK(token.AttachNodeTracking(end.Give()));
  SYSMEM_EXPECT_OK(token.Sync());
  TrackedEnd one_more;
  SYSMEM_EXPECT_OK(token.AttachNodeTracking(one_more.Give()));
  EXPECT_TRUE(IsClosed(Why(token.Sync())));
  EXPECT_TRUE(one_more.Signals());
  for (const TrackedEnd& end : ends) EXPECT_TRUE(end.Signals());
}

// 2.4: nothing to close is no tracking; the library does not even send it.
TEST_F(Node, TrackingNeedsAnOpenDescriptor) {
  sysmem::Token token = Root();
  auto outcome = token.AttachNodeTracking(sysmem::UniqueFd());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.failure().status, sysmem::Status::kInvalidArgument);
  EXPECT_EQ(outcome.failure().field, "owned_fd");
  SYSMEM_EXPECT_OK(token.Sync());
}

}  // namespace
}  // namespace sysmem::testing
