// SPDX-License-Identifier: Apache-2.0
//
// Mapping buffers that a test made itself, good ones and bad ones.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sysmem/sysmem.hpp>

#include "base/reopen.h"
#include "client/buffers.h"

namespace sysmem::client {
namespace {

constexpr uint64_t kSize = 8192;

base::UniqueFd Memfd(uint64_t size, int seals) {
  base::UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}
base::UniqueFd GoodMemfd() { return Memfd(kSize, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); }

// Buffers as if a wait had brought them.
Buffers Given(base::UniqueFd fd, bool read_only = false,
              sysmem2::CoherencyDomain domain = sysmem2::COHERENCY_DOMAIN_CPU,
              uint64_t usable_start = 0) {
  sysmem2::BufferCollectionInfo info;
  auto* memory = info.mutable_settings()->mutable_buffer_settings();
  memory->set_size_bytes(100);
  memory->set_raw_vmo_size(kSize);
  memory->set_coherency_domain(domain);
  info.mutable_hand_out()->set_read_only(read_only);
  auto buffers = std::make_unique<sysmem_buffers>(info);
  auto owned = std::make_shared<OwnedBuffer>();
  owned->fd = std::move(fd);
  buffers->views.push_back({.index = 0,
                            .fd = owned->fd.get(),
                            .usable_start = usable_start,
                            .close_weak_asap_fd = -1,
                            .device = 0,
                            .inode = 0,
                            .is_dma_buf = false});
  buffers->owned.push_back(std::move(owned));
  return Buffers(buffers.release());
}

TEST(Mapping, ShowsTheBuffersMemory) {
  base::UniqueFd memfd = GoodMemfd();
  const base::UniqueFd other = base::Dup(memfd);
  const Buffers buffers = Given(std::move(memfd));
  auto mapping = buffers.Map(0, SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  ASSERT_TRUE(mapping.ok()) << mapping.failure().ToString();
  EXPECT_EQ(mapping->size(), kSize);
  {
    auto access = mapping->Access(SYSMEM_ACCESS_WRITE);
    ASSERT_TRUE(access.ok());
    mapping->data()[5] = 'x';
    EXPECT_TRUE(access->End().ok());
  }
  char byte = 0;
  ASSERT_EQ(::pread(other.get(), &byte, 1, 5), 1);
  EXPECT_EQ(byte, 'x');
}

TEST(Mapping, OutlivesTheBuffersItCameFrom) {
  std::optional<Buffers> buffers = Given(GoodMemfd());
  auto mapping = buffers->Map(0, SYSMEM_ACCESS_READ);
  ASSERT_TRUE(mapping.ok());
  buffers.reset();
  auto access = mapping->Access(SYSMEM_ACCESS_READ);
  EXPECT_TRUE(access.ok());
  EXPECT_EQ(mapping->bytes()[kSize - 1], std::byte{0});
}

TEST(Mapping, BeginsAtTheFirstUsableByte) {
  const Buffers buffers = Given(GoodMemfd(), false, sysmem2::COHERENCY_DOMAIN_CPU, 64);
  auto mapping = buffers.Map(0, SYSMEM_ACCESS_READ);
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ(mapping->size(), kSize - 64);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(mapping->data()) % 4096, 64u);
}

TEST(Mapping, OfMemoryThatCouldShrinkUnderTheProgramIsRefused) {
  const auto mapping = Given(Memfd(kSize, F_SEAL_GROW)).Map(0, SYSMEM_ACCESS_READ);
  ASSERT_FALSE(mapping.ok());
  EXPECT_EQ(mapping.failure().status, Status::kSystem);
  EXPECT_NE(mapping.failure().message.find("SHRINK"), std::string::npos);
}

TEST(Mapping, OfMemorySmallerThanItsSettingsSayIsRefused) {
  const auto mapping = Given(Memfd(4096, F_SEAL_SHRINK)).Map(0, SYSMEM_ACCESS_READ);
  ASSERT_FALSE(mapping.ok());
  EXPECT_EQ(mapping.failure().status, Status::kSystem);
}

TEST(Mapping, OfWhatIsNoMemoryIsRefused) {
  base::UniqueFd null(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(Given(std::move(null)).Map(0, SYSMEM_ACCESS_READ).failure().status, Status::kSystem);
}

TEST(Mapping, ForWritingNeedsTheRightToWrite) {
  const Buffers buffers = Given(GoodMemfd(), true);
  EXPECT_TRUE(buffers.Map(0, SYSMEM_ACCESS_READ).ok());
  const auto writable = buffers.Map(0, SYSMEM_ACCESS_WRITE);
  ASSERT_FALSE(writable.ok());
  EXPECT_EQ(writable.failure().status, Status::kInvalidArgument);
  EXPECT_EQ(writable.failure().field, "access");
}

TEST(Mapping, OfAReadOnlyDescriptorCannotBeMadeWritableByTheKernelEither) {
  auto read_only = base::Reopen(GoodMemfd(), O_RDONLY);
  ASSERT_TRUE(read_only.ok());
  const auto mapping = Given(*std::move(read_only), false).Map(0, SYSMEM_ACCESS_WRITE);
  ASSERT_FALSE(mapping.ok());
  EXPECT_EQ(mapping.failure().system_errno, EACCES);
}

TEST(Mapping, NeedsADescriptorAMemoryTheCpuSeesAndAnAccess) {
  const auto status = [](const Buffers& buffers, size_t index, uint32_t access) {
    const auto mapping = buffers.Map(index, access);
    return mapping.ok() ? std::nullopt : std::optional(mapping.failure().status);
  };
  EXPECT_EQ(status(Given(base::UniqueFd()), 0, SYSMEM_ACCESS_READ), Status::kInvalidArgument);
  EXPECT_EQ(status(Given(GoodMemfd()), 1, SYSMEM_ACCESS_READ), Status::kInvalidArgument);
  EXPECT_EQ(status(Given(GoodMemfd()), 0, 0), Status::kInvalidArgument);
  EXPECT_EQ(status(Given(GoodMemfd()), 0, 8), Status::kInvalidArgument);
  EXPECT_EQ(status(Given(GoodMemfd(), false, sysmem2::COHERENCY_DOMAIN_INACCESSIBLE), 0,
                   SYSMEM_ACCESS_READ),
            Status::kInvalidArgument);
}

TEST(CpuAccess, MustBeOneTheBufferWasMappedFor) {
  auto mapping = Given(GoodMemfd()).Map(0, SYSMEM_ACCESS_READ);
  ASSERT_TRUE(mapping.ok());
  EXPECT_FALSE(mapping->Access(SYSMEM_ACCESS_WRITE).ok());
  EXPECT_FALSE(mapping->Access(0).ok());
}

TEST(Buffers, DuplicateTheirDescriptorsForTheProgram) {
  const Buffers buffers = Given(GoodMemfd());
  auto copy = buffers.DupFd(0);
  ASSERT_TRUE(copy.ok());
  EXPECT_NE(copy->get(), buffers[0].fd);
  EXPECT_EQ(::fcntl(copy->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_FALSE(buffers.DupFd(1).ok());
  EXPECT_FALSE(Given(base::UniqueFd()).DupFd(0).ok());
}

}  // namespace
}  // namespace sysmem::client
