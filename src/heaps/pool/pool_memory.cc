// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/pool_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "heaps/allocate_request.h"
#include "heaps/pool/guard_pattern.h"

namespace sysmem::heaps {
namespace {

// Written at a time; a multiple of the pattern's period.
constexpr size_t kFillBytes = 64 * 1024;

std::vector<uint8_t> PatternBlock() {
  std::vector<uint8_t> block(kFillBytes);
  WritePattern(block);
  return block;
}

int Punch(base::BorrowedFd fd, Region region) {
  int result = 0;
  do {
    result = ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         static_cast<off_t>(region.begin), static_cast<off_t>(region.size()));
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

absl::StatusOr<PoolMemory> PoolMemory::Create(MemfdMaker& maker, const std::string& name,
                                              uint64_t size_bytes) {
  const AllocateRequest named{.size_bytes = size_bytes, .name = name};
  absl::StatusOr<FreshMemfd> memfd =
      maker.MakeHollow(NameFor(named, kMaxMemfdNameBytes, "pool"), size_bytes);
  if (!memfd.ok()) return memfd.status();
  return PoolMemory(std::move(memfd->kept), size_bytes);
}

bool PoolMemory::TryToLoan() const {
  const Region first{.begin = 0, .end = std::min(size_bytes_, uint64_t{kPatternPeriodBytes})};
  return Zero(first).ok() && Punch(kept_, {.begin = 0, .end = size_bytes_}) == 0;
}

absl::Status PoolMemory::Read(uint64_t offset, std::span<uint8_t> bytes) const {
  if (absl::Status inside = CheckLiesInside(offset, bytes.size()); !inside.ok()) return inside;
  while (!bytes.empty()) {
    const ssize_t got =
        ::pread(kept_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return base::ErrnoStatus(got < 0 ? errno : EIO, "read the memory of a pool");
    bytes = bytes.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::Status PoolMemory::Write(uint64_t offset, std::span<const uint8_t> bytes) const {
  if (absl::Status inside = CheckLiesInside(offset, bytes.size()); !inside.ok()) return inside;
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(kept_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return base::ErrnoStatus(put < 0 ? errno : EIO, "write the memory of a pool");
    bytes = bytes.subspan(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return absl::OkStatus();
}

absl::Status PoolMemory::WritePattern(Region region) const {
  static const std::vector<uint8_t>& block = *new std::vector<uint8_t>(PatternBlock());
  return Fill(region, block);
}

absl::Status PoolMemory::Zero(Region region) const {
  static const std::vector<uint8_t>& block = *new std::vector<uint8_t>(kFillBytes);
  return Fill(region, block);
}

absl::Status PoolMemory::Loan(Region region) const {
  if (Punch(kept_, region) == 0) return absl::OkStatus();
  return base::ErrnoStatus(errno, "give pages of a pool to the kernel");
}

absl::Status PoolMemory::CheckLiesInside(uint64_t offset, size_t bytes) const {
  if (offset <= size_bytes_ && bytes <= size_bytes_ - offset) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(bytes, " bytes at offset ", offset,
                                            " do not lie in a pool of ", size_bytes_, " bytes"));
}

absl::Status PoolMemory::Fill(Region region, std::span<const uint8_t> block) const {
  while (!region.empty()) {
    const size_t step = static_cast<size_t>(std::min<uint64_t>(region.size(), block.size()));
    if (absl::Status put = Write(region.begin, block.first(step)); !put.ok()) return put;
    region.begin += step;
  }
  return absl::OkStatus();
}

}  // namespace sysmem::heaps
