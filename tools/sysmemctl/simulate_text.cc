// SPDX-License-Identifier: Apache-2.0
//
// What came of a scenario, for people.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/escape.h"
#include "core/color_space.h"
#include "core/drm_format.h"
#include "core/pixel_format.h"
#include "core/report.h"
#include "scenario/image_facts.h"
#include "tools/sysmemctl/simulate.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

constexpr size_t kNameColumnAtMost = 24;

// Pairs of a word and what there is to say of it, in two columns.
class Facts {
 public:
  void Add(std::string word, std::string text) {
    lines_.emplace_back(std::move(word), std::move(text));
  }
  std::string ToString() const {
    size_t width = 0;
    for (const auto& [word, text] : lines_) {
      width = std::max(width, std::min(word.size(), kNameColumnAtMost));
    }
    std::string all;
    for (const auto& [word, text] : lines_) {
      all.append("  ").append(word).append(width - std::min(word.size(), width), ' ');
      all.append("  ").append(text).append("\n");
    }
    return all;
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

std::string SizeText(const core::SizeU& size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

std::string Plural(uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

const char* DomainName(core::CoherencyDomain domain) {
  switch (domain) {
    case core::CoherencyDomain::kCpu:
      return "CPU (readers need no cache maintenance)";
    case core::CoherencyDomain::kRam:
      return "RAM (a CPU reader invalidates its caches first)";
    case core::CoherencyDomain::kInaccessible:
      return "INACCESSIBLE (no CPU access)";
  }
  return "?";
}

// "; allowed from 16x16 up in steps of 16x16"; nothing if there is only one size.
std::string AllowedSizes(const core::ImageFormatConstraints& image) {
  if (!image.min_size || !image.max_size || image.min_size == image.max_size) return "";
  const bool open = image.max_size->width == UINT32_MAX && image.max_size->height == UINT32_MAX;
  std::string text = "; allowed from " + SizeText(*image.min_size) +
                     (open ? " up" : " to " + SizeText(*image.max_size));
  if (image.size_alignment && *image.size_alignment != core::SizeU{1, 1}) {
    text += " in steps of " + SizeText(*image.size_alignment);
  }
  return text;
}

void AddImage(const core::ImageFormatConstraints& image, Facts& facts) {
  const core::PixelFormatAndModifier pair{image.pixel_format.value_or(0),
                                          image.pixel_format_modifier.value_or(0)};
  facts.Add("format", PairName(pair));
  const std::optional<core::DrmFormat> drm = core::DrmFormatOf(pair, image.is_alpha_present);
  facts.Add("DRM", drm ? core::DrmText(*drm) : "(has no name for it)");
  if (!image.color_spaces.empty()) {
    facts.Add("color space", core::ColorSpaceName(image.color_spaces.front()));
  }
  const std::optional<scenario::ImageFacts> made_for = scenario::FactsOf(image);
  if (!made_for) return;
  facts.Add("image", "made for " + SizeText(made_for->size) + AllowedSizes(image));
  std::string rows = Plural(made_for->bytes_per_row, "byte") + " per row";
  if (image.bytes_per_row_divisor.value_or(1) > 1) {
    rows += ", a multiple of " + std::to_string(*image.bytes_per_row_divisor);
  }
  facts.Add("stride", rows);
  for (const scenario::PlaneFacts& plane : made_for->planes) {
    facts.Add("plane " + std::to_string(plane.number),
              "at byte " + std::to_string(plane.offset) + ", " +
                  (plane.bytes_per_row == 0 ? "not in rows"
                                            : Plural(plane.bytes_per_row, "byte") + " per row"));
  }
}

std::string DescribePlan(const core::Plan& plan) {
  const core::BufferMemorySettings& buffer = plan.settings.buffer;
  Facts facts;
  if (plan.settings.image_format) AddImage(*plan.settings.image_format, facts);
  std::string size = Plural(buffer.size_bytes, "byte") + " each";
  if (buffer.raw_vmo_size != buffer.size_bytes) {
    size += ", " + std::to_string(buffer.raw_vmo_size) + " with padding and in whole pages";
  }
  facts.Add("size", size);
  facts.Add("buffers", std::to_string(plan.buffer_count) + ", " +
                           Bytes(buffer.raw_vmo_size * plan.buffer_count) + " together");
  std::string heap = ShortHeapName(buffer.heap.type, buffer.heap.id);
  if (buffer.is_physically_contiguous) heap += ", physically contiguous";
  if (plan.physical_alignment) {
    heap += ", address a multiple of " + std::to_string(*plan.physical_alignment);
  }
  if (buffer.is_secure) heap += ", secure";
  facts.Add("heap", heap);
  facts.Add("domain", DomainName(buffer.coherency_domain));
  return facts.ToString();
}

std::string DescribeFailure(const core::Failure& failure, const std::string& indent) {
  std::string text = indent + SafeLine(failure.message) + "\n";
  for (const core::ParticipantValue& one : failure.participants) {
    text += indent + "  " + Safe(one.name) + (one.value.empty() ? "" : ": " + SafeLine(one.value)) +
            "\n";
  }
  std::string where = core::ErrorName(failure.error);
  if (failure.outcome == core::Outcome::kClosed) where = "closed";
  if (!failure.rule.empty()) where += ", rule " + failure.rule;
  if (!failure.field.empty()) where += ", field " + failure.field;
  return text + indent + "(" + where + ")\n";
}

// Behind the first sentence if that stands above already.
std::string Why(const core::Report& report, bool headline_is_told) {
  const core::ReportText told = core::TextOf(report, base::EscapeSentence);
  std::string lines = told.text;
  if (told.sentences_left_out > 0) {
    lines += "\n" + Plural(told.sentences_left_out, "more sentence") + ".";
  }
  return DescribeWhy(lines, headline_is_told);
}

std::string Gets(const scenario::NodeOutcome& outcome) {
  switch (outcome.fate) {
    case scenario::Fate::kTakesPart:
      break;
    case scenario::Fate::kNotNeeded:
      return "not needed: an earlier alternative works";
    case scenario::Fate::kUnfit:
      return "does not work with the others; a later alternative does";
    case scenario::Fate::kFailed:
      return "gets nothing";
    case scenario::Fate::kNeverCame:
      return "could not be attached: its parent is gone";
  }
  if (!outcome.grant) return "counts, but gets nothing: it was released";
  if (!outcome.grant->with_buffers) return "gets settings and counts, no buffers";
  return outcome.grant->writable ? "gets the buffers, to read and write"
                                 : "gets the buffers, to read";
}

std::string Title(const scenario::Scenario& scenario, const scenario::Node& node) {
  std::string title;
  const auto add = [&](bool holds, const char* word) {
    if (holds) title += (title.empty() ? "" : ", ") + std::string(word);
  };
  add(node.attached, "attached");
  add(node.dispensable, "dispensable");
  add(node.weak, "weak");
  add(node.read_only, "read only");
  const scenario::Node& parent = scenario.nodes[node.parent];
  if (parent.kind == scenario::Node::Kind::kGroup) {
    title += (title.empty() ? "" : ", ") + ("alternative of " + parent.name);
  } else if (node.parent != 0) {
    title += (title.empty() ? "" : ", ") + ("below " + parent.name);
  }
  return title;
}

std::string DescribeParticipants(const scenario::Scenario& scenario,
                                 const scenario::Outcome& outcome) {
  Facts facts;
  for (size_t i = 0; i < scenario.nodes.size(); ++i) {
    const scenario::Node& node = scenario.nodes[i];
    if (node.kind == scenario::Node::Kind::kGroup) continue;
    std::vector<std::string> lines;
    const std::string title = Title(scenario, node);
    if (!title.empty()) lines.push_back("(" + SafeLine(title) + ")");
    if (node.constraints) {
      for (std::string& line : DescribeNeeds(*node.constraints)) {
        lines.push_back(SafeLine(line));
      }
    } else {
      lines.push_back("asks for nothing");
    }
    lines.push_back("-> " + Gets(outcome.nodes[i]));
    for (size_t line = 0; line < lines.size(); ++line) {
      facts.Add(line == 0 ? Safe(node.name) : "", lines[line]);
    }
  }
  return facts.ToString();
}

// What each attached sub-tree that failed alone was told; once, by the first who was.
std::string DescribeLateFailures(const scenario::Scenario& scenario,
                                 const scenario::Outcome& outcome) {
  std::string text;
  std::vector<const core::Failure*> told;
  for (size_t i = 0; i < scenario.nodes.size(); ++i) {
    const auto& failure = outcome.nodes[i].failure;
    if (outcome.nodes[i].fate != scenario::Fate::kFailed || !failure) continue;
    if (failure->outcome == core::Outcome::kClosed) continue;
    const bool twice = std::any_of(
        told.begin(), told.end(), [&](const core::Failure* before) { return *before == *failure; });
    if (twice) continue;
    told.push_back(&*failure);
    text +=
        "\n" + Safe(scenario.nodes[i].name) + " cannot join:\n" + DescribeFailure(*failure, "  ");
    if (failure->report) text += "\n" + Why(*failure->report, true);
  }
  return text;
}

}  // namespace

std::string DescribeOutcome(const scenario::Scenario& scenario, const scenario::Outcome& outcome) {
  std::string text;
  if (outcome.failure) {
    text += "No agreement:\n" + DescribeFailure(*outcome.failure, "  ") + "\n" +
            Why(outcome.report, outcome.report.refused.size() == 1);
  } else if (outcome.plan) {
    text += "Agreed:\n" + DescribePlan(*outcome.plan) + "\n" + Why(outcome.report, false) +
            DescribeLateFailures(scenario, outcome);
  }
  return text + "\nWho asked for what:\n" + DescribeParticipants(scenario, outcome);
}

}  // namespace sysmem::ctl
