// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/secure_heap.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "heaps/allocate_request.h"
#include "heaps/memfd_buffer.h"

namespace sysmem::heaps {
namespace {

constexpr int64_t kQuietNs = 1'000'000'000;  // PROT-4

core::HeapProperties PropertiesOf(const PoolOptions& options) {
  return {
      .heap = options.heap,
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

// What buffers need of the heap, and keep of it when it goes. Two locks, never held together: that
// of the books, and that of the ranges, which is held while the hardware works.
class SecureHeap::Core {
 public:
  Core(PoolOptions options, std::shared_ptr<ProtectionHardware> hardware)
      : space(std::move(options)),
        hardware_(std::move(hardware)),
        ranges_(*hardware_),
        protected_bytes_(ranges_.protected_bytes()) {}

  absl::Status Protect(const PoolRegion& region) {
    return Change([&] { return ranges_.Add(Physical(region)); });
  }

  // For a buffer that has gone.
  void Release(const PoolRegion& region) {
    const LiveBuffer buffer =
        space.WithBooks([&](PoolBooks& books) { return books.Remove(region); });
    (void)Change([&] {
      ranges_.Delete(Physical(region));
      return absl::OkStatus();
    });
    const int64_t now_ns = space.Now();
    space.WithBooks(
        [&](PoolBooks& books) { books.GiveBack(buffer, now_ns, /*keep_history=*/false); });
  }

  void RunAside(std::function<void()> job) const {
    if (!space.options().run_aside) return job();
    space.options().run_aside(std::move(job));
  }

  int64_t Maintain(int64_t now_ns) {
    if (!is_dynamic()) return kNever;
    const std::lock_guard lock(mutex_);
    if (now_ns < last_activity_ns_ + kQuietNs) return last_activity_ns_ + kQuietNs;
    const bool improved = ranges_.Improve();
    protected_bytes_ = ranges_.protected_bytes();
    if (improved) return now_ns + kQuietNs;
    settled_ = true;
    return kNever;
  }
  void OnMaintenanceDue(std::function<void()> due) { due_ = std::move(due); }

  bool is_dynamic() const { return hardware_->is_dynamic(); }
  // As it was before the change under way, if there is one: nobody waits for the hardware who only
  // asks (SEC-H1).
  uint64_t ProtectedBytes() const { return protected_bytes_; }

  PoolSpace space;

 private:
  // From then on it is quiet, and what could be improved is looked for (PROT-4).
  template <typename Work>
  absl::Status Change(Work work) {
    const int64_t now_ns = space.Now();
    bool was_settled = false;
    absl::Status done;
    {
      const std::lock_guard lock(mutex_);
      last_activity_ns_ = now_ns;
      was_settled = std::exchange(settled_, false);
      done = work();
      protected_bytes_ = ranges_.protected_bytes();
    }
    if (was_settled && due_ && is_dynamic()) due_();
    return done;
  }

  Region Physical(const PoolRegion& region) const {
    const uint64_t begin = space.PhysicalAddress(region);
    return {.begin = begin, .end = begin + region.buffer.size()};
  }

  const std::shared_ptr<ProtectionHardware> hardware_;
  std::function<void()> due_;  // set once, at the beginning
  std::mutex mutex_;
  // Guarded by mutex_:
  ProtectedRanges ranges_;
  int64_t last_activity_ns_ = 0;
  bool settled_ = false;  // nobody calls Maintain until something changes

  std::atomic<uint64_t> protected_bytes_;  // of ranges_; written under mutex_
};

class SecureHeap::SecureBuffer final : public MemfdBuffer {
 public:
  SecureBuffer(FreshMemfd memfd, std::string name, std::shared_ptr<Core> core, PoolRegion region)
      : MemfdBuffer(std::move(memfd), std::move(name), std::nullopt,
                    std::make_shared<SpareDescriptors>(0)),
        core_(std::move(core)),
        region_(region) {}
  ~SecureBuffer() override {
    if (!given_back_) core_->RunAside(Releasing());
  }

  void GiveBack(std::function<void()> done) const override {
    Discard();
    given_back_ = true;
    core_->RunAside([release = Releasing(), done = std::move(done)] {
      release();
      done();
    });
  }

  std::optional<uint64_t> physical_address() const override {
    return core_->space.PhysicalAddress(region_);
  }

 protected:
  // Whoever asks for which access gets what gives none.
  absl::StatusOr<HandedOut> OpenMarked(Access) const override {
    return memfd().marks.OpenWriteOnly(memfd().kept);
  }

 private:
  std::function<void()> Releasing() const {
    return [core = core_, region = region_] { core->Release(region); };
  }

  const std::shared_ptr<Core> core_;
  const PoolRegion region_;
  mutable std::atomic<bool> given_back_ = false;
};

absl::StatusOr<std::unique_ptr<SecureHeap>> SecureHeap::Create(
    ReservationGate& gate, PoolOptions options, std::shared_ptr<ProtectionHardware> hardware) {
  if (absl::Status valid = CheckPoolOptions(options); !valid.ok()) return valid;
  const Region space{.begin = options.physical_base,
                     .end = options.physical_base + options.size_bytes};
  if (options.guards.pages != 0 || options.guards.unused) {
    return absl::InvalidArgumentError(absl::StrCat("pool ", base::Quote(options.name),
                                                   ": guards, expected none in secure memory"));
  }
  if (hardware->space() != space) {
    return absl::InvalidArgumentError(
        absl::StrCat("pool ", base::Quote(options.name), " from ", space.begin, " to ", space.end,
                     ", expected what can be protected, from ", hardware->space().begin, " to ",
                     hardware->space().end));
  }
  return std::unique_ptr<SecureHeap>(
      new SecureHeap(gate, std::make_shared<Core>(std::move(options), std::move(hardware))));
}

SecureHeap::SecureHeap(ReservationGate& gate, std::shared_ptr<Core> core)
    : maker_(gate), core_(std::move(core)), properties_(PropertiesOf(core_->space.options())) {}

absl::StatusOr<std::unique_ptr<Buffer>> SecureHeap::Allocate(const AllocateRequest& request) {
  absl::StatusOr<std::unique_ptr<Buffer>> buffer = TryAllocate(request);
  if (buffer.ok()) return buffer;
  return Blame(buffer.status(), request.name, request.size_bytes);
}

absl::StatusOr<std::unique_ptr<Buffer>> SecureHeap::TryAllocate(const AllocateRequest& request) {
  if (absl::Status valid = CheckForPool(request); !valid.ok()) return valid;
  PoolSpace& space = core_->space;
  absl::StatusOr<PoolRegion> region = space.Take(request.size_bytes, request.physical_alignment);
  if (!region.ok()) return region.status();
  std::string name =
      NameFor(request, kMaxMemfdNameBytes, absl::StrCat(space.options().name, "-child"));
  absl::StatusOr<FreshMemfd> memfd = maker_.MakeHollow(name, request.size_bytes, F_SEAL_WRITE);
  if (!memfd.ok()) {
    space.Abandon(*region);
    return memfd.status();
  }
  if (absl::Status covered = core_->Protect(*region); !covered.ok()) {
    space.Abandon(*region);
    return covered;
  }
  // Whoever unregistered secure memory meanwhile may have left without protecting this.
  const bool is_ready = space.WithBooks([&](PoolBooks& books) {
    books.Settle(*region, request.name, memfd->identity.inode);
    return books.ready();
  });
  auto buffer = std::make_unique<SecureBuffer>(*std::move(memfd), std::move(name), core_, *region);
  if (!is_ready) return absl::FailedPreconditionError("secure memory was unregistered meanwhile");
  return buffer;
}

int64_t SecureHeap::Maintain(int64_t now_ns) { return core_->Maintain(now_ns); }

void SecureHeap::OnMaintenanceDue(std::function<void()> due) {
  core_->OnMaintenanceDue(std::move(due));
}

std::string SecureHeap::backing() const { return core_->space.Describe(); }

bool SecureHeap::answers_later() const { return core_->space.options().run_aside != nullptr; }

// Whoever waits for the buffers keeps the heap.
void SecureHeap::AllocateAll(std::vector<AllocateRequest> requests,
                             std::shared_ptr<const core::SingleBufferSettings> settings,
                             AllAllocated done) {
  core_->RunAside([this, requests = std::move(requests), settings = std::move(settings),
                   done = std::move(done)]() mutable {
    Heap::AllocateAll(std::move(requests), std::move(settings), std::move(done));
  });
}

void SecureHeap::SetReady(bool ready) {
  core_->space.WithBooks([ready](PoolBooks& books) { books.set_ready(ready); });
}

// MET-2: what is not protected can be loaned; of hardware that protects all or nothing, nothing.
PoolFigures SecureHeap::ReadFigures() const {
  PoolFigures figures =
      core_->space.WithBooks([](const PoolBooks& books) { return books.figures(); });
  const uint64_t unused = figures.size - figures.used_size;
  figures.loanable_bytes = core_->is_dynamic() ? figures.size - core_->ProtectedBytes() : unused;
  figures.loanable_ratio_permille = figures.loanable_bytes * 1000 / figures.size;
  const uint64_t efficient = core_->is_dynamic() ? figures.loanable_bytes * 1000 : 0;
  figures.loanable_efficiency_permille =
      unused == 0 ? 1000 : std::min<uint64_t>(efficient / unused, 1000);
  return figures;
}

}  // namespace sysmem::heaps
