// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/contiguous_pool.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "heaps/allocate_request.h"
#include "heaps/memfd_buffer.h"
#include "heaps/pool/watched_memory.h"

namespace sysmem::heaps {
namespace {

core::HeapProperties PropertiesOf(const PoolOptions& options) {
  return {
      .heap = options.heap,
      .cpu_domain = true,
      .ram_domain = true,
      .inaccessible_domain = true,
      .need_clear = false,
      .need_flush = false,
      .physically_contiguous = true,
      .tells_holders_apart = true,
      .reports_end = true,
      .reduces_rights = true,
  };
}

}  // namespace

// What buffers need of the pool, and keep of it when it goes.
class ContiguousPool::Core {
 public:
  explicit Core(PoolOptions options) : space(std::move(options)) {}

  // For a buffer that has gone.
  void Release(const PoolRegion& region) {
    const LiveBuffer buffer =
        space.WithBooks([&](PoolBooks& books) { return books.Remove(region); });
    memory->CheckGuardsOf(buffer);
    memory->MakeUnused(region.whole);
    const int64_t now_ns = space.Now();
    space.WithBooks(
        [&](PoolBooks& books) { books.GiveBack(buffer, now_ns, space.options().guards.unused); });
  }

  PoolSpace space;
  std::unique_ptr<WatchedMemory> memory;  // set once, at the beginning
};

class ContiguousPool::PoolBuffer final : public MemfdBuffer {
 public:
  PoolBuffer(FreshMemfd memfd, std::string name, std::shared_ptr<Core> core, PoolRegion region)
      : MemfdBuffer(std::move(memfd), std::move(name), std::nullopt,
                    std::make_shared<SpareDescriptors>(0)),
        core_(std::move(core)),
        region_(region) {}
  ~PoolBuffer() override {
    if (!given_back_) core_->Release(region_);
  }

  // Not before its space is free again (LIFE-4), whoever else still has this object.
  void GiveBack(std::function<void()> done) const override {
    Discard();
    given_back_ = true;
    core_->Release(region_);
    done();
  }

  std::optional<uint64_t> physical_address() const override {
    return core_->space.PhysicalAddress(region_);
  }

 private:
  const std::shared_ptr<Core> core_;
  const PoolRegion region_;
  mutable std::atomic<bool> given_back_ = false;
};

absl::StatusOr<std::unique_ptr<ContiguousPool>> ContiguousPool::Create(ReservationGate& gate,
                                                                       PoolOptions options) {
  if (absl::Status valid = CheckPoolOptions(options); !valid.ok()) return valid;
  auto core = std::make_shared<Core>(std::move(options));
  std::unique_ptr<ContiguousPool> pool(new ContiguousPool(gate, core));
  absl::StatusOr<std::unique_ptr<WatchedMemory>> memory =
      WatchedMemory::Create(core->space, pool->maker_, gate);
  if (!memory.ok()) {
    return absl::Status(
        memory.status().code(),
        absl::StrCat("pool ", base::Quote(core->space.options().name), " of ",
                     core->space.options().size_bytes, " bytes: ", memory.status().message()));
  }
  core->memory = *std::move(memory);
  return pool;
}

ContiguousPool::ContiguousPool(ReservationGate& gate, std::shared_ptr<Core> core)
    : maker_(gate), core_(std::move(core)), properties_(PropertiesOf(core_->space.options())) {}

absl::StatusOr<std::unique_ptr<Buffer>> ContiguousPool::Allocate(const AllocateRequest& request) {
  absl::StatusOr<std::unique_ptr<Buffer>> buffer = TryAllocate(request);
  if (buffer.ok()) return buffer;
  return Blame(buffer.status(), request.name, request.size_bytes);
}

absl::StatusOr<std::unique_ptr<Buffer>> ContiguousPool::TryAllocate(
    const AllocateRequest& request) {
  if (absl::Status valid = CheckForPool(request); !valid.ok()) return valid;
  PoolSpace& space = core_->space;
  absl::StatusOr<PoolRegion> region = space.Take(request.size_bytes, request.physical_alignment);
  if (!region.ok()) return region.status();

  // Memory first: as long as there is none, the region is as it was.
  std::string name =
      NameFor(request, kMaxMemfdNameBytes, absl::StrCat(space.options().name, "-child"));
  absl::StatusOr<FreshMemfd> memfd = maker_.Make(name, request.size_bytes);
  if (!memfd.ok()) {
    space.Abandon(*region);
    return memfd.status();
  }
  if (absl::Status prepared = core_->memory->Prepare(*region); !prepared.ok()) {
    core_->memory->MakeUnused(region->whole);
    space.Abandon(*region);
    return prepared;
  }
  space.WithBooks(
      [&](PoolBooks& books) { books.Settle(*region, request.name, memfd->identity.inode); });
  return std::make_unique<PoolBuffer>(*std::move(memfd), std::move(name), core_, *region);
}

int64_t ContiguousPool::Maintain(int64_t now_ns) { return core_->memory->Maintain(now_ns); }

std::string ContiguousPool::backing() const { return core_->space.Describe(); }

void ContiguousPool::SetReady(bool ready) {
  core_->space.WithBooks([ready](PoolBooks& books) { books.set_ready(ready); });
}

PoolFigures ContiguousPool::ReadFigures() const {
  PoolFigures figures =
      core_->space.WithBooks([](const PoolBooks& books) { return books.figures(); });
  figures.loanable_bytes = figures.size - figures.used_size;  // MET-2
  figures.loanable_ratio_permille = figures.loanable_bytes * 1000 / figures.size;
  figures.loanable_efficiency_permille = 1000;
  return figures;
}

absl::Status ContiguousPool::WritePhysical(uint64_t address, std::span<const uint8_t> bytes) {
  const uint64_t base = core_->space.options().physical_base;
  if (address < base) {
    return absl::OutOfRangeError(
        absl::StrCat("address ", address, ", expected one of the pool's, which begins at ", base));
  }
  return memory().Write(address - base, bytes);
}

const PoolMemory& ContiguousPool::memory() const { return core_->memory->memory(); }

}  // namespace sysmem::heaps
