// SPDX-License-Identifier: Apache-2.0
//
// Method: the real kernel. A promise about a buffer is proved by trying to break it through
// descriptors that were handed out, never through the heap's own. What needs another uid happens in
// a child.
#include "heaps/memfd_heap.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process_info.h"
#include "heaps/memfd_maker.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = 1 << 20;
constexpr uid_t kStranger = 54321;

struct stat StatusOf(const UniqueFd& fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd.get(), &status), 0);
  return status;
}

std::string LinkOf(const UniqueFd& fd) {
  return std::filesystem::read_symlink(absl::StrCat("/proc/self/fd/", fd.get())).string();
}

bool CanBeMapped(const UniqueFd& fd, int protection) {
  void* memory = ::mmap(nullptr, kPage, protection, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return false;
  ::munmap(memory, kPage);
  return true;
}

// What open() of /proc/self/fd/N says: 0 or errno.
int ReopenError(const UniqueFd& fd, int flags) {
  const UniqueFd reopened(::open(absl::StrCat("/proc/self/fd/", fd.get()).c_str(), flags));
  return reopened ? 0 : errno;
}

class MemfdHeapTest : public testing::Test {
 protected:
  std::unique_ptr<Buffer> Allocate(uint64_t size_bytes, std::string name = "test:0") {
    absl::StatusOr<std::unique_ptr<Buffer>> buffer =
        heap_.Allocate({.size_bytes = size_bytes, .name = std::move(name)});
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    return buffer.ok() ? *std::move(buffer) : nullptr;
  }
  static UniqueFd HandOut(const Buffer& buffer, Access access) {
    absl::StatusOr<HandedOut> made = buffer.HandOut(access);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? std::move(made->fd) : UniqueFd();
  }
  absl::Status Refusal(uint64_t size_bytes) {
    return heap_.Allocate({.size_bytes = size_bytes, .name = "test:0"}).status();
  }

  uint64_t available_ = 256 * kMiB;
  ReservationGate gate_{
      5, [this] { return base::AvailableMemory{.bytes = available_, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now};
  MemfdHeap heap_{gate_};
};

TEST_F(MemfdHeapTest, IsTheSystemRamOfTheSpecification) {
  const core::HeapProperties& properties = heap_.properties();
  EXPECT_EQ(properties.heap.type, "fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM");
  EXPECT_EQ(properties.heap.id, 0U);
  EXPECT_TRUE(properties.cpu_domain && properties.ram_domain && properties.inaccessible_domain);
  EXPECT_FALSE(properties.need_clear);
  EXPECT_EQ(properties.need_flush, false);
  EXPECT_TRUE(properties.tells_holders_apart && properties.reports_end &&
              properties.reduces_rights);
}

TEST_F(MemfdHeapTest, MakesABufferOfTheSizeAskedForFullOfZeroes) {
  const std::unique_ptr<Buffer> buffer = Allocate(3 * kPage);
  EXPECT_EQ(buffer->size_bytes(), 3 * kPage);
  const UniqueFd fd = HandOut(*buffer, Access::kReadOnly);
  EXPECT_EQ(StatusOf(fd).st_size, static_cast<off_t>(3 * kPage));
  std::vector<char> content(3 * kPage, 'x');
  ASSERT_EQ(::pread(fd.get(), content.data(), content.size(), 0),
            static_cast<ssize_t>(content.size()));
  EXPECT_THAT(content, testing::Each('\0'));
}

TEST_F(MemfdHeapTest, TakesTheMemoryWhenItAllocates) {
  const std::unique_ptr<Buffer> buffer = Allocate(33 * kMiB + kPage);  // two steps and a bit
  const struct stat status = StatusOf(HandOut(*buffer, Access::kReadOnly));
  EXPECT_EQ(static_cast<uint64_t>(status.st_blocks) * 512, 33 * kMiB + kPage);
}

TEST_F(MemfdHeapTest, GivesTheMemoryBackWithTheLastDescriptor) {
  const uint64_t before = base::OwnDescriptorCount().value_or(0);
  UniqueFd survivor;
  {
    const std::unique_ptr<Buffer> buffer = Allocate(kPage);
    EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before + 1);  // exactly one is kept
    survivor = HandOut(*buffer, Access::kReadWrite);
  }
  EXPECT_EQ(::pwrite(survivor.get(), "alive", 5, 0), 5);
  survivor.reset();
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before);
}

TEST_F(MemfdHeapTest, FixesTheSizeBeforeTheFirstHandOut) {
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const UniqueFd fd = HandOut(*buffer, Access::kReadWrite);
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  EXPECT_EQ(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
            F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  EXPECT_EQ(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE), 0);
  EXPECT_EQ(::ftruncate(fd.get(), 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(fd.get(), 2 * kPage), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MemfdHeapTest, LetsNobodySealTheOthersOut) {
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const UniqueFd fd = HandOut(*buffer, Access::kReadWrite);
  for (const int seal : {F_SEAL_WRITE, F_SEAL_FUTURE_WRITE}) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seal), -1);
    EXPECT_EQ(errno, EPERM);
  }
  EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), 1);
}

