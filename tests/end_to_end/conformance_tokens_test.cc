// SPDX-License-Identifier: Apache-2.0
//
// Conformance: tokens (TOK) and the life of collections (COL), through the library and the wire.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <thread>
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

constexpr uint32_t kMinBytes = 65536;
constexpr uint32_t kMaxBytes = 131072;

class Tok : public Conformance {};
class Col : public Conformance {};

// Case TOK-1. A token's identity here is the cookie of its exported end.
TEST_F(Tok, ValidatesTheTokensTheDaemonKnowsAndNoOthers) {
  auto first = client().CreateToken();
  SYSMEM_ASSERT_OK(first);
  auto second = first->DuplicateExported();
  SYSMEM_ASSERT_OK(second);
  auto third = first->Duplicate();
  SYSMEM_ASSERT_OK(third);
  SYSMEM_EXPECT_OK(third->Sync());
  auto exported = std::move(*third).Export();
  SYSMEM_ASSERT_OK(exported);
  for (const sysmem::UniqueFd& fd : {std::cref(*second), std::cref(*exported)}) {
    auto known = client().ValidateToken(fd.get());
    SYSMEM_ASSERT_OK(known);
    EXPECT_TRUE(*known);
  }
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const base::UniqueFd never_sent(pair[0]);
  const base::UniqueFd other_end(pair[1]);
  auto known = client().ValidateToken(never_sent.get());
  SYSMEM_ASSERT_OK(known);
  EXPECT_FALSE(*known);
}

// Case TOK-2: a token that the daemon never made hurts only the would-be collection, and one that
// is released and dropped before the daemon hears of it hurts nobody.
TEST_F(Tok, NeverMadeHurtsOnlyTheCollectionThatIsNot) {
  SYSMEM_EXPECT_OK(client().SetDebugClientInfo("TestAllocator", 1));
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  SYSMEM_EXPECT_OK(root->SetDebugClientInfo("TestClient", 2));
  auto child = root->Duplicate();
  SYSMEM_ASSERT_OK(child);
  SYSMEM_EXPECT_OK(root->Sync());
  auto collection = std::move(*child).Bind();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetName(1, "TestCollection"));
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const base::UniqueFd server_end(pair[1]);
  auto stranger = client().BindToken(sysmem::UniqueFd(pair[0]));
  SYSMEM_ASSERT_OK(stranger);
  auto answer = stranger->Sync();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.failure().error, sysmem::Error::kNotFound) << answer.failure().text;
  auto late = root->Duplicate();
  SYSMEM_ASSERT_OK(late);
  SYSMEM_EXPECT_OK(late->SetDebugClientInfo("TestClient2", 3));
  SYSMEM_EXPECT_OK(late->Release());
  late->Close();
  SYSMEM_EXPECT_OK(root->Sync());
  SYSMEM_EXPECT_OK(collection->Sync());
}

// Case TOK-4
TEST_F(Tok, LivesOnWhenItsReleasedParentIsDropped) {
  auto parent = client().CreateToken();
  SYSMEM_ASSERT_OK(parent);
  auto child = parent->Duplicate();
  SYSMEM_ASSERT_OK(child);
  SYSMEM_EXPECT_OK(parent->Sync());
  SYSMEM_EXPECT_OK(parent->Release());
  parent->Close();
  SYSMEM_EXPECT_OK(client().Roundtrip());
  SYSMEM_EXPECT_OK(child->Sync());
}

// Case TOK-5
TEST_F(Tok, CannotBeDuplicatedInSyncWithAMaskOfZero) {
  auto token = client().CreateToken();
  SYSMEM_ASSERT_OK(token);
  const std::array<uint32_t, 2> masks = {0, 0};
  SYSMEM_EXPECT_STATUS(token->DuplicateSync(masks), sysmem::Status::kRefused);
}

TEST_F(Tok, DuplicatesInSyncAsManyAsThereAreMasks) {
  auto token = client().CreateToken();
  SYSMEM_ASSERT_OK(token);
  const std::vector<uint32_t> masks(64, SYSMEM_SAME_RIGHTS);
  auto children = token->DuplicateSync(masks);
  SYSMEM_ASSERT_OK(children);
  ASSERT_EQ(children->size(), masks.size());
  for (sysmem::Token& child : *children) SYSMEM_EXPECT_OK(child.Sync());
}

// Case COL-1
TEST_F(Col, IsServed) {
  SYSMEM_EXPECT_OK(client().SetDebugClientInfo("Test", 1));
  auto collection = client().CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->Sync());
}

