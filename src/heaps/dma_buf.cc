// SPDX-License-Identifier: Apache-2.0
#include "heaps/dma_buf.h"

#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/descriptor_kind.h"
#include "base/errno_status.h"
#include "base/escape.h"
#include "base/memory_limits.h"

namespace sysmem::heaps {
namespace {

constexpr std::string_view kCountLine = "\ncount:\t";

// What the CPU does between the two is coherent with what devices do before and after.
absl::Status Sync(base::BorrowedFd dma_buf, uint64_t flags) {
  dma_buf_sync sync{};
  sync.flags = flags;
  while (::ioctl(dma_buf.get(), DMA_BUF_IOCTL_SYNC, &sync) != 0) {
    if (errno != EINTR && errno != EAGAIN) return base::ErrnoStatus(errno, "DMA_BUF_IOCTL_SYNC");
  }
  return absl::OkStatus();
}

// The name is for people only: kernels that refuse it make no worse buffers.
void SetName(base::BorrowedFd dma_buf, const std::string& name) {
  (void)::ioctl(dma_buf.get(), DMA_BUF_SET_NAME, name.c_str());
}

}  // namespace

std::optional<uint64_t> ReferencesInFdinfo(std::string_view fdinfo) {
  const size_t at = fdinfo.find(kCountLine);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view digits = fdinfo.substr(at + kCountLine.size());
  digits = digits.substr(0, digits.find('\n'));
  uint64_t count = 0;
  if (!absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &count)) {
    return std::nullopt;
  }
  return count;
}

std::optional<uint64_t> DmaBufReferences(base::BorrowedFd dma_buf) {
  const std::optional<std::string> fdinfo =
      base::ReadSmallFile(absl::StrCat("/proc/self/fdinfo/", dma_buf.get()));
  return fdinfo ? ReferencesInFdinfo(*fdinfo) : std::nullopt;
}

absl::Status ClearDmaBuf(base::BorrowedFd dma_buf, uint64_t size_bytes) {
  void* const memory =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf.get(), 0);
  if (memory == MAP_FAILED) return base::ErrnoStatus(errno, "map a dma-buf to clear it");
  absl::Status status = Sync(dma_buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
  if (status.ok()) {
    std::memset(memory, 0, size_bytes);
    status = Sync(dma_buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
  }
  ::munmap(memory, size_bytes);
  return status;
}

DmaBufBuffer::DmaBufBuffer(base::UniqueFd dma_buf, std::string name, BufferIdentity identity,
                           uint64_t size_bytes)
    : dma_buf_(std::move(dma_buf)),
      name_(std::move(name)),
      identity_(identity),
      size_bytes_(size_bytes) {}

absl::StatusOr<std::unique_ptr<DmaBufBuffer>> DmaBufBuffer::Adopt(base::UniqueFd dma_buf,
                                                                  std::string name) {
  const base::DescriptorKind kind = base::ClassifyDescriptor(dma_buf);
  if (kind != base::DescriptorKind::kDmaBuf) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a dma-buf, this is: ", std::string(DescriptorKindName(kind))));
  }
  // Without it a buffer would never be seen to end.
  if (!DmaBufReferences(dma_buf)) {
    return absl::FailedPreconditionError(
        "the references of a dma-buf cannot be read from /proc/self/fdinfo");
  }
  const off_t size = ::lseek(dma_buf.get(), 0, SEEK_END);  // a dma-buf's way to tell its size
  if (size < 0) return base::ErrnoStatus(errno, "ask a dma-buf for its size");
  const absl::StatusOr<BufferIdentity> identity = IdentityOf(dma_buf);
  if (!identity.ok()) return identity.status();
  name = std::string(base::CutToBytes(name, kMaxDmaBufNameBytes));
  SetName(dma_buf, name);
  return std::unique_ptr<DmaBufBuffer>(new DmaBufBuffer(std::move(dma_buf), std::move(name),
                                                        *identity, static_cast<uint64_t>(size)));
}

absl::StatusOr<HandedOut> DmaBufBuffer::HandOut(Access) const {
  base::UniqueFd duplicate = base::Dup(dma_buf_);
  if (!duplicate) return base::ErrnoStatus(errno, "duplicate the descriptor of a dma-buf");
  return HandedOut{.fd = std::move(duplicate)};
}

bool DmaBufBuffer::IsOnlyOurs() const { return DmaBufReferences(dma_buf_) == 1; }

}  // namespace sysmem::heaps
