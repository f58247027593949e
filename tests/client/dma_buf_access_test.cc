// SPDX-License-Identifier: Apache-2.0
//
// Access of the CPU to dma-bufs, which the kernel wants to be told of. Method: a child that the
// kernel refuses DMA_BUF_IOCTL_SYNC from some moment on; who does not ask for it does not notice.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <sysmem/sysmem.hpp>
#include <utility>

#include "client/buffers.h"

namespace sysmem::client {
namespace {

constexpr uint64_t kSize = 8192;
constexpr uint32_t kReadWrite = SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE;

// Empty where the kernel has no dma-heap.
base::UniqueFd DmaBuf(uint64_t size = kSize) {
  const base::UniqueFd heap(::open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC));
  dma_heap_allocation_data wanted{};
  wanted.len = size;
  wanted.fd_flags = O_RDWR | O_CLOEXEC;
  if (!heap || ::ioctl(heap.get(), DMA_HEAP_IOCTL_ALLOC, &wanted) != 0) return {};
  return base::UniqueFd(static_cast<int>(wanted.fd));
}

base::UniqueFd Memfd() {
  base::UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(kSize)), 0);
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  return fd;
}

// As if a wait had brought it.
Buffers Given(base::UniqueFd fd) {
  sysmem2::BufferCollectionInfo info;
  info.mutable_settings()->mutable_buffer_settings()->set_raw_vmo_size(kSize);
  auto buffers = std::make_unique<sysmem_buffers>(info);
  auto owned = std::make_shared<OwnedBuffer>();
  owned->fd = std::move(fd);
  buffers->views.push_back({.index = 0, .fd = owned->fd.get(), .close_weak_asap_fd = -1});
  buffers->owned.push_back(std::move(owned));
  return Buffers(buffers.release());
}

// From now on DMA_BUF_IOCTL_SYNC of this process fails with EPERM. False if the kernel cannot.
bool ForbidSync() {
  std::array<sock_filter, 6> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(DMA_BUF_IOCTL_SYNC), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

template <typename Outcome>
bool WasForbidden(const Outcome& outcome) {
  return !outcome.ok() && outcome.failure().system_errno == EPERM &&
         outcome.failure().message.find("DMA_BUF_IOCTL_SYNC") != std::string::npos;
}

// 0, or the number of the step that went wrong.
int TryAccesses(base::UniqueFd dma_buf) {
  const Buffers on_device = Given(std::move(dma_buf));
  const Buffers in_memory = Given(Memfd());
  if (!on_device[0].is_dma_buf || in_memory[0].is_dma_buf) return 1;
  auto device = on_device.Map(0, kReadWrite);
  auto memory = in_memory.Map(0, kReadWrite);
  if (!device.ok() || !memory.ok()) return 2;
  auto of_device = device->Access(SYSMEM_ACCESS_WRITE);
  auto of_memory = memory->Access(SYSMEM_ACCESS_WRITE);
  if (!of_device.ok() || !of_memory.ok()) return 3;
  if (!ForbidSync()) return 4;
  if (!WasForbidden(of_device->End())) return 5;
  if (!WasForbidden(device->Access(SYSMEM_ACCESS_READ))) return 6;
  if (!of_memory->End().ok()) return 7;
  if (!memory->Access(SYSMEM_ACCESS_READ).ok()) return 8;
  return 0;
}

TEST(DmaBufAccess, IsToldToTheKernelAtItsBeginningAndEndAndThatToMemfdsIsNot) {
  base::UniqueFd dma_buf = DmaBuf();
  if (!dma_buf) {
    GTEST_SKIP() << "IsToldToTheKernelAtItsBeginningAndEndAndThatToMemfdsIsNot: no dma-heap here";
  }
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(TryAccesses(std::move(dma_buf)));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the step that went wrong";
}

TEST(DmaBufAccess, ShowsWhatWasWrittenThroughAnotherMapping) {
  base::UniqueFd dma_buf = DmaBuf();
  if (!dma_buf) {
    GTEST_SKIP() << "ShowsWhatWasWrittenThroughAnotherMapping: no dma-heap here";
  }
  const Buffers writers = Given(base::Dup(dma_buf));
  const Buffers readers = Given(std::move(dma_buf));
  auto written = writers.Map(0, SYSMEM_ACCESS_WRITE);
  auto read = readers.Map(0, SYSMEM_ACCESS_READ);
  ASSERT_TRUE(written.ok() && read.ok());
  {
    auto access = written->Access(SYSMEM_ACCESS_WRITE);
    ASSERT_TRUE(access.ok());
    written->data()[kSize - 1] = 'x';
    EXPECT_TRUE(access->End().ok());
  }
  auto access = read->Access(SYSMEM_ACCESS_READ);
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(read->data()[kSize - 1], 'x');
}

TEST(DmaBufAccess, OfOneSmallerThanItsSettingsSayIsRefused) {
  base::UniqueFd dma_buf = DmaBuf(kSize / 2);
  if (!dma_buf) {
    GTEST_SKIP() << "OfOneSmallerThanItsSettingsSayIsRefused: no dma-heap here";
  }
  const Buffers buffers = Given(std::move(dma_buf));
  const auto mapping = buffers.Map(0, SYSMEM_ACCESS_READ);
  ASSERT_FALSE(mapping.ok());
  EXPECT_EQ(mapping.failure().message, "the dma-buf is smaller than its settings say");
}

}  // namespace
}  // namespace sysmem::client
