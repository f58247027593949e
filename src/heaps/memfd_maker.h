// SPDX-License-Identifier: Apache-2.0
//
// Makes the memfds that buffers are: mode 0600, of fixed size, sealed against resizing and further
// sealing, every page taken and zero, opened anew.
//
// The descriptor that memfd_create gives is closed: neither inotify nor a lease ever sees it, so it
// must not outlive this. What is kept is another open file description.
//
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/heap.h"
#include "heaps/marks.h"
#include "heaps/reservation_gate.h"

namespace sysmem::heaps {

// Of every memfd, from before it leaves: holders of other uids cannot open it anew.
inline constexpr mode_t kMemfdMode = 0600;
// The kernel's limit on the name of a memfd; what is longer is cut between two characters.
inline constexpr size_t kMaxMemfdNameBytes = 249;

// One that no process but this has ever had.
struct FreshMemfd {
  base::UniqueFd kept;  // read-write
  Marks marks;
  BufferIdentity identity;
  uint64_t size_bytes = 0;
};

// Opened anew for reading and writing. The description of `memfd` itself, if memfd_create gave it,
// must not stay. Errors: as base::Reopen.
absl::StatusOr<FreshMemfd> KeepAnew(base::BorrowedFd memfd, uint64_t size_bytes);

// Frees its pages, which read as zeroes from then on.
void DiscardPages(const FreshMemfd& memfd);

class MemfdMaker {
 public:
  // `gate` is asked before memory is taken, and outlives the maker.
  explicit MemfdMaker(ReservationGate& gate) : gate_(gate) {}

  // REQUIRES: size_bytes is a positive multiple of the page size that fits off_t; the name is no
  // longer than kMaxMemfdNameBytes and has no NUL in it. Errors: as Heap::Allocate.
  absl::StatusOr<FreshMemfd> Make(const std::string& name, uint64_t size_bytes);

  // The same without a page: all of it is a hole. `more_seals` are added to those it has anyway,
  // such as F_SEAL_WRITE. The gate is not asked.
  absl::StatusOr<FreshMemfd> MakeHollow(const std::string& name, uint64_t size_bytes,
                                        int more_seals = 0);

  // Takes the pages that a hollow one lacks; those it has keep what is in them. Errors: as Make.
  absl::Status Fill(const FreshMemfd& memfd);

 private:
  absl::StatusOr<base::UniqueFd> Create(const std::string& name);

  ReservationGate& gate_;
  // Cleared when the kernel turns out not to know MFD_NOEXEC_SEAL.
  std::atomic<bool> noexec_seal_known_ = true;
};

}  // namespace sysmem::heaps
