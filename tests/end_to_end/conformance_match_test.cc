// SPDX-License-Identifier: Apache-2.0
//
// Conformance: buffers like those of another collection (must_match_vmo), through the library and
// the wire.
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

class Match : public Conformance {
 protected:
  // What a new collection comes to with one participant, who wants buffers like this one.
  sysmem::Result<sysmem::Buffers> AllocateMatching(const sysmem::Constraints& constraints,
                                                   int must_match_fd) {
    sysmem::Collection collection = Single();
    SYSMEM_EXPECT_OK(collection.SetConstraintsMatching(constraints, must_match_fd));
    return Wait(collection);
  }
};

sysmem::Constraints AtLeast(uint64_t bytes, uint32_t camping = 1) {
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = camping,
          .memory = CpuOnly(bytes)};
}

void ExpectSameSettings(const sysmem_settings& a, const sysmem_settings& b) {
  EXPECT_EQ(a.size_bytes, b.size_bytes);
  EXPECT_EQ(a.raw_size_bytes, b.raw_size_bytes);
  EXPECT_EQ(a.coherency_domain, b.coherency_domain);
  EXPECT_STREQ(a.heap_type, b.heap_type);
  EXPECT_EQ(a.heap_id, b.heap_id);
  ASSERT_EQ(a.image == nullptr, b.image == nullptr);
  if (a.image == nullptr) return;
  EXPECT_EQ(a.image->pixel_format, b.image->pixel_format);
  EXPECT_EQ(a.image->pixel_format_modifier, b.image->pixel_format_modifier);
}

TEST_F(Match, NewBuffersAreLikeTheOldOnesHoweverManyTheyAre_PART_2) {
  auto old_ones = Allocate(Nv12());
  SYSMEM_ASSERT_OK(old_ones);
  sysmem::Constraints constraints = Nv12();
  constraints.min_buffer_count_for_camping = 5;
  auto new_ones = AllocateMatching(constraints, (*old_ones)[0].fd);
  SYSMEM_ASSERT_OK(new_ones);
  EXPECT_EQ(new_ones->count(), 5u);
  ExpectSameSettings(new_ones->settings(), old_ones->settings());
  EXPECT_TRUE(IsZero(*new_ones, 0)) << "like the old ones, and not the old ones";
}

TEST_F(Match, ALargerBufferThanTheOneToMatchIsNotToBeHad_row_48) {
  auto old_ones = Allocate(AtLeast(kPage));
  ASSERT_TRUE(HasSize(old_ones, kPage));
  EXPECT_TRUE(
      IsClosedOrIntersectionEmpty(Why(AllocateMatching(AtLeast(2 * kPage), (*old_ones)[0].fd))));
  EXPECT_TRUE(HasSize(AllocateMatching(AtLeast(1), (*old_ones)[0].fd), kPage));
}

TEST_F(Match, HoldsForEverybodyAndTellsWhoGaveTheBuffers_row_48) {
  auto old_ones = Allocate(AtLeast(kPage));
  SYSMEM_ASSERT_OK(old_ones);
  sysmem::Token root = Root();
  sysmem::Token token = Dup(root);
  sysmem::Collection matcher = Bind(std::move(root));
  sysmem::Collection wants_more = Bind(std::move(token));
  SYSMEM_EXPECT_OK(matcher.SetConstraintsMatching(AtLeast(1), (*old_ones)[0].fd));
  SYSMEM_EXPECT_OK(wants_more.SetConstraints(AtLeast(3 * kPage)));
  auto outcome = Wait(matcher);
  ASSERT_TRUE(IsClosedOrIntersectionEmpty(Why(outcome)));
  EXPECT_NE(outcome.failure().text.find("buffers to match, given by conformance_test"),
            std::string::npos)
      << outcome.failure().text;
}

TEST_F(Match, BuffersMayBeOfACollectionThatIsOver_PART_3) {
  sysmem::Collection old_collection = Single();
  SYSMEM_EXPECT_OK(old_collection.SetConstraints(AtLeast(3 * kPage)));
  auto old_ones = Wait(old_collection);
  SYSMEM_ASSERT_OK(old_ones);
  SYSMEM_EXPECT_OK(old_collection.Release());
  old_collection.Close();
  Settle();
  EXPECT_TRUE(HasSize(AllocateMatching(AtLeast(1), (*old_ones)[0].fd), 3 * kPage));
}

TEST_F(Match, ALateParticipantMayGiveBuffersToMatch_LATE_1) {
  auto like = Allocate(Picky(kPage));
  auto unlike = Allocate(Picky(2 * kPage));
  SYSMEM_ASSERT_OK(like);
  SYSMEM_ASSERT_OK(unlike);
  sysmem::Collection collection = Single();
  sysmem::Constraints room = Camp(1);
  room.min_buffer_count = 3;
  SYSMEM_EXPECT_OK(collection.SetConstraints(room));
  SYSMEM_ASSERT_OK(Wait(collection));
  for (const bool fits : {true, false}) {
    auto token = collection.AttachToken();
    SYSMEM_ASSERT_OK(token);
    SYSMEM_EXPECT_OK(collection.Sync(Patience()));
    sysmem::Collection late = Bind(std::move(*token));
    SYSMEM_EXPECT_OK(late.SetConstraintsMatching(Camp(0), fits ? (*like)[0].fd : (*unlike)[0].fd));
    auto outcome = Wait(late);
    EXPECT_EQ(outcome.ok(), fits);
    EXPECT_TRUE(fits || IsClosedOrIntersectionEmpty(Why(outcome)));
  }
  SYSMEM_EXPECT_OK(collection.Sync(Patience()));
}

TEST_F(Match, WhatIsNoBufferOfTheDaemonFailsTheCollectionAndNobodyElse_2_7) {
  sysmem::Collection bystander = Single();
  const base::UniqueFd foreign(::memfd_create("foreign", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(foreign.get(), kPage), 0);
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.SetConstraintsMatching(AtLeast(1), foreign.get()));
  auto outcome = collection.Sync(Patience());
  ASSERT_FALSE(outcome.ok());
  EXPECT_NE(outcome.failure().text.find("must_match_vmo"), std::string::npos)
      << outcome.failure().text;
  EXPECT_TRUE(IsClosed(Why(Wait(collection))));
  SYSMEM_EXPECT_OK(bystander.SetConstraints(Picky(kPage)));
  EXPECT_TRUE(HasSize(Wait(bystander), kPage));
}

TEST_F(Match, ADescriptorThatIsNotOpenIsRefusedBeforeAnythingIsSent) {
  sysmem::Collection collection = Single();
  const auto refused = collection.SetConstraintsMatching(AtLeast(1), -1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.failure().status, sysmem::Status::kInvalidArgument);
  SYSMEM_EXPECT_OK(collection.SetConstraints(Picky(kPage)));
  EXPECT_TRUE(HasSize(Wait(collection), kPage)) << "it has not set its constraints by that";
}

}  // namespace
}  // namespace sysmem::testing
