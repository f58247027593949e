// SPDX-License-Identifier: Apache-2.0
#include "heaps/memfd_heap.h"

#include <unistd.h>

#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "heaps/memfd_buffer.h"

namespace sysmem::heaps {
namespace {

core::HeapProperties SystemRamProperties() {
  return {
      .heap = {.type = core::kHeapSystemRam, .id = 0},
      .cpu_domain = true,
      .ram_domain = true,
      .inaccessible_domain = true,
      .need_clear = false,
      .need_flush = false,
      .tells_holders_apart = true,
      .reports_end = true,
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

absl::Status Blame(const absl::Status& status, const std::string& name, uint64_t size_bytes) {
  return absl::Status(status.code(), absl::StrCat("buffer ", base::Quote(name), " of ", size_bytes,
                                                  " bytes: ", status.message()));
}

}  // namespace

MemfdHeap::MemfdHeap(ReservationGate& gate, MemfdHeapOptions options)
    : properties_(SystemRamProperties()),
      maker_(gate),
      pool_gate_(ReservationGate::SameMachine{}, gate),
      pool_maker_(pool_gate_),
      spare_(std::make_shared<SpareDescriptors>(options.spare_descriptors)),
      pool_(options.warm_pool, spare_,
            {.make = [this](uint64_t bytes) { return pool_maker_.Make(kPooledBuffer, bytes); },
             .available = [this] { return pool_gate_.ReadAvailable(); }}) {}

absl::StatusOr<std::unique_ptr<Buffer>> MemfdHeap::Allocate(const AllocateRequest& request) {
  if (absl::Status size = CheckSize(request.size_bytes); !size.ok()) return size;
  std::string name = MemfdName(request.name);
  std::optional<WarmPool::Ready> ready = pool_.Take(request.size_bytes);
  if (!ready) {
    absl::StatusOr<FreshMemfd> made = maker_.Make(name, request.size_bytes);
    // What nobody has asked for goes first.
    if (absl::IsResourceExhausted(made.status()) && pool_.GiveBack()) {
      made = maker_.Make(name, request.size_bytes);
    }
    if (!made.ok()) return Blame(made.status(), name, request.size_bytes);
    ready = WarmPool::Ready{.memfd = *std::move(made), .hand_out = std::nullopt};
  }
  return std::make_unique<MemfdBuffer>(std::move(ready->memfd), std::move(name),
                                       std::move(ready->hand_out), spare_);
}

}  // namespace sysmem::heaps
