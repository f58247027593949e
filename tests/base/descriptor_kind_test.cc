// SPDX-License-Identifier: Apache-2.0
//
// Method: real objects of each kind, and impostors.
#include "base/descriptor_kind.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace sysmem::base {
namespace {

DescriptorKind KindOf(int fd) {
  const UniqueFd owner(fd);
  EXPECT_TRUE(owner) << "the test could not make its descriptor";
  return ClassifyDescriptor(owner);
}

TEST(ClassifyDescriptor, KnowsUnixSocketsFromOtherSockets) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    EXPECT_EQ(KindOf(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)), DescriptorKind::kUnixSocket);
  }
  EXPECT_EQ(KindOf(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), DescriptorKind::kOther);
  EXPECT_EQ(KindOf(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)), DescriptorKind::kOther);
}

TEST(ClassifyDescriptor, KnowsBothEndsOfAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_EQ(KindOf(ends[0]), DescriptorKind::kPipe);
  EXPECT_EQ(KindOf(ends[1]), DescriptorKind::kPipe);
}

TEST(ClassifyDescriptor, KnowsAMemfdWhateverItsAccessMode) {
  const UniqueFd memfd(::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ClassifyDescriptor(memfd), DescriptorKind::kMemfd);
  const std::string link = absl::StrCat("/proc/self/fd/", memfd.get());
  EXPECT_EQ(KindOf(::open(link.c_str(), O_RDONLY | O_CLOEXEC)), DescriptorKind::kMemfd);
  EXPECT_EQ(KindOf(::open(link.c_str(), O_WRONLY | O_CLOEXEC)), DescriptorKind::kMemfd);
}

TEST(ClassifyDescriptor, SeesThroughDescriptorsThatOnlyNameAFile) {
  const UniqueFd memfd(::memfd_create("x", MFD_CLOEXEC));
  const std::string link = absl::StrCat("/proc/self/fd/", memfd.get());
  EXPECT_EQ(KindOf(::open(link.c_str(), O_PATH | O_CLOEXEC)), DescriptorKind::kOther);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const std::string pipe_link = absl::StrCat("/proc/self/fd/", reader.get());
  EXPECT_EQ(KindOf(::open(pipe_link.c_str(), O_PATH | O_CLOEXEC)), DescriptorKind::kOther);
}

TEST(ClassifyDescriptor, TakesFilesForOther) {
  EXPECT_EQ(KindOf(::open("/dev/null", O_RDWR | O_CLOEXEC)), DescriptorKind::kOther);
  EXPECT_EQ(KindOf(::open("/proc/self/status", O_RDONLY | O_CLOEXEC)), DescriptorKind::kOther);
  EXPECT_EQ(KindOf(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), DescriptorKind::kOther);
  EXPECT_EQ(KindOf(::eventfd(0, EFD_CLOEXEC)), DescriptorKind::kOther);
  EXPECT_EQ(KindOf(::epoll_create1(EPOLL_CLOEXEC)), DescriptorKind::kOther);
  EXPECT_EQ(ClassifyDescriptor(BorrowedFd(-1)), DescriptorKind::kOther);
}

class Impostors : public testing::Test {
 protected:
  Impostors() { EXPECT_NE(::mkdtemp(folder_.data()), nullptr); }
  ~Impostors() override {
    ::unlink(Path("impostor").c_str());
    ::rmdir(folder_.c_str());
  }
  std::string Path(const char* name) const { return absl::StrCat(folder_, "/", name); }

  std::string folder_ = testing::TempDir() + "kind_XXXXXX";
};

TEST_F(Impostors, ANamedFifoIsNoPipe) {
  ASSERT_EQ(::mkfifo(Path("impostor").c_str(), 0600), 0);
  EXPECT_EQ(KindOf(::open(Path("impostor").c_str(), O_RDWR | O_CLOEXEC)), DescriptorKind::kOther);
}

TEST_F(Impostors, ASealableFileOfATmpfsIsNoMemfd) {
  const UniqueFd file(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file || ::fcntl(file.get(), F_GET_SEALS) < 0) {
    GTEST_SKIP() << "ASealableFileOfATmpfsIsNoMemfd: no writable tmpfs at /dev/shm";
  }
  EXPECT_EQ(ClassifyDescriptor(file), DescriptorKind::kOther);
}

TEST(LooksLikeDmaBuf, BelievesNeitherTheLinkNorTheLinesAlone) {
  constexpr char kFdinfo[] =
      "pos:\t0\nflags:\t02000002\nmnt_id:\t10\nino:\t1\nsize:\t4096\ncount:\t2\n"
      "exp_name:\tsystem\n";
  EXPECT_TRUE(LooksLikeDmaBuf("/dmabuf:", kFdinfo));
  EXPECT_TRUE(LooksLikeDmaBuf("/dmabuf:camera", kFdinfo));
  EXPECT_FALSE(LooksLikeDmaBuf("/dmabuf:", "pos:\t0\nflags:\t02\nmnt_id:\t10\nino:\t1\n"));
  EXPECT_FALSE(LooksLikeDmaBuf("/tmp/dmabuf:", kFdinfo));
}

TEST(DescriptorKindName, IsAWordForPeople) {
  EXPECT_EQ(DescriptorKindName(DescriptorKind::kUnixSocket), "unix socket");
  EXPECT_EQ(DescriptorKindName(DescriptorKind::kPipe), "pipe");
  EXPECT_EQ(DescriptorKindName(DescriptorKind::kMemfd), "memfd");
  EXPECT_EQ(DescriptorKindName(DescriptorKind::kDmaBuf), "dma-buf");
  EXPECT_EQ(DescriptorKindName(DescriptorKind::kOther), "other");
}

}  // namespace
}  // namespace sysmem::base
