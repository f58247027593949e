// SPDX-License-Identifier: Apache-2.0
#include "server/external_heap.h"

#include <fcntl.h>

#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reopen.h"
#include "heaps/allocate_request.h"
#include "heaps/foreign_memfd.h"
#include "heaps/memfd_buffer.h"

namespace sysmem::server {
namespace {

// What no longer takes to adopt than it would to wake another thread for it.
constexpr uint64_t kAdoptedInPlaceBytes = 256 << 10;

// Only the provider sees it, and whoever looks into /proc.
constexpr char kOfferedName[] = "sysmem-offered";

absl::Status AsStatus(const core::Failure& failure) {
  return absl::ResourceExhaustedError(failure.message);
}

}  // namespace

// A memfd behind which somebody else stands.
class ExternalHeap::ExternalBuffer final : public heaps::Buffer {
 public:
  ExternalBuffer(std::shared_ptr<Shared> shared, const heaps::AllocateRequest& request,
                 heaps::FreshMemfd memfd)
      : shared_(std::move(shared)),
        collection_id_(request.collection_id),
        index_(request.index),
        memory_(std::make_unique<heaps::MemfdBuffer>(std::move(memfd), request.name, std::nullopt,
                                                     shared_->no_spares)),
        identity_(memory_->identity()),
        size_bytes_(memory_->size_bytes()),
        name_(request.name) {}

  // Of a set that did not come to be.
  ~ExternalBuffer() override {
    if (memory_) GiveBack([] {});
  }

  absl::StatusOr<heaps::HandedOut> HandOut(heaps::Access access) const override {
    return memory_->HandOut(access);
  }
  bool MayLive(heaps::Mark mark) const override { return memory_->MayLive(mark); }
  bool IsHandOut(base::BorrowedFd fd, heaps::Mark mark) const override {
    return memory_->IsHandOut(fd, mark);
  }
  bool IsOnlyOurs() const override { return memory_->IsOnlyOurs(); }
  void Discard() const override { memory_->Discard(); }
  absl::StatusOr<int> WatchCloses(base::BorrowedFd inotify) const override {
    return memory_->WatchCloses(inotify);
  }
  // EXT-7. After the end of its provider there is nobody to give it to (EXT-H1).
  void GiveBack(std::function<void()> done) const override {
    memory_->Discard();
    absl::StatusOr<heaps::HandedOut> opened = memory_->HandOut(heaps::Access::kReadWrite);
    memory_.reset();
    const auto last =
        std::make_shared<base::UniqueFd>(opened.ok() ? std::move(opened->fd) : base::UniqueFd());
    shared_->options.calls->Ask(
        {DeleteVmoCall{collection_id_, index_}, [last] { return std::move(*last); }},
        [shared = shared_, collection = collection_id_, index = index_,
         done = std::move(done)](const ProviderAnswer& answer) {
          const auto* failure = std::get_if<core::Failure>(&answer);
          if (failure != nullptr) {
            shared->options.complain(absl::StrCat("DeleteVmo of buffer ", index, " of collection ",
                                                  collection, " did not work: ", failure->message));
          }
          done();
        });
  }

  heaps::BufferIdentity identity() const override { return identity_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  const std::string& name() const override { return name_; }

 private:
  const std::shared_ptr<Shared> shared_;
  const uint64_t collection_id_;
  const uint32_t index_;
  // Null once it is given back; nobody asks anything of it then.
  mutable std::unique_ptr<heaps::MemfdBuffer> memory_;
  const heaps::BufferIdentity identity_;
  const uint64_t size_bytes_;
  const std::string name_;
};

// The memory that goes along with a call, until the call is over: perhaps before it was sent.
class ExternalHeap::Offered {
 public:
  explicit Offered(heaps::FreshMemfd memfd) : memfd_(std::move(memfd)) {}

  base::UniqueFd Open() {
    const std::lock_guard lock(mutex_);
    if (!memfd_) return {};
    return base::Reopen(memfd_->kept, O_RDWR).value_or(base::UniqueFd());
  }
  // Once.
  heaps::FreshMemfd Take() {
    const std::lock_guard lock(mutex_);
    return *std::exchange(memfd_, std::nullopt);
  }

 private:
  std::mutex mutex_;
  std::optional<heaps::FreshMemfd> memfd_;  // guarded by mutex_
};

// The buffers of one collection while they are being made.
struct ExternalHeap::Gathering {
  std::shared_ptr<Shared> shared;
  std::vector<heaps::AllocateRequest> requests;
  std::shared_ptr<const core::SingleBufferSettings> settings;
  AllAllocated done;

  std::mutex mutex;
  // Guarded by mutex:
  std::vector<std::unique_ptr<heaps::Buffer>> buffers;
  std::set<heaps::BufferIdentity> identities;
  absl::Status failure;
  size_t missing = 0;

