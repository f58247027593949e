// SPDX-License-Identifier: Apache-2.0
//
// What all buffers of the daemon come to: how many there are and how many bytes, of whom and from
// which heap, and which one a descriptor belongs to that a client shows.
//
//   auto shares = ledger->Reserve(uid, heap, count, bytes);
//   if (!shares.ok()) return NoMemory(shares.status().message());  // limit, figures
//
// Asked before anything is made. The machine's owner may have capped heaps (heap_policy.h); and
// each buffer costs the daemon a descriptor for as long as anybody
// has it, and so does each close_weak_asap that was not signalled yet. One user gets half of them
// at most, so that nobody locks the others out. A share is given back at its end.
//
// Thread-safe; a Share belongs to one thread at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/heap_properties.h"
#include "heaps/buffer_identity.h"
#include "server/heap_policy.h"
#include "server/inspection.h"

namespace sysmem::server {

class HeldBuffer;

class BufferLedger : public std::enable_shared_from_this<BufferLedger> {
 public:
  struct Totals {
    uint64_t buffers = 0;
    uint64_t bytes = 0;
  };

  class Share {
   public:
    Share() = default;  // of nothing
    Share(Share&&) noexcept = default;
    Share& operator=(Share&& other) noexcept;
    ~Share();

   private:
    friend class BufferLedger;
    std::shared_ptr<BufferLedger> ledger_;
    uid_t uid_ = 0;
    std::string heap_;       // NameOf it
    std::string heap_type_;  // as policies name it
    Totals totals_;
    uint64_t descriptors_ = 0;
  };

  // REQUIRES: owned by a shared_ptr.
  BufferLedger(uint64_t max_descriptors, uint64_t max_descriptors_per_uid,
               HeapPolicies policies = {})
      : max_descriptors_(max_descriptors),
        max_per_uid_(max_descriptors_per_uid),
        policies_(std::move(policies)) {}

  // One for each of `count` buffers of `bytes` each, or none. Errors: ResourceExhausted, with the
  // limit or the setting and the figures.
  absl::StatusOr<std::vector<Share>> Reserve(uid_t uid, const core::HeapProperties& heap,
                                             uint64_t count, uint64_t bytes);
  // For one descriptor besides.
  absl::StatusOr<Share> ReserveSignal(uid_t uid);

  Totals totals() const;
  uint64_t descriptors() const;
  // Of everybody who has any.
  std::vector<UserTotals> Users() const;
  // What a heap is called here: contiguous SYSTEM_RAM and the rest of it are two.
  static std::string NameOf(const core::HeapProperties& heap);
  Totals OfHeap(const std::string& heap) const;

  // From before its first hand-out to its end a buffer is known by what it is (VMO-2).
  void Know(const heaps::BufferIdentity& identity, std::weak_ptr<HeldBuffer> buffer);
  void Forget(const heaps::BufferIdentity& identity);
  // nullptr if it is none that is known.
  std::shared_ptr<HeldBuffer> Find(const heaps::BufferIdentity& identity) const;
  std::vector<std::shared_ptr<HeldBuffer>> Known() const;

 private:
  struct Account {
    Totals totals;
    uint64_t descriptors = 0;
  };

  // What lives of a heap that has a policy.
  struct Capped {
    Totals all;
    std::map<uid_t, Totals> by_uid;
  };

  // All of these: REQUIRES mutex_ held, but for GiveBack.
  absl::Status Admit(uid_t uid, uint64_t descriptors) const;
  // Caps of the policy.
  absl::Status AdmitToHeap(uid_t uid, const std::string& heap_type, uint64_t count,
                           uint64_t bytes) const;
  // Of no heap: `heap` is null.
  Share Take(uid_t uid, const core::HeapProperties* heap, Totals totals);
  void GiveBack(const Share& share);

  const uint64_t max_descriptors_;
  const uint64_t max_per_uid_;
  const HeapPolicies policies_;
  mutable std::mutex mutex_;
  Account all_;
  std::map<uid_t, Account> by_uid_;
  std::map<std::string, Totals> by_heap_;
  std::map<std::string, Capped> capped_;  // by heap type
  std::map<heaps::BufferIdentity, std::weak_ptr<HeldBuffer>> known_;
};

}  // namespace sysmem::server
