// SPDX-License-Identifier: Apache-2.0
//
// Watch descriptors are looked up when an event is handled, under the lock under which they are
// added and removed. The kernel gives them out in a circle of 2^31, so an event that was read for a
// watch removed since finds nothing; after a full circle it finds another buffer, which then gets a
// round for nothing.
#include "server/last_close.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/errno_status.h"
#include "base/unique_fd.h"
#include "server/deferred_turns.h"

namespace sysmem::server {
namespace {

// Handled per turn of the loop, announced or rescanned: with a few microseconds each, others wait
// for a millisecond at most.
constexpr size_t kBuffersPerTurn = 256;
// The kernel's queue, as it is without tuning, holds so many times as much. Bounds CatchUp while
// others go on closing.
constexpr int kMostBatches = 64;

}  // namespace

struct LastClose::Entry {
  Entry(std::shared_ptr<const heaps::Buffer> the_buffer, Probe the_probe)
      : buffer(std::move(the_buffer)), probe(std::move(the_probe)) {}

  const std::shared_ptr<const heaps::Buffer> buffer;
  const Probe probe;

  // All of these: guarded by Impl::mutex_.
  std::optional<int> watch_descriptor;
  absl::Status status;  // why there is none
  size_t probes = 0;    // asked in this round
  std::optional<EventLoop::TimerId> timer;
  bool awaited = false;
  bool posted = false;      // a round will begin soon
  bool unfinished = false;  // the probe wants to look on
  bool ended = false;       // nobody wants to know any more
};

class LastClose::Impl : public std::enable_shared_from_this<LastClose::Impl> {
 public:
  using EntryRef = std::shared_ptr<Entry>;

  Impl(EventLoop& loop, LastCloseOptions options, base::UniqueFd inotify)
      : loop_(loop), options_(std::move(options)), inotify_(std::move(inotify)) {}

  absl::Status Start() {
    const absl::StatusOr<EventLoop::WatchId> watch =
        loop_.AddWatch(inotify_.get(), EPOLLIN, [weak = weak_from_this()](uint32_t) {
          if (const auto self = weak.lock()) self->HandleTurn();
        });
    if (watch.ok()) loop_watch_ = *watch;
    return watch.status();
  }

  void Stop() {
    loop_.RemoveWatch(loop_watch_);
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }

  EntryRef Add(std::shared_ptr<const heaps::Buffer> buffer, Probe probe) {
    auto entry = std::make_shared<Entry>(std::move(buffer), std::move(probe));
    const std::lock_guard lock(mutex_);
    ++counts_.watches;
    ++counts_.unwatched;
    Attach(entry);
    return entry;
  }

  void End(const EntryRef& entry) {
    std::optional<EventLoop::TimerId> timer;
    {
      const std::lock_guard lock(mutex_);
      entry->ended = true;
      early_.erase(entry);
      timer = std::exchange(entry->timer, std::nullopt);
      if (entry->watch_descriptor) Detach(entry);
      --counts_.watches;
      --counts_.unwatched;
    }
    if (timer) loop_.CancelTimer(*timer);
  }

