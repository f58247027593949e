// SPDX-License-Identifier: Apache-2.0
//
// The memory of a pool itself: a memfd as large as the pool that never leaves this process. It
// holds the guards and the pattern in unused pages; where a buffer lives it is a hole, for every
// buffer has memory of its own. Simulated devices write into it by address, and so do tests.
//
// It is read and written by system calls, not mapped: reading a hole through a mapping would take a
// page for it.
//
// Thread-safe, as far as callers keep out of each other's regions.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/memfd_maker.h"
#include "heaps/pool/region.h"

namespace sysmem::heaps {

class PoolMemory {
 public:
  // All of it a hole. REQUIRES: as MemfdMaker::Make. Errors: as Heap::Allocate.
  static absl::StatusOr<PoolMemory> Create(MemfdMaker& maker, const std::string& name,
                                           uint64_t size_bytes);

  uint64_t size_bytes() const { return size_bytes_; }
  // Of the memfd; for tests.
  base::BorrowedFd fd() const { return kept_; }

  // Whether pages can be given to the kernel; tried out with the first one, which must be a hole
  // (POOL-2).
  bool TryToLoan() const;

  // Errors: OutOfRange for what does not lie in the pool; the kernel's.
  absl::Status Read(uint64_t offset, std::span<uint8_t> bytes) const;
  absl::Status Write(uint64_t offset, std::span<const uint8_t> bytes) const;

  // Of whole pages. Errors: the kernel's.
  absl::Status WritePattern(Region region) const;
  absl::Status Zero(Region region) const;
  absl::Status Loan(Region region) const;  // makes it a hole

 private:
  PoolMemory(base::UniqueFd kept, uint64_t size_bytes)
      : kept_(std::move(kept)), size_bytes_(size_bytes) {}
  absl::Status CheckLiesInside(uint64_t offset, size_t bytes) const;
  absl::Status Fill(Region region, std::span<const uint8_t> block) const;

  base::UniqueFd kept_;
  uint64_t size_bytes_;
};

}  // namespace sysmem::heaps
