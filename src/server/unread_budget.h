// SPDX-License-Identifier: Apache-2.0
//
// How many descriptors may lie pushed and unread, in one session and over all.
//
// The kernel counts descriptors in flight against the sender's uid: for a daemon that is not root,
// one client that never reads would use up what all others need. So the daemon keeps its own count
// and stops pushing to whoever has too much unread:
//
//   a session    one message always, then no more than the limit per session
//   a uid        the free space, but no more than an equal share while others have unread ones too
//   a newcomer   whose uid has nothing unread may go beyond the limit in all, up to three times it:
//                those who do not read never keep the first descriptors from those who do
//
// The kernel tells of a session only whether everything was read, and tells when asked. Sessions
// that have read and sit idle are asked when their part is missing.
//
//   auto account = budget->Open(uid, handle_channel);
//   if (!account->Take(5)) ...try again later...
//   ...push...  account->Sent();     // or account->GiveBack(what could not be sent)
//
// Thread-safe; one thread at a time uses an account.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "base/unique_fd.h"

namespace sysmem::server {

class UnreadBudget : public std::enable_shared_from_this<UnreadBudget> {
 public:
  // One session's part. What is unread when it ends is given back: its channel closes with it.
  class Account {
   public:
    ~Account();
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;

    // For descriptors about to be pushed; false: not now.
    bool Take(uint64_t count);
    // All that was taken is on its way.
    void Sent();
    // So many of those taken will not be pushed.
    void GiveBack(uint64_t count);

   private:
    friend class UnreadBudget;
    Account(std::shared_ptr<UnreadBudget> budget, uid_t uid,
            std::shared_ptr<base::UniqueFd> channel);
    const std::shared_ptr<UnreadBudget> budget_;
    const uid_t uid_;
    const std::shared_ptr<base::UniqueFd> channel_;
    // Guarded by the budget's lock.
    uint64_t unread_ = 0;
    bool sending_ = false;  // what the kernel says now does not count what is about to be pushed
  };

  UnreadBudget(uint64_t per_session, uint64_t in_all)
      : per_session_(per_session), in_all_(in_all) {}

  // `channel` may be empty: then nothing is ever known to be read.
  std::shared_ptr<Account> Open(uid_t uid, std::shared_ptr<base::UniqueFd> channel);
  uint64_t total() const;

 private:
  // REQUIRES: lock held.
  bool Fits(const Account& account, uint64_t count) const;
  void AskKernel(Account& account);
  void Reduce(Account& account, uint64_t count);

  const uint64_t per_session_;
  const uint64_t in_all_;
  mutable std::mutex mutex_;
  uint64_t total_ = 0;
  std::map<uid_t, uint64_t> by_uid_;  // those with unread descriptors
  std::set<Account*> accounts_;
};

}  // namespace sysmem::server
