// SPDX-License-Identifier: Apache-2.0
#include "heaps/udmabuf_heap.h"

#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/memory_limits.h"
#include "heaps/allocate_request.h"
#include "heaps/udmabuf_buffer.h"

namespace sysmem::heaps {
namespace {

core::HeapProperties UdmabufProperties() {
  return {
      .heap = {.type = kHeapUdmabuf, .id = 0},
      .cpu_domain = true,
      .ram_domain = true,
      .inaccessible_domain = true,
      .need_clear = false,
      .need_flush = false,
      .physically_contiguous = false,
      .tells_holders_apart = true,
      .reports_end = true,
      .reduces_rights = false,
  };
}

std::optional<uint64_t> ReadNumber(const std::string& path) {
  const std::optional<std::string> text = base::ReadSmallFile(path);
  uint64_t number = 0;
  if (!text || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &number)) return std::nullopt;
  return number;
}

}  // namespace

absl::StatusOr<base::UniqueFd> UdmabufMaker::Make(base::BorrowedFd memfd,
                                                  uint64_t size_bytes) const {
  udmabuf_create wanted{};
  wanted.memfd = static_cast<uint32_t>(memfd.get());
  wanted.flags = UDMABUF_FLAGS_CLOEXEC;
  wanted.size = size_bytes;
  while (true) {
    base::UniqueFd made(::ioctl(node_.get(), UDMABUF_CREATE, &wanted));
    if (made) return made;
    if (errno != EINTR) return base::ErrnoStatus(errno, "UDMABUF_CREATE");
  }
}

UdmabufHeap::UdmabufHeap(base::UniqueFd node, ReservationGate& gate, UdmabufHeapOptions options)
    : properties_(UdmabufProperties()),
      options_(std::move(options)),
      udmabufs_(std::make_shared<UdmabufMaker>(std::move(node))),
      memfds_(gate),
      further_(std::make_shared<SpareDescriptors>(options_.further_descriptors)) {}

absl::StatusOr<std::unique_ptr<UdmabufHeap>> UdmabufHeap::Open(base::UniqueFd node,
                                                               ReservationGate& gate,
                                                               UdmabufHeapOptions options) {
  std::unique_ptr<UdmabufHeap> heap(new UdmabufHeap(std::move(node), gate, std::move(options)));
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (absl::Status limit = heap->CheckLimit(page); !limit.ok()) return limit;
  const auto sample = heap->Make("sysmem-probe", page);
  if (!sample.ok()) return sample.status();
  return heap;
}

absl::Status UdmabufHeap::CheckLimit(uint64_t size_bytes) const {
  const std::string file = options_.parameters + "/size_limit_mb";
  const std::optional<uint64_t> limit_mib = ReadNumber(file);
  if (!limit_mib || size_bytes >> 20 < *limit_mib || size_bytes == *limit_mib << 20) {
    return absl::OkStatus();  // if it is not, the kernel says so
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("udmabuf makes no buffer of more than ", *limit_mib, " MiB (limit ", file, ")"));
}

absl::StatusOr<std::unique_ptr<Buffer>> UdmabufHeap::Make(std::string name, uint64_t size_bytes) {
  std::optional<SpareDescriptors::Lease> lease = further_->Take();
  if (!lease) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the ", further_->limit(), " descriptors for memfds of udmabufs are in use"));
  }
  absl::StatusOr<FreshMemfd> memfd = memfds_.Make(name, size_bytes);
  if (!memfd.ok()) return memfd.status();
  absl::StatusOr<base::UniqueFd> made = udmabufs_->Make(memfd->kept, size_bytes);
  if (!made.ok()) return made.status();
  auto shared = DmaBufBuffer::Adopt(*std::move(made), std::move(name));
  if (!shared.ok()) return shared.status();
  return std::make_unique<UdmabufBuffer>(*std::move(memfd), *std::move(shared), udmabufs_,
                                         *std::move(lease), further_);
}

absl::StatusOr<std::unique_ptr<Buffer>> UdmabufHeap::Allocate(const AllocateRequest& request) {
  if (absl::Status fits = CheckForOrdinaryMemory(request); !fits.ok()) return fits;
  const std::string name = NameFor(request, kMaxDmaBufNameBytes);
  absl::Status limit = CheckLimit(request.size_bytes);
  if (!limit.ok()) return Blame(limit, name, request.size_bytes);
  absl::StatusOr<std::unique_ptr<Buffer>> made = Make(name, request.size_bytes);
  if (!made.ok()) return Blame(made.status(), name, request.size_bytes);
  ++allocated_;
  return made;
}

std::vector<Figure> UdmabufHeap::figures() const {
  return {{"allocated", allocated_, "buffers", "made by this heap since the daemon started"},
          {"further_descriptors", further_->open(), "descriptors",
           "now, of memfds of its buffers and for weak holders"},
          {"further_descriptors_limit", further_->limit(), "descriptors", "at most of these"}};
}

}  // namespace sysmem::heaps
