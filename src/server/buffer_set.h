// SPDX-License-Identifier: Apache-2.0
//
// The buffers of one collection, as the daemon holds them (held_buffer.h).
//
// Made as a whole or not at all, and each gone by itself (END-7). Thread-safe.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "core/effect.h"
#include "core/failure.h"
#include "heaps/heap.h"
#include "server/buffer_ledger.h"
#include "server/held_buffer.h"
#include "server/inspection.h"

namespace sysmem::server {

struct EngineLimits;

class BufferSet {
 public:
  // Asks `heap` for as many buffers as are `wanted` (5.1). The name of buffer i is "<name>:<i>", or
  // the heap's own choice when the name is empty (BUF-2). A name ends at its first NUL. `owner` is
  // the user who began the collection. Fails with NO_MEMORY and the figures.
  //
  // `done` is called before this returns, or, where the heap answers later, by another thread.
  using Done = std::function<void(core::Result<std::shared_ptr<BufferSet>>)>;
  static void Allocate(const std::shared_ptr<heaps::Heap>& heap,
                       const std::shared_ptr<BufferLedger>& ledger, const EngineLimits& limits,
                       uid_t owner, const core::effect::Allocate& wanted, Done done);

  // As those of HeldBuffer, for each of them.
  struct Listener {
    std::function<void(core::CallId hand_out, uint32_t buffer)> ended;
    std::function<void(uint32_t buffer)> gone;
    std::function<void(std::function<void()> job)> run_aside;
  };
  void Listen(const Listener& listener);
  void Watch(LastClose& last_close);

  // Somebody will want hand-outs soon: opens them now, of the kind that was wanted last.
  void OpenAhead() const;
  void NoteWanted(heaps::Access access) { last_access_.store(access, std::memory_order_relaxed); }

  void LetGo();

  const core::HeapProperties& heap_properties() const { return heap_->properties(); }
  HeldBuffer& at(uint32_t index) { return *buffers_[index]; }
  const HeldBuffer& at(uint32_t index) const { return *buffers_[index]; }
  size_t size() const { return buffers_.size(); }

  // Buffers that are not gone, and the bytes of their memory objects.
  struct Totals {
    uint64_t buffers = 0;
    uint64_t bytes = 0;
  };
  Totals CountLive() const;

 private:
  explicit BufferSet(std::shared_ptr<heaps::Heap> heap) : heap_(std::move(heap)) {}

  const std::shared_ptr<heaps::Heap> heap_;
  std::vector<std::shared_ptr<HeldBuffer>> buffers_;
  std::atomic<heaps::Access> last_access_ = heaps::Access::kReadWrite;
};

// What one answer promises of the buffers of a set: some of them, and some of their signals.
// Opened when the answer can be sent; what is not opened by the end is abandoned. Belongs to one
// thread at a time.
class PromisedBuffers {
 public:
  // `shares` tells what is promised of each buffer, beginning with buffer `first`.
  PromisedBuffers(std::shared_ptr<BufferSet> set, uint32_t first,
                  std::vector<core::BufferShare> shares, core::CallId call, Recipient recipient);
  PromisedBuffers(PromisedBuffers&& other) noexcept = default;
  PromisedBuffers& operator=(PromisedBuffers&& other) noexcept;
  ~PromisedBuffers() { AbandonRest(); }

  struct Opened {
    base::UniqueFd vmo;              // as promised, or empty
    base::UniqueFd close_weak_asap;  // likewise
  };
  // One entry per share. Errors: what the kernel or the ledger refused.
  absl::StatusOr<std::vector<Opened>> Open();

  // Descriptors that Open makes.
  uint64_t count() const;
  // How they are opened.
  const HandOutInfo& hand_out() const { return hand_out_; }

 private:
  void AbandonRest();

  std::shared_ptr<BufferSet> set_;  // null after a move
  uint32_t first_ = 0;
  std::vector<core::BufferShare> shares_;
  core::CallId call_ = 0;
  HandOutInfo hand_out_;
};

}  // namespace sysmem::server
