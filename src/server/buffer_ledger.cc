// SPDX-License-Identifier: Apache-2.0
#include "server/buffer_ledger.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sysmem::server {

BufferLedger::Share& BufferLedger::Share::operator=(Share&& other) noexcept {
  if (ledger_) ledger_->GiveBack(*this);
  ledger_ = std::move(other.ledger_);
  uid_ = other.uid_;
  heap_ = std::move(other.heap_);
  totals_ = other.totals_;
  descriptors_ = other.descriptors_;
  return *this;
}

BufferLedger::Share::~Share() {
  if (ledger_) ledger_->GiveBack(*this);
}

absl::StatusOr<std::vector<BufferLedger::Share>> BufferLedger::Reserve(uid_t uid,
                                                                       const std::string& heap,
                                                                       uint64_t count,
                                                                       uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (absl::Status admitted = Admit(uid, count); !admitted.ok()) return admitted;
  std::vector<Share> shares;
  shares.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    shares.push_back(Take(uid, heap, {.buffers = 1, .bytes = bytes}));
  }
  return shares;
}

absl::StatusOr<BufferLedger::Share> BufferLedger::ReserveSignal(uid_t uid) {
  const std::lock_guard lock(mutex_);
  if (absl::Status admitted = Admit(uid, 1); !admitted.ok()) return admitted;
  return Take(uid, "", {});
}

absl::Status BufferLedger::Admit(uid_t uid, uint64_t descriptors) const {
  if (descriptors > max_descriptors_ || all_.descriptors > max_descriptors_ - descriptors) {
    return absl::ResourceExhaustedError(
        absl::StrCat(descriptors, " more would exceed the daemon's limit of ", max_descriptors_,
                     " descriptors for buffers (limit buffers, which follows RLIMIT_NOFILE); ",
                     all_.descriptors, " are in use, ", all_.totals.buffers, " buffers live"));
  }
  const auto found = by_uid_.find(uid);
  const Account account = found == by_uid_.end() ? Account{} : found->second;
  if (descriptors > max_per_uid_ || account.descriptors > max_per_uid_ - descriptors) {
    return absl::ResourceExhaustedError(absl::StrCat(
        descriptors, " more would exceed the ", max_per_uid_,
        " descriptors for buffers that one user gets (limit buffers_per_uid); user ", uid, " has ",
        account.descriptors, " in use, ", account.totals.buffers, " of his buffers live"));
  }
  return absl::OkStatus();
}

BufferLedger::Share BufferLedger::Take(uid_t uid, const std::string& heap, Totals totals) {
  Account& account = by_uid_[uid];
  ++all_.descriptors;
  all_.totals.buffers += totals.buffers;
  all_.totals.bytes += totals.bytes;
  ++account.descriptors;
  account.totals.buffers += totals.buffers;
  account.totals.bytes += totals.bytes;
  if (totals.buffers > 0) {
    Totals& of_heap = by_heap_[heap];
    of_heap.buffers += totals.buffers;
    of_heap.bytes += totals.bytes;
  }
  Share share;
  share.ledger_ = shared_from_this();
  share.uid_ = uid;
  share.heap_ = heap;
  share.totals_ = totals;
  share.descriptors_ = 1;
  return share;
}

void BufferLedger::GiveBack(const Share& share) {
  const std::lock_guard lock(mutex_);
  all_.descriptors -= share.descriptors_;
  all_.totals.buffers -= share.totals_.buffers;
  all_.totals.bytes -= share.totals_.bytes;
  const auto account = by_uid_.find(share.uid_);
  account->second.descriptors -= share.descriptors_;
  account->second.totals.buffers -= share.totals_.buffers;
  account->second.totals.bytes -= share.totals_.bytes;
  if (account->second.descriptors == 0) by_uid_.erase(account);
  if (share.totals_.buffers == 0) return;
  const auto of_heap = by_heap_.find(share.heap_);
  of_heap->second.buffers -= share.totals_.buffers;
  of_heap->second.bytes -= share.totals_.bytes;
  if (of_heap->second.buffers == 0) by_heap_.erase(of_heap);
}

BufferLedger::Totals BufferLedger::totals() const {
  const std::lock_guard lock(mutex_);
  return all_.totals;
}

uint64_t BufferLedger::descriptors() const {
  const std::lock_guard lock(mutex_);
  return all_.descriptors;
}

std::vector<UserTotals> BufferLedger::Users() const {
  const std::lock_guard lock(mutex_);
  std::vector<UserTotals> users;
  users.reserve(by_uid_.size());
  for (const auto& [uid, account] : by_uid_) {
    users.push_back({.uid = uid,
                     .live_buffers = account.totals.buffers,
                     .live_bytes = account.totals.bytes,
                     .descriptors = account.descriptors});
  }
  return users;
}

std::string BufferLedger::NameOf(const core::HeapProperties& heap) {
  return absl::StrCat(heap.heap.type, heap.physically_contiguous == true ? ", contiguous" : "");
}

BufferLedger::Totals BufferLedger::OfHeap(const std::string& heap) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_heap_.find(heap);
  return found == by_heap_.end() ? Totals{} : found->second;
}

void BufferLedger::Know(const heaps::BufferIdentity& identity, std::weak_ptr<HeldBuffer> buffer) {
  const std::lock_guard lock(mutex_);
  known_.insert_or_assign(identity, std::move(buffer));
}

void BufferLedger::Forget(const heaps::BufferIdentity& identity) {
  const std::lock_guard lock(mutex_);
  known_.erase(identity);
}

std::shared_ptr<HeldBuffer> BufferLedger::Find(const heaps::BufferIdentity& identity) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(identity);
  return found == known_.end() ? nullptr : found->second.lock();
}

std::vector<std::shared_ptr<HeldBuffer>> BufferLedger::Known() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<HeldBuffer>> known;
  known.reserve(known_.size());
  for (const auto& [identity, weak] : known_) {
    if (auto buffer = weak.lock()) known.push_back(std::move(buffer));
  }
  return known;
}

}  // namespace sysmem::server
