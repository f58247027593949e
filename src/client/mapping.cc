// SPDX-License-Identifier: Apache-2.0
//
// Access to a buffer by the CPU.
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "client/buffers.h"

using sysmem::client::Failure;
using sysmem::client::InvalidArgument;
using sysmem::client::kNoDescriptor;
using sysmem::client::OwnedBuffer;
using sysmem::client::Report;
using sysmem::client::SystemFailure;

struct sysmem_mapping {
  ~sysmem_mapping() {
    if (start != MAP_FAILED) ::munmap(start, length);
  }
  std::shared_ptr<const OwnedBuffer> buffer;
  void* start = MAP_FAILED;
  size_t length = 0;
  size_t usable_start = 0;
  uint32_t access = 0;
  bool is_dma_buf = false;
};

namespace {

constexpr uint32_t kAnyAccess = SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE;

Failure NotWhatWasSaid(std::string message) {
  return {.status = SYSMEM_SYSTEM, .message = std::move(message)};
}

std::optional<Failure> CheckAccess(const sysmem_settings& settings, const sysmem_buffer* buffer,
                                   uint32_t access) {
  if (buffer == nullptr) return InvalidArgument("index", "there is no such buffer");
  if (buffer->fd < 0) {
    return InvalidArgument("index", kNoDescriptor);
  }
  if (access == 0 || (access & ~kAnyAccess) != 0) {
    return InvalidArgument("access", "it is SYSMEM_ACCESS_READ, SYSMEM_ACCESS_WRITE or both");
  }
  if (settings.coherency_domain == SYSMEM_COHERENCY_DOMAIN_INACCESSIBLE) {
    return InvalidArgument("index", "the memory is not accessible to the CPU");
  }
  if ((access & SYSMEM_ACCESS_WRITE) != 0 && settings.read_only) {
    return InvalidArgument("access",
                           "this participant may not write: none of its usages writes, or a "
                           "rights mask took the right away");
  }
  return std::nullopt;
}

// Memory that shrinks under a mapping kills the process that touches it: a memfd must be sealed
// against that and as large as the daemon said.
std::optional<Failure> CheckMemory(const sysmem_buffer& buffer, uint64_t raw_size_bytes) {
  if (buffer.is_dma_buf) {
    const off_t size = ::lseek(buffer.fd, 0, SEEK_END);  // a dma-buf's way to tell its size
    if (size < 0) return SystemFailure(errno, "asking a dma-buf for its size");
    if (static_cast<uint64_t>(size) >= raw_size_bytes) return std::nullopt;
    return NotWhatWasSaid("the dma-buf is smaller than its settings say");
  }
  const int seals = ::fcntl(buffer.fd, F_GET_SEALS);
  if (seals < 0) return SystemFailure(errno, "asking a memfd for its seals");
  if ((seals & F_SEAL_SHRINK) == 0) return NotWhatWasSaid("the memfd is not sealed (SHRINK)");
  struct stat status {};
  if (::fstat(buffer.fd, &status) != 0) return SystemFailure(errno, "asking a memfd for its size");
  if (static_cast<uint64_t>(status.st_size) >= raw_size_bytes) return std::nullopt;
  return NotWhatWasSaid("the memfd is smaller than its settings say");
}

int ProtectionFor(uint32_t access) {
  return ((access & SYSMEM_ACCESS_READ) != 0 ? PROT_READ : 0) |
         ((access & SYSMEM_ACCESS_WRITE) != 0 ? PROT_WRITE : 0);
}

std::optional<Failure> SyncDmaBuf(int fd, uint64_t flags) {
  dma_buf_sync sync{};
  sync.flags = flags;
  while (::ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) != 0) {
    if (errno != EINTR && errno != EAGAIN) return SystemFailure(errno, "DMA_BUF_IOCTL_SYNC");
  }
  return std::nullopt;
}

uint64_t DmaBufFlags(uint32_t access) {
  return ((access & SYSMEM_ACCESS_READ) != 0 ? DMA_BUF_SYNC_READ : 0) |
         ((access & SYSMEM_ACCESS_WRITE) != 0 ? DMA_BUF_SYNC_WRITE : 0);
}

std::optional<Failure> CheckPairing(const sysmem_mapping& mapping, uint32_t access) {
  if (access != 0 && (access & ~mapping.access) == 0) return std::nullopt;
  return InvalidArgument("access", "the buffer was not mapped for this access");
}

}  // namespace

sysmem_status sysmem_map(const sysmem_buffers* buffers, size_t index, uint32_t access,
                         sysmem_mapping** mapping, sysmem_failure** failure) {
  const sysmem_settings& settings = buffers->settings.get();
  const sysmem_buffer* const buffer = sysmem_buffers_get(buffers, index);
  if (auto bad = CheckAccess(settings, buffer, access)) return Report(*std::move(bad), failure);
  if (auto bad = CheckMemory(*buffer, settings.raw_size_bytes)) {
    return Report(*std::move(bad), failure);
  }
  if (buffer->usable_start > settings.raw_size_bytes) {
    return Report(NotWhatWasSaid("the first usable byte lies behind the buffer's end"), failure);
  }
  auto made = std::make_unique<sysmem_mapping>();
  made->buffer = buffers->owned[index];
  made->length = settings.raw_size_bytes;
  made->usable_start = buffer->usable_start;
  made->access = access;
  made->is_dma_buf = buffer->is_dma_buf;
  made->start = ::mmap(nullptr, made->length, ProtectionFor(access), MAP_SHARED, buffer->fd, 0);
  if (made->start == MAP_FAILED) return Report(SystemFailure(errno, "mapping a buffer"), failure);
  *mapping = made.release();
  return SYSMEM_OK;
}

void* sysmem_mapping_data(const sysmem_mapping* mapping) {
  return static_cast<char*>(mapping->start) + mapping->usable_start;
}

size_t sysmem_mapping_size(const sysmem_mapping* mapping) {
  return mapping->length - mapping->usable_start;
}

sysmem_status sysmem_begin_cpu_access(sysmem_mapping* mapping, uint32_t access,
                                      sysmem_failure** failure) {
  if (auto bad = CheckPairing(*mapping, access)) return Report(*std::move(bad), failure);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (!mapping->is_dma_buf) return SYSMEM_OK;
  auto bad = SyncDmaBuf(mapping->buffer->fd.get(), DMA_BUF_SYNC_START | DmaBufFlags(access));
  return bad ? Report(*std::move(bad), failure) : SYSMEM_OK;
}

sysmem_status sysmem_end_cpu_access(sysmem_mapping* mapping, uint32_t access,
                                    sysmem_failure** failure) {
  if (auto bad = CheckPairing(*mapping, access)) return Report(*std::move(bad), failure);
  std::atomic_thread_fence(std::memory_order_release);
  if (!mapping->is_dma_buf) return SYSMEM_OK;
  auto bad = SyncDmaBuf(mapping->buffer->fd.get(), DMA_BUF_SYNC_END | DmaBufFlags(access));
  return bad ? Report(*std::move(bad), failure) : SYSMEM_OK;
}

void sysmem_mapping_destroy(sysmem_mapping* mapping) { delete mapping; }
