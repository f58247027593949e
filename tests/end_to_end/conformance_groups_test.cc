// SPDX-License-Identifier: Apache-2.0
//
// Conformance: groups of alternatives (GRP), through the library and the wire.
#include <array>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

class Grp : public Conformance {};

// Case GRP-1
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

// Case GRP-2
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

// Case GRP-4
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

// GRP-5: a root, 12 tokens and 4 groups with a child each, where chance puts them. Two groups have
// a second child, which needs no buffer of its own.
class RandomTree : public Grp {
 protected:
  static constexpr size_t kTokens = 13;
  static constexpr size_t kGroups = 4;

  void Make() {
    child_tokens_.assign(kTokens, {});
    child_groups_.assign(kTokens, {});
    std::vector<sysmem::Token> tokens;
    tokens.push_back(Root());
    while (tokens.size() < kTokens) {
      const size_t parent = Pick(tokens.size());
      child_tokens_[parent].push_back(tokens.size());
      tokens.push_back(Dup(tokens[parent]));
    }
    for (size_t i = 0; i < kGroups; ++i) {
      const size_t parent = Pick(kTokens);
      child_groups_[parent].push_back(i);
      groups_.push_back(GroupBelow(tokens[parent]));
    }
    std::vector<size_t> order;
    ListGroups(0, order);
    keeps_ = Pick(kGroups);
    yields_ = Pick(kGroups - 1);
    if (yields_ >= keeps_) ++yields_;
    if (keeps_ > yields_) std::swap(keeps_, yields_);
    for (size_t group : order) firsts_.push_back(Bind(ChildOf(groups_[group])));
    for (size_t at : {keeps_, yields_}) seconds_.push_back(Bind(ChildOf(groups_[order[at]])));
    for (sysmem::Token& token : tokens) others_.push_back(Bind(std::move(token)));
  }

  void SetConstraints() {
    for (size_t i = 0; i < others_.size(); ++i) {
      SYSMEM_EXPECT_OK(others_[i].SetConstraints(i == 0 ? Camp(1, 16) : Camp(1)));
    }
    for (sysmem::Collection& first : firsts_) SYSMEM_EXPECT_OK(first.SetConstraints(Camp(1)));
    for (sysmem::Collection& second : seconds_) SYSMEM_EXPECT_OK(second.SetConstraints(Camp(0)));
    for (sysmem::Group& group : groups_) SYSMEM_EXPECT_OK(group.AllChildrenPresent());
  }

  void Clear() {
    groups_.clear();
    others_.clear();
    firsts_.clear();
    seconds_.clear();
  }

  const uint32_t seed_ = std::random_device()();
  std::vector<sysmem::Group> groups_;
  std::vector<sysmem::Collection> others_;   // 0 is the root
  std::vector<sysmem::Collection> firsts_;   // in the order of their groups in the tree
  std::vector<sysmem::Collection> seconds_;  // of the group that keeps, of the one that yields
  size_t keeps_ = 0;                         // index into firsts_, likewise
  size_t yields_ = 0;

 private:
  size_t Pick(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random_); }
  // The groups below a token, depth first. Its child tokens are older than its groups.
  void ListGroups(size_t token, std::vector<size_t>& order) const {
    for (size_t child : child_tokens_[token]) ListGroups(child, order);
    for (size_t group : child_groups_[token]) order.push_back(group);
  }

  std::mt19937 random_{seed_};
  std::vector<std::vector<size_t>> child_tokens_;  // of each token
  std::vector<std::vector<size_t>> child_groups_;  // likewise
};

// Case GRP-5
TEST_F(RandomTree, MakesTheLastGroupInItYieldWhenRoomIsShort) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  for (int round = 0; round < 20 && !HasFailure(); ++round) {
    Clear();
    Make();
    SetConstraints();
    for (sysmem::Collection& other : others_) EXPECT_TRUE(HasSize(Wait(other), kPage));
    for (size_t i = 0; i < firsts_.size(); ++i) {
      const auto outcome = Wait(firsts_[i]);
      if (i == yields_) {
        EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(outcome)));
      } else {
        EXPECT_TRUE(HasSize(outcome, kPage));
      }
    }
    EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(seconds_[0]))));
    EXPECT_TRUE(HasSize(Wait(seconds_[1]), kPage));
  }
}

// Case GRP-7
TEST_F(Grp, ChoicesInsideWhatIsNotChosenAreNotTried) {
  constexpr int kDepth = 63;
  sysmem::Token current = Root();
  std::vector<sysmem::Group> groups;
  std::vector<sysmem::Collection> path;    // the root, then first children
  std::vector<sysmem::Collection> leaves;  // second children, the outermost first
  for (int i = 0; i < kDepth; ++i) {
    groups.push_back(GroupBelow(current));
    sysmem::Token deeper = ChildOf(groups.back());
    leaves.push_back(Bind(ChildOf(groups.back())));
    path.push_back(Bind(std::move(current)));
    current = std::move(deeper);
  }
  path.push_back(Bind(std::move(current)));
  for (size_t i = 0; i < path.size(); ++i) {
    SYSMEM_EXPECT_OK(path[i].SetConstraints(Picky(i == 0 ? kPage : 2 * kPage)));
  }
  for (sysmem::Collection& leaf : leaves) SYSMEM_EXPECT_OK(leaf.SetConstraints(Picky(kPage)));
  for (sysmem::Group& group : groups) SYSMEM_EXPECT_OK(group.AllChildrenPresent());

  EXPECT_TRUE(HasSize(Wait(path[0]), kPage));
  EXPECT_TRUE(HasSize(Wait(leaves[0]), kPage));
  for (size_t i = 1; i < path.size(); ++i) {
    EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(path[i]))));
  }
  for (size_t i = 1; i < leaves.size(); ++i) {
    EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(leaves[i]))));
  }
}