TEST_F(MemfdHeapTest, CannotBeMadeExecutableWhereTheKernelKnowsHow) {
  constexpr int kSealExec = 0x0020;
  const UniqueFd probe(::memfd_create("probe", MFD_CLOEXEC | 0x0008U));
  if (!probe) {
    GTEST_SKIP() << "CannotBeMadeExecutableWhereTheKernelKnowsHow: no MFD_NOEXEC_SEAL (Linux 6.3)";
  }
  const UniqueFd fd = HandOut(*Allocate(kPage), Access::kReadWrite);
  EXPECT_NE(::fcntl(fd.get(), F_GET_SEALS) & kSealExec, 0);
  EXPECT_EQ(::fchmod(fd.get(), 0700), -1);
}

TEST_F(MemfdHeapTest, BelongsToTheDaemonAlone) {
  EXPECT_EQ(StatusOf(HandOut(*Allocate(kPage), Access::kReadOnly)).st_mode & 07777, 0600U);
}

TEST_F(MemfdHeapTest, HandsOutDescriptorsThatAreClosedOnExec) {
  const UniqueFd fd = HandOut(*Allocate(kPage), Access::kReadOnly);
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(MemfdHeapTest, HandsOutReadersThatCanOnlyRead) {
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const UniqueFd writer = HandOut(*buffer, Access::kReadWrite);
  ASSERT_TRUE(CanBeMapped(writer, PROT_READ | PROT_WRITE));
  ASSERT_EQ(::pwrite(writer.get(), "pixel", 5, 0), 5);

  const UniqueFd reader = HandOut(*buffer, Access::kReadOnly);
  EXPECT_EQ(::fcntl(reader.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  std::array<char, 5> content;
  EXPECT_EQ(::pread(reader.get(), content.data(), content.size(), 0), 5);
  EXPECT_EQ(std::string(content.data(), content.size()), "pixel");
  EXPECT_TRUE(CanBeMapped(reader, PROT_READ));

  EXPECT_EQ(::pwrite(reader.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_FALSE(CanBeMapped(reader, PROT_READ | PROT_WRITE));
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(::fallocate(reader.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage), -1);
  void* memory = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, reader.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(::mprotect(memory, kPage, PROT_READ | PROT_WRITE), -1);
  ::munmap(memory, kPage);
}

TEST_F(MemfdHeapTest, LetsNobodyOfAnotherUidReopenAReaderForWriting) {
  if (::geteuid() != 0) {
    GTEST_SKIP()
        << "LetsNobodyOfAnotherUidReopenAReaderForWriting: only root can become another uid";
  }
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const UniqueFd reader = HandOut(*buffer, Access::kReadOnly);
  EXPECT_EQ(ReopenError(reader, O_RDWR), 0);  // our own uid can, which is why the mode matters
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(kStranger) != 0 || ::setuid(kStranger) != 0) {
      ::_exit(1);
    }
    if (ReopenError(reader, O_RDWR) != EACCES) ::_exit(2);
    if (ReopenError(reader, O_RDONLY) != EACCES) ::_exit(3);
    if (::fchmod(reader.get(), 0666) == 0) ::_exit(4);
    if (!CanBeMapped(reader, PROT_READ)) ::_exit(5);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(MemfdHeapTest, HandsOutAnOpenFileDescriptionOfItsOwnEachTime) {
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const UniqueFd first = HandOut(*buffer, Access::kReadWrite);
  const UniqueFd second = HandOut(*buffer, Access::kReadWrite);
  ASSERT_EQ(::lseek(first.get(), 100, SEEK_SET), 100);
  EXPECT_EQ(::lseek(second.get(), 0, SEEK_CUR), 0);

  // An OFD lock belongs to a description: its duplicate does not conflict with it, another one
  // does.
  struct flock lock {
    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1, .l_pid = 0
  };
  ASSERT_EQ(::fcntl(first.get(), F_OFD_SETLK, &lock), 0);
  const UniqueFd duplicate = base::Dup(first);
  EXPECT_EQ(::fcntl(duplicate.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(::fcntl(second.get(), F_OFD_SETLK, &lock), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(MemfdHeapTest, IsTheSameMemoryThroughEveryDescriptor) {
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const std::unique_ptr<Buffer> other = Allocate(kPage);
  for (const Access access : {Access::kReadOnly, Access::kReadWrite}) {
    const UniqueFd fd = HandOut(*buffer, access);
    const absl::StatusOr<BufferIdentity> identity = IdentityOf(fd);
    ASSERT_TRUE(identity.ok()) << identity.status();
    EXPECT_EQ(*identity, buffer->identity());
    const struct stat status = StatusOf(fd);
    EXPECT_EQ(identity->device, status.st_dev);
    EXPECT_EQ(identity->inode, status.st_ino);
  }
  EXPECT_NE(buffer->identity(), other->identity());
}

TEST_F(MemfdHeapTest, NeverUsesAMemfdAgain) {
  UniqueFd survivor;
  std::set<BufferIdentity> seen;
  for (int i = 0; i < 20; ++i) {
    const std::unique_ptr<Buffer> buffer = Allocate(kPage);
    EXPECT_TRUE(seen.insert(buffer->identity()).second);
    survivor = HandOut(*buffer, Access::kReadWrite);
  }
}

TEST_F(MemfdHeapTest, NamesTheMemoryAfterTheBuffer) {
  const std::unique_ptr<Buffer> buffer = Allocate(kPage, "camera:3");
  EXPECT_EQ(buffer->name(), "camera:3");
  EXPECT_EQ(LinkOf(HandOut(*buffer, Access::kReadOnly)), "/memfd:camera:3 (deleted)");
}

TEST_F(MemfdHeapTest, CutsANameToWhatTheKernelTakes) {
  EXPECT_EQ(Allocate(kPage, std::string(249, 'n'))->name(), std::string(249, 'n'));
  EXPECT_EQ(Allocate(kPage, std::string(250, 'n'))->name(), std::string(249, 'n'));
  EXPECT_EQ(Allocate(kPage, std::string(248, 'n') + "é")->name(), std::string(248, 'n'));
  EXPECT_EQ(Allocate(kPage, std::string("up to\0here", 10))->name(), "up to");
  EXPECT_EQ(Allocate(kPage, "")->name(), "Sysmem-core");
}

TEST_F(MemfdHeapTest, RefusesASizeThatIsNoNumberOfPages) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, kPage + 1}) {
    const absl::Status refused = Refusal(size);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat("size_bytes ", size)));
  }
}

TEST_F(MemfdHeapTest, RefusesWithTheFiguresBeforeTheKernelKills) {
  const uint64_t before = base::OwnDescriptorCount().value_or(0);
  available_ = 10 * kMiB;
  const absl::Status refused = Refusal(10 * kMiB);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      refused.message(),
      "buffer \"test:0\" of 10485760 bytes: no memory for 10485760 bytes: 10485760 available "
      "(the test), 524288 of them kept in reserve (5 %), 0 promised to allocations under way");
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before);
}

TEST_F(MemfdHeapTest, RefusesASizeThatNoFileCanHave) {
  available_ = UINT64_MAX;
  EXPECT_EQ(Refusal(uint64_t{1} << 63).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(MemfdHeapTest, HandsTheReservationBackWhenTheKernelRefuses) {
  available_ = 100 * kMiB;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status refused = Refusal(90 * kMiB);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("EMFILE"));
  EXPECT_TRUE(gate_.Reserve(90 * kMiB).ok());
}

TEST_F(MemfdHeapTest, GivesBackWhatAnAbandonedAllocationHadTaken) {
  // The machine runs short after the first step: half of what the gate was told is gone.
  bool first = true;
  ReservationGate gate(
      5,
      [&first] {
        const uint64_t bytes = std::exchange(first, false) ? 256 * kMiB : 8 * kMiB;
        return base::AvailableMemory{.bytes = bytes, .bounded_by = "the test"};
      },
      &std::chrono::steady_clock::now);
  MemfdHeap heap(gate);
  const uint64_t before = base::OwnDescriptorCount().value_or(0);
  const absl::Status refused = heap.Allocate({.size_bytes = 64 * kMiB, .name = "test:0"}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no memory for 50331648 bytes"));
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before);
  EXPECT_TRUE(gate.Reserve(7 * kMiB).ok());
}

// What a provider has filled is counted as taken by the machine already.
TEST(MemfdMakerTest, AsksForNoMoreMemoryThanTheMissingPages) {
  uint64_t available = 256 * kMiB;
  ReservationGate gate(
      5, [&] { return base::AvailableMemory{.bytes = available, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now);
  MemfdMaker maker(gate);
  const auto with_pages = [&](uint64_t bytes) {
    absl::StatusOr<FreshMemfd> memfd = maker.MakeHollow("offered", 32 * kMiB);
    EXPECT_EQ(::fallocate(memfd->kept.get(), 0, 0, static_cast<off_t>(bytes)), 0);
    return *std::move(memfd);
  };
  available = 24 * kMiB;
  const FreshMemfd nearly_full = with_pages(31 * kMiB);
  EXPECT_TRUE(maker.Fill(nearly_full).ok());
  EXPECT_EQ(StatusOf(nearly_full.kept).st_blocks * 512, 32 * kMiB);
  EXPECT_EQ(maker.Fill(with_pages(kMiB)).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(MemfdHeapTest, LetsABufferOutliveItsHeap) {
  std::unique_ptr<Buffer> buffer;
  {
    MemfdHeap heap(gate_);
    buffer = *heap.Allocate({.size_bytes = kPage, .name = "test:0"});
  }
  EXPECT_TRUE(HandOut(*buffer, Access::kReadWrite));
}

}  // namespace
}  // namespace sysmem::heaps
