// SPDX-License-Identifier: Apache-2.0
#include "heaps/memfd_heap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/escape.h"
#include "base/reopen.h"

namespace sysmem::heaps {
namespace {

// Linux 6.3; the headers of Debian 12 do not have it yet.
constexpr unsigned kNoexecSeal = 0x0008;

constexpr mode_t kMode = 0600;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// Taken at a time: small enough that a signal, which undoes the step under way, costs little, and
// that the gate sees what others take meanwhile; large enough that asking it costs nothing beside
// clearing the pages.
constexpr uint64_t kReserveStepBytes = 16 * 1024 * 1024;

class MemfdBuffer final : public Buffer {
 public:
  MemfdBuffer(base::UniqueFd kept, BufferIdentity identity, uint64_t size_bytes, std::string name)
      : kept_(std::move(kept)),
        identity_(identity),
        size_bytes_(size_bytes),
        name_(std::move(name)) {}

  absl::StatusOr<base::UniqueFd> HandOut(Access access) const override {
    return base::Reopen(kept_, access == Access::kReadOnly ? O_RDONLY : O_RDWR);
  }
  BufferIdentity identity() const override { return identity_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  const std::string& name() const override { return name_; }

 private:
  const base::UniqueFd kept_;  // the daemon's one open file description
  const BufferIdentity identity_;
  const uint64_t size_bytes_;
  const std::string name_;
};

core::HeapProperties SystemRamProperties() {
  return {
      .heap = {.type = core::kHeapSystemRam, .id = 0},
      .cpu_domain = true,
      .ram_domain = true,
      .inaccessible_domain = true,
      .need_clear = false,
      .need_flush = false,
      .tells_holders_apart = false,
      .reports_end = false,
      .reduces_rights = true,
  };
}

std::string MemfdName(const std::string& wanted) {
  const std::string_view up_to_nul = std::string_view(wanted).substr(0, wanted.find('\0'));
  if (up_to_nul.empty()) return kUnnamedBuffer;
  return std::string(base::CutToBytes(up_to_nul, kMaxMemfdNameBytes));
}

absl::Status CheckSize(uint64_t size_bytes) {
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (size_bytes == 0 || size_bytes % page != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "size_bytes ", size_bytes, ", expected a positive multiple of the page size ", page));
  }
  if (size_bytes > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", size_bytes, " bytes: no file can be that large"));
  }
  return absl::OkStatus();
}

absl::Status FillStep(const base::UniqueFd& memfd, uint64_t offset, uint64_t bytes) {
  while (::fallocate(memfd.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) != 0) {
    if (errno == EINTR) continue;
    return base::ErrnoStatus(errno,
                             absl::StrCat("take ", bytes, " bytes of memory at offset ", offset));
  }
  return absl::OkStatus();
}

absl::Status FillWithPages(const base::UniqueFd& memfd, Reservation& reservation) {
  uint64_t offset = 0;
  while (reservation.remaining() > 0) {
    const uint64_t step = std::min(reservation.remaining(), kReserveStepBytes);
    if (absl::Status filled = FillStep(memfd, offset, step); !filled.ok()) return filled;
    offset += step;
    if (absl::Status go_on = reservation.Taken(step); !go_on.ok()) return go_on;
  }
  return absl::OkStatus();
}

absl::Status FixSize(const base::UniqueFd& memfd, uint64_t size_bytes, Reservation& reservation) {
  if (::ftruncate(memfd.get(), static_cast<off_t>(size_bytes)) != 0) {
    return base::ErrnoStatus(errno, "set the size of a memfd");
  }
  if (absl::Status filled = FillWithPages(memfd, reservation); !filled.ok()) return filled;
  if (::fcntl(memfd.get(), F_ADD_SEALS, kSeals) != 0) {
    return base::ErrnoStatus(errno, "seal a memfd");
  }
  return absl::OkStatus();
}

absl::StatusOr<BufferIdentity> IdentityOf(const base::UniqueFd& memfd) {
  struct stat status {};
  if (::fstat(memfd.get(), &status) != 0) return base::ErrnoStatus(errno, "look at a memfd");
  return BufferIdentity{.device = status.st_dev, .inode = status.st_ino};
}

absl::Status Blame(const absl::Status& status, const std::string& name, uint64_t size_bytes) {
  return absl::Status(status.code(), absl::StrCat("buffer ", base::Quote(name), " of ", size_bytes,
                                                  " bytes: ", status.message()));
}

}  // namespace

MemfdHeap::MemfdHeap(ReservationGate& gate) : properties_(SystemRamProperties()), gate_(gate) {}

absl::StatusOr<base::UniqueFd> MemfdHeap::Create(const std::string& name) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  base::UniqueFd memfd;
  if (noexec_seal_known_) {
    memfd.reset(::memfd_create(name.c_str(), kFlags | kNoexecSeal));
    if (!memfd && errno == EINVAL) noexec_seal_known_ = false;
  }
  if (!memfd && !noexec_seal_known_) memfd.reset(::memfd_create(name.c_str(), kFlags));
  if (!memfd) return base::ErrnoStatus(errno, "make a memfd");
  if (::fchmod(memfd.get(), kMode) != 0) return base::ErrnoStatus(errno, "set the mode of a memfd");
  return memfd;
}

absl::StatusOr<std::unique_ptr<Buffer>> MemfdHeap::Allocate(const AllocateRequest& request) {
  if (absl::Status size = CheckSize(request.size_bytes); !size.ok()) return size;
  std::string name = MemfdName(request.name);
  const auto blame = [&](const absl::Status& status) {
    return Blame(status, name, request.size_bytes);
  };
  absl::StatusOr<Reservation> reservation = gate_.Reserve(request.size_bytes);
  if (!reservation.ok()) return blame(reservation.status());
  absl::StatusOr<base::UniqueFd> created = Create(name);
  if (!created.ok()) return blame(created.status());
  if (absl::Status fixed = FixSize(*created, request.size_bytes, *reservation); !fixed.ok()) {
    return blame(fixed);
  }
  absl::StatusOr<base::UniqueFd> kept = base::Reopen(*created, O_RDWR);
  if (!kept.ok()) return blame(kept.status());
  const absl::StatusOr<BufferIdentity> identity = IdentityOf(*kept);
  if (!identity.ok()) return blame(identity.status());
  return std::make_unique<MemfdBuffer>(*std::move(kept), *identity, request.size_bytes,
                                       std::move(name));
}

}  // namespace sysmem::heaps
