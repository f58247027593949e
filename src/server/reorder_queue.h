// SPDX-License-Identifier: Apache-2.0
//
// Puts a session's calls back into the order in which the client numbered them.
//
// gRPC delivers pipelined calls in any order; the client's running number says which comes next. A
// call that is early is held until every one before it has come. A number that is missing is a
// hole: nothing behind it may run, because what it asked for might matter.
//
// Not thread-safe: the session's lock guards it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace sysmem::server {

template <typename Call>
class ReorderQueue {
 public:
  enum class Verdict {
    kTaken,     // kept; Pop returns it when its turn comes
    kRepeated,  // this number was there before, or is 0: the order is broken for good
    kTooMany,   // max_held calls wait behind a hole already
  };

  explicit ReorderQueue(size_t max_held) : max_held_(max_held) {}

  // A refused call is left with the caller.
  Verdict Push(uint64_t number, Call& call) {
    if (number < next_ || calls_.contains(number)) return Verdict::kRepeated;
    if (number != next_ && HasHole() && calls_.size() >= max_held_) return Verdict::kTooMany;
    calls_.emplace(number, std::move(call));
    return Verdict::kTaken;
  }

  // The next call in order, if it is here.
  std::optional<Call> Pop() {
    auto first = calls_.begin();
    if (first == calls_.end() || first->first != next_) return std::nullopt;
    ++next_;
    return std::move(calls_.extract(first).mapped());
  }

  // Whatever is still held, in order; the queue is empty afterwards.
  std::map<uint64_t, Call> TakeAll() { return std::exchange(calls_, {}); }

  // True while calls wait for one that has not come.
  bool HasHole() const { return !calls_.empty() && calls_.begin()->first != next_; }
  uint64_t next() const { return next_; }
  size_t held() const { return calls_.size(); }

 private:
  const size_t max_held_;
  uint64_t next_ = 1;
  std::map<uint64_t, Call> calls_;
};

}  // namespace sysmem::server
