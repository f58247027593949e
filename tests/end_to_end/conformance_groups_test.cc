// SPDX-License-Identifier: Apache-2.0
//
// Conformance: groups (GRP), failure domains (FAIL) and node tracking (NODE), through the library
// and the wire.
#include <array>
#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

class Grp : public Conformance {};
class Fail : public Conformance {};
class Node : public Conformance {};

// GRP-1
TEST_F(Grp, CompanionsAreNoAlternatives) {
  sysmem::Token root = Root();
  sysmem::Token a = Dup(root);
  sysmem::Token b = Dup(root);
  auto reference = b.GetNodeRef();
  SYSMEM_ASSERT_OK(reference);
  auto answer = a.IsAlternateFor(*reference);
  SYSMEM_ASSERT_OK(answer);
  EXPECT_FALSE(*answer);
}

// GRP-2
TEST_F(Grp, ChildrenOfAGroupAreAlternatives) {
  sysmem::Token root = Root();
  sysmem::Group group = GroupBelow(root);
  sysmem::Token a = ChildOf(group);
  sysmem::Token b = ChildOf(group);
  auto reference = b.GetNodeRef();
  SYSMEM_ASSERT_OK(reference);
  auto answer = a.IsAlternateFor(*reference);
  SYSMEM_ASSERT_OK(answer);
  EXPECT_TRUE(*answer);
  // From another session, of a collection, and of the group itself.
  auto reference_of_group = group.GetNodeRef();
  SYSMEM_ASSERT_OK(reference_of_group);
  sysmem::Collection bound = Bind(std::move(a));
  for (const sysmem::UniqueFd& each : {std::cref(*reference), std::cref(*reference_of_group)}) {
    auto again = bound.IsAlternateFor(each);
    SYSMEM_ASSERT_OK(again);
    EXPECT_TRUE(*again);
  }
}

// MSG-H1: what is no reference is an error, and nobody is hurt.
TEST_F(Grp, AsksOnlyAboutNodesOfItsOwnCollection) {
  sysmem::Token root = Root();
  sysmem::Token stranger = Root();
  auto foreign = stranger.GetNodeRef();
  SYSMEM_ASSERT_OK(foreign);
  auto answer = root.IsAlternateFor(*foreign);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.failure().status, sysmem::Status::kError);
  EXPECT_EQ(answer.failure().error, sysmem::Error::kNotFound) << answer.failure().text;
  answer = root.IsAlternateFor(TrackedEnd().Give());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.failure().status, sysmem::Status::kError);
  EXPECT_EQ(answer.failure().error, sysmem::Error::kProtocolDeviation) << answer.failure().text;
  SYSMEM_EXPECT_OK(root.Sync());
}

// GRP-4
TEST_F(Grp, PrefersTheFirstChild) {
  sysmem::Token root_token = Root();
  sysmem::Group group = GroupBelow(root_token);
  sysmem::Token first_token = ChildOf(group);
  sysmem::Token second_token = ChildOf(group);
  sysmem::Collection root = Bind(std::move(root_token));
  sysmem::Collection first = Bind(std::move(first_token));
  sysmem::Collection second = Bind(std::move(second_token));
  SYSMEM_EXPECT_OK(root.SetConstraints(Empty()));
  SYSMEM_EXPECT_OK(first.SetConstraints(Picky(16 * kPage)));
  SYSMEM_EXPECT_OK(second.SetConstraints(Picky(32 * kPage)));
  SYSMEM_EXPECT_OK(group.AllChildrenPresent());
  EXPECT_TRUE(HasSize(Wait(root), 16 * kPage));
  EXPECT_TRUE(HasSize(Wait(first), 16 * kPage));
  EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(second))));
}

// GRP-10
TEST_F(Grp, FailsTheTreeForAChildWithAMaskOfZero) {
  sysmem::Token root = Root();
  sysmem::Group group = GroupBelow(root);
  auto child = group.CreateChild(0);
  SYSMEM_ASSERT_OK(child);  // one-way: the refusal comes later
  EXPECT_TRUE(IsClosed(Why(root.Sync())));
}

