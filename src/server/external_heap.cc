// SPDX-License-Identifier: Apache-2.0
#include "server/external_heap.h"

#include <fcntl.h>

#include <cerrno>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/reopen.h"
#include "heaps/allocate_request.h"
#include "heaps/dma_buf.h"
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

// EXT-7. After the end of its provider there is nobody to ask (EXT-H1).
void ExternalHeap::AskToDelete(const std::shared_ptr<Shared>& shared, const DeleteVmoCall& call,
                               base::UniqueFd last, std::function<void()> done) {
  const auto sent = std::make_shared<base::UniqueFd>(std::move(last));
  shared->options.calls->Ask(
      {call, [sent] { return std::move(*sent); }},
      [shared, call, done = std::move(done)](const ProviderAnswer& answer) {
        const auto* failure = std::get_if<core::Failure>(&answer);
        if (failure != nullptr) {
          shared->options.complain(absl::StrCat("DeleteVmo of buffer ", call.buffer_index,
                                                " of collection ", call.buffer_collection_id,
                                                " did not work: ", failure->message));
        }
        done();
      });
}

// Memory behind which somebody else stands.
class ExternalHeap::ExternalBuffer final : public heaps::Buffer {
 public:
  ExternalBuffer(std::shared_ptr<Shared> shared, const heaps::AllocateRequest& request,
                 std::unique_ptr<heaps::Buffer> memory)
      : shared_(std::move(shared)),
        collection_id_(request.collection_id),
        index_(request.index),
        memory_(std::move(memory)),
        identity_(memory_->identity()),
        size_bytes_(memory_->size_bytes()),
        name_(request.name) {}

