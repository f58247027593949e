// SPDX-License-Identifier: Apache-2.0
//
// Holders of a buffer that do with it whatever Linux lets them, in a process of their own, against
// a real daemon. Each test says what that does to the buffer; and while it is done, and after,
// nobody else is harmed: a bystander keeps its buffer and gets new ones, and the end of the buffer
// is noticed all the same, to the last descriptor.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "tests/end_to_end/buffer_holder.h"
#include "tests/end_to_end/lifetime_fixture.h"
#include "tests/end_to_end/participants.h"
#include "tests/support/holding.h"
#include "tests/support/users.h"

namespace sysmem::testing {
namespace {

using base::UniqueFd;

constexpr size_t kBytes = 4096;
constexpr off_t kToTheEnd = 0;  // as l_len
constexpr uint8_t kSeed = 7;

// False, with errno, when it is refused.
bool Lock(const UniqueFd& fd, short type, off_t start, off_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return ::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0;
}

UniqueFd Reopen(const UniqueFd& fd, int flags) {
  return UniqueFd(::open(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), flags | O_CLOEXEC));
}

// A path to a buffer that is gone by the end of its holder's process.
struct PathToNothing {
  explicit PathToNothing(UniqueFd the_path) : path(std::move(the_path)) {}
  ~PathToNothing() {
    const UniqueFd back = Reopen(path, O_RDWR);
    EXPECT_TRUE(back);
    struct stat status {};
    EXPECT_EQ(::fstat(back.get(), &status), 0);
    EXPECT_EQ(status.st_blocks, 0) << "the memory is free";
    char content = 'x';
    EXPECT_EQ(::pread(back.get(), &content, 1, 0), 1);
    EXPECT_EQ(content, '\0');
  }
  const UniqueFd path;
};

void StandBy(ControlChannel& test, const std::string& path) {
  sysmem::Client client = ConnectOrDie(path);
  auto token = client.CreateToken();
  SYSMEM_ASSERT_OK(token);
  auto joined = std::move(*token).Join(WriterNeeds(1, kBytes), Patience());
  SYSMEM_ASSERT_OK(joined);
  WritePattern(joined->buffers, 0, kSeed);
  test.Send("here");
  while (test.Receive().text == "check") {
    EXPECT_TRUE(HasPattern(joined->buffers, 0, kSeed));
    SYSMEM_EXPECT_OK(joined->collection.Sync(Patience()));
    ExpectServed(client);
    test.Send("well");
  }
}

class HostileHolders : public LifetimeTest {
 protected:
  void SetUp() override {
    LifetimeTest::SetUp();
    if (HasFatalFailure()) return;
    bystander_ = std::make_unique<ClientProcess>(
        kClientUid, [](ControlChannel& test) { StandBy(test, daemon().socket_path()); });
    bystander_->control().Expect("here");
  }
  void TearDown() override {
    if (bystander_ && !HasFatalFailure()) ExpectAllIsWellInTheEnd();
    LifetimeTest::TearDown();
  }

  // A holder with this hand-out has done this deed; the owner is still there.
  void Share(Strength strength, Access access, const std::function<LetGo(UniqueFd)>& deed,
             uid_t uid = kOtherClientUid) {
    holder_ = std::make_unique<BufferHolder>(daemon(), uid, access, deed);
    holder_->Join(owner().Share(strength));
    buffer_ = owner().Complete();
    ASSERT_TRUE(holder_->Holds());
    ExpectNobodyHarmed();
  }
  void ExpectNobodyHarmed() {
    owner().LetSomebodyJoinLate();
    ExpectBystanderWell();
  }
  void ExpectBystanderWell() {
    bystander_->control().Send("check");
    bystander_->control().Expect("well");
  }
  // The owner leaves, and so does the test: only the holder is left.
  void LeaveItAlone() {
    owner().Leave();
    EXPECT_TRUE(HangsUp(buffer_.close_weak_asap));
    buffer_.weak.reset();
    owner().Settle();
    EXPECT_FALSE(HasHungUp(buffer_.lifetime));
  }
  // What is left when everybody but a strong holder has gone is his.
  void LeaveItToAStrongHolder() {
    owner().Leave();
    owner().Settle();
    EXPECT_FALSE(HasHungUp(buffer_.close_weak_asap));
    EXPECT_EQ(Look(buffer_)["state"], "BUFFER_STATE_STRONG");
    buffer_.weak.reset();
  }
  void ExpectEndNoticed() {
    EXPECT_FALSE(HasHungUp(buffer_.lifetime));
    holder_->LetGo();
    EXPECT_TRUE(HangsUp(buffer_.close_weak_asap));
    EXPECT_TRUE(HangsUp(buffer_.lifetime));
    holder_->End();
  }
  void ExpectAllIsWellInTheEnd() {
    ExpectBystanderWell();
    bystander_->control().Send("end");
    bystander_->ExpectSuccess();
    observer().ExpectBackToBaseline();
  }

