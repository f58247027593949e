// SPDX-License-Identifier: Apache-2.0
//
// A heap that another process serves (server-behaviour.md 8.1).
//
// AllocateAll asks the provider for every buffer at once and does not wait. What comes back is
// believed only as far as it can be checked: it must be a memfd of exactly the size, that nobody
// else's buffer is, and that can be sealed so that it stays so. A provider of another uid than
// root's and the daemon's has to give back the empty memfd that was offered with the call; the file
// is then the daemon's own, with everything that this allows (marks, leases, rights). Or, of a
// provider that may give memory of its own and said so, a dma-buf of exactly the size.
//
// A buffer keeps its provider's calls, not its heap: once the provider is gone, giving the buffer
// back is just the end of it (EXT-H1).
//
// Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "heaps/memfd_maker.h"
#include "heaps/reservation_gate.h"
#include "heaps/spare_descriptors.h"
#include "server/buffer_ledger.h"
#include "server/provider_calls.h"

namespace sysmem::server {

class ExternalHeap final : public heaps::Heap {
 public:
  struct Options {
    core::HeapProperties properties;  // as the provider said
    bool takes_foreign_memory = false;
    bool gives_dma_bufs = false;  // instead of memfds; needs takes_foreign_memory
    std::shared_ptr<ProviderCalls> calls;
    std::shared_ptr<BufferLedger> ledger;  // knows all buffers that are in use
    // DeleteVmo did not work (EXT-7).
    std::function<void(const std::string& text)> complain;
    // For what takes milliseconds: taking the pages of large buffers.
    std::function<void(std::function<void()> job)> run_aside;
  };
  ExternalHeap(Options options, heaps::ReservationGate& gate);

  const core::HeapProperties& properties() const override { return shared_->options.properties; }
  bool answers_later() const override { return true; }
  void AllocateAll(std::vector<heaps::AllocateRequest> requests,
                   std::shared_ptr<const core::SingleBufferSettings> settings,
                   AllAllocated done) override;
  // Waits for the provider: not for a thread that others need.
  absl::StatusOr<std::unique_ptr<heaps::Buffer>> Allocate(
      const heaps::AllocateRequest& request) override;

 private:
  // What buffers need as well.
  struct Shared {
    Shared(Options given, heaps::ReservationGate& gate) : options(std::move(given)), maker(gate) {}
    const Options options;
    heaps::MemfdMaker maker;
    const std::shared_ptr<heaps::SpareDescriptors> no_spares =
        std::make_shared<heaps::SpareDescriptors>(0);
  };
  class ExternalBuffer;
  class Offered;
  struct Gathering;

  static void AskFor(const std::shared_ptr<Gathering>& gathering, size_t index);
  // `last`: the descriptor that goes along, or none.
  static void AskToDelete(const std::shared_ptr<Shared>& shared, const DeleteVmoCall& call,
                          base::UniqueFd last, std::function<void()> done);
  // Null for heaps that are offered nothing.
  static absl::StatusOr<std::shared_ptr<Offered>> Offer(Shared& shared, uint64_t size_bytes);
  static absl::StatusOr<std::unique_ptr<heaps::Buffer>> Adopt(const std::shared_ptr<Shared>& shared,
                                                              const heaps::AllocateRequest& request,
                                                              Offered* offered,
                                                              ProviderAnswer answer);
  static absl::StatusOr<std::unique_ptr<heaps::Buffer>> AdoptMemfd(
      Shared& shared, const heaps::AllocateRequest& request, heaps::FreshMemfd offered,
      ForeignFd given);
  static absl::StatusOr<std::unique_ptr<heaps::Buffer>> AdoptDmaBuf(
      const Shared& shared, const heaps::AllocateRequest& request, ForeignFd given);
  static absl::Status CheckIsNew(const Shared& shared, const heaps::BufferIdentity& identity);
  static absl::StatusOr<heaps::FreshMemfd> TakeForeign(const Shared& shared, const ForeignFd& fd,
                                                       uint64_t size_bytes);
  static absl::Status Prepare(Shared& shared, const heaps::FreshMemfd& memfd);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace sysmem::server
