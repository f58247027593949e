// SPDX-License-Identifier: Apache-2.0
#include "heaps/dma_heap.h"

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "heaps/allocate_request.h"
#include "heaps/dma_buf.h"

namespace sysmem::heaps {
namespace {

// The heaps of the kernel itself whose memory is set aside at boot; "reserved" is the older name of
// the second one.
constexpr std::array<std::string_view, 3> kContiguousHeaps = {"linux,cma", "default_cma_region",
                                                              "reserved"};

bool IsKernelsContiguousHeap(std::string_view name) {
  return std::find(kContiguousHeaps.begin(), kContiguousHeaps.end(), name) !=
         kContiguousHeaps.end();
}

// Ours to believe, once it was seen; not what vendors name alike.
bool ClearsByItself(std::string_view name) {
  return name == "system" || IsKernelsContiguousHeap(name);
}

uint64_t PageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

absl::StatusOr<base::UniqueFd> AskForDmaBuf(base::BorrowedFd node, uint64_t size_bytes) {
  dma_heap_allocation_data wanted{};
  wanted.len = size_bytes;
  wanted.fd_flags = O_RDWR | O_CLOEXEC;
  while (::ioctl(node.get(), DMA_HEAP_IOCTL_ALLOC, &wanted) != 0) {
    if (errno == EINTR) continue;
    return base::ErrnoStatus(errno, absl::StrCat("DMA_HEAP_IOCTL_ALLOC of ", size_bytes, " bytes"));
  }
  return base::UniqueFd(static_cast<int>(wanted.fd));
}

// One page of a dma-buf; nothing if the CPU cannot reach it.
std::optional<bool> PageIsZero(base::BorrowedFd dma_buf, uint64_t offset) {
  const uint64_t page = PageBytes();
  void* const memory =
      ::mmap(nullptr, page, PROT_READ, MAP_SHARED, dma_buf.get(), static_cast<off_t>(offset));
  if (memory == MAP_FAILED) return std::nullopt;
  const char* const first = static_cast<const char*>(memory);
  const bool zero = std::all_of(first, first + page, [](char byte) { return byte == 0; });
  ::munmap(memory, page);
  return zero;
}

bool EndsAreZero(base::BorrowedFd dma_buf, uint64_t size_bytes) {
  return PageIsZero(dma_buf, 0).value_or(false) &&
         PageIsZero(dma_buf, size_bytes - PageBytes()).value_or(false);
}

}  // namespace

std::string DmaHeapType(std::string_view name) {
  std::string type = "linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_";
  for (const char c : name) {
    const bool kept = absl::ascii_isalnum(static_cast<unsigned char>(c));
    type += kept ? absl::ascii_toupper(static_cast<unsigned char>(c)) : '_';
  }
  return type;
}

bool IsContiguousDmaHeap(std::string_view name) {
  if (IsKernelsContiguousHeap(name)) return true;
  std::string word;
  for (const char c : name) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      word += absl::ascii_tolower(static_cast<unsigned char>(c));
    } else if (word == "cma") {
      break;
    } else {
      word.clear();
    }
  }
  return word == "cma";
}

DmaHeap::DmaHeap(core::HeapProperties properties, std::string name, base::UniqueFd node,
                 ReservationGate& gate, bool clears)
    : properties_(std::move(properties)),
      name_(std::move(name)),
      node_(std::move(node)),
      gate_(gate),
      takes_system_ram_(!IsContiguousDmaHeap(name_)),
      clears_(clears) {}

absl::StatusOr<std::unique_ptr<DmaHeap>> DmaHeap::Open(const std::string& name, base::UniqueFd node,
                                                       ReservationGate& gate) {
  const absl::StatusOr<base::UniqueFd> sample = AskForDmaBuf(node, PageBytes());
  if (!sample.ok()) return sample.status();
  const bool mappable = PageIsZero(*sample, 0).has_value();
  core::HeapProperties properties{
      .heap = {.type = DmaHeapType(name), .id = 0},
      .cpu_domain = mappable,
      .ram_domain = mappable,
      .inaccessible_domain = true,
      .need_clear = false,
      .need_flush = false,
      .physically_contiguous = IsContiguousDmaHeap(name),
      .reports_end = true,
  };
  const bool clears = mappable && !ClearsByItself(name);
  return std::unique_ptr<DmaHeap>(
      new DmaHeap(std::move(properties), name, std::move(node), gate, clears));
}

absl::StatusOr<base::UniqueFd> DmaHeap::Take(uint64_t size_bytes) {
  if (!takes_system_ram_) return AskForDmaBuf(node_, size_bytes);
  absl::StatusOr<Reservation> reservation = gate_.Reserve(size_bytes);
  if (!reservation.ok()) return reservation.status();
  absl::StatusOr<base::UniqueFd> taken = AskForDmaBuf(node_, size_bytes);
  // All of it is taken: how much is left concerns the next one.
  if (taken.ok()) (void)reservation->Taken(size_bytes);
  return taken;
}

absl::StatusOr<base::UniqueFd> DmaHeap::TakeZeroed(uint64_t size_bytes) {
  absl::StatusOr<base::UniqueFd> taken = Take(size_bytes);
  if (!taken.ok()) return taken.status();
  std::call_once(looked_at_, [&] {
    if (properties_.cpu_domain && !EndsAreZero(*taken, size_bytes)) clears_ = true;
  });
  if (!clears_) return taken;
  if (absl::Status cleared = ClearDmaBuf(*taken, size_bytes); !cleared.ok()) return cleared;
  ++cleared_;
  return taken;
}

absl::StatusOr<std::unique_ptr<Buffer>> DmaHeap::Allocate(const AllocateRequest& request) {
  if (absl::Status fits = CheckForOrdinaryMemory(request); !fits.ok()) return fits;
  const std::string name = NameFor(request, kMaxDmaBufNameBytes);
  absl::StatusOr<base::UniqueFd> taken = TakeZeroed(request.size_bytes);
  if (!taken.ok()) return Blame(taken.status(), name, request.size_bytes);
  absl::StatusOr<std::unique_ptr<DmaBufBuffer>> buffer =
      DmaBufBuffer::Adopt(*std::move(taken), name);
  if (!buffer.ok()) return Blame(buffer.status(), name, request.size_bytes);
  if ((*buffer)->size_bytes() < request.size_bytes) {
    return Blame(absl::InternalError(absl::StrCat("/dev/dma_heap/", name_, " gave ",
                                                  (*buffer)->size_bytes(), " bytes only")),
                 name, request.size_bytes);
  }
  ++allocated_;
  return *std::move(buffer);
}

std::vector<Figure> DmaHeap::figures() const {
  return {{"allocated", allocated_, "buffers", "taken from this heap since the daemon started"},
          {"cleared", cleared_, "buffers",
           "of these, zeroed by the daemon, because the kernel's word was not enough"}};
}

}  // namespace sysmem::heaps
