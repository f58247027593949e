// SPDX-License-Identifier: Apache-2.0
#include "core/report.h"

#include <algorithm>
#include <cctype>

namespace sysmem::core {
namespace {

// Puts sentences in a row until one does not fit, and counts from there on.
class Sentences {
 public:
  Sentences(EscapeText escape, size_t max_bytes) : escape_(escape), max_bytes_(max_bytes) {}

  // `sentence` is a function, called only if there is still room.
  template <typename Sentence>
  void Add(const Sentence& sentence) {
    if (text_.sentences_left_out == 0) {
      std::string line = sentence();
      if (!text_.text.empty()) line.insert(0, 1, '\n');
      if (text_.text.size() + line.size() <= max_bytes_) {
        text_.text += line;
        return;
      }
    }
    ++text_.sentences_left_out;
  }

  std::string Safe(const std::string& text) const { return escape_(text); }

  // `"camera" (participant 3)`
  std::string Who(const Statement& one) const {
    if (one.name.empty()) return "participant " + std::to_string(one.number);
    std::string text = "\"" + Safe(one.name) + "\"";
    if (one.number != 0) text += " (participant " + std::to_string(one.number) + ")";
    return text;
  }

  // `"camera": 64; "display": 128; and 3 more`
  std::string List(const Statements& statements) const {
    std::string text;
    for (const Statement& one : statements.told) {
      if (!text.empty()) text += "; ";
      text += Who(one);
      if (!one.value.empty()) text += ": " + Safe(one.value);
    }
    if (statements.untold > 0) text += "; and " + std::to_string(statements.untold) + " more";
    return text;
  }

  ReportText Take() && { return std::move(text_); }

 private:
  const EscapeText escape_;
  const size_t max_bytes_;
  ReportText text_;
};

// Names of fields stay as they are.
std::string Capitalised(std::string text) {
  const bool is_field = text.substr(0, text.find(' ')).find('_') != std::string::npos;
  if (!text.empty() && !is_field) {
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  }
  return text;
}

std::string Headline(const RefusedTry& one, size_t number, size_t of, const Sentences& out) {
  const std::string what = out.Safe(one.message);
  if (one.choice.empty()) return Capitalised(what) + ".";
  return "Combination " + std::to_string(number) + " of " + std::to_string(of) + " tried, " +
         out.Safe(one.choice) + ", does not work: " + what + ".";
}

std::string Where(const RefusedTry& one, const Sentences& out) {
  std::string text = "Refused while ";
  text += StageName(one.stage);
  if (!one.field.empty()) text += ", because of field " + out.Safe(one.field);
  if (!one.rule.empty()) text += ", by rule " + out.Safe(one.rule);
  return text + ".";
}

std::string WhoConflicts(const RefusedTry& one, const Sentences& out) {
  const std::string of = " of " + std::to_string(one.participants) + " participants";
  if (one.by_absence) {
    return "Nobody" + of + " conflicts with another one: somebody has to say it." +
           (one.conflict.told.empty() ? "" : " What was said: " + out.List(one.conflict) + ".");
  }
  const size_t members = one.conflict.told.size() + one.conflict.untold;
  return (one.proven_smallest ? "The smallest conflict is between "
                              : "A conflict, perhaps not the smallest, is between ") +
         std::to_string(members) + of + ": " + out.List(one.conflict) + ".";
}

std::string Text(const Elimination& one, const Sentences& out) {
  std::string text = one.what == Elimination::What::kHeap ? "Heap " : "Image format ";
  text += out.Safe(one.name) + " dropped out: " + out.Safe(one.why);
  const std::string by = out.List(one.by);
  if (!by.empty()) text += ": " + by;
  return text + ".";
}

void AddEliminations(const std::vector<Elimination>& eliminations, size_t untold, Sentences& out) {
  for (const Elimination& one : eliminations) {
    out.Add([&] { return Text(one, out); });
  }
  if (untold == 0) return;
  out.Add([&] {
    return std::to_string(untold) + " more image formats and heaps dropped out in the same way.";
  });
}

void Add(const RefusedTry& one, size_t number, size_t of, Sentences& out) {
  out.Add([&] { return Headline(one, number, of, out); });
  out.Add([&] { return Where(one, out); });
  if (one.by_absence || !one.conflict.told.empty()) {
    out.Add([&] { return WhoConflicts(one, out); });
  }
  AddEliminations(one.eliminations, one.eliminations_untold, out);
}

std::string Text(const Decision& one, const Sentences& out) {
  std::string text = Capitalised(one.about) + " " + out.Safe(one.chosen);
  if (!one.why.empty()) text += ": " + out.Safe(one.why);
  const std::string because = out.List(one.because);
  if (!because.empty()) text += " (" + because + ")";
  return text + ".";
}

}  // namespace

const char* StageName(Stage stage) {
  switch (stage) {
    case Stage::kSize:
      return "looking for a size";
    case Stage::kSanitise:
      return "checking what one participant asks for by itself";
    case Stage::kMerge:
      return "merging what the participants ask for";
    case Stage::kAggregate:
      return "checking what all ask for together";
    case Stage::kHeap:
      return "choosing a heap";
    case Stage::kDomain:
      return "choosing a coherency domain";
    case Stage::kFormat:
      return "choosing an image format";
    case Stage::kCount:
      return "counting buffers";
    case Stage::kBufferSize:
      return "computing the size of a buffer";
    case Stage::kLate:
      return "comparing with the buffers that exist";
    case Stage::kAllocate:
      return "allocating";
  }
  return "?";
}

ReportText TextOf(const Report& report, EscapeText escape, size_t max_bytes) {
  Sentences out(escape, max_bytes);
  // Where there is a plan there was one more try, which led to it.
  const size_t tries = report.refused.size() + (report.decisions.empty() ? 0 : 1);
  for (size_t i = 0; i < report.refused.size(); ++i) {
    Add(report.refused[i], i + 1, tries, out);
  }
  for (const Decision& one : report.decisions) {
    out.Add([&] { return Text(one, out); });
  }
  AddEliminations(report.eliminations, report.eliminations_untold, out);
  return std::move(out).Take();
}

ReportText Shortened(const ReportText& text, size_t max_bytes) {
  if (text.text.size() <= max_bytes) return text;
  // A line that ends right at the limit still fits.
  const size_t end = text.text.rfind('\n', max_bytes);
  ReportText shorter;
  if (end != std::string::npos) shorter.text = text.text.substr(0, end);
  const auto begin = text.text.begin() + static_cast<ptrdiff_t>(shorter.text.size());
  const auto lines = std::count(begin, text.text.end(), '\n') + (end == std::string::npos ? 1 : 0);
  shorter.sentences_left_out = text.sentences_left_out + static_cast<uint32_t>(lines);
  return shorter;
}

}  // namespace sysmem::core
