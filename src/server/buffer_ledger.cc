// SPDX-License-Identifier: Apache-2.0
#include "server/buffer_ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sysmem::server {
namespace {

// Whether `count` more of `each` are above what `limit` leaves.
bool Exceeds(uint64_t used, uint64_t count, uint64_t each, uint64_t limit) {
  const uint64_t left = limit - std::min(used, limit);
  return each != 0 && count > left / each;
}

// Nothing if there is no such account.
template <typename Accounts, typename Key>
typename Accounts::mapped_type At(const Accounts& accounts, const Key& key) {
  const auto found = accounts.find(key);
  return found == accounts.end() ? typename Accounts::mapped_type() : found->second;
}

void Add(BufferLedger::Totals& sum, const BufferLedger::Totals& more) {
  sum.buffers += more.buffers;
  sum.bytes += more.bytes;
}

void Subtract(BufferLedger::Totals& sum, const BufferLedger::Totals& less) {
  sum.buffers -= less.buffers;
  sum.bytes -= less.bytes;
}

// An account with nothing left in it is closed.
template <typename Accounts, typename Key>
void SubtractAt(Accounts& accounts, const Key& key, const BufferLedger::Totals& less) {
  const auto found = accounts.find(key);
  Subtract(found->second, less);
  if (found->second.buffers == 0) accounts.erase(found);
}

}  // namespace

BufferLedger::Share& BufferLedger::Share::operator=(Share&& other) noexcept {
  if (ledger_) ledger_->GiveBack(*this);
  ledger_ = std::move(other.ledger_);
  uid_ = other.uid_;
  heap_ = std::move(other.heap_);
  heap_type_ = std::move(other.heap_type_);
  totals_ = other.totals_;
  descriptors_ = other.descriptors_;
  return *this;
}

BufferLedger::Share::~Share() {
  if (ledger_) ledger_->GiveBack(*this);
}

absl::StatusOr<std::vector<BufferLedger::Share>> BufferLedger::Reserve(
    uid_t uid, const core::HeapProperties& heap, uint64_t count, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  absl::Status admitted = Admit(uid, count);
  if (admitted.ok()) admitted = AdmitToHeap(uid, heap.heap.type, count, bytes);
  if (!admitted.ok()) return admitted;
  std::vector<Share> shares;
  shares.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    shares.push_back(Take(uid, &heap, {.buffers = 1, .bytes = bytes}));
  }
  return shares;
}

absl::StatusOr<BufferLedger::Share> BufferLedger::ReserveSignal(uid_t uid) {
  const std::lock_guard lock(mutex_);
  if (absl::Status admitted = Admit(uid, 1); !admitted.ok()) return admitted;
  return Take(uid, nullptr, {});
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

absl::Status BufferLedger::AdmitToHeap(uid_t uid, const std::string& heap_type, uint64_t count,
                                       uint64_t bytes) const {
  const HeapPolicy* const policy = FindPolicy(policies_, heap_type);
  if (policy == nullptr) return absl::OkStatus();
  const Capped live = At(capped_, heap_type);
  const Totals of_user = At(live.by_uid, uid);
  const auto refuse = [&](const char* setting, uint64_t cap, const Totals& used,
                          const std::string& whose) {
    return absl::ResourceExhaustedError(
        absl::StrCat("of heap ", heap_type, " user ", uid, " asks for ", count, " buffers of ",
                     bytes, " bytes; its ", setting, " is ", cap,
                     " (heap_policies of the daemon's configuration), and ", used.buffers,
                     " buffers of ", used.bytes, " bytes", whose, " live"));
  };
  if (policy->max_buffers && Exceeds(live.all.buffers, count, 1, *policy->max_buffers)) {
    return refuse("max_buffers", *policy->max_buffers, live.all, "");
  }
  if (policy->max_bytes && Exceeds(live.all.bytes, count, bytes, *policy->max_bytes)) {
    return refuse("max_bytes", *policy->max_bytes, live.all, "");
  }
  if (policy->max_bytes_per_user &&
      Exceeds(of_user.bytes, count, bytes, *policy->max_bytes_per_user)) {
    return refuse("max_bytes_per_user", *policy->max_bytes_per_user, of_user, " in all of his");
  }
  return absl::OkStatus();
}

BufferLedger::Share BufferLedger::Take(uid_t uid, const core::HeapProperties* heap, Totals totals) {
  Account& account = by_uid_[uid];
  ++all_.descriptors;
  ++account.descriptors;
  Add(all_.totals, totals);
  Add(account.totals, totals);
  Share share;
  share.ledger_ = shared_from_this();
  share.uid_ = uid;
  share.totals_ = totals;
  share.descriptors_ = 1;
  if (heap == nullptr) return share;
  share.heap_ = NameOf(*heap);
  share.heap_type_ = heap->heap.type;
  Add(by_heap_[share.heap_], totals);
  if (policies_.contains(share.heap_type_)) {
    Capped& capped = capped_[share.heap_type_];
    Add(capped.all, totals);
    Add(capped.by_uid[uid], totals);
  }
  return share;
}

void BufferLedger::GiveBack(const Share& share) {
  const std::lock_guard lock(mutex_);
  all_.descriptors -= share.descriptors_;
  Subtract(all_.totals, share.totals_);
  const auto account = by_uid_.find(share.uid_);
  account->second.descriptors -= share.descriptors_;
  Subtract(account->second.totals, share.totals_);
  if (account->second.descriptors == 0) by_uid_.erase(account);
  if (share.totals_.buffers == 0) return;
  SubtractAt(by_heap_, share.heap_, share.totals_);
  const auto capped = capped_.find(share.heap_type_);
  if (capped == capped_.end()) return;
  Subtract(capped->second.all, share.totals_);
  SubtractAt(capped->second.by_uid, share.uid_, share.totals_);
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
  return At(by_heap_, heap);
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
