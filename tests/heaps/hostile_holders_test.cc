// SPDX-License-Identifier: Apache-2.0
//
// What a buffer tells about holders that do with their descriptors whatever Linux lets them. The
// promise: nobody can make a buffer seem gone that is not; and each trick has the effect that is
// written here and no other.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "heaps/memfd_heap.h"
#include "tests/support/eventually.h"
#include "tests/support/holding.h"
#include "tests/support/process.h"
#include "tests/support/users.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using sysmem::testing::Eventually;

constexpr uint64_t kPage = 4096;
constexpr off_t kToTheEnd = 0;  // as l_len

class HostileHoldersTest : public ::testing::Test {
 protected:
  HostileHoldersTest() { ::signal(SIGIO, SIG_IGN); }

  HandedOut HandOut(Access access = Access::kReadWrite) const {
    absl::StatusOr<HandedOut> made = buffer_->HandOut(access);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : HandedOut{};
  }
  static UniqueFd Reopen(const UniqueFd& fd, int flags) {
    return UniqueFd(
        ::open(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), flags | O_CLOEXEC));
  }
  // What a holder does with its own descriptor. False, with errno, when it is refused.
  static bool Lock(const UniqueFd& fd, short type, off_t start, off_t length) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = start;
    lock.l_len = length;
    return ::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0;
  }
  static off_t Offset(Mark mark) { return static_cast<off_t>(mark); }

  ReservationGate gate_;
  MemfdHeap heap_{gate_};
  const std::unique_ptr<Buffer> buffer_ = *heap_.Allocate({.size_bytes = kPage, .name = "test:0"});
};

TEST_F(HostileHoldersTest, DroppingTheMarkEndsOnesOwnHandOutButNotTheBuffer) {
  HandedOut hand_out = HandOut();
  const HandedOut other = HandOut();
  ASSERT_TRUE(Lock(hand_out.fd, F_UNLCK, 0, kToTheEnd));
  EXPECT_FALSE(buffer_->MayLive(hand_out.mark));
  EXPECT_FALSE(buffer_->IsHandOut(hand_out.fd, hand_out.mark));
  EXPECT_TRUE(buffer_->MayLive(other.mark)) << "others' marks cannot be dropped";
  EXPECT_FALSE(buffer_->IsOnlyOurs());
}

TEST_F(HostileHoldersTest, AHolderWhoseMarkIsDroppedStillCountsForTheBuffer) {
  HandedOut hand_out = HandOut();
  ASSERT_TRUE(Lock(hand_out.fd, F_UNLCK, 0, kToTheEnd));
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  hand_out.fd.reset();
  EXPECT_TRUE(buffer_->IsOnlyOurs());
}

TEST_F(HostileHoldersTest, OpeningAnewIsAnUntrackedHolderThatCountsForTheBuffer) {
  HandedOut hand_out = HandOut();
  UniqueFd untracked = Reopen(hand_out.fd, O_RDWR);
  ASSERT_TRUE(untracked);
  hand_out.fd.reset();
  EXPECT_FALSE(buffer_->MayLive(hand_out.mark));
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  untracked.reset();
  EXPECT_TRUE(buffer_->IsOnlyOurs());
}

TEST_F(HostileHoldersTest, LockingARangeHidesWhichHandOutsLiveUntilTheLockerGoes) {
  for (const short type : {short{F_RDLCK}, short{F_WRLCK}}) {
    HandedOut gone = HandOut();
    HandedOut locker = HandOut();
    gone.fd.reset();
    ASSERT_FALSE(buffer_->MayLive(gone.mark));
    ASSERT_TRUE(Lock(locker.fd, type, 0, kToTheEnd));
    EXPECT_TRUE(buffer_->MayLive(gone.mark)) << "nobody is said to have gone meanwhile";
    EXPECT_FALSE(buffer_->IsOnlyOurs());
    locker.fd.reset();
    EXPECT_FALSE(buffer_->MayLive(gone.mark));
    EXPECT_FALSE(buffer_->MayLive(locker.mark));
    EXPECT_TRUE(buffer_->IsOnlyOurs());
  }
}

TEST_F(HostileHoldersTest, LockingAllButTheMarksIsNoticedByTheCanary) {
  HandedOut gone = HandOut();
  const HandedOut locker = HandOut();
  gone.fd.reset();
  ASSERT_TRUE(Lock(locker.fd, F_RDLCK, 0, Offset(gone.mark)));
  ASSERT_TRUE(Lock(locker.fd, F_RDLCK, Offset(gone.mark) + 1, kToTheEnd));
  EXPECT_TRUE(buffer_->MayLive(gone.mark));
}

