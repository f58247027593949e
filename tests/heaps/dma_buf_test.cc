// SPDX-License-Identifier: Apache-2.0
//
// Method: the real kernel, with dma-bufs of its heap "system". What a holder can do is done through
// what was handed out.
#include "heaps/dma_buf.h"

#include <linux/dma-buf.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "heaps/dma_heap.h"
#include "tests/heaps/dma_nodes.h"
#include "tests/support/eventually.h"
#include "tests/support/holding.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using sysmem::testing::Eventually;
using sysmem::testing::kWaysToHold;
using sysmem::testing::LetGo;
using sysmem::testing::WayToHold;
using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;

// --- What fdinfo says ---

constexpr char kFdinfo[] =
    "pos:\t0\nflags:\t02000002\nmnt_id:\t14\nino:\t7\nsize:\t4096\ncount:\t3\nexp_name:\tsystem\n";

TEST(ReferencesInFdinfo, ReadsTheKernelsLine) { EXPECT_EQ(ReferencesInFdinfo(kFdinfo), 3u); }

TEST(ReferencesInFdinfo, IsNotMisledByAName) {
  EXPECT_EQ(ReferencesInFdinfo(absl::StrCat(kFdinfo, "name:\tx\ncount:\t1\n")), 3u);
}

TEST(ReferencesInFdinfo, TakesNothingElseForACount) {
  for (const char* text : {"", "count:\t1\n", "\ncount:\t\n", "\ncount:\t-1\n", "\ncount:\t1x\n",
                           "\ncount: 1\n", "\ncount:\t18446744073709551616\n"}) {
    EXPECT_EQ(ReferencesInFdinfo(text), std::nullopt) << text;
  }
}

TEST(DmaBuf, IsNothingElse) {
  const UniqueFd memfd(::memfd_create("no dma-buf", MFD_CLOEXEC));
  EXPECT_EQ(DmaBufReferences(memfd), std::nullopt);
  const absl::Status refused = DmaBufBuffer::Adopt(base::Dup(memfd), "x").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("memfd"));
}

// --- Buffers ---

class DmaBufTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SYSMEM_NEEDS_NODE(kDmaHeapSystem);
    buffer_ = Allocate("test:0");
    ASSERT_TRUE(buffer_);
  }
  std::unique_ptr<Buffer> Allocate(std::string name) {
    auto heap = DmaHeap::Open("system", OpenNode(kDmaHeapSystem), gate_);
    EXPECT_TRUE(heap.ok()) << heap.status();
    if (!heap.ok()) return nullptr;
    auto buffer = (*heap)->Allocate({.size_bytes = 2 * kPage, .name = std::move(name)});
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    return buffer.ok() ? *std::move(buffer) : nullptr;
  }
  UniqueFd HandOut() const { return std::move(buffer_->HandOut(Access::kReadWrite)->fd); }

  ReservationGate gate_;
  std::unique_ptr<Buffer> buffer_;
};

TEST_F(DmaBufTest, IsOfTheSizeAskedFor) {
  EXPECT_EQ(buffer_->size_bytes(), 2 * kPage);
  EXPECT_EQ(::lseek(HandOut().get(), 0, SEEK_END), static_cast<off_t>(2 * kPage));
}

TEST_F(DmaBufTest, BearsTheNameOfTheBuffer) {
  const std::string link =
      std::filesystem::read_symlink(absl::StrCat("/proc/self/fd/", HandOut().get())).string();
  EXPECT_EQ(link, "/dmabuf:test:0");
}

TEST_F(DmaBufTest, CutsANameToWhatTheKernelTakes) {
  EXPECT_EQ(Allocate(std::string(31, 'n'))->name(), std::string(31, 'n'));
  EXPECT_EQ(Allocate(std::string(32, 'n'))->name(), std::string(31, 'n'));
  EXPECT_EQ(Allocate(std::string(30, 'n') + "é")->name(), std::string(30, 'n'));
  EXPECT_EQ(Allocate("")->name(), "Sysmem-core");
}

TEST_F(DmaBufTest, IsTheSameMemoryThroughEveryDescriptor) {
  const UniqueFd first = HandOut();
  const UniqueFd second = HandOut();
  EXPECT_EQ(*IdentityOf(first), buffer_->identity());
  EXPECT_EQ(*IdentityOf(second), buffer_->identity());
  EXPECT_NE(Allocate("test:1")->identity(), buffer_->identity());
}

TEST_F(DmaBufTest, HandsOutDescriptorsThatAreClosedOnExec) {
  EXPECT_EQ(::fcntl(HandOut().get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(DmaBufTest, BearsNoMarksAndSaysSo) {
  absl::StatusOr<HandedOut> hand_out = buffer_->HandOut(Access::kReadOnly);
  ASSERT_TRUE(hand_out.ok());
  EXPECT_EQ(hand_out->mark, 0u);
  EXPECT_TRUE(buffer_->MayLive(hand_out->mark));
  const UniqueFd inotify(::inotify_init1(IN_CLOEXEC));
  EXPECT_EQ(buffer_->WatchCloses(inotify).status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(DmaBufTest, CannotBeTalkedIntoItsEndByAName) {
  const UniqueFd holder = HandOut();
  ASSERT_EQ(::ioctl(holder.get(), DMA_BUF_SET_NAME, "x\ncount:\t1"), 0);
  EXPECT_FALSE(buffer_->IsOnlyOurs());
}

TEST_F(DmaBufTest, IsClearedAllOver) {
  const UniqueFd fd = HandOut();
  void* const memory = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  char* const bytes = static_cast<char*>(memory);
  std::fill(bytes, bytes + 2 * kPage, 'x');
  ASSERT_TRUE(ClearDmaBuf(fd, 2 * kPage).ok());
  EXPECT_THAT(std::string(bytes, 2 * kPage), ::testing::Each('\0'));
  ::munmap(memory, 2 * kPage);
}

// --- Each way of holding ---

class EachWayOfHoldingADmaBuf : public DmaBufTest,
                                public ::testing::WithParamInterface<WayToHold> {};

INSTANTIATE_TEST_SUITE_P(, EachWayOfHoldingADmaBuf, ::testing::ValuesIn(kWaysToHold),
                         [](const auto& tried) { return tried.param.name; });

TEST_P(EachWayOfHoldingADmaBuf, CountsUntilTheLastHolderLetsGo) {
  EXPECT_TRUE(buffer_->IsOnlyOurs());
  UniqueFd other = HandOut();
  const LetGo let_go = GetParam().hold(HandOut());
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  other.reset();
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  let_go();
  EXPECT_TRUE(Eventually([&] { return buffer_->IsOnlyOurs(); }));
}

}  // namespace
}  // namespace sysmem::heaps
