// SPDX-License-Identifier: Apache-2.0
//
// Method: whether a number is open is asked of the kernel (F_GETFD), not of the object under test.
#include "base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace sysmem::base {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

UniqueFd OpenSomething() { return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

TEST(UniqueFd, ClosesAtItsEnd) {
  int number = -1;
  {
    UniqueFd fd = OpenSomething();
    number = fd.get();
    ASSERT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFd, ClosesTheOldOneWhenAnotherIsMovedIn) {
  UniqueFd target = OpenSomething();
  UniqueFd source = OpenSomething();
  const int old = target.get();
  const int kept = source.get();
  target = std::move(source);
  EXPECT_FALSE(IsOpen(old));
  EXPECT_TRUE(IsOpen(kept));
  EXPECT_EQ(target.get(), kept);
  EXPECT_FALSE(source);  // NOLINT(bugprone-use-after-move): the moved-from state is promised
}

TEST(UniqueFd, SurvivesBeingMovedIntoItself) {
  UniqueFd fd = OpenSomething();
  UniqueFd& same = fd;
  const int number = fd.get();
  fd = std::move(same);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(IsOpen(number));
}

TEST(UniqueFd, LeavesAReleasedDescriptorOpen) {
  int number = -1;
  {
    UniqueFd fd = OpenSomething();
    number = fd.release();
    EXPECT_FALSE(fd);
    EXPECT_EQ(fd.get(), -1);
  }
  EXPECT_TRUE(IsOpen(number));
  ::close(number);
}

TEST(UniqueFd, OwnsNumberZeroAndNoNegativeOne) {
  UniqueFd zero(0);
  EXPECT_TRUE(zero);
  EXPECT_EQ(zero.release(), 0);
  EXPECT_FALSE(UniqueFd(-1));
  EXPECT_EQ(UniqueFd(-EBADF).get(), -1);
}

TEST(UniqueFd, KeepsErrnoWhenItCloses) {
  constexpr int kNotOpen = 1'000'000;  // close() will say EBADF
  UniqueFd fd(kNotOpen);
  errno = EINTR;
  fd.reset();
  EXPECT_EQ(errno, EINTR);
}

TEST(UniqueFd, ResettingToTheDescriptorHeldKeepsItOpen) {
  UniqueFd fd = OpenSomething();
  fd.reset(fd.get());
  EXPECT_TRUE(IsOpen(fd.get()));
}

TEST(Dup, MakesASecondDescriptorThatIsClosedOnExec) {
  const UniqueFd fd = OpenSomething();
  const UniqueFd copy = Dup(fd);
  ASSERT_TRUE(copy);
  EXPECT_NE(copy.get(), fd.get());
  EXPECT_EQ(::fcntl(copy.get(), F_GETFD), FD_CLOEXEC);
}

TEST(Dup, OfAClosedNumberIsEmpty) {
  EXPECT_FALSE(Dup(BorrowedFd(-1)));
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace sysmem::base
