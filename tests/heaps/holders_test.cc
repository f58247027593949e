// SPDX-License-Identifier: Apache-2.0
//
// What a buffer tells about its holders, and when it is announced. Method: the real kernel; each
// way of holding (holding.h) is tried with each kind of access.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "heaps/memfd_heap.h"
#include "tests/support/eventually.h"
#include "tests/support/holding.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using sysmem::testing::Eventually;
using sysmem::testing::kPatience;
using sysmem::testing::kWaysToHold;
using sysmem::testing::LetGo;
using sysmem::testing::WayToHold;

constexpr uint64_t kPage = 4096;

class HoldersTest : public ::testing::Test {
 protected:
  HoldersTest() { ::signal(SIGIO, SIG_IGN); }

  HandedOut HandOut(Access access = Access::kReadWrite) const { return HandOut(*buffer_, access); }
  static HandedOut HandOut(const Buffer& buffer, Access access) {
    absl::StatusOr<HandedOut> made = buffer.HandOut(access);
    EXPECT_TRUE(made.ok()) << made.status();
    if (!made.ok()) return {};
    EXPECT_NE(made->mark, 0u);
    return *std::move(made);
  }
  std::unique_ptr<Buffer> Allocate() {
    return *heap_.Allocate({.size_bytes = kPage, .name = "test:0"});
  }

  ReservationGate gate_;
  MemfdHeap heap_{gate_, {.warm_pool = {.bytes = 0}, .spare_descriptors = 16}};
  const std::unique_ptr<Buffer> buffer_ = Allocate();
};

// --- Each way of holding ---