TEST_F(HostileHoldersTest, LockingOutNewMarksOnlyMakesHandOutsWithoutOne) {
  HandedOut locker = HandOut();
  ASSERT_TRUE(Lock(locker.fd, F_WRLCK, 0, kToTheEnd));
  HandedOut unmarked = HandOut();
  EXPECT_TRUE(unmarked.fd);
  EXPECT_EQ(unmarked.mark, 0u);
  EXPECT_TRUE(buffer_->MayLive(unmarked.mark));
  locker.fd.reset();
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  unmarked.fd.reset();
  EXPECT_TRUE(buffer_->IsOnlyOurs());
  EXPECT_NE(HandOut().mark, 0u) << "and afterwards all is well again";
}

TEST_F(HostileHoldersTest, OneCannotLockExclusivelyWhatAnotherLivingHandOutHasMarked) {
  const HandedOut victim = HandOut();
  const HandedOut locker = HandOut();
  EXPECT_FALSE(Lock(locker.fd, F_WRLCK, Offset(victim.mark), 1));
  EXPECT_TRUE(buffer_->IsHandOut(victim.fd, victim.mark));
}

TEST_F(HostileHoldersTest, LockingTheByteOfAnotherKeepsItAliveOnlyAsLongAsOneHoldsTheMemory) {
  HandedOut victim = HandOut();
  HandedOut locker = HandOut();
  ASSERT_TRUE(Lock(locker.fd, F_RDLCK, Offset(victim.mark), 1));
  victim.fd.reset();
  EXPECT_TRUE(buffer_->MayLive(victim.mark));
  locker.fd.reset();
  EXPECT_FALSE(buffer_->MayLive(victim.mark));
  EXPECT_TRUE(buffer_->IsOnlyOurs());
}

TEST_F(HostileHoldersTest, NobodyIsGrantedALeaseThatWouldMakeTheDaemonWait) {
  const HandedOut reader = HandOut(Access::kReadOnly);
  EXPECT_EQ(::fcntl(reader.fd.get(), F_SETLEASE, F_RDLCK), -1);
  EXPECT_EQ(errno, EAGAIN);
  const HandedOut writer = HandOut();
  EXPECT_EQ(::fcntl(writer.fd.get(), F_SETLEASE, F_WRLCK), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_NE(HandOut().mark, 0u);
}

TEST_F(HostileHoldersTest, WhoKeptAPathToDiscardedMemoryFindsZeroes) {
  HandedOut hand_out = HandOut();
  ASSERT_EQ(::pwrite(hand_out.fd.get(), "secret", 6, 0), 6);
  const UniqueFd path = Reopen(hand_out.fd, O_PATH);
  ASSERT_TRUE(path);
  hand_out.fd.reset();
  EXPECT_TRUE(buffer_->IsOnlyOurs()) << "a path is not seen";
  buffer_->Discard();
  const UniqueFd back = Reopen(path, O_RDWR);
  ASSERT_TRUE(back);
  struct stat status {};
  ASSERT_EQ(::fstat(back.get(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0) << "the memory is free";
  EXPECT_EQ(status.st_size, static_cast<off_t>(kPage));
  std::array<char, 6> content;
  ASSERT_EQ(::pread(back.get(), content.data(), content.size(), 0), 6);
  EXPECT_THAT(content, ::testing::Each('\0'));
}

TEST_F(HostileHoldersTest, DiscardFreesTheMemoryThoughSomebodyHasItMapped) {
  const HandedOut hand_out = HandOut();
  auto* const memory = static_cast<volatile char*>(
      ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, hand_out.fd.get(), 0));
  ASSERT_NE(memory, MAP_FAILED);
  *memory = 'x';
  buffer_->Discard();
  EXPECT_EQ(*memory, '\0');
  ::munmap(const_cast<char*>(memory), kPage);
}

TEST_F(HostileHoldersTest, ChangingTheModeLocksNobodyOut) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  // The daemon of this test runs under an ordinary uid, and so does the holder.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!sysmem::testing::BecomeUser(sysmem::testing::kDaemonUid)) ::_exit(1);
    ReservationGate gate;
    MemfdHeap heap(gate);
    const auto buffer = heap.Allocate({.size_bytes = kPage, .name = "test:0"});
    if (!buffer.ok()) ::_exit(2);
    const absl::StatusOr<HandedOut> holder = (*buffer)->HandOut(Access::kReadOnly);
    if (!holder.ok() || ::fchmod(holder->fd.get(), 0) != 0) ::_exit(3);
    if (!(*buffer)->HandOut(Access::kReadOnly).ok()) ::_exit(4);
    struct stat status {};
    if (::fstat(holder->fd.get(), &status) != 0 || (status.st_mode & 07777) != 0600) ::_exit(5);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sysmem::heaps