// Case COL-2
TEST_F(Col, WithoutATokenPrefersRamForTheDisplay) {
  auto collection = client().CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetName(1000000, "sysmem-test-v2"));
  SYSMEM_EXPECT_OK(collection->SetConstraints(sysmem::Constraints{
      .usage = sysmem::Usage{.cpu = kCpuReadWrite, .display = SYSMEM_DISPLAY_USAGE_LAYER},
      .min_buffer_count_for_camping = 3,
      .memory = sysmem::MemoryConstraints{.min_size_bytes = kMinBytes,
                                          .max_size_bytes = kMaxBytes,
                                          .physically_contiguous_required = false,
                                          .secure_required = false,
                                          .cpu_domain_supported = true,
                                          .ram_domain_supported = true,
                                          .inaccessible_domain_supported = false}}));
  auto buffers = collection->Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 3u);
  const sysmem::Settings& settings = buffers->settings();
  EXPECT_EQ(settings.size_bytes, kMinBytes);
  EXPECT_EQ(settings.raw_size_bytes, kMinBytes);
  EXPECT_FALSE(settings.is_physically_contiguous);
  EXPECT_FALSE(settings.is_secure);
  EXPECT_EQ(settings.coherency_domain, SYSMEM_COHERENCY_DOMAIN_RAM);
  EXPECT_EQ(settings.image, nullptr);
  for (size_t i = 0; i < buffers->count(); ++i) {
    struct stat status {};
    ASSERT_EQ(::fstat((*buffers)[i].fd, &status), 0);
    EXPECT_EQ(status.st_size, kMinBytes);
  }
}

void ExpectSameSettings(const sysmem::Settings& a, const sysmem::Settings& b) {
  EXPECT_EQ(a.size_bytes, b.size_bytes);
  EXPECT_EQ(a.raw_size_bytes, b.raw_size_bytes);
  EXPECT_EQ(a.coherency_domain, b.coherency_domain);
  EXPECT_STREQ(a.heap_type, b.heap_type);
  ASSERT_NE(a.image, nullptr);
  ASSERT_NE(b.image, nullptr);
  EXPECT_EQ(a.image->pixel_format, b.image->pixel_format);
  EXPECT_EQ(a.image->min_size.width, b.image->min_size.width);
  EXPECT_EQ(a.image->min_size.height, b.image->min_size.height);
  EXPECT_EQ(a.image->min_bytes_per_row, b.image->min_bytes_per_row);
}

// Case COL-4
TEST_F(Col, ServesThreeParticipantsOfWhomOneWantsNothing) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  auto second = root->DuplicateExported();
  SYSMEM_ASSERT_OK(second);
  auto third = root->DuplicateExported();
  SYSMEM_ASSERT_OK(third);
  auto one = std::move(*root).Bind();
  SYSMEM_ASSERT_OK(one);
  sysmem::Constraints constraints = Nv12();
  constraints.memory->max_size_bytes = 512 * 512 * 3 / 2;
  SYSMEM_EXPECT_OK(one->SetConstraints(constraints));
  sysmem::Client other = Connect();
  for (int i = 0; i < 513; ++i) SYSMEM_EXPECT_OK(one->Sync());
  auto two = other.BindToken(*std::move(second));
  SYSMEM_ASSERT_OK(two);
  auto three = other.BindToken(*std::move(third));
  SYSMEM_ASSERT_OK(three);
  SYSMEM_EXPECT_OK(three->SetConstraints(sysmem::Constraints{}));
  for (sysmem::Collection* each : {&*one, &*two}) {
    auto check = each->Check();
    ASSERT_FALSE(check.ok());
    EXPECT_EQ(check.failure().error, sysmem::Error::kPending) << check.failure().text;
  }
  constraints.image_formats[0].min_size = sysmem::Size{512, 512};
  SYSMEM_EXPECT_OK(two->SetConstraints(constraints));
  SYSMEM_EXPECT_OK(other.Flush());
  auto first_buffers = one->Wait(Patience());
  SYSMEM_ASSERT_OK(first_buffers);
  SYSMEM_EXPECT_OK(one->Check());
  SYSMEM_EXPECT_OK(two->Check());
  auto second_buffers = two->Wait(Patience());
  SYSMEM_ASSERT_OK(second_buffers);
  auto third_buffers = three->Wait(Patience());
  SYSMEM_ASSERT_OK(third_buffers);

  ASSERT_EQ(first_buffers->count(), 6u);
  ASSERT_EQ(second_buffers->count(), 6u);
  ASSERT_EQ(third_buffers->count(), 6u);
  EXPECT_GE(first_buffers->settings().size_bytes, 393216u);
  ExpectSameSettings(first_buffers->settings(), second_buffers->settings());
  ExpectSameSettings(first_buffers->settings(), third_buffers->settings());
  EXPECT_EQ(first_buffers->collection_id(), third_buffers->collection_id());
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_GE((*first_buffers)[i].fd, 0);
    EXPECT_GE((*second_buffers)[i].fd, 0);
    EXPECT_NE((*first_buffers)[i].fd, (*second_buffers)[i].fd);
    EXPECT_EQ((*first_buffers)[i].inode, (*second_buffers)[i].inode);
    EXPECT_EQ((*third_buffers)[i].fd, -1) << "buffers for one who wants none";
  }
}

