// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/rights_checks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/end_to_end/participants.h"

namespace sysmem::testing {

void ExpectCannotWrite(const sysmem::Buffers& buffers, size_t index) {
  const int fd = buffers[index].fd;
  EXPECT_EQ(::fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(::pwrite(fd, "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  void* const mapped = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  EXPECT_EQ(mapped, MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
  void* const readable = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(readable, MAP_FAILED);
  EXPECT_EQ(::mprotect(readable, 4096, PROT_READ | PROT_WRITE), -1) << "mapped writable after all";
  ::munmap(readable, 4096);
  EXPECT_EQ(::ftruncate(fd, 0), -1);
  EXPECT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
  SYSMEM_EXPECT_STATUS(buffers.Map(index, SYSMEM_ACCESS_WRITE), sysmem::Status::kInvalidArgument);
}

void ExpectCannotReopen(const sysmem::Buffers& buffers, size_t index) {
  const int fd = buffers[index].fd;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  for (int mode : {O_RDWR, O_WRONLY}) {
    EXPECT_EQ(::open(path.c_str(), mode | O_CLOEXEC), -1) << "reopened with " << mode;
    EXPECT_EQ(errno, EACCES);
  }
  EXPECT_EQ(::fchmod(fd, 0666), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_TRUE(buffers.settings().read_only_enforced);
}

}  // namespace sysmem::testing
