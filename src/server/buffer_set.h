// SPDX-License-Identifier: Apache-2.0
//
// The buffers of one collection, as the daemon holds them.
//
// Made as a whole or not at all. Whoever sends a hand-out keeps the set alive until it is sent;
// when the last owner lets go, the daemon's own handles are closed and the memory lives on only as
// long as clients hold theirs (GONE-3).
//
// Immutable but for the count of hand-outs. Thread-safe.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "core/effect.h"
#include "core/failure.h"
#include "heaps/heap.h"
#include "server/inspection.h"
#include "server/known_buffers.h"

namespace sysmem::server {

// Counts what the daemon holds, and refuses what would exhaust its descriptors; knows what clients
// hold.
class BufferLedger {
 public:
  BufferLedger(uint64_t max_buffers, size_t max_former)
      : max_buffers_(max_buffers), known_(max_former) {}
  // False if `count` more would exceed the limit.
  bool Reserve(uint64_t count, uint64_t bytes);
  void Release(uint64_t count, uint64_t bytes);
  uint64_t buffers() const { return buffers_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t max_buffers() const { return max_buffers_; }
  KnownBuffers& known() { return known_; }

 private:
  const uint64_t max_buffers_;
  KnownBuffers known_;
  std::atomic<uint64_t> buffers_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
};

class BufferSet {
 public:
  // Asks `heap` for as many buffers as are `wanted` (5.1). The name of buffer i is "<name>:<i>", or
  // the heap's own choice when the name is empty (BUF-2). A name ends at its first NUL. `owner` is
  // the user who began the collection. Fails with NO_MEMORY and the figures.
  static core::Result<std::shared_ptr<const BufferSet>> Allocate(
      std::shared_ptr<heaps::Heap> heap, std::shared_ptr<BufferLedger> ledger, uid_t owner,
      const core::effect::Allocate& wanted);
  ~BufferSet();

  // One own open file description per buffer, read-only unless `writable` (RES-1), counted.
  absl::StatusOr<std::vector<base::UniqueFd>> HandOutAll(bool writable) const;

  // Somebody will want hand-outs soon: opens them now, of the kind that was wanted last.
  void OpenAhead() const;

  const core::HeapProperties& heap_properties() const { return heap_->properties(); }
  std::vector<BufferInfo> Describe() const;
  size_t size() const { return buffers_.size(); }

 private:
  BufferSet(std::shared_ptr<heaps::Heap> heap, std::shared_ptr<BufferLedger> ledger, uid_t owner);

  std::vector<heaps::BufferIdentity> Identities() const;

  const std::shared_ptr<heaps::Heap> heap_;
  const std::shared_ptr<BufferLedger> ledger_;
  const uid_t owner_;
  std::vector<std::unique_ptr<heaps::Buffer>> buffers_;
  std::vector<std::string> names_;  // of buffers_
  uint64_t reserved_buffers_ = 0;
  uint64_t reserved_bytes_ = 0;
  mutable std::atomic<uint64_t> hand_outs_ = 0;
  mutable std::atomic<bool> last_was_writable_ = true;
};

}  // namespace sysmem::server