void ExpectTooManyCombinations(const sysmem::Result<sysmem::Buffers>& outcome) {
  ASSERT_FALSE(outcome.ok());
  const sysmem::Failure& why = outcome.failure();
  if (why.status == sysmem::Status::kClosed) return;
  EXPECT_EQ(why.status, sysmem::Status::kError) << why.text;
  EXPECT_EQ(why.error, sysmem::Error::kTooManyGroupChildCombinations) << why.text;
}

// Case GRP-8
TEST_F(Grp, ChoicesThatAreTooManyAreGivenUp) {
  constexpr int kGroups = 64;
  sysmem::Token root = Root();
  std::vector<sysmem::Group> groups;
  std::vector<sysmem::Collection> children;
  for (int i = 0; i < kGroups; ++i) {
    groups.push_back(GroupBelow(root));
    for (int child = 0; child < 2; ++child) children.push_back(Bind(ChildOf(groups.back())));
  }
  sysmem::Collection parent = Bind(std::move(root));
  SYSMEM_EXPECT_OK(parent.SetConstraints(Picky(2 * kPage)));
  auto parents_wait = parent.StartWait(Patience());
  SYSMEM_ASSERT_OK(parents_wait);
  for (sysmem::Collection& child : children) SYSMEM_EXPECT_OK(child.SetConstraints(Picky(kPage)));
  for (sysmem::Group& group : groups) SYSMEM_EXPECT_OK(group.AllChildrenPresent());
  Settle();
  // This wait was there before the failure, so it is told the reason.
  const auto outcome = parents_wait->Finish(Patience());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.failure().error, sysmem::Error::kTooManyGroupChildCombinations)
      << outcome.failure().text;
  for (sysmem::Collection& child : children) ExpectTooManyCombinations(Wait(child));
}

// Case GRP-10
TEST_F(Grp, FailsTheTreeForAChildWithAMaskOfZero) {
  sysmem::Token root = Root();
  sysmem::Group group = GroupBelow(root);
  auto child = group.CreateChild(0);
  SYSMEM_ASSERT_OK(child);  // one-way: the refusal comes later
  EXPECT_TRUE(IsClosed(Why(root.Sync())));
}

// Case GRP-11
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

// Case GRP-13, with a heap that this machine does not have.
TEST_F(Grp, AChildWhoseHeapIsMissingGivesWayToTheNext) {
  sysmem::Token root_token = Root();
  sysmem::Group group = GroupBelow(root_token);
  sysmem::Token first_token = ChildOf(group);
  sysmem::Token second_token = ChildOf(group);
  sysmem::Collection root = Bind(std::move(root_token));
  SYSMEM_EXPECT_OK(root.SetConstraints(Heaps({}, true, false)));
  SYSMEM_EXPECT_OK(group.AllChildrenPresent());
  sysmem::Collection first = Bind(std::move(first_token));
  sysmem::Collection second = Bind(std::move(second_token));
  SYSMEM_EXPECT_OK(first.SetConstraints(
      Heaps({"fuchsia.sysmem.heap.HEAP_TYPE.GOLDFISH_DEVICE_LOCAL"}, true, true)));
  SYSMEM_EXPECT_OK(second.SetConstraints(Heaps({}, true, false)));
  auto buffers = Wait(root);
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_STREQ(buffers->settings().heap_type, SYSMEM_HEAP_SYSTEM_RAM);
  EXPECT_EQ(buffers->settings().heap_id, 0u);
  SYSMEM_EXPECT_OK(Wait(second));
  EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(first))));
}

// Case GRP-14
TEST_F(Grp, AReleasedGroupKeepsSteeringTheChoice) {
  sysmem::Token root_token = Root();
  sysmem::Group group = GroupBelow(root_token);
  sysmem::Token first_token = ChildOf(group);
  sysmem::Token second_token = ChildOf(group);
  SYSMEM_EXPECT_OK(group.AllChildrenPresent());
  SYSMEM_EXPECT_OK(group.Release());
  group.Close();
  SYSMEM_EXPECT_OK(client().Roundtrip(Patience()));
  sysmem::Collection root = Bind(std::move(root_token));
  sysmem::Collection first = Bind(std::move(first_token));
  sysmem::Collection second = Bind(std::move(second_token));
  SYSMEM_EXPECT_OK(root.SetConstraints(std::nullopt));
  SYSMEM_EXPECT_OK(first.SetConstraints(Picky(16 * kPage)));
  SYSMEM_EXPECT_OK(second.SetConstraints(Picky(32 * kPage)));
  EXPECT_TRUE(HasSize(Wait(root), 16 * kPage));
  EXPECT_TRUE(HasSize(Wait(first), 16 * kPage));
  EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(second))));
}

}  // namespace
}  // namespace sysmem::testing