  std::unique_ptr<ClientProcess> bystander_;
  std::unique_ptr<BufferHolder> holder_;
  SharedBuffer buffer_;
};

// --- Locks ---

TEST_F(HostileHolders, WhoDropsItsMarkLosesItsSayAndKeepsTheMemory) {
  Share(Strength::kStrong, Access::kWritable, [](UniqueFd hand_out) {
    EXPECT_TRUE(Lock(hand_out, F_UNLCK, 0, kToTheEnd));
    return HoldAsDescriptor(std::move(hand_out));
  });
  LeaveItAlone();  // weak holders are asked to let go, though this one is strong
  const nlohmann::json buffer = Look(buffer_);
  EXPECT_EQ(buffer["untracked_holder"], true);
  EXPECT_TRUE(buffer["holders"].empty()) << buffer;
  ExpectEndNoticed();
}

TEST_F(HostileHolders, WhoLocksEverythingHidesWhoHasGoneUntilItGoesToo) {
  Share(Strength::kWeak, Access::kReadOnly, [](UniqueFd hand_out) {
    EXPECT_TRUE(Lock(hand_out, F_RDLCK, 0, kToTheEnd));
    return HoldAsDescriptor(std::move(hand_out));
  });
  owner().Leave();
  owner().Settle();
  EXPECT_FALSE(HasHungUp(buffer_.close_weak_asap)) << "the owner's hand-out seems to live";
  buffer_.weak.reset();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, WhoLocksOutNewMarksLocksNobodyOut) {
  Share(Strength::kWeak, Access::kWritable, [](UniqueFd hand_out) {
    EXPECT_FALSE(Lock(hand_out, F_WRLCK, 0, kToTheEnd)) << "others have marks there";
    constexpr int kParts = 64;
    constexpr off_t kPart = (off_t{1} << 62) / kParts;
    int locked = 0;
    for (off_t part = 0; part < kParts; ++part) {
      locked += Lock(hand_out, F_WRLCK, part * kPart, kPart) ? 1 : 0;
    }
    EXPECT_GT(locked, kParts / 2);
    return HoldAsDescriptor(std::move(hand_out));
  });
  for (int i = 0; i < 10; ++i) owner().LetSomebodyJoinLate();
  owner().Leave();
  buffer_.weak.reset();
  owner().Settle();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, WhoFloodsTheBufferWithLocksDelaysNobodyForGood) {
  Share(Strength::kStrong, Access::kReadOnly, [](UniqueFd hand_out) {
    constexpr off_t kLocks = 20'000;
    for (off_t i = 0; i < kLocks; ++i) EXPECT_TRUE(Lock(hand_out, F_RDLCK, 2 * i, 1));
    return HoldAsDescriptor(std::move(hand_out));
  });
  LeaveItToAStrongHolder();
  ExpectBystanderWell();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, NobodyIsGrantedALeaseThatWouldMakeTheDaemonWait) {
  for (const uid_t uid : {kOtherClientUid, kDaemonUid}) {
    for (const Access access : {Access::kReadOnly, Access::kWritable}) {
      Share(
          Strength::kStrong, access,
          [](UniqueFd hand_out) {
            for (const int lease : {F_RDLCK, F_WRLCK}) {
              EXPECT_EQ(::fcntl(hand_out.get(), F_SETLEASE, lease), -1);
            }
            return HoldAsDescriptor(std::move(hand_out));
          },
          uid);
      LeaveItToAStrongHolder();
      ExpectEndNoticed();
    }
  }
}

// --- The file ---

TEST_F(HostileHolders, AnotherUserCannotChangeTheMode) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  Share(Strength::kStrong, Access::kWritable, [](UniqueFd hand_out) {
    for (const mode_t mode : {mode_t{0}, mode_t{0666}}) {
      EXPECT_EQ(::fchmod(hand_out.get(), mode), -1);
      EXPECT_EQ(errno, EPERM);
    }
    return HoldAsDescriptor(std::move(hand_out));
  });
  LeaveItToAStrongHolder();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, TheDaemonsOwnUserCanTakeTheModeAndStillLocksNobodyOut) {
  Share(
      Strength::kStrong, Access::kReadOnly,
      [](UniqueFd hand_out) {
        EXPECT_EQ(::fchmod(hand_out.get(), 0), 0);
        return HoldAsDescriptor(std::move(hand_out));
      },
      kDaemonUid);
  LeaveItToAStrongHolder();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, NobodyCanMakeItSmallerOrLarger) {
  Share(Strength::kStrong, Access::kWritable, [](UniqueFd hand_out) {
    for (const off_t size : {off_t{0}, off_t{kBytes * 2}}) {
      EXPECT_EQ(::ftruncate(hand_out.get(), size), -1);
      EXPECT_EQ(errno, EPERM);
    }
    EXPECT_EQ(::fallocate(hand_out.get(), 0, 0, kBytes * 2), -1);
    EXPECT_EQ(errno, EPERM);
    return HoldAsDescriptor(std::move(hand_out));
  });
  LeaveItToAStrongHolder();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, NobodyCanSealIt) {
  Share(Strength::kStrong, Access::kWritable, [](UniqueFd hand_out) {
    const int seals = ::fcntl(hand_out.get(), F_GET_SEALS);
    for (const int seal : {F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_GROW}) {
      EXPECT_EQ(::fcntl(hand_out.get(), F_ADD_SEALS, seal), -1);
      EXPECT_EQ(errno, EPERM);
    }
    EXPECT_EQ(::fcntl(hand_out.get(), F_GET_SEALS), seals);
    return HoldAsDescriptor(std::move(hand_out));
  });
  LeaveItToAStrongHolder();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, WhoMayWriteCanPunchHolesInWhichOthersReadZeroes) {
  Share(Strength::kStrong, Access::kWritable, [](UniqueFd hand_out) {
    EXPECT_EQ(::pwrite(hand_out.get(), "x", 1, 0), 1);
    EXPECT_EQ(::fallocate(hand_out.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBytes),
              0);
    return HoldAsDescriptor(std::move(hand_out));
  });
  const auto* const memory = static_cast<const volatile char*>(
      ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, buffer_.weak.get(), 0));
  ASSERT_NE(memory, MAP_FAILED);
  for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(memory[i], '\0');
  ::munmap(const_cast<char*>(memory), kBytes);
  LeaveItToAStrongHolder();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, WhoMayOnlyReadCanPunchNone) {
  Share(Strength::kStrong, Access::kReadOnly, [](UniqueFd hand_out) {
    EXPECT_EQ(::fallocate(hand_out.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBytes),
              -1);
    EXPECT_EQ(errno, EBADF);
    return HoldAsDescriptor(std::move(hand_out));
  });
  LeaveItToAStrongHolder();
  ExpectEndNoticed();
}

