// SPDX-License-Identifier: Apache-2.0
//
// The tools of one or two functions: errno_status.h, event_fd.h, reopen.h.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/errno_status.h"
#include "base/event_fd.h"
#include "base/reopen.h"
#include "base/unix_socket.h"

namespace sysmem::base {
namespace {

constexpr std::chrono::milliseconds kAtOnce(0);

TEST(ErrnoStatus, SaysWhatWasBeingDoneAndWhyNot) {
  const absl::Status status = ErrnoStatus(EACCES, "open the door");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "open the door: Permission denied [EACCES]");
  EXPECT_EQ(ErrnoText(99999), "error 99999");
}

TEST(EventFd, IsReadableFromTheFirstSignalUntilDrained) {
  const absl::StatusOr<EventFd> event = EventFd::Create();
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_FALSE(WaitReadable(event->fd(), kAtOnce).value_or(true));
  EXPECT_FALSE(event->Drain());
  event->Signal();
  event->Signal();
  EXPECT_TRUE(WaitReadable(event->fd(), kAtOnce).value_or(false));
  EXPECT_TRUE(event->Drain());
  EXPECT_FALSE(event->Drain());
}

class ReopenTest : public testing::Test {
 protected:
  ReopenTest() : memfd_(::memfd_create("reopened", MFD_CLOEXEC)) {
    EXPECT_EQ(::write(memfd_.get(), "abcd", 4), 4);
  }
  UniqueFd memfd_;
};

TEST_F(ReopenTest, GivesAnOpenFileDescriptionOfItsOwn) {
  const absl::StatusOr<UniqueFd> own = Reopen(memfd_, O_RDWR);
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(::lseek(memfd_.get(), 0, SEEK_CUR), 4);
  EXPECT_EQ(::lseek(own->get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(::fcntl(own->get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(ReopenTest, ReducesTheRights) {
  const absl::StatusOr<UniqueFd> reader = Reopen(memfd_, O_RDONLY);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(::write(reader->get(), "x", 1), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST_F(ReopenTest, SaysThatASocketCannotBeReopened) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(Reopen(socket, O_RDWR).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ReopenTest, SaysThatADescriptorIsNotOpen) {
  EXPECT_EQ(Reopen(BorrowedFd(-1), O_RDWR).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sysmem::base
