// SPDX-License-Identifier: Apache-2.0
#include "server/held_buffer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/reopen.h"

namespace sysmem::server {
namespace {

// What takes no longer to free than it would to wake another thread for it.
constexpr uint64_t kFreedInPlaceBytes = 256 << 10;

// A look keeps the thread that found out about a close, and a holder can make it slow by locks of
// his own, thousands of which the kernel walks at each question.
constexpr int64_t kLookNs = 1'000'000;

// Both ends; neither blocks, and neither outlives an exec.
absl::StatusOr<std::pair<base::UniqueFd, base::UniqueFd>> MakePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return base::ErrnoStatus(errno, "make the pipe of a close_weak_asap");
  }
  return std::pair(base::UniqueFd(ends[0]), base::UniqueFd(ends[1]));
}

}  // namespace

HeldBuffer::HeldBuffer(std::unique_ptr<heaps::Buffer> buffer, Facts facts,
                       std::shared_ptr<BufferLedger> ledger, BufferLedger::Share share)
    : facts_(std::move(facts)),
      size_bytes_(buffer->size_bytes()),
      identity_(buffer->identity()),
      ledger_(std::move(ledger)),
      buffer_(std::move(buffer)),
      share_(std::move(share)) {}

HeldBuffer::~HeldBuffer() {
  // Once it is freed, what it was may be another buffer already: a provider uses its memory again.
  if (buffer_) ledger_->Forget(identity_);
  for (const auto& [call, record] : records_) {
    if (record.identity) ledger_->Forget(*record.identity);
  }
}

void HeldBuffer::Watch(LastClose& last_close) {
  std::shared_ptr<const heaps::Buffer> buffer;
  {
    const std::lock_guard lock(mutex_);
    buffer = buffer_;
  }
  std::shared_ptr<BufferWatch> watch =
      last_close.Watch(std::move(buffer), [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self && self->Probe();
      });
  bool missed = false;
  bool let_go = false;
  {
    const std::lock_guard lock(mutex_);
    // A close that came at once may have been the last: what watches then keeps the memory.
    if (!buffer_) return;
    watch_ = watch;
    let_go = let_go_;
    missed = let_go_ || hand_outs_ > 0;
  }
  watch->SetAwaited(let_go);
  if (missed) watch->ProbeSoon();
}

void HeldBuffer::Promise(core::CallId hand_out, std::shared_ptr<const Recipient> recipient) {
  const std::lock_guard lock(mutex_);
  records_[hand_out] = Record{.recipient = std::move(recipient), .since_ns = EventLoop::NowNs()};
  ++promised_;
}

absl::StatusOr<base::UniqueFd> HeldBuffer::HandOut(core::CallId hand_out) {
  std::shared_ptr<const heaps::Buffer> buffer;
  std::shared_ptr<const Recipient> recipient;
  {
    const std::lock_guard lock(mutex_);
    const size_t living = records_.size() - promised_;
    if (living >= facts_.max_hand_outs) {
      return absl::ResourceExhaustedError(absl::StrCat(living, " descriptors of buffer ",
                                                       facts_.index,
                                                       " that were handed out are in use, its "
                                                       "limit (limit hand_outs_per_buffer)"));
    }
    buffer = buffer_;
    recipient = records_.at(hand_out).recipient;
  }
  absl::StatusOr<heaps::HandedOut> made =
      recipient->weak ? buffer->HandOutWeak(recipient->access) : buffer->HandOut(recipient->access);
  if (!made.ok()) return made.status();
  if (made->identity) ledger_->Know(*made->identity, weak_from_this());
  const std::lock_guard lock(mutex_);
  Record& record = records_.at(hand_out);
  record.made = true;
  record.mark = made->mark;
  record.identity = made->identity;
  --promised_;
  ++hand_outs_;
  return std::move(made->fd);
}

void HeldBuffer::Abandon(core::CallId hand_out) {
  std::shared_ptr<BufferWatch> watch;
  {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(hand_out);
    if (found == records_.end() || found->second.made) return;
    records_.erase(found);
    --promised_;
    watch = watch_;
  }
  listener_.ended(hand_out);
  if (watch) watch->ProbeSoon();
}

void HeldBuffer::OpenAhead(heaps::Access access) const {
  std::shared_ptr<const heaps::Buffer> buffer;
  {
    const std::lock_guard lock(mutex_);
    if (let_go_) return;
    buffer = buffer_;
  }
  buffer->OpenAhead(access);
}

absl::StatusOr<base::UniqueFd> HeldBuffer::CloseWeakAsapEnd() {
  {
    // Each holder gets a description of his own: flags that one of them sets are nobody else's.
    const std::lock_guard lock(mutex_);
    if (signal_) return base::Reopen(signal_->write_end, O_RDONLY);
  }
  absl::StatusOr<BufferLedger::Share> share = ledger_->ReserveSignal(facts_.owner);
  if (!share.ok()) return share.status();
  auto made = MakePipe();
  if (!made.ok()) return made.status();
  const std::lock_guard lock(mutex_);
  if (signalled_) return std::move(made->first);  // the other end is closed here
  if (signal_) return base::Reopen(signal_->write_end, O_RDONLY);
  signal_.emplace(Signal{std::move(made->second), *std::move(share)});
  return std::move(made->first);
}

void HeldBuffer::SignalCloseWeakAsap() {
  std::optional<Signal> last;  // closed without the lock
  {
    const std::lock_guard lock(mutex_);
    signalled_ = true;
    last.swap(signal_);
  }
}