  void ProbeSoon(const EntryRef& entry) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(entry->posted, true)) return;
    }
    Post(entry, [](Impl& self, const EntryRef& posted) {
      {
        const std::lock_guard lock(self.mutex_);
        posted->posted = false;
      }
      self.BeginRound(posted);
    });
  }

  void LookOn(const EntryRef& entry) {
    const std::lock_guard lock(mutex_);
    entry->unfinished = true;
  }

  void SetAwaited(const EntryRef& entry, bool awaited) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(entry->awaited, awaited) == awaited) return;
      if (!awaited || entry->watch_descriptor) return;
    }
    ProbeSoon(entry);
  }

  absl::Status StatusOf(const EntryRef& entry) const {
    const std::lock_guard lock(mutex_);
    return entry->watch_descriptor ? absl::OkStatus() : entry->status;
  }

  void CatchUp() {
    {
      const std::lock_guard lock(mutex_);
      if (counts_.watches == 0) return;
    }
    // Whoever comes while another thread is at it waits: what it closed may be among those. He does
    // not wait for the collections that this concerns.
    DeferredTurns deferred;
    const std::lock_guard lock(handling_);
    const std::vector<EntryRef> early = Early();
    for (int i = 0; i < kMostBatches && HandleBatch(); ++i) continue;
    for (const EntryRef& entry : early) Ask(entry);
  }

  Counts counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  // --- Watch descriptors. All of these: REQUIRES mutex_ held. ---

  // The lock is held over adding, so that no event can be looked up in between.
  void Attach(const EntryRef& entry) {
    const absl::StatusOr<int> added = entry->buffer->WatchCloses(inotify_);
    entry->status = added.status();
    if (!added.ok()) return;
    entry->watch_descriptor = *added;
    watched_.emplace(*added, entry);
    --counts_.unwatched;
  }

  void Detach(const EntryRef& entry) {
    const int descriptor = *std::exchange(entry->watch_descriptor, std::nullopt);
    const auto [first, last] = watched_.equal_range(descriptor);
    watched_.erase(
        std::find_if(first, last, [&](const auto& watched) { return watched.second == entry; }));
    // Fails only if the kernel has removed it already (IN_IGNORED).
    if (!watched_.contains(descriptor)) ::inotify_rm_watch(inotify_.get(), descriptor);
    ++counts_.unwatched;
  }

  std::vector<EntryRef> Watched(int descriptor) const {
    std::vector<EntryRef> found;
    const auto [first, last] = watched_.equal_range(descriptor);
    for (auto it = first; it != last; ++it) found.push_back(it->second);
    return found;
  }

  // --- Announcements ---

  std::vector<EntryRef> Early() const {
    const std::lock_guard lock(mutex_);
    return {early_.begin(), early_.end()};
  }

  void HandleTurn() {
    DeferredTurns deferred;
    const std::lock_guard lock(handling_);
    HandleBatch();
  }

  // REQUIRES: handling_ held. False when there was less than a batch.
  bool HandleBatch() {
    // Watches of files have no names, so all events are of one size.
    alignas(inotify_event) std::array<char, kBuffersPerTurn * sizeof(inotify_event)> events;
    const ssize_t bytes = ::read(inotify_.get(), events.data(), events.size());
    if (bytes <= 0) return bytes < 0 && errno == EINTR;
    std::vector<EntryRef> closed;  // in the order of the first announcement of each
    bool overflow = false;
    {
      const std::lock_guard lock(mutex_);
      for (size_t offset = 0; offset < static_cast<size_t>(bytes);) {
        inotify_event event{};
        std::memcpy(&event, &events[offset], sizeof(event));
        offset += sizeof(event) + event.len;
        ++counts_.events;
        overflow |= (event.mask & IN_Q_OVERFLOW) != 0;
        for (EntryRef& entry : Watched(event.wd)) {
          if ((event.mask & IN_IGNORED) != 0) WatchAgain(entry);
          if (!std::count(closed.begin(), closed.end(), entry)) closed.push_back(std::move(entry));
        }
      }
    }
    if (overflow) BeginRescan();
    for (const EntryRef& entry : closed) BeginRound(entry);
    return static_cast<size_t>(bytes) == events.size();
  }

  // REQUIRES: mutex_ held. The kernel says that it watches no more. About a buffer that is kept
  // open it has no reason to, so this was said of another one that had the same watch descriptor a
  // full circle ago; adding again finds out, and changes nothing then.
  void WatchAgain(const EntryRef& entry) {
    watched_.erase(std::find_if(watched_.begin(), watched_.end(),
                                [&](const auto& watched) { return watched.second == entry; }));
    entry->watch_descriptor.reset();
    ++counts_.unwatched;
    Attach(entry);
  }

  // --- After an overflow ---

  void BeginRescan() {
    {
      const std::lock_guard lock(mutex_);
      ++counts_.overflows;
      if (rescan_from_) {
        rescan_again_ = true;  // what lies behind may have been closed since
        return;
      }
      rescan_from_ = 0;
    }
    PostRescan();
  }

  void PostRescan() {
    loop_.Post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->RescanSlice();
    });
  }

  void RescanSlice() {
    std::vector<EntryRef> slice;
    bool more = false;
    {
      const std::lock_guard lock(mutex_);
      auto next = watched_.lower_bound(*rescan_from_);
      while (next != watched_.end() && slice.size() < kBuffersPerTurn) {
        const std::vector<EntryRef> same = Watched(next->first);
        slice.insert(slice.end(), same.begin(), same.end());
        next = watched_.upper_bound(next->first);
      }
      if (next != watched_.end()) {
        rescan_from_ = next->first;
      } else if (std::exchange(rescan_again_, false)) {
        rescan_from_ = 0;
      } else {
        rescan_from_.reset();
      }
      more = rescan_from_.has_value();
    }
    for (const EntryRef& entry : slice) BeginRound(entry);
    if (more) PostRescan();
  }

  // --- Rounds ---

  void BeginRound(const EntryRef& entry) {
    {
      const std::lock_guard lock(mutex_);
      entry->probes = 0;
    }
    Ask(entry);
  }

  void Ask(const EntryRef& entry) {
    bool is_first = false;
    bool is_watched = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_ || entry->ended) return;
      is_first = entry->probes++ == 0;
      is_watched = entry->watch_descriptor.has_value();  // the probe may end the watch
      ++counts_.probes;
      // Somebody has given up a watch, perhaps.
      if (!entry->watch_descriptor && absl::IsResourceExhausted(entry->status)) Attach(entry);
    }
    const bool early = is_first && options_.first_probe_is_early && options_.first_probe_is_early();
    const bool held = early || entry->probe();
    if (!held && !is_first && is_watched) CountLateEnd();
    Settle(entry, held, is_first);
  }

  void CountLateEnd() {
    const std::lock_guard lock(mutex_);
    ++counts_.late_ends;
  }

  // What follows from the answer of a probe.
  void Settle(const EntryRef& entry, bool held, bool is_first) {
    std::optional<int64_t> delay_ns;
    std::optional<EventLoop::TimerId> former;
    {
      const std::lock_guard lock(mutex_);
      if (entry->ended) return;
      if (std::exchange(entry->unfinished, false) && held) {
        if (entry->probes > 0) --entry->probes;  // the same one goes on
        delay_ns = 0;
      } else {
        delay_ns = DelayToNextProbe(*entry, held);
      }
      early_.erase(entry);
      former = std::exchange(entry->timer, std::nullopt);
    }
    if (former) loop_.CancelTimer(*former);
    if (delay_ns) Schedule(entry, *delay_ns, held && is_first);
  }

  // REQUIRES: mutex_ held.
  std::optional<int64_t> DelayToNextProbe(const Entry& entry, bool held) const {
    std::optional<int64_t> delay_ns;
    // Less than one probe of a round may have been asked when another thread has begun it anew.
    const size_t asked = std::max<size_t>(entry.probes, 1);
    if (held && asked <= options_.retry_delays_ns.size()) {
      delay_ns = options_.retry_delays_ns[asked - 1];
    }
    if (!entry.watch_descriptor && entry.awaited) {
      delay_ns = std::min(delay_ns.value_or(INT64_MAX), options_.poll_interval_ns);
    }
    return delay_ns;
  }

  void Schedule(const EntryRef& entry, int64_t delay_ns, bool may_be_early) {
    std::optional<EventLoop::TimerId> superfluous =
        loop_.RunAt(EventLoop::NowNs() + delay_ns,
                    [weak = weak_from_this(), weak_entry = std::weak_ptr<Entry>(entry)] {
                      const auto self = weak.lock();
                      const auto due = weak_entry.lock();
                      if (self && due) self->Ask(due);
                    });
    {
      const std::lock_guard lock(mutex_);
      if (!entry->ended) {
        entry->timer.swap(superfluous);
        if (may_be_early) early_.insert(entry);
      }
    }
    if (superfluous) loop_.CancelTimer(*superfluous);
  }

  template <typename Callback>
  void Post(const EntryRef& entry, Callback callback) {
    loop_.Post([weak = weak_from_this(), weak_entry = std::weak_ptr<Entry>(entry), callback] {
      const auto self = weak.lock();
      const auto posted = weak_entry.lock();
      if (self && posted) callback(*self, posted);
    });
  }

  EventLoop& loop_;
  const LastCloseOptions options_;
  const base::UniqueFd inotify_;
  EventLoop::WatchId loop_watch_ = 0;

  // Held while announcements are read and their probes asked; taken before mutex_.
  std::mutex handling_;

  mutable std::mutex mutex_;
  std::multimap<int, EntryRef> watched_;  // by watch descriptor
  std::set<EntryRef> early_;              // only the first probe of the round was asked
  std::optional<int> rescan_from_;        // next watch descriptor of a rescan under way
  bool rescan_again_ = false;
  bool stopped_ = false;
  Counts counts_;
};