class EachWayOfHolding : public HoldersTest,
                         public ::testing::WithParamInterface<std::tuple<WayToHold, Access>> {
 protected:
  LetGo Hold(UniqueFd hand_out) { return std::get<0>(GetParam()).hold(std::move(hand_out)); }
  Access access() const { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(, EachWayOfHolding,
                         ::testing::Combine(::testing::ValuesIn(kWaysToHold),
                                            ::testing::Values(Access::kReadOnly,
                                                              Access::kReadWrite)),
                         [](const auto& tried) {
                           return std::string(std::get<0>(tried.param).name) +
                                  (std::get<1>(tried.param) == Access::kReadOnly ? "ReadOnly"
                                                                                 : "Writable");
                         });

TEST_P(EachWayOfHolding, KeepsTheHandOutAliveUntilTheHolderLetsGo) {
  HandedOut hand_out = HandOut(access());
  const LetGo let_go = Hold(std::move(hand_out.fd));
  EXPECT_TRUE(buffer_->MayLive(hand_out.mark));
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  let_go();
  EXPECT_TRUE(Eventually([&] { return !buffer_->MayLive(hand_out.mark); }));
  EXPECT_TRUE(Eventually([&] { return buffer_->IsOnlyOurs(); }));
}

TEST_P(EachWayOfHolding, IsToldApartFromAnotherHandOut) {
  HandedOut first = HandOut(access());
  HandedOut second = HandOut(Access::kReadOnly);
  EXPECT_NE(first.mark, second.mark);
  const LetGo let_go = Hold(std::move(first.fd));
  EXPECT_TRUE(buffer_->MayLive(second.mark));
  second.fd.reset();
  EXPECT_FALSE(buffer_->MayLive(second.mark));
  EXPECT_TRUE(buffer_->MayLive(first.mark));
  let_go();
  EXPECT_TRUE(Eventually([&] { return !buffer_->MayLive(first.mark); }));
}

TEST_P(EachWayOfHolding, IsAnnouncedWhenItEndsAndNotBefore) {
  const UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  const absl::StatusOr<int> watch = buffer_->WatchCloses(inotify);
  ASSERT_TRUE(watch.ok()) << watch.status();
  HandedOut hand_out = HandOut(access());
  const LetGo let_go = Hold(std::move(hand_out.fd));
  EXPECT_TRUE(buffer_->MayLive(hand_out.mark));
  EXPECT_FALSE(buffer_->IsOnlyOurs());

  inotify_event event{};
  EXPECT_EQ(::read(inotify.get(), &event, sizeof(event)), -1) << "asking caused an event";
  let_go();
  pollfd readable{.fd = inotify.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&readable, 1, std::chrono::milliseconds(kPatience).count()), 1);
  ASSERT_EQ(::read(inotify.get(), &event, sizeof(event)), ssize_t{sizeof(event)});
  EXPECT_EQ(event.wd, *watch);
  EXPECT_EQ(event.mask, static_cast<uint32_t>(access() == Access::kReadOnly ? IN_CLOSE_NOWRITE
                                                                            : IN_CLOSE_WRITE));
  EXPECT_EQ(::read(inotify.get(), &event, sizeof(event)), -1) << "one hand-out ends once";
}

// --- Which hand-out a descriptor is ---

TEST_F(HoldersTest, KnowsAHandOutByAnyOfItsDescriptors) {
  const HandedOut hand_out = HandOut();
  const HandedOut reader = HandOut(Access::kReadOnly);
  EXPECT_TRUE(buffer_->IsHandOut(hand_out.fd, hand_out.mark));
  EXPECT_TRUE(buffer_->IsHandOut(base::Dup(hand_out.fd), hand_out.mark));
  EXPECT_TRUE(buffer_->IsHandOut(reader.fd, reader.mark));
  EXPECT_FALSE(buffer_->IsHandOut(hand_out.fd, reader.mark));
  EXPECT_FALSE(buffer_->IsHandOut(reader.fd, hand_out.mark));
  EXPECT_FALSE(buffer_->IsHandOut(hand_out.fd, 0));
}

TEST_F(HoldersTest, TakesNothingElseForAHandOut) {
  const HandedOut hand_out = HandOut();
  const std::unique_ptr<Buffer> other = Allocate();
  const HandedOut of_other = HandOut(*other, Access::kReadWrite);
  EXPECT_FALSE(buffer_->IsHandOut(of_other.fd, hand_out.mark)) << "another buffer's";
  const std::string link = "/proc/self/fd/" + std::to_string(hand_out.fd.get());
  const UniqueFd reopened(::open(link.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(reopened);
  EXPECT_FALSE(buffer_->IsHandOut(reopened, hand_out.mark)) << "opened anew";
  const UniqueFd path(::open(link.c_str(), O_PATH | O_CLOEXEC));
  ASSERT_TRUE(path);
  EXPECT_FALSE(buffer_->IsHandOut(path, hand_out.mark)) << "O_PATH";
}

TEST_F(HoldersTest, TakesNobodyForAHandOutThatHasGone) {
  HandedOut gone = HandOut();
  const HandedOut other = HandOut();
  gone.fd.reset();
  EXPECT_FALSE(buffer_->IsHandOut(other.fd, gone.mark));
}

TEST_F(HoldersTest, KnowsNothingOfAHandOutWithoutAMark) { EXPECT_TRUE(buffer_->MayLive(0)); }

// --- Opened ahead ---

TEST_F(HoldersTest, MarksWhatItOpensAhead) {
  buffer_->OpenAhead(Access::kReadOnly);
  HandedOut ahead = HandOut(Access::kReadOnly);
  EXPECT_TRUE(buffer_->IsHandOut(ahead.fd, ahead.mark));
  ahead.fd.reset();
  EXPECT_FALSE(buffer_->MayLive(ahead.mark));
}

TEST_F(HoldersTest, MarksWhatThePoolOpensAhead) {
  MemfdHeap heap(gate_, {.warm_pool = {.window = std::chrono::hours(1)}, .spare_descriptors = 16});
  std::unique_ptr<Buffer> buffer;
  while (heap.warm_pool().kept().hits == 0) {
    buffer = *heap.Allocate({.size_bytes = kPage, .name = "test:0"});
    ASSERT_TRUE(heap.warm_pool().WaitUntilFull(std::chrono::steady_clock::now() + kPatience));
  }
  HandedOut ahead = HandOut(*buffer, Access::kReadWrite);
  EXPECT_TRUE(buffer->IsHandOut(ahead.fd, ahead.mark));
  ahead.fd.reset();
  EXPECT_FALSE(buffer->MayLive(ahead.mark));
}

TEST_F(HoldersTest, StandsInNobodysWayOnceItOpensNothingAheadAnyMore) {
  buffer_->OpenAhead(Access::kReadWrite);
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  const uint64_t spare = heap_.spare_descriptors();
  buffer_->StopOpeningAhead();
  EXPECT_EQ(heap_.spare_descriptors(), spare - 1);
  EXPECT_TRUE(buffer_->IsOnlyOurs());
  buffer_->OpenAhead(Access::kReadWrite);
  EXPECT_TRUE(buffer_->IsOnlyOurs());
  const HandedOut late = HandOut();
  EXPECT_TRUE(buffer_->MayLive(late.mark));
}

// --- The proof ---

TEST_F(HoldersTest, ProvesThatABufferNobodyWasHandedIsOnlyOurs) {
  EXPECT_TRUE(buffer_->IsOnlyOurs());
  EXPECT_TRUE(buffer_->IsOnlyOurs()) << "asking changes nothing";
}

TEST_F(HoldersTest, HandsOutWhileAnotherThreadAsksForTheProof) {
  std::atomic<bool> stop = false;
  std::thread asking([&] {
    while (!stop) buffer_->IsOnlyOurs();
  });
  for (int i = 0; i < 2000; ++i) {
    const HandedOut hand_out = HandOut();
    ASSERT_TRUE(buffer_->MayLive(hand_out.mark));
  }
  stop = true;
  asking.join();
  EXPECT_TRUE(buffer_->IsOnlyOurs());
}

TEST_F(HoldersTest, CausesNoEventByAsking) {
  const HandedOut hand_out = HandOut();
  const UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  ASSERT_TRUE(buffer_->WatchCloses(inotify).ok());
  for (int i = 0; i < 10; ++i) {
    buffer_->IsOnlyOurs();
    buffer_->MayLive(hand_out.mark);
    buffer_->IsHandOut(hand_out.fd, hand_out.mark);
  }
  inotify_event event{};
  EXPECT_EQ(::read(inotify.get(), &event, sizeof(event)), -1);
}

// --- Watches ---

TEST_F(HoldersTest, IsWatchedOnceByOneInstance) {
  const UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  const absl::StatusOr<int> first = buffer_->WatchCloses(inotify);
  const absl::StatusOr<int> second = buffer_->WatchCloses(inotify);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  const absl::StatusOr<int> other = Allocate()->WatchCloses(inotify);
  ASSERT_TRUE(other.ok());
  EXPECT_NE(*other, *first);
}

TEST_F(HoldersTest, IsWatchedNoLongerThanItIsThere) {
  const UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  std::unique_ptr<Buffer> buffer = Allocate();
  const absl::StatusOr<int> watch = buffer->WatchCloses(inotify);
  ASSERT_TRUE(watch.ok()) << watch.status();
  buffer.reset();
  uint32_t seen = 0;
  inotify_event event{};
  while (::read(inotify.get(), &event, sizeof(event)) == ssize_t{sizeof(event)}) {
    EXPECT_EQ(event.wd, *watch);
    seen |= event.mask;
  }
  EXPECT_TRUE(seen & IN_IGNORED);
}

TEST_F(HoldersTest, NamesTheLimitOfWatches) {
  // A child in a user namespace of its own, which has limits of its own.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWUSER) != 0) ::_exit(77);
    const UniqueFd limit(::open("/proc/sys/user/max_inotify_watches", O_WRONLY));
    if (!limit || ::write(limit.get(), "0", 1) != 1) ::_exit(77);
    const UniqueFd inotify(::inotify_init1(IN_NONBLOCK));
    const absl::Status refused = buffer_->WatchCloses(inotify).status();
    const bool named = refused.message().find("max_user_watches") != absl::string_view::npos;
    ::_exit(absl::IsResourceExhausted(refused) && named ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "NamesTheLimitOfWatches: no user namespaces";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// --- A heap that can do none of this ---

class PlainBuffer final : public Buffer {
 public:
  absl::StatusOr<HandedOut> HandOut(Access) const override { return HandedOut{}; }
  BufferIdentity identity() const override { return {}; }
  uint64_t size_bytes() const override { return kPage; }
  const std::string& name() const override { return name_; }

 private:
  const std::string name_;
};

TEST(PlainHeap, ClaimsNothingItCannotTell) {
  const PlainBuffer buffer;
  EXPECT_TRUE(buffer.MayLive(0));
  EXPECT_TRUE(buffer.MayLive(1));
  EXPECT_FALSE(buffer.IsHandOut(base::BorrowedFd(0), 1));
  EXPECT_FALSE(buffer.IsOnlyOurs());
  EXPECT_EQ(buffer.WatchCloses(base::BorrowedFd(0)).status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace sysmem::heaps
