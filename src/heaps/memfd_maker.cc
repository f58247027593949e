// SPDX-License-Identifier: Apache-2.0
#include "heaps/memfd_maker.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/reopen.h"

namespace sysmem::heaps {
namespace {

// Linux 6.3; the headers of Debian 12 do not have it yet.
constexpr unsigned kNoexecSeal = 0x0008;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// Taken at a time: small enough that a signal, which undoes the step under way, costs little, and
// that the gate sees what others take meanwhile; large enough that asking it costs nothing beside
// clearing the pages.
constexpr uint64_t kReserveStepBytes = 16 * 1024 * 1024;

absl::Status FillStep(const base::UniqueFd& memfd, uint64_t offset, uint64_t bytes) {
  while (::fallocate(memfd.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) != 0) {
    if (errno == EINTR) continue;
    return base::ErrnoStatus(errno,
                             absl::StrCat("take ", bytes, " bytes of memory at offset ", offset));
  }
  return absl::OkStatus();
}

// REQUIRES: the reservation covers what is missing of `size_bytes`.
absl::Status FillWithPages(const base::UniqueFd& memfd, uint64_t size_bytes,
                           Reservation& reservation) {
  for (uint64_t offset = 0; offset < size_bytes;) {
    const uint64_t step = std::min(size_bytes - offset, kReserveStepBytes);
    if (absl::Status filled = FillStep(memfd, offset, step); !filled.ok()) return filled;
    offset += step;
    const uint64_t taken = std::min(step, reservation.remaining());
    if (taken == 0) continue;
    if (absl::Status go_on = reservation.Taken(taken); !go_on.ok()) return go_on;
  }
  return absl::OkStatus();
}

// Of a memfd's pages.
absl::StatusOr<uint64_t> BytesThere(const base::UniqueFd& memfd) {
  constexpr uint64_t kBlockBytes = 512;  // stat(2)
  struct stat status {};
  if (::fstat(memfd.get(), &status) != 0) {
    return base::ErrnoStatus(errno, "ask a memfd for its pages");
  }
  return static_cast<uint64_t>(status.st_blocks) * kBlockBytes;
}

absl::Status SetSize(const base::UniqueFd& memfd, uint64_t size_bytes) {
  if (::ftruncate(memfd.get(), static_cast<off_t>(size_bytes)) == 0) return absl::OkStatus();
  return base::ErrnoStatus(errno, "set the size of a memfd");
}

absl::Status Seal(const base::UniqueFd& memfd, int seals) {
  if (::fcntl(memfd.get(), F_ADD_SEALS, seals) == 0) return absl::OkStatus();
  return base::ErrnoStatus(errno, "seal a memfd");
}

}  // namespace

absl::StatusOr<FreshMemfd> KeepAnew(base::BorrowedFd memfd, uint64_t size_bytes) {
  absl::StatusOr<base::UniqueFd> kept = base::Reopen(memfd, O_RDWR);
  if (!kept.ok()) return kept.status();
  const absl::StatusOr<BufferIdentity> identity = IdentityOf(*kept);
  if (!identity.ok()) return identity.status();
  return FreshMemfd{
      .kept = *std::move(kept), .marks = Marks(), .identity = *identity, .size_bytes = size_bytes};
}

void DiscardPages(const FreshMemfd& memfd) {
  // No seal forbids it and nothing else can: it only ends early when it is interrupted.
  while (::fallocate(memfd.kept.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                     static_cast<off_t>(memfd.size_bytes)) != 0 &&
         errno == EINTR) {
  }
}

absl::StatusOr<base::UniqueFd> MemfdMaker::Create(const std::string& name) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  base::UniqueFd memfd;
  if (noexec_seal_known_) {
    memfd.reset(::memfd_create(name.c_str(), kFlags | kNoexecSeal));
    if (!memfd && errno == EINVAL) noexec_seal_known_ = false;
  }
  if (!memfd && !noexec_seal_known_) memfd.reset(::memfd_create(name.c_str(), kFlags));
  if (!memfd) return base::ErrnoStatus(errno, "make a memfd");
  if (::fchmod(memfd.get(), kMemfdMode) != 0)
    return base::ErrnoStatus(errno, "set the mode of a memfd");
  return memfd;
}

absl::StatusOr<FreshMemfd> MemfdMaker::Make(const std::string& name, uint64_t size_bytes) {
  absl::StatusOr<Reservation> reservation = gate_.Reserve(size_bytes);
  if (!reservation.ok()) return reservation.status();
  absl::StatusOr<base::UniqueFd> created = Create(name);
  if (!created.ok()) return created.status();
  if (absl::Status sized = SetSize(*created, size_bytes); !sized.ok()) return sized;
  if (absl::Status filled = FillWithPages(*created, size_bytes, *reservation); !filled.ok())
    return filled;
  if (absl::Status sealed = Seal(*created, kSeals); !sealed.ok()) return sealed;
  return KeepAnew(*created, size_bytes);
}

absl::StatusOr<FreshMemfd> MemfdMaker::MakeHollow(const std::string& name, uint64_t size_bytes,
                                                  int more_seals) {
  absl::StatusOr<base::UniqueFd> created = Create(name);
  if (!created.ok()) return created.status();
  if (absl::Status sized = SetSize(*created, size_bytes); !sized.ok()) return sized;
  if (absl::Status sealed = Seal(*created, kSeals | more_seals); !sealed.ok()) return sealed;
  return KeepAnew(*created, size_bytes);
}

absl::Status MemfdMaker::Fill(const FreshMemfd& memfd) {
  const absl::StatusOr<uint64_t> there = BytesThere(memfd.kept);
  if (!there.ok()) return there.status();
  // What is there is counted as taken already.
  const uint64_t missing = memfd.size_bytes - std::min(memfd.size_bytes, *there);
  absl::StatusOr<Reservation> reservation = gate_.Reserve(missing);
  if (!reservation.ok()) return reservation.status();
  return FillWithPages(memfd.kept, memfd.size_bytes, *reservation);
}

}  // namespace sysmem::heaps