void HeldBuffer::LetGo() {
  std::shared_ptr<const heaps::Buffer> buffer;
  std::shared_ptr<BufferWatch> watch;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(let_go_, true)) return;
    buffer = buffer_;
    watch = watch_;
  }
  if (!buffer) return;
  buffer->StopOpeningAhead();
  if (!watch) return;
  watch->SetAwaited(true);
  watch->ProbeSoon();
}

std::shared_ptr<const Recipient> HeldBuffer::Recognise(base::BorrowedFd shown) const {
  const std::lock_guard lock(mutex_);
  if (!buffer_) return nullptr;
  for (const auto& [call, record] : records_) {
    if (record.made && buffer_->IsHandOut(shown, record.mark)) return record.recipient;
  }
  return nullptr;
}

std::shared_ptr<const Recipient> HeldBuffer::RecipientOf(core::CallId hand_out) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(hand_out);
  return found == records_.end() ? nullptr : found->second.recipient;
}

bool HeldBuffer::TakeEnded(std::vector<Ended>& ended) {
  const int64_t until_ns = EventLoop::NowNs() + kLookNs;
  auto record = records_.upper_bound(std::exchange(looked_at_up_to_, 0));
  while (record != records_.end()) {
    const core::CallId call = record->first;
    if (record->second.made && !buffer_->MayLive(record->second.mark)) {
      ended.push_back({call, record->second.identity});
      record = records_.erase(record);
    } else {
      ++record;
    }
    if (record != records_.end() && EventLoop::NowNs() >= until_ns) {
      looked_at_up_to_ = call;
      return false;
    }
  }
  return true;
}

bool HeldBuffer::Probe() {
  std::vector<Ended> ended;
  std::optional<Remains> remains;
  std::shared_ptr<BufferWatch> look_on;
  bool held = false;
  {
    const std::lock_guard lock(mutex_);
    if (!buffer_) return false;
    // As long as the daemon itself keeps the buffer strong, nobody else's end is the buffer's. The
    // proof comes first: it tells of all at once.
    if (let_go_ && promised_ == 0 && buffer_->IsOnlyOurs()) {
      for (const auto& [call, record] : records_) ended.push_back({call, record.identity});
      records_.clear();
      remains.emplace(TakeRemains());
    } else if (!TakeEnded(ended)) {
      look_on = watch_;
    }
    untracked_ = let_go_ && !remains && records_.empty();
    held = !records_.empty() || untracked_;
  }
  if (look_on) look_on->LookOn();
  for (const Ended& one : ended) {
    if (one.identity) ledger_->Forget(*one.identity);
    listener_.ended(one.call);
  }
  if (!remains) return held;
  if (size_bytes_ <= kFreedInPlaceBytes) {
    Free(*std::move(remains));
    return false;
  }
  auto job = std::make_shared<Remains>(*std::move(remains));
  listener_.run_aside([self = shared_from_this(), job] { self->Free(std::move(*job)); });
  return false;
}

HeldBuffer::Remains HeldBuffer::TakeRemains() {
  signalled_ = true;
  return {.buffer = std::exchange(buffer_, nullptr),
          .watch = std::exchange(watch_, nullptr),
          .signal = std::exchange(signal_, std::nullopt),
          .share = std::exchange(share_, {})};
}

void HeldBuffer::Free(Remains remains) {
  ledger_->Forget(identity_);
  remains.watch.reset();  // it keeps the memory
  // Whoever kept a way to it that nobody can see finds nothing there. Its heap may take its time.
  const auto last = std::make_shared<Remains>(std::move(remains));
  last->buffer->GiveBack([self = shared_from_this(), last] {
    last->buffer.reset();
    last->share = {};
    self->listener_.gone();
  });
}

BufferInfo HeldBuffer::Describe() const {
  BufferInfo info;
  info.index = facts_.index;
  info.name = facts_.name;
  info.device = identity_.device;
  info.inode = identity_.inode;
  info.size_bytes = size_bytes_;
  const int64_t now = EventLoop::NowNs();
  const std::lock_guard lock(mutex_);
  info.gone = buffer_ == nullptr;
  if (buffer_) info.physical_address = buffer_->physical_address();
  info.hand_outs = hand_outs_;
  info.untracked_holder = untracked_;
  for (const auto& [call, record] : records_) {
    if (!record.made) continue;
    const Recipient& recipient = *record.recipient;
    info.holders.push_back({.node = recipient.node,
                            .debug_name = recipient.debug_name,
                            .peer = recipient.peer,
                            .session_id = recipient.session_id,
                            .weak = recipient.weak,
                            .read_only = recipient.access == heaps::Access::kReadOnly,
                            .read_only_enforced = recipient.read_only_enforced,
                            .age_ns = now - record.since_ns});
  }
  return info;
}

bool HeldBuffer::IsGone() const {
  const std::lock_guard lock(mutex_);
  return buffer_ == nullptr;
}

void HeldBuffer::AddHoldings(std::map<uint64_t, Holdings>& by_session) const {
  std::map<uint64_t, uint64_t> hand_outs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [call, record] : records_) {
      if (record.made) ++hand_outs[record.recipient->session_id];
    }
  }
  for (const auto& [session, count] : hand_outs) {
    Holdings& holdings = by_session[session];
    ++holdings.buffers;
    holdings.bytes += size_bytes_;
    holdings.hand_outs += count;
  }
}

}  // namespace sysmem::server