// Case COL-5
TEST_F(Col, AnswersAnOutstandingWaitWithClosedWhenAnotherDropsItsEnd) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  auto child = root->Duplicate();
  SYSMEM_ASSERT_OK(child);
  auto one = std::move(*root).Bind();
  SYSMEM_ASSERT_OK(one);
  SYSMEM_EXPECT_OK(one->SetConstraints(sysmem::Constraints{
      .usage = sysmem::Usage{.cpu = kCpuReadWrite},
      .min_buffer_count_for_camping = 1,
      .image_formats = {Image(SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_COLOR_SPACE_SRGB)}}));
  auto wait = one->StartWait(Patience());
  SYSMEM_ASSERT_OK(wait);
  std::thread waiter(
      [&] { SYSMEM_EXPECT_STATUS(wait->Finish(Patience()), sysmem::Status::kClosed); });
  SYSMEM_EXPECT_OK(one->Sync());  // served while the wait is pending
  auto two = std::move(*child).Bind();
  SYSMEM_EXPECT_OK(client().Flush());
  two->Close();
  waiter.join();
  auto another = client().CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(another);
  SYSMEM_EXPECT_OK(another->Sync());
}

// Case COL-7
TEST_F(Col, SaysWhyThereAreNoBuffers) {
  auto buffers = Allocate(Camp(1));
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 1u);

  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  auto child = root->Duplicate();
  SYSMEM_ASSERT_OK(child);
  auto parent_collection = std::move(*root).Bind();
  auto child_collection = std::move(*child).Bind();
  SYSMEM_EXPECT_OK(parent_collection->SetDebugClientInfo("modest", 1));
  SYSMEM_EXPECT_OK(child_collection->SetDebugClientInfo("greedy", 2));
  auto wait_started = [&] {
    SYSMEM_EXPECT_OK(parent_collection->SetConstraints(Picky(kPage)));
    return parent_collection->StartWait(Patience());
  }();
  SYSMEM_ASSERT_OK(wait_started);
  SYSMEM_EXPECT_OK(child_collection->SetConstraints(Picky(2 * kPage)));
  SYSMEM_EXPECT_OK(client().Flush());
  auto outcome = wait_started->Finish(Patience());
  ASSERT_FALSE(outcome.ok());
  const sysmem::Failure& why = outcome.failure();
  EXPECT_EQ(why.status, sysmem::Status::kError);
  EXPECT_EQ(why.error, sysmem::Error::kConstraintsIntersectionEmpty);
  EXPECT_FALSE(why.field.empty());
  ASSERT_EQ(why.participants.size(), 2u) << why.text;
  EXPECT_EQ(why.participants[0].name.find("modest"), 0u) << why.text;
  EXPECT_EQ(why.participants[1].name.find("greedy"), 0u) << why.text;
  // The closing carries no error code: one that comes too late sees only that.
  SYSMEM_EXPECT_STATUS(parent_collection->Wait(Patience()), sysmem::Status::kClosed);
}

// Case COL-8
TEST_F(Col, HasOneIdForAllItsNodesAndResults) {
  sysmem::Token token = Root();
  auto id = token.GetBufferCollectionId();
  SYSMEM_ASSERT_OK(id);
  EXPECT_GT(*id, 1u);
  sysmem::Group group = GroupBelow(token);
  auto id_of_group = group.GetBufferCollectionId();
  SYSMEM_ASSERT_OK(id_of_group);
  EXPECT_EQ(*id_of_group, *id);
  sysmem::Collection collection = Bind(std::move(token));
  auto id_of_collection = collection.GetBufferCollectionId();
  SYSMEM_ASSERT_OK(id_of_collection);
  EXPECT_EQ(*id_of_collection, *id);
  sysmem::Collection child = Bind(ChildOf(group));
  SYSMEM_EXPECT_OK(child.SetConstraints(Empty()));
  SYSMEM_EXPECT_OK(group.AllChildrenPresent());
  SYSMEM_EXPECT_OK(collection.SetConstraints(Picky(kPage)));
  auto buffers = Wait(collection);
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->collection_id(), *id);
  auto other_id = Root().GetBufferCollectionId();
  SYSMEM_ASSERT_OK(other_id);
  EXPECT_NE(*other_id, *id);
}

// Case COL-10
TEST_F(Col, AllocatesZeroedBuffersEachTime) {
  sysmem::Constraints constraints = Picky(kMinBytes);
  for (int i = 0; i < 200; ++i) {
    auto buffers = Allocate(constraints);
    SYSMEM_ASSERT_OK(buffers);
    ASSERT_TRUE(IsZero(*buffers, 0)) << "round " << i;
    WritePattern(*buffers, 0, static_cast<uint8_t>(i));  // for the next one to find
  }
}

// Case COL-11
TEST_F(Col, HandsOutDescriptorsThatCanBeLookedAt) {
  auto buffers = Allocate(Picky(kMinBytes));
  SYSMEM_ASSERT_OK(buffers);
  ASSERT_EQ(buffers->count(), 1u);
  struct stat status {};
  EXPECT_EQ(::fstat((*buffers)[0].fd, &status), 0);
  EXPECT_NE(::fcntl((*buffers)[0].fd, F_GETFL), -1);
  EXPECT_EQ(::fcntl((*buffers)[0].fd, F_GETFD), FD_CLOEXEC);
}

}  // namespace
}  // namespace sysmem::testing
