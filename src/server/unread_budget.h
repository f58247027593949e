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
// The kernel tells, when asked, how many bytes of its memory hold what a session has not read. A
// session reads in order, so these are its latest messages, and closures are among them. What each
// message took is noted when it is sent; as many of the latest as fit into what the kernel tells
// count as unread. Sessions that have read and sit idle are asked when their part is missing.
//
//   auto account = budget->Open(uid, handle_channel);
//   if (!account->Take(5)) ...try again later...
//   account->BeforeMessage();  ...push...  account->AfterMessage(5);
//   // or account->GiveBack(what will not be sent)
//
// Thread-safe; one thread at a time takes and sends for an account.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
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
    // Around the sending of every message, whether it carries some of the taken descriptors or
    // none; the second only if it was sent.
    void BeforeMessage();
    void AfterMessage(uint64_t descriptors);
    // So many of those taken will not be pushed.
    void GiveBack(uint64_t count);
    // How many of those taken are not read yet, by what the kernel tells now. From any thread.
    uint64_t Unread();

   private:
    friend class UnreadBudget;
    Account(std::shared_ptr<UnreadBudget> budget, uid_t uid,
            std::shared_ptr<base::UniqueFd> channel);
    const std::shared_ptr<UnreadBudget> budget_;
    const uid_t uid_;
    const std::shared_ptr<base::UniqueFd> channel_;

    struct Message {
      uint64_t descriptors = 0;
      uint64_t bytes = 0;  // at least so many in the kernel
    };
    // Guarded by the budget's lock.
    uint64_t unread_ = 0;           // to be pushed, or in messages_
    std::deque<Message> messages_;  // those that may be unread, the oldest first
    uint64_t bytes_ = 0;            // of them all
    uint64_t bytes_before_ = 0;     // what the kernel told before the message that is being sent
  };

  UnreadBudget(uint64_t per_session, uint64_t in_all)
      : per_session_(per_session), in_all_(in_all) {}

  // `channel` may be empty: then nothing is ever known to be read.
  std::shared_ptr<Account> Open(uid_t uid, std::shared_ptr<base::UniqueFd> channel);
  uint64_t total() const;

 private:
  // REQUIRES: lock held.
  bool Fits(const Account& account, uint64_t count) const;
  // Forgets what was read. How many bytes were not.
  uint64_t AskKernel(Account& account);
  void Reduce(Account& account, uint64_t count);

  const uint64_t per_session_;
  const uint64_t in_all_;
  mutable std::mutex mutex_;
  uint64_t total_ = 0;
  std::map<uid_t, uint64_t> by_uid_;  // those with unread descriptors
  std::set<Account*> accounts_;
};

}  // namespace sysmem::server
