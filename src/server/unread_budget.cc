// SPDX-License-Identifier: Apache-2.0
#include "server/unread_budget.h"

#include <algorithm>
#include <utility>

#include "base/unix_socket.h"

namespace sysmem::server {
namespace {

// The limit in all is a quarter of RLIMIT_NOFILE, at which the kernel refuses; a quarter stays free
// for what it still counts after it was read.
constexpr uint64_t kNewcomersTimes = 3;

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
  sending_ = true;
  unread_ += count;
  budget_->total_ += count;
  budget_->by_uid_[uid_] += count;
  return true;
}

void UnreadBudget::Account::Sent() {
  std::lock_guard lock(budget_->mutex_);
  sending_ = false;
}

void UnreadBudget::Account::GiveBack(uint64_t count) {
  std::lock_guard lock(budget_->mutex_);
  budget_->Reduce(*this, count);
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

// The kernel tells only whether everything was read, which is enough.
void UnreadBudget::AskKernel(Account& account) {
  if (account.unread_ == 0 || account.sending_ || !account.channel_) return;
  const auto bytes = base::UnreadBytes(*account.channel_);
  if (bytes.ok() && *bytes == 0) Reduce(account, account.unread_);
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