  // Of a set that did not come to be. No descriptor goes along: nobody counts it any more, and its
  // provider may let it lie.
  ~ExternalBuffer() override {
    if (!memory_) return;
    memory_->Discard();
    memory_.reset();
    AskToDelete(shared_, {collection_id_, index_}, {}, [] {});
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
  // May still be asked when it has been given back: the kernel tells those who watch a file that it
  // is no more.
  absl::StatusOr<int> WatchCloses(base::BorrowedFd inotify) const override {
    const std::lock_guard lock(mutex_);
    if (!memory_) return absl::NotFoundError("the buffer was given back to its provider");
    return memory_->WatchCloses(inotify);
  }
  void GiveBack(std::function<void()> done) const override {
    memory_->Discard();
    absl::StatusOr<heaps::HandedOut> opened = memory_->HandOut(heaps::Access::kReadWrite);
    {
      const std::lock_guard lock(mutex_);
      memory_.reset();
    }
    AskToDelete(shared_, {collection_id_, index_},
                opened.ok() ? std::move(opened->fd) : base::UniqueFd(), std::move(done));
  }

  heaps::BufferIdentity identity() const override { return identity_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  const std::string& name() const override { return name_; }

 private:
  const std::shared_ptr<Shared> shared_;
  const uint64_t collection_id_;
  const uint32_t index_;
  // Null once it is given back; nobody but WatchCloses asks anything of it then. Changed under
  // mutex_.
  mutable std::unique_ptr<heaps::Buffer> memory_;
  mutable std::mutex mutex_;
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
    std::unique_ptr<heaps::Buffer> twice;  // ends, and calls its provider, without the lock
    {
      const std::lock_guard lock(mutex);
      if (buffer.ok() && !identities.insert((*buffer)->identity()).second) {
        twice = *std::move(buffer);
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
  absl::StatusOr<std::shared_ptr<Offered>> made = Offer(shared, request.size_bytes);
  if (!made.ok()) return gathering->Note(index, made.status());
  const std::shared_ptr<Offered> offered = *std::move(made);
  shared.options.calls->Ask(
      {AllocateVmoCall{request.size_bytes, gathering->settings, request.collection_id,
                       request.index},
       [offered] { return offered ? offered->Open() : base::UniqueFd(); }},
      [gathering, index, offered](ProviderAnswer answer) {
        const auto adopt = [gathering, index, offered,
                            given = std::make_shared<ProviderAnswer>(std::move(answer))] {
          const heaps::AllocateRequest& wanted = gathering->requests[index];
          const bool was_given = std::holds_alternative<ForeignFd>(*given);
          auto buffer = Adopt(gathering->shared, wanted, offered.get(), std::move(*given));
          // Its provider counts it as somebody's.
          if (was_given && !buffer.ok()) {
            AskToDelete(gathering->shared, {wanted.collection_id, wanted.index}, {}, [] {});
          }
          gathering->Note(index, std::move(buffer));
        };
        if (gathering->requests[index].size_bytes <= kAdoptedInPlaceBytes) return adopt();
        gathering->shared->options.run_aside(adopt);
      });
}

absl::StatusOr<std::shared_ptr<ExternalHeap::Offered>> ExternalHeap::Offer(Shared& shared,
                                                                           uint64_t size_bytes) {
  // Nobody can fill a memfd so that it becomes a dma-buf.
  if (shared.options.gives_dma_bufs) return nullptr;
  absl::StatusOr<heaps::FreshMemfd> memfd = shared.maker.MakeHollow(kOfferedName, size_bytes);
  if (!memfd.ok()) return memfd.status();
  return std::make_shared<Offered>(*std::move(memfd));
}

absl::StatusOr<std::unique_ptr<heaps::Buffer>> ExternalHeap::Adopt(
    const std::shared_ptr<Shared>& shared, const heaps::AllocateRequest& request, Offered* offered,
    ProviderAnswer answer) {
  if (const auto* failure = std::get_if<core::Failure>(&answer)) return AsStatus(*failure);
  auto& given = std::get<ForeignFd>(answer);
  const auto wanted =
      shared->options.gives_dma_bufs ? base::DescriptorKind::kDmaBuf : base::DescriptorKind::kMemfd;
  if (given.kind() != wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("the provider gave a descriptor of another kind than a ",
                     std::string(base::DescriptorKindName(wanted)), ": ",
                     std::string(base::DescriptorKindName(given.kind()))));
  }
  absl::StatusOr<std::unique_ptr<heaps::Buffer>> memory =
      offered == nullptr ? AdoptDmaBuf(*shared, request, std::move(given))
                         : AdoptMemfd(*shared, request, offered->Take(), std::move(given));
  if (!memory.ok()) return memory.status();
  return std::make_unique<ExternalBuffer>(shared, request, *std::move(memory));
}

absl::StatusOr<std::unique_ptr<heaps::Buffer>> ExternalHeap::AdoptMemfd(
    Shared& shared, const heaps::AllocateRequest& request, heaps::FreshMemfd offered,
    ForeignFd given) {
  const absl::StatusOr<heaps::BufferIdentity> identity = heaps::IdentityOf(given.fd());
  if (!identity.ok()) return identity.status();
  heaps::FreshMemfd memory = std::move(offered);
  if (*identity != memory.identity) {
    absl::StatusOr<heaps::FreshMemfd> foreign = TakeForeign(shared, given, request.size_bytes);
    if (!foreign.ok()) return foreign.status();
    memory = *std::move(foreign);
  }
  given.CloseHere();  // ours keeps the memory
  if (absl::Status prepared = Prepare(shared, memory); !prepared.ok()) return prepared;
  return std::make_unique<heaps::MemfdBuffer>(std::move(memory), request.name, std::nullopt,
                                              shared.no_spares);
}

absl::StatusOr<std::unique_ptr<heaps::Buffer>> ExternalHeap::AdoptDmaBuf(
    const Shared& shared, const heaps::AllocateRequest& request, ForeignFd given) {
  base::UniqueFd ours = base::Dup(given.fd());
  if (!ours) return base::ErrnoStatus(errno, "duplicate the provider's dma-buf");
  given.CloseHere();
  absl::StatusOr<std::unique_ptr<heaps::DmaBufBuffer>> buffer = heaps::DmaBufBuffer::Adopt(
      std::move(ours), heaps::NameFor(request, heaps::kMaxDmaBufNameBytes));
  if (!buffer.ok()) return buffer.status();
  if ((*buffer)->size_bytes() != request.size_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the provider's dma-buf is of ",
                                                   (*buffer)->size_bytes(), " bytes instead of ",
                                                   request.size_bytes));
  }
  if (absl::Status fresh = CheckIsNew(shared, (*buffer)->identity()); !fresh.ok()) return fresh;
  // BUF-4
  if (shared.options.properties.need_clear) {
    absl::StatusOr<heaps::HandedOut> opened = (*buffer)->HandOut(heaps::Access::kReadWrite);
    if (!opened.ok()) return opened.status();
    absl::Status cleared = heaps::ClearDmaBuf(opened->fd, request.size_bytes);
    if (!cleared.ok()) return cleared;
  }
  return *std::move(buffer);
}

absl::Status ExternalHeap::CheckIsNew(const Shared& shared, const heaps::BufferIdentity& identity) {
  if (!shared.options.ledger->Find(identity)) return absl::OkStatus();
  return absl::InvalidArgumentError("the provider gave memory that is another buffer already");
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
  if (absl::Status fresh = CheckIsNew(shared, taken->identity); !fresh.ok()) return fresh;
  return taken;
}

// BUF-4, and no page is missing that somebody would have to take while he uses it.
absl::Status ExternalHeap::Prepare(Shared& shared, const heaps::FreshMemfd& memfd) {
  const core::HeapProperties& properties = shared.options.properties;
  if (properties.need_clear) heaps::DiscardPages(memfd);
  if (!properties.cpu_domain && !properties.ram_domain) return absl::OkStatus();
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
