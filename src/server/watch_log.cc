// SPDX-License-Identifier: Apache-2.0
#include "server/watch_log.h"

#include <algorithm>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "core/debug_info.h"
#include "server/outbox.h"

namespace sysmem::server {
namespace {

// A sentence is told whole; what a client makes longer than that is cut.
constexpr size_t kMessageBytes = 1024;

int64_t RealTimeNs() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

size_t BytesOf(const WatchEvent& event) {
  return sizeof(event) + event.collection_name.size() + event.debug_name.size() +
         event.peer.command.size() + event.peer.library.size() + event.heap.type.size() +
         event.rule.size() + event.message.size();
}

bool Concerns(const WatchEvent& event, const std::optional<uint64_t>& collection) {
  return !collection || event.buffer_collection_id == *collection;
}

bool Sees(bool sees_all, uid_t uid, const Sight& sight) { return sees_all || sight.Has(uid); }

// Of a call that has waited: perhaps nobody comes by its outbox any more.
void ResolveAndFlush(const CallSlot& slot, OperationResult result) {
  const auto outbox = slot.call->outbox();
  slot.Resolve(std::move(result));
  outbox->Flush();
}

}  // namespace

void WatchLog::Append(WatchEvent event, Sight sight) {
  event.message.resize(core::CutUtf8(event.message, kMessageBytes).size());
  const size_t bytes = BytesOf(event);
  const auto kept = std::make_shared<WatchEvent>(std::move(event));
  std::vector<Kept> forgotten;  // ends without the lock
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (kept->time_ns == 0) kept->time_ns = RealTimeNs();  // rises with the numbers
    ++all_;
    if (sight.everybody) {
      ++everybodys_;
    } else if (sight.uids) {
      for (const uid_t uid : *sight.uids) ++own_[uid];
    }
    wake = Notify(*kept, sight) && !std::exchange(serving_, true);
    kept_.push_back({kept, std::move(sight), bytes});
    bytes_ += bytes;
    while (kept_.size() > options_.events || bytes_ > options_.bytes) {
      bytes_ -= kept_.front().bytes;
      forgotten.push_back(std::move(kept_.front()));
      kept_.pop_front();
    }
  }
  if (wake) options_.run_aside([self = shared_from_this()] { self->Serve(); });
}

// Whether somebody who is parked wants it. The others have it behind them, if they see it at all.
bool WatchLog::Notify(const WatchEvent& event, const Sight& sight) {
  bool any = false;
  for (Parked& parked : parked_) {
    if (parked.wanted || !Sees(parked.reader.sees_all, parked.reader.uid, sight)) continue;
    parked.wanted = Concerns(event, parked.question.buffer_collection_id);
    if (!parked.wanted) parked.question.after = LatestFor(parked.reader);
    any |= parked.wanted;
  }
  return any;
}

uint64_t WatchLog::LatestFor(const Reader& reader) const {
  if (reader.sees_all) return all_;
  const auto own = own_.find(reader.uid);
  return everybodys_ + (own == own_.end() ? 0 : own->second);
}

// From the end backwards, so that it takes as long as what the reader has not read.
WatchLog::Found WatchLog::FindFor(const Reader& reader, const Question& question) const {
  Found found;
  const uint64_t latest = LatestFor(reader);
  const uint64_t after = std::min(question.after.value_or(latest), latest);
  found.next_after = latest;
  uint64_t number = latest;
  for (auto kept = kept_.rbegin(); kept != kept_.rend() && number > after; ++kept) {
    if (!Sees(reader.sees_all, reader.uid, kept->sight)) continue;
    if (Concerns(*kept->event, question.buffer_collection_id)) {
      found.events.emplace_back(number, kept->event);
    }
    --number;
  }
  found.lost = number - after;
  std::reverse(found.events.begin(), found.events.end());
  if (found.events.size() > question.at_most) {
    found.next_after = found.events[question.at_most].first - 1;
    found.events.resize(question.at_most);
  }
  return found;
}

WatchedEvents WatchLog::CopyFor(const Reader& reader, const Found& found) {
  WatchedEvents copy{.events = {}, .next_after = found.next_after, .lost = found.lost};
  copy.events.reserve(found.events.size());
  for (const auto& [number, event] : found.events) {
    copy.events.push_back({number, *event});
    WatchEvent& own = copy.events.back().event;
    if (reader.sees_all || !own.peer.known || own.peer.uid == reader.uid) continue;
    own.peer = PeerInfo{.known = false};
    own.session_id = 0;
  }
  return copy;
}

std::optional<core::Failure> WatchLog::Ask(CallSlot slot, Reader reader, const Question& question) {
  Found found;
  {
    const std::lock_guard lock(mutex_);
    active_.store(true, std::memory_order_relaxed);
    found = FindFor(reader, question);
    const bool has_answer = !question.after || !found.events.empty() || found.lost > 0;
    if (!has_answer) {
      const uint64_t session = slot.call->outbox()->session_id();
      const auto parked = std::count_if(parked_.begin(), parked_.end(), [&](const Parked& other) {
        return other.slot.call->outbox()->session_id() == session;
      });
      if (static_cast<size_t>(parked) >= options_.reads_per_session) {
        return core::Refused(core::Error::kProtocolDeviation, "LIMIT-EVENTS", "",
                             absl::StrCat("this session waits for events ", parked,
                                          " times already (limit event_reads_per_session)"));
      }
      Question rest = question;
      rest.after = found.next_after;
      parked_.push_back({std::move(slot), reader, rest});
      return std::nullopt;
    }
  }
  slot.Resolve(OperationResult(CopyFor(reader, found)));
  return std::nullopt;
}

void WatchLog::Serve() {
  std::vector<std::pair<Parked, Found>> answers;
  {
    const std::lock_guard lock(mutex_);
    serving_ = false;
    const auto wanted = std::stable_partition(parked_.begin(), parked_.end(),
                                              [](const Parked& one) { return !one.wanted; });
    for (auto one = wanted; one != parked_.end(); ++one) {
      Found found = FindFor(one->reader, one->question);
      answers.emplace_back(std::move(*one), std::move(found));
    }
    parked_.erase(wanted, parked_.end());
  }
  for (const auto& [parked, found] : answers) {
    ResolveAndFlush(parked.slot, OperationResult(CopyFor(parked.reader, found)));
  }
}

void WatchLog::Cancel(const CallSlot& slot) {
  std::optional<CallSlot> cancelled;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(parked_.begin(), parked_.end(), [&](const Parked& parked) {
      return parked.slot.call == slot.call && parked.slot.index == slot.index;
    });
    if (found == parked_.end()) return;
    cancelled = std::move(found->slot);
    parked_.erase(found);
  }
  core::Failure why;
  why.outcome = core::Outcome::kCancelled;
  why.message = "taken back by its own client";
  ResolveAndFlush(*cancelled, OperationResult(std::move(why)));
}

void WatchLog::Drop(uint64_t session_id) {
  std::vector<Parked> dropped;
  {
    const std::lock_guard lock(mutex_);
    const auto of_it =
        std::stable_partition(parked_.begin(), parked_.end(), [&](const Parked& parked) {
          return parked.slot.call->outbox()->session_id() != session_id;
        });
    std::move(of_it, parked_.end(), std::back_inserter(dropped));
    parked_.erase(of_it, parked_.end());
  }
  // Its outbox is closed, and ends the calls when it is flushed.
  for (const Parked& parked : dropped) {
    ResolveAndFlush(parked.slot, OperationResult(core::Closed("the session is over")));
  }
}

}  // namespace sysmem::server
