// SPDX-License-Identifier: Apache-2.0
#include "core/slow_log.h"

#include "core/attempt.h"
#include "core/describe.h"

namespace sysmem::core {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

// A time so far off that it does not fit lies at the end of time.
int64_t After(int64_t time_ns, int64_t delay_ns) {
  int64_t sum = 0;
  return __builtin_add_overflow(time_ns, delay_ns, &sum) ? INT64_MAX : sum;
}

std::string Line(const Node& node) {
  std::string text = Describe(node);
  if (node.kind == NodeKind::kToken) return text + ": neither bound nor released";
  if (node.kind == NodeKind::kGroup) {
    return text +
           (node.all_children_present ? ": all children present" : ": AllChildrenPresent not sent");
  }
  return text + (node.constraints_set ? ": constraints set" : ": constraints not set");
}

// "; waiting for ... and 2 more". Nothing if it is the heap that takes its time.
std::string WhomItWaitsFor(const NodeTree& tree, const std::vector<NodeId>& nodes) {
  std::string first;
  size_t others = 0;
  for (NodeId id : nodes) {
    const Node& node = tree.Get(id);
    if (IsReady(node)) continue;
    if (first.empty()) {
      first = "; waiting for " + Line(node);
    } else {
      ++others;
    }
  }
  return others > 0 ? first + " and " + std::to_string(others) + " more" : first;
}

}  // namespace

SlowLog::SlowLog(int64_t created_ns)
    : created_ns_(created_ns), deadline_ns_(After(created_ns, kFirstSlowReportAfterNs)) {}

int64_t SlowLog::ElapsedMs(int64_t now_ns) const {
  int64_t elapsed_ns = 0;
  if (__builtin_sub_overflow(now_ns, created_ns_, &elapsed_ns)) return INT64_MAX / kNsPerMs;
  return elapsed_ns / kNsPerMs;
}

bool SlowLog::MoveFirstReport(int64_t deadline_ns) {
  if (reports_ > 0) return false;
  deadline_ns_ = deadline_ns;
  return true;
}

bool SlowLog::TakeReport(int64_t now_ns) {
  if (!more() || now_ns < deadline_ns_) return false;
  ++reports_;
  last_report_ms_ = ElapsedMs(now_ns);
  deadline_ns_ = After(now_ns, kSecondSlowReportAfterNs);
  return true;
}

std::vector<std::string> SlowReport(const SlowLog& log, const NodeTree& tree) {
  const std::vector<NodeId> nodes = PrunedSubtree(tree, tree.root());
  std::vector<std::string> lines{"allocation is slow, report " + std::to_string(log.reports()) +
                                 " after " + std::to_string(log.LastReportMs()) + " ms" +
                                 WhomItWaitsFor(tree, nodes)};
  size_t untold = 0;
  for (NodeKind kind : {NodeKind::kToken, NodeKind::kCollection, NodeKind::kGroup}) {
    for (NodeId id : nodes) {
      const Node& node = tree.Get(id);
      if (!node.connected || node.kind != kind) continue;
      if (lines.size() <= kNodesInSlowReport) {
        lines.push_back(Line(node));
      } else {
        ++untold;
      }
    }
  }
  if (untold > 0) lines.push_back("and " + std::to_string(untold) + " more");
  return lines;
}

}  // namespace sysmem::core
