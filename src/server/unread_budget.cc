// SPDX-License-Identifier: Apache-2.0
#include "server/unread_budget.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/handle_channel.h"
#include "base/unix_socket.h"

namespace sysmem::server {
namespace {

// The limit in all is a quarter of RLIMIT_NOFILE, at which the kernel refuses; a quarter stays free
// for what it still counts after it was read.
constexpr uint64_t kNewcomersTimes = 3;

// No message takes less memory than its header has bytes.
constexpr uint64_t kLeastBytes = base::kHandleHeaderBytes;

// Everything may be unread.
constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

}  // namespace

UnreadBudget::Account::Account(std::shared_ptr<UnreadBudget> budget, uid_t uid,
                               std::shared_ptr<base::UniqueFd> channel)
    : budget_(std::move(budget)), uid_(uid), channel_(std::move(channel)) {}

UnreadBudget::Account::~Account() {
  std::lock_guard lock(budget_->mutex_);
  budget_->Reduce(*this, unread_);
  budget_->accounts_.erase(this);
}

bool UnreadBudget::Account::Take(uint64_t count) {
  if (count == 0) return true;
  std::lock_guard lock(budget_->mutex_);
  if (!budget_->Fits(*this, count)) {
    for (Account* other : budget_->accounts_) budget_->AskKernel(*other);
    if (!budget_->Fits(*this, count)) return false;
  }
  unread_ += count;
  budget_->total_ += count;
  budget_->by_uid_[uid_] += count;
  return true;
}

void UnreadBudget::Account::BeforeMessage() {
  if (!channel_) return;
  std::lock_guard lock(budget_->mutex_);
  bytes_before_ = budget_->AskKernel(*this);
}

void UnreadBudget::Account::AfterMessage(uint64_t descriptors) {
  if (!channel_) return;
  std::lock_guard lock(budget_->mutex_);
  // What was read meanwhile makes it look smaller than it is, never larger.
  const uint64_t bytes_after = base::UnreadBytes(*channel_).value_or(0);
  const uint64_t bytes = bytes_after > bytes_before_
                             ? std::max(bytes_after - bytes_before_, kLeastBytes)
                             : kLeastBytes;
  messages_.push_back(Message{descriptors, bytes});
  bytes_ += bytes;
}

void UnreadBudget::Account::GiveBack(uint64_t count) {
  std::lock_guard lock(budget_->mutex_);
  budget_->Reduce(*this, count);
}

uint64_t UnreadBudget::Account::Unread() {
  std::lock_guard lock(budget_->mutex_);
  budget_->AskKernel(*this);
  return unread_;
}

std::shared_ptr<UnreadBudget::Account> UnreadBudget::Open(uid_t uid,
                                                          std::shared_ptr<base::UniqueFd> channel) {
  std::shared_ptr<Account> account(new Account(shared_from_this(), uid, std::move(channel)));
  std::lock_guard lock(mutex_);
  accounts_.insert(account.get());
  return account;
}

uint64_t UnreadBudget::total() const {
  std::lock_guard lock(mutex_);
  return total_;
}

bool UnreadBudget::Fits(const Account& account, uint64_t count) const {
  if (account.unread_ > 0 && account.unread_ + count > per_session_) return false;
  if (total_ == 0) return true;
  const auto of_uid = by_uid_.find(account.uid_);
  if (of_uid == by_uid_.end()) return total_ + count <= kNewcomersTimes * in_all_;
  const uint64_t share = std::max<uint64_t>(in_all_ / by_uid_.size(), 1);
  return total_ + count <= in_all_ && (by_uid_.size() == 1 || of_uid->second + count <= share);
}

uint64_t UnreadBudget::AskKernel(Account& account) {
  if (!account.channel_) return kUnknown;
  const uint64_t unread = base::UnreadBytes(*account.channel_).value_or(kUnknown);
  // The oldest is not among what is unread if it and all behind it take more than that.
  while (account.bytes_ > unread) {
    const Account::Message oldest = account.messages_.front();
    account.messages_.pop_front();
    account.bytes_ -= oldest.bytes;
    Reduce(account, oldest.descriptors);
  }
  return unread;
}

void UnreadBudget::Reduce(Account& account, uint64_t count) {
  if (count == 0) return;
  account.unread_ -= count;
  total_ -= count;
  const auto of_uid = by_uid_.find(account.uid_);
  of_uid->second -= count;
  if (of_uid->second == 0) by_uid_.erase(of_uid);
}

}  // namespace sysmem::server