  void Note(size_t index, absl::StatusOr<std::unique_ptr<heaps::Buffer>> buffer) {
    {
      const std::lock_guard lock(mutex);
      if (buffer.ok() && !identities.insert((*buffer)->identity()).second) {
        buffer = absl::InvalidArgumentError("the provider gave the same memory twice");
      }
      if (buffer.ok()) {
        buffers[index] = *std::move(buffer);
      } else if (failure.ok()) {
        failure =
            heaps::OfBuffer(index, requests.size(), requests[index].size_bytes, buffer.status());
      }
      if (--missing > 0) return;
    }
    if (failure.ok()) return done(std::move(buffers));
    buffers.clear();  // the provider gets them back
    done(failure);
  }
};

ExternalHeap::ExternalHeap(Options options, heaps::ReservationGate& gate)
    : shared_(std::make_shared<Shared>(std::move(options), gate)) {}

void ExternalHeap::AllocateAll(std::vector<heaps::AllocateRequest> requests,
                               std::shared_ptr<const core::SingleBufferSettings> settings,
                               AllAllocated done) {
  auto gathering = std::make_shared<Gathering>();
  gathering->shared = shared_;
  gathering->requests = std::move(requests);
  gathering->settings = std::move(settings);
  gathering->done = std::move(done);
  const size_t count = gathering->requests.size();
  gathering->buffers.resize(count);
  gathering->missing = count;
  for (size_t i = 0; i < count; ++i) AskFor(gathering, i);
}

void ExternalHeap::AskFor(const std::shared_ptr<Gathering>& gathering, size_t index) {
  const heaps::AllocateRequest& request = gathering->requests[index];
  Shared& shared = *gathering->shared;
  // EXT-6: no alignment above a page.
  if (absl::Status fits = heaps::CheckForOrdinaryMemory(request); !fits.ok()) {
    return gathering->Note(index, fits);
  }
  absl::StatusOr<heaps::FreshMemfd> offered =
      shared.maker.MakeHollow(kOfferedName, request.size_bytes);
  if (!offered.ok()) return gathering->Note(index, offered.status());
  const auto kept = std::make_shared<Offered>(*std::move(offered));
  shared.options.calls->Ask(
      {AllocateVmoCall{request.size_bytes, gathering->settings, request.collection_id,
                       request.index},
       [kept] { return kept->Open(); }},
      [gathering, index, kept](ProviderAnswer answer) {
        const auto adopt = [gathering, index, kept,
                            given = std::make_shared<ProviderAnswer>(std::move(answer))] {
          gathering->Note(index, Adopt(gathering->shared, gathering->requests[index], kept->Take(),
                                       std::move(*given)));
        };
        if (gathering->requests[index].size_bytes <= kAdoptedInPlaceBytes) return adopt();
        gathering->shared->options.run_aside(adopt);
      });
}

absl::StatusOr<std::unique_ptr<heaps::Buffer>> ExternalHeap::Adopt(
    const std::shared_ptr<Shared>& shared, const heaps::AllocateRequest& request,
    heaps::FreshMemfd offered, ProviderAnswer answer) {
  if (const auto* failure = std::get_if<core::Failure>(&answer)) return AsStatus(*failure);
  auto& given = std::get<ForeignFd>(answer);
  if (given.kind() != base::DescriptorKind::kMemfd) {
    return absl::InvalidArgumentError(
        absl::StrCat("the provider gave a descriptor of another kind than a memfd: ",
                     std::string(base::DescriptorKindName(given.kind()))));
  }
  const absl::StatusOr<heaps::BufferIdentity> identity = heaps::IdentityOf(given.fd());
  if (!identity.ok()) return identity.status();
  heaps::FreshMemfd memory = std::move(offered);
  if (*identity != memory.identity) {
    absl::StatusOr<heaps::FreshMemfd> foreign = TakeForeign(*shared, given, request.size_bytes);
    if (!foreign.ok()) return foreign.status();
    memory = *std::move(foreign);
  }
  given.CloseHere();  // ours keeps the memory
  if (absl::Status prepared = Prepare(*shared, memory); !prepared.ok()) return prepared;
  return std::make_unique<ExternalBuffer>(shared, request, std::move(memory));
}

absl::StatusOr<heaps::FreshMemfd> ExternalHeap::TakeForeign(const Shared& shared,
                                                            const ForeignFd& fd,
                                                            uint64_t size_bytes) {
  if (!shared.options.takes_foreign_memory) {
    return absl::PermissionDeniedError(
        "the provider gave memory of its own, and it is neither root nor of the daemon's user: it "
        "has to fill and give back what it was offered");
  }
  absl::StatusOr<heaps::FreshMemfd> taken = heaps::TakeForeignMemfd(fd.fd(), size_bytes);
  if (!taken.ok()) {
    return absl::Status(taken.status().code(), absl::StrCat("the provider's memory: ",
                                                            std::string(taken.status().message())));
  }
  if (shared.options.ledger->Find(taken->identity)) {
    return absl::InvalidArgumentError("the provider gave memory that is another buffer already");
  }
  return taken;
}

// BUF-4, and no page is missing that somebody would have to take while he uses it.
absl::Status ExternalHeap::Prepare(Shared& shared, const heaps::FreshMemfd& memfd) {
  const core::HeapProperties& properties = shared.options.properties;
  if (!properties.cpu_domain && !properties.ram_domain) return absl::OkStatus();
  if (properties.need_clear) heaps::DiscardPages(memfd);
  return shared.maker.Fill(memfd);
}

absl::StatusOr<std::unique_ptr<heaps::Buffer>> ExternalHeap::Allocate(
    const heaps::AllocateRequest& request) {
  auto promise = std::make_shared<std::promise<heaps::MadeBuffers>>();
  auto future = promise->get_future();
  AllocateAll({request}, nullptr,
              [promise](heaps::MadeBuffers made) { promise->set_value(std::move(made)); });
  auto buffers = future.get();
  if (!buffers.ok()) return buffers.status();
  return std::move(buffers->front());
}

}  // namespace sysmem::server