// GRP-11
TEST_F(Grp, FailsTheTreeForChildrenWithAMaskOfZero) {
  sysmem::Token root = Root();
  sysmem::Group group = GroupBelow(root);
  const std::array<uint32_t, 2> masks = {0, 0};
  auto children = group.CreateChildrenSync(masks);
  ASSERT_FALSE(children.ok());
  EXPECT_EQ(children.failure().status, sysmem::Status::kRefused);
  EXPECT_EQ(children.failure().field, "rights_attenuation_masks");
  EXPECT_TRUE(IsClosed(Why(root.Sync())));
}

TEST_F(Grp, MakesAsManyChildrenInSyncAsThereAreMasks) {
  sysmem::Token root = Root();
  sysmem::Group group = GroupBelow(root);
  const std::vector<uint32_t> masks(64, SYSMEM_SAME_RIGHTS);
  auto children = group.CreateChildrenSync(masks);
  SYSMEM_ASSERT_OK(children);
  ASSERT_EQ(children->size(), masks.size());
  for (sysmem::Token& child : *children) SYSMEM_EXPECT_OK(child.Sync());
}

// Groups travel as tokens do, and their children can be born as descriptors.
TEST_F(Grp, IsBuiltByAnotherSessionThanTheOneThatMadeIt) {
  sysmem::Token root = Root();
  sysmem::Group made = GroupBelow(root);
  auto fd = std::move(made).Export();
  SYSMEM_ASSERT_OK(fd);
  auto group = other().ImportGroup(*std::move(fd));
  SYSMEM_ASSERT_OK(group);
  auto child = group->CreateChildExported();
  SYSMEM_ASSERT_OK(child);
  auto only = client().BindToken(*std::move(child));
  SYSMEM_ASSERT_OK(only);
  sysmem::Collection rest = Bind(std::move(root));
  SYSMEM_EXPECT_OK(rest.SetConstraints(Empty()));
  SYSMEM_EXPECT_OK(only->SetConstraints(Picky(kPage)));
  SYSMEM_EXPECT_OK(group->AllChildrenPresent());
  EXPECT_TRUE(HasSize(Wait(*only), kPage));
  EXPECT_TRUE(HasSize(Wait(rest), kPage));
}

// FAIL-11, before allocation.
TEST_F(Fail, ADispensableNodeThatNeverTookPartTakesTheOthersAlong) {
  sysmem::Token root = Root();
  sysmem::Token child = Dup(root);
  SYSMEM_EXPECT_OK(child.SetDispensable());
  sysmem::Collection one = Bind(std::move(root));
  SYSMEM_EXPECT_OK(one.Sync());
  sysmem::Collection two = Bind(std::move(child));
  SYSMEM_EXPECT_OK(one.SetConstraints(Camp(2)));
  two.Close();
  EXPECT_TRUE(IsClosed(Why(Wait(one))));
}

// FAIL-11, after allocation.
TEST_F(Fail, ADispensableNodeGoesAloneOnceItHasBuffers) {
  sysmem::Constraints needs = Camp(2);
  needs.memory = CpuOnly(65536, 65536);
  sysmem::Token root = Root();
  sysmem::Token child = Dup(root);
  SYSMEM_EXPECT_OK(child.SetDispensable());
  sysmem::Collection one = Bind(std::move(root));
  SYSMEM_EXPECT_OK(one.Sync());
  sysmem::Collection two = Bind(std::move(child));
  SYSMEM_EXPECT_OK(one.SetConstraints(needs));
  SYSMEM_EXPECT_OK(two.SetConstraints(needs));
  auto buffers = Wait(one);
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 4u);
  two.Close();
  Settle();
  SYSMEM_EXPECT_OK(one.Sync());
}

// NODE-1
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

// NODE-2
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
