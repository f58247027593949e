// SPDX-License-Identifier: Apache-2.0
//
// Why a negotiation came out as it did, as data: every combination of group children that was
// tried, where it was refused, which participants conflict there; who ruled out which image format
// and heap; and, once there is a plan, why it is this one. Made by explain.h.
//
//   ReportText text = TextOf(report, base::Escape);
//
// A report says what participants asked for and the names they gave themselves, which all
// participants of a collection may know. It knows nothing of processes, and its text holds no node
// ids. What clients chose stands in it as they gave it, shortened: escaping is the printer's part.
// Every list is bounded, with a count of what is not told. Values; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/failure.h"
#include "core/rejection.h"

namespace sysmem::core {

// A participant and what it said about the matter in question.
struct Statement {
  NodeId node = 0;
  std::string name;
  // Position among all participants, from 1. Set if the name alone does not tell who is meant.
  size_t number = 0;
  std::string value;  // "min_size_bytes 300"; may be empty
  bool operator==(const Statement&) const = default;
};

struct Statements {
  std::vector<Statement> told;
  size_t untold = 0;
  bool operator==(const Statements&) const = default;
};

// An image format or a heap that could have been, and who ruled it out.
struct Elimination {
  enum class What : uint8_t { kImageFormat, kHeap };
  What what = What::kImageFormat;
  std::string name;   // "NV12 LINEAR"
  std::string field;  // "image_format_constraints.color_spaces"
  std::string why;    // "not offered by", "the participants have no colour space in common"
  Statements by;      // nobody if the machine is the reason
  bool operator==(const Elimination&) const = default;
};

// One combination of group children that does not work, or all that was tried without groups.
struct RefusedTry {
  std::string choice;  // `group "video" takes child 2 of 3`; empty without groups
  Stage stage = Stage::kSanitise;
  std::string rule;
  std::string field;
  std::string message;
  size_t participants = 0;  // how many took part
  // Those who conflict already without the others.
  Statements conflict;
  bool proven_smallest = false;  // none of them can be left out
  bool by_absence = false;       // nobody conflicts: nobody said what somebody must say
  std::vector<Elimination> eliminations;
  size_t eliminations_untold = 0;
  bool operator==(const RefusedTry&) const = default;
};

// One part of a plan.
struct Decision {
  std::string about;   // "image format", "heap", "buffer count", ...
  std::string chosen;  // "NV12 LINEAR"
  std::string why;     // "the only one that all have who name any"
  Statements because;  // whose wishes made it so
  bool operator==(const Decision&) const = default;
};

struct Report {
  std::vector<RefusedTry> refused;  // in the order of the tries
  // The plan, if there is one.
  std::vector<Decision> decisions;
  // What could have been instead.
  std::vector<Elimination> eliminations;
  size_t eliminations_untold = 0;
  bool operator==(const Report&) const = default;
};

// failure.proto
inline constexpr size_t kReportBytes = 64 << 10;

// One sentence per line, without a newline at the end.
struct ReportText {
  std::string text;
  uint32_t sentences_left_out = 0;
  bool operator==(const ReportText&) const = default;
};

// Makes text of a stranger fit to be printed: one line without control characters, at most a few
// times as long.
using EscapeText = std::string (*)(std::string_view);

// At most `max_bytes` long. What does not fit is left out from there to the end, whole sentences.
ReportText TextOf(const Report& report, EscapeText escape, size_t max_bytes = kReportBytes);

// Leaves out more.
ReportText Shortened(const ReportText& text, size_t max_bytes);

}  // namespace sysmem::core
