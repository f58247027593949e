// SPDX-License-Identifier: Apache-2.0
//
// One buffer as the daemon holds it: its memory, who was handed it, whether that still lives, and
// the signal that tells weak holders to let go.
//
//   Promise --HandOut--> lives --last copy closed--> ended(call)
//      '------Abandon----------------------------------^
//
//   the daemon: LetGo, then, when nobody has it any more: gone()
//
// A hand-out is promised in the turn of its collection, opened when its reply can be sent, and ends
// when nothing is left of it: no descriptor, copy, mapping or message in flight, in any process. It
// is known by the call that was answered with it.
//
// What becomes of the buffer is decided by the core (core/buffer_lives.h), which hears of ends by
// the callbacks.
//
// Thread-safe. Callbacks are called without this buffer's lock, from the thread of whoever looked.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "core/event.h"
#include "core/plan.h"
#include "heaps/heap.h"
#include "server/buffer_ledger.h"
#include "server/inspection.h"
#include "server/last_close.h"

namespace sysmem::server {

// Whom a hand-out is for, and what it allows.
struct Recipient {
  core::NodeId node = 0;  // 0: GetVmoInfo
  std::string debug_name = {};
  PeerInfo peer;
  uint64_t session_id = 0;
  bool weak = false;
  heaps::Access access = heaps::Access::kReadWrite;
  uint32_t rights = 0;  // RES-1
  bool read_only_enforced = false;
};

class HeldBuffer : public std::enable_shared_from_this<HeldBuffer> {
 public:
  // What it is, for as long as it is.
  struct Facts {
    uint64_t collection_id = 0;
    uint32_t index = 0;
    std::string name;  // empty if the collection had none
    uid_t owner = 0;   // the user who began the collection
    std::shared_ptr<const core::SingleBufferSettings> settings;
    bool tells_holders_apart = false;  // core/heap_properties.h
    uint32_t max_hand_outs = 0;        // that live at a time (EngineLimits::hand_outs_per_buffer)
  };
  struct Listener {
    std::function<void(core::CallId hand_out)> ended;
    std::function<void()> gone;  // after the last `ended`
    // Runs a job that may take milliseconds (freeing pages) where nobody waits for it.
    std::function<void(std::function<void()> job)> run_aside;
  };

  HeldBuffer(std::unique_ptr<heaps::Buffer> buffer, Facts facts,
             std::shared_ptr<BufferLedger> ledger, BufferLedger::Share share);
  ~HeldBuffer();
  HeldBuffer(const HeldBuffer&) = delete;
  HeldBuffer& operator=(const HeldBuffer&) = delete;

  // Once, before the first promise.
  void Listen(Listener listener) { listener_ = std::move(listener); }
  // Begins to notice ends, those that have come already among them. Takes longer than handing out;
  // so once the first reply has left. Once.
  void Watch(LastClose& last_close);

  void Promise(core::CallId hand_out, std::shared_ptr<const Recipient> recipient);
  // REQUIRES: promised, and neither made nor abandoned. Errors: ResourceExhausted when too many
  // live; as heaps::Buffer::HandOut.
  absl::StatusOr<base::UniqueFd> HandOut(core::CallId hand_out);
  // It will not be made, or what was made was not sent. No effect on one that lives.
  void Abandon(core::CallId hand_out);
  void OpenAhead(heaps::Access access) const;

  // An end of its own of the close_weak_asap, made on first use. Has hung up if the signal was
  // given. Errors: ResourceExhausted when descriptors are short.
  absl::StatusOr<base::UniqueFd> CloseWeakAsapEnd();
  // END-1(d). Once.
  void SignalCloseWeakAsap();

  // The daemon's own use of it is over.
  void LetGo();

  // Which hand-out a descriptor is that a client showed; its recipient. nullptr if it bears no mark
  // of one that lives.
  std::shared_ptr<const Recipient> Recognise(base::BorrowedFd shown) const;

  // Whom it was given, if it lives; else nullptr.
  std::shared_ptr<const Recipient> RecipientOf(core::CallId hand_out) const;

  const Facts& facts() const { return facts_; }
  uint64_t size_bytes() const { return size_bytes_; }
  heaps::BufferIdentity identity() const { return identity_; }
  BufferInfo Describe() const;
  bool IsGone() const;
  // Adds what is held of it to the totals of each session it was handed to.
  void AddHoldings(std::map<uint64_t, Holdings>& by_session) const;

 private:
  struct Record {
    std::shared_ptr<const Recipient> recipient;  // shared by all buffers of one answer
    int64_t since_ns = 0;
    bool made = false;
    heaps::Mark mark = 0;
    // It is known by, besides the buffer's own.
    std::optional<heaps::BufferIdentity> identity;
  };
  struct Ended {
    core::CallId call = 0;
    std::optional<heaps::BufferIdentity> identity;
  };
  using Records = std::map<core::CallId, Record>;
  struct Signal {
    base::UniqueFd write_end;
    BufferLedger::Share share;
  };

  // What its last owner frees.
  struct Remains {
    std::shared_ptr<const heaps::Buffer> buffer;
    std::shared_ptr<BufferWatch> watch;
    std::optional<Signal> signal;
    BufferLedger::Share share;
  };

  // One look at who is left; true while somebody seems to be. A look takes a millisecond at most:
  // where there is more to see, the next one goes on from there.
  bool Probe();
  // Takes out those that have ended. REQUIRES: mutex_ held. True if all were looked at.
  bool TakeEnded(std::vector<Ended>& ended);
  Remains TakeRemains();  // REQUIRES: mutex_ held
  void Free(Remains remains);

  const Facts facts_;
  const uint64_t size_bytes_;
  const heaps::BufferIdentity identity_;
  const std::shared_ptr<BufferLedger> ledger_;
  Listener listener_;

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::shared_ptr<const heaps::Buffer> buffer_;  // null once it is gone
  BufferLedger::Share share_;
  Records records_;
  size_t promised_ = 0;               // of these, not made yet
  core::CallId looked_at_up_to_ = 0;  // by a look that did not come to the end; else 0
  uint64_t hand_outs_ = 0;            // ever made
  bool let_go_ = false;
  bool untracked_ = false;  // at the last look: somebody has it whom no record tells of
  bool signalled_ = false;
  std::optional<Signal> signal_;
  std::shared_ptr<BufferWatch> watch_;
};

}  // namespace sysmem::server
