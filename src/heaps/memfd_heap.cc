// SPDX-License-Identifier: Apache-2.0
#include "heaps/memfd_heap.h"

#include <fcntl.h>
#include <unistd.h>

#include <limits>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/reopen.h"

namespace sysmem::heaps {
namespace {

class MemfdBuffer final : public Buffer {
 public:
  MemfdBuffer(FreshMemfd memfd, std::string name, std::optional<OpenedAhead> ahead,
              std::shared_ptr<SpareDescriptors> spare)
      : memfd_(std::move(memfd)),
        name_(std::move(name)),
        spare_(std::move(spare)),
        ahead_(std::move(ahead)) {}

  absl::StatusOr<base::UniqueFd> HandOut(Access access) const override {
    if (std::optional<OpenedAhead> ready = TakeAhead(access)) return std::move(ready->fd);
    return Open(access);
  }
  void OpenAhead(Access access) const override;
  BufferIdentity identity() const override { return memfd_.identity; }
  uint64_t size_bytes() const override { return memfd_.size_bytes; }
  const std::string& name() const override { return name_; }

 private:
  absl::StatusOr<base::UniqueFd> Open(Access access) const {
    return base::Reopen(memfd_.kept, access == Access::kReadOnly ? O_RDONLY : O_RDWR);
  }
  std::optional<OpenedAhead> TakeAhead(Access access) const;

  const FreshMemfd memfd_;  // its descriptor is the daemon's one open file description
  const std::string name_;
  const std::shared_ptr<SpareDescriptors> spare_;
  mutable std::mutex mutex_;
  mutable std::optional<OpenedAhead> ahead_;  // guarded by mutex_
};

std::optional<OpenedAhead> MemfdBuffer::TakeAhead(Access access) const {
  const std::lock_guard lock(mutex_);
  if (!ahead_ || ahead_->access != access) return std::nullopt;
  return std::exchange(ahead_, std::nullopt);
}

void MemfdBuffer::OpenAhead(Access access) const {
  std::optional<OpenedAhead> other;  // closed without the lock
  {
    const std::lock_guard lock(mutex_);
    if (ahead_ && ahead_->access == access) return;
    other.swap(ahead_);
  }
  std::optional<SpareDescriptors::Lease> lease = spare_->Take();
  if (!lease) return;
  absl::StatusOr<base::UniqueFd> opened = Open(access);
  if (!opened.ok()) return;  // whoever needs it will hear why
  OpenedAhead ahead{.fd = *std::move(opened), .access = access, .lease = *std::move(lease)};
  const std::lock_guard lock(mutex_);
  if (!ahead_) ahead_.emplace(std::move(ahead));
}

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

absl::Status Blame(const absl::Status& status, const std::string& name, uint64_t size_bytes) {
  return absl::Status(status.code(), absl::StrCat("buffer ", base::Quote(name), " of ", size_bytes,
                                                  " bytes: ", status.message()));
}

}  // namespace

MemfdHeap::MemfdHeap(ReservationGate& gate, MemfdHeapOptions options)
    : properties_(SystemRamProperties()),
      maker_(gate),
      pool_gate_(gate.reserve_percent()),
      pool_maker_(pool_gate_),
      spare_(std::make_shared<SpareDescriptors>(options.spare_descriptors)),
      pool_(options.warm_pool, spare_,
            [this](uint64_t size_bytes) { return pool_maker_.Make(kPooledBuffer, size_bytes); }) {}

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
