// SPDX-License-Identifier: Apache-2.0
//
// The latest of what happened, for everybody who watches.
//
//   if (log->active()) log->Append(std::move(event), Sight::Of(uids));
//
// One bounded ring, whatever the number of readers. A reader says up to which number he has read;
// what left the ring before he came is counted, not kept: readers never slow those who append. A
// reader who has read everything is parked until there is something for him, and is answered then
// by `run_aside`, never by whoever appended. Nothing is kept until somebody asks for the first
// time; from then on events are kept as long as the daemon runs, since counts of lost ones are
// exact.
//
// Numbers are a reader's own: they count what he may see, so neither a number nor a count of lost
// events tells him of anything else.
//
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/failure.h"
#include "server/call.h"
#include "server/sight.h"
#include "server/watch_event.h"

namespace sysmem::server {

class WatchLog : public std::enable_shared_from_this<WatchLog> {
 public:
  struct Options {
    size_t events = 0;  // kept, and their bytes
    size_t bytes = 0;
    size_t reads_per_session = 0;  // parked at a time
    // Runs a job soon, on another thread; may drop it when the daemon ends.
    std::function<void(std::function<void()>)> run_aside;
  };
  explicit WatchLog(Options options) : options_(std::move(options)) {}

  // Somebody has asked once. Until then there is no need to make events.
  bool active() const { return active_.load(std::memory_order_relaxed); }

  // Without a time it is now.
  void Append(WatchEvent event, Sight sight);

  struct Reader {
    bool sees_all = false;
    uid_t uid = 0;
  };
  struct Question {
    std::optional<uint64_t> after;  // absent: nothing but where the end is
    size_t at_most = 0;             // 1 to kMostAtOnce
    std::optional<uint64_t> buffer_collection_id;
  };
  static constexpr size_t kMostAtOnce = 256;
  // Answers `slot` now, or parks it; a failure when too many of its session are parked.
  std::optional<core::Failure> Ask(CallSlot slot, Reader reader, const Question& question);

  // The caller takes it back: answered CANCELLED if it was parked.
  void Cancel(const CallSlot& slot);
  // Forgets what is parked of this session, which has ended.
  void Drop(uint64_t session_id);

 private:
  struct Kept {
    std::shared_ptr<const WatchEvent> event;
    Sight sight;
    size_t bytes = 0;
  };
  struct Parked {
    CallSlot slot;
    Reader reader;
    Question question;    // after: moves along with what does not concern it
    bool wanted = false;  // there is something for it
  };
  // What was found for somebody, not yet copied.
  struct Found {
    std::vector<std::pair<uint64_t, std::shared_ptr<const WatchEvent>>> events;
    uint64_t next_after = 0;
    uint64_t lost = 0;
  };

  // These: REQUIRES mutex_ held.
  uint64_t LatestFor(const Reader& reader) const;
  Found FindFor(const Reader& reader, const Question& question) const;
  bool Notify(const WatchEvent& event, const Sight& sight);

  static WatchedEvents CopyFor(const Reader& reader, const Found& found);
  void Serve();

  const Options options_;
  std::atomic<bool> active_ = false;

  mutable std::mutex mutex_;
  std::deque<Kept> kept_;  // oldest first
  size_t bytes_ = 0;
  uint64_t all_ = 0;               // ever appended
  uint64_t everybodys_ = 0;        // of these, seen by everybody
  std::map<uid_t, uint64_t> own_;  // of these, the others, by who sees them
  std::vector<Parked> parked_;
  bool serving_ = false;  // a job is on its way
};

}  // namespace sysmem::server