absl::StatusOr<std::unique_ptr<LastClose>> LastClose::Create(EventLoop& loop,
                                                             LastCloseOptions options) {
  base::UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) {
    return base::ErrnoStatus(errno,
                             "make an inotify instance (fs.inotify.max_user_instances limits how "
                             "many)");
  }
  auto impl = std::make_shared<Impl>(loop, std::move(options), std::move(inotify));
  if (absl::Status started = impl->Start(); !started.ok()) return started;
  return std::unique_ptr<LastClose>(new LastClose(std::move(impl)));
}

LastClose::LastClose(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
LastClose::~LastClose() { impl_->Stop(); }

std::unique_ptr<BufferWatch> LastClose::Watch(std::shared_ptr<const heaps::Buffer> buffer,
                                              Probe probe) {
  auto entry = impl_->Add(std::move(buffer), std::move(probe));
  return std::unique_ptr<BufferWatch>(new BufferWatch(impl_, std::move(entry)));
}

void LastClose::CatchUp() { impl_->CatchUp(); }
LastClose::Counts LastClose::counts() const { return impl_->counts(); }

BufferWatch::BufferWatch(std::shared_ptr<LastClose::Impl> impl,
                         std::shared_ptr<LastClose::Entry> entry)
    : impl_(std::move(impl)), entry_(std::move(entry)) {}
BufferWatch::~BufferWatch() { impl_->End(entry_); }

void BufferWatch::ProbeSoon() { impl_->ProbeSoon(entry_); }
void BufferWatch::LookOn() { impl_->LookOn(entry_); }
void BufferWatch::SetAwaited(bool awaited) { impl_->SetAwaited(entry_, awaited); }
absl::Status BufferWatch::status() const { return impl_->StatusOf(entry_); }

}  // namespace sysmem::server
