// SPDX-License-Identifier: Apache-2.0
//
// "Why is nothing happening?": what is said about a collection that does not come to an allocation
// (server-behaviour.md 6.2).
//
//   created --5 s, or the deadline a client set--> first report --30 s--> second report, then
//   silence
//
// SlowLog says when, SlowReport says what. Neither reads a clock. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/node_tree.h"

namespace sysmem::core {

inline constexpr int64_t kFirstSlowReportAfterNs = 5'000'000'000;
inline constexpr int64_t kSecondSlowReportAfterNs = 30'000'000'000;
// A tree may be large and a log must stay readable.
inline constexpr size_t kNodesInSlowReport = 64;

class SlowLog {
 public:
  explicit SlowLog(int64_t created_ns);

  int64_t created_ns() const { return created_ns_; }
  // When the next report is due. Meaningless once !more().
  int64_t deadline_ns() const { return deadline_ns_; }
  int reports() const { return reports_; }
  bool more() const { return reports_ < 2; }
  int64_t ElapsedMs(int64_t now_ns) const;
  // Time from creation to the latest report; 0 if there was none.
  int64_t LastReportMs() const { return last_report_ms_; }

  // SLOW-1: another time for the first report. False, and nothing done, if that was made already.
  bool MoveFirstReport(int64_t deadline_ns);
  // True if a report is due; it counts as made then.
  bool TakeReport(int64_t now_ns);

 private:
  int64_t created_ns_;
  int64_t deadline_ns_;
  int64_t last_report_ms_ = 0;
  int reports_ = 0;
};

// SLOW-2: the lines of a report, made right after TakeReport. They tell of the nodes that the
// initial allocation is about: connected tokens, then collections, then groups. The first line also
// names the first in the tree that is waited for, and says how many others are.
// REQUIRES: the tree is not empty.
std::vector<std::string> SlowReport(const SlowLog& log, const NodeTree& tree);

}  // namespace sysmem::core