// --- Other ways to it ---

TEST_F(HostileHolders, AnotherUserCannotOpenItAnew) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  Share(Strength::kStrong, Access::kReadOnly, [](UniqueFd hand_out) {
    const UniqueFd path = Reopen(hand_out, O_PATH);
    EXPECT_TRUE(path);
    for (const int mode : {O_RDONLY, O_WRONLY, O_RDWR}) {
      EXPECT_FALSE(Reopen(hand_out, mode));
      EXPECT_EQ(errno, EACCES);
      EXPECT_FALSE(Reopen(path, mode));
      EXPECT_EQ(errno, EACCES);
    }
    return HoldAsDescriptor(std::move(hand_out));
  });
  LeaveItToAStrongHolder();
  ExpectEndNoticed();
}

TEST_F(HostileHolders, TheDaemonsOwnUserCanAndIsThenAHolderWhomNobodyKnows) {
  Share(
      Strength::kStrong, Access::kReadOnly,
      [](UniqueFd hand_out) {
        UniqueFd opened = Reopen(hand_out, O_RDWR);
        EXPECT_EQ(::pwrite(opened.get(), "x", 1, 0), 1) << "read-only is advisory to this user";
        return HoldAsDescriptor(std::move(opened));
      },
      kDaemonUid);
  LeaveItAlone();
  EXPECT_EQ(Look(buffer_)["untracked_holder"], true);
  ExpectEndNoticed();
}

TEST_F(HostileHolders, WhoKeepsAPathKeepsNeitherTheBufferNorItsContent) {
  Share(
      Strength::kStrong, Access::kWritable,
      [](UniqueFd hand_out) -> LetGo {
        EXPECT_EQ(::pwrite(hand_out.get(), "secret", 6, 0), 6);
        const auto path = std::make_shared<PathToNothing>(Reopen(hand_out, O_PATH));
        return [path, held = HoldAsDescriptor(std::move(hand_out))] { held(); };
      },
      kDaemonUid);
  LeaveItToAStrongHolder();
  holder_->LetGo();
  EXPECT_TRUE(HangsUp(buffer_.lifetime)) << "its path is no reason to wait";
  holder_->End();
}

// A grandchild has it that nobody was told of, and the one it was given to is dead.
TEST_F(HostileHolders, WhoForksLeavesItToItsChild) {
  void* const shared = ::mmap(nullptr, sizeof(std::atomic<pid_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto* const child = new (shared) std::atomic<pid_t>(0);
  Share(Strength::kStrong, Access::kWritable, [child](UniqueFd hand_out) {
    *child = ForkHolder(hand_out, Outlives::kYes);
    return HoldAsDescriptor(std::move(hand_out));
  });
  const pid_t given_to = holder_->process().pid();
  holder_->process().Kill();
  LeaveItToAStrongHolder();
  owner().Settle();
  const nlohmann::json buffer = Look(buffer_);
  ASSERT_EQ(buffer["holders"].size(), 1u) << buffer;
  EXPECT_EQ(buffer["holders"][0]["given_to"]["pid"], given_to);
  ExpectBystanderWell();
  EXPECT_FALSE(HasHungUp(buffer_.lifetime));
  EXPECT_EQ(::kill(*child, SIGKILL), 0);
  EXPECT_TRUE(HangsUp(buffer_.close_weak_asap));
  EXPECT_TRUE(HangsUp(buffer_.lifetime));
  ::munmap(shared, sizeof(std::atomic<pid_t>));
}

}  // namespace
}  // namespace sysmem::testing
