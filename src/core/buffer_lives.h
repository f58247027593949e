// SPDX-License-Identifier: Apache-2.0
//
// Who keeps each buffer of a collection alive, and how far it is on its way to its end
// (server-behaviour.md 5.4).
//
//   made --daemon and strong hand-outs let go: END-1--> weak only --everybody let go: END-5--> gone
//
// A hand-out is what one answer gave one participant of one buffer; it is known by the call that
// was answered. Strong ones keep the buffer alive, weak ones do not. The daemon itself is one
// strong holder of every buffer until LetGo. This only counts; what follows from it is
// collection_buffers.cc. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/event.h"
#include "core/snapshot.h"

namespace sysmem::core {

// How long weak hand-outs may outlive the strong ones before the log complains (END-6).
inline constexpr int64_t kLeakReportAfterNs = 5'000'000'000;

class BufferLives {
 public:
  // A weak hand-out whose holder let the time pass.
  struct Leak {
    uint32_t buffer = 0;
    CallId hand_out = 0;
    std::string holder;  // "node 4 (\"camera\", 7)"
  };

  // The buffers are there, held by the daemon alone. Where holders cannot be told apart (heap
  // property tells_holders_apart), weak hand-outs keep them alive like strong ones.
  void Make(uint32_t count, bool tells_holders_apart);
  // The daemon holds them no more.
  void LetGo() { daemon_holds_ = false; }
  bool daemon_holds() const { return daemon_holds_; }

  void HandOutStrong(uint32_t buffer, CallId call);
  // `holder` says whose it is, should it leak.
  void HandOutWeak(uint32_t buffer, CallId call, std::string holder);
  void End(CallId hand_out, uint32_t buffer);
  // True unless there is no such buffer, or it is gone already.
  bool SetGone(uint32_t buffer);

  // The next buffer for which nothing strong is left and which was not returned before; its leak
  // timer starts if weak hand-outs live (END-1).
  std::optional<uint32_t> TakeWeakened();
  // Whether every buffer was weakened (WEAK-4). False before there are any.
  bool AllWeakened() const { return !buffers_.empty() && strong_left_ == 0; }

  bool Has(uint32_t buffer) const { return buffer < buffers_.size() && !buffers_[buffer].gone; }
  bool IsStrong(uint32_t buffer) const { return Has(buffer) && !buffers_[buffer].weakened; }
  // Buffers not gone yet.
  size_t remaining() const { return remaining_; }
  size_t size() const { return buffers_.size(); }

  // A leak timer was started and wants to know the time.
  bool WantsTime() const { return !unstarted_.empty(); }
  // Returns the leaks of the timers that have run out, once each, and starts those others.
  std::vector<Leak> TakeLeaks(int64_t now_ns);
  // When the next one runs out.
  std::optional<int64_t> NextLeakReport() const;

  std::vector<BufferSnapshot> TakeSnapshot() const;

 private:
  struct Life {
    std::unordered_set<CallId> strong;
    std::map<CallId, std::string> weak;  // and whose; in the order of their calls
    bool weakened = false;
    bool gone = false;
    std::optional<int64_t> leak_report_ns;
  };

  bool daemon_holds_ = false;
  bool tells_holders_apart_ = false;
  std::vector<Life> buffers_;
  size_t remaining_ = 0;
  size_t strong_left_ = 0;           // not weakened yet
  std::vector<uint32_t> unstarted_;  // timers
};

}  // namespace sysmem::core
