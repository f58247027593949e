// SPDX-License-Identifier: Apache-2.0
//
// Why a plan is as it is: one decision after the other, each with those whose wishes made it so.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "core/blame.h"
#include "core/color_space.h"
#include "core/eliminations.h"
#include "core/explain.h"
#include "core/field_values.h"
#include "core/format_cost.h"
#include "core/labels.h"
#include "core/pixel_format.h"
#include "core/plan_buffers.h"
#include "core/smallest_conflict.h"

namespace sysmem::core {
namespace {

constexpr size_t kNamedForDecision = 8;
constexpr size_t kEliminations = 64;

std::string MemoryPath(const char* field) { return std::string(kMemoryPath) + field; }
std::string ImagePath(const char* field) { return std::string(kImagePath) + field; }

std::string SizeText(const SizeU& size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

const char* DomainName(CoherencyDomain domain) {
  switch (domain) {
    case CoherencyDomain::kCpu:
      return "CPU";
    case CoherencyDomain::kRam:
      return "RAM";
    case CoherencyDomain::kInaccessible:
      return "INACCESSIBLE";
  }
  return "?";
}

class Story {
 public:
  Story(const std::vector<Participant>& participants, const SanitisedConstraints& agreed,
        const Plan& plan, const Settings& settings, const Labels& labels)
      : participants_(participants),
        agreed_(agreed),
        plan_(plan),
        settings_(settings),
        labels_(labels) {}

  std::vector<Decision> Tell() && {
    TellFormat();
    TellHeap();
    TellDomain();
    TellCount();
    TellSize();
    return std::move(decisions_);
  }

 private:
  void Add(std::string about, std::string chosen, std::string why, Statements because = {}) {
    decisions_.push_back({std::move(about), std::move(chosen), std::move(why), std::move(because)});
  }

  // Whose values of these fields count.
  Statements Deciding(std::vector<std::string> fields) const {
    Rejection question{.rule = {}, .fields = std::move(fields), .message = {}};
    if (const auto& image = plan_.settings.image_format) {
      question.format = {image->pixel_format.value_or(0), image->pixel_format_modifier.value_or(0)};
    }
    return labels_.Of(Blame(question, participants_).participants, kNamedForDecision);
  }

  PixelFormatAndModifier Chosen() const {
    const ImageFormatConstraints& image = *plan_.settings.image_format;
    return {*image.pixel_format, *image.pixel_format_modifier};
  }

  void TellFormat() {
    if (!plan_.settings.image_format) return;
    Statements who = Deciding({"image_format_constraints"});
    const PixelFormatAndModifier chosen = Chosen();
    const size_t possible = agreed_.image_formats.size();
    std::string why = "the only one that suits all who name image formats";
    if (possible > 1) {
      const std::string of = "of " + std::to_string(possible) + " that suit all, ";
      const bool priced =
          std::any_of(settings_.format_costs.begin(), settings_.format_costs.end(),
                      [&chosen](const FormatCost& entry) { return entry.format == chosen; });
      why = of + (priced ? "the cheapest by the table of format costs"
                         : "none of which has a cost, the one with the smallest numbers");
    }
    Add("image format", PairName(chosen), std::move(why), std::move(who));
    const std::vector<uint32_t>& spaces = plan_.settings.image_format->color_spaces;
    if (spaces.empty()) return;
    Add("colour space", ColorSpaceName(spaces.front()),
        "the most preferred of those that all have who name any",
        Deciding({ImagePath("color_spaces")}));
  }

  void TellHeap() {
    const BufferMemorySettings& buffer = plan_.settings.buffer;
    const std::string name = buffer.heap.type + " " + std::to_string(buffer.heap.id);
    if (buffer.is_secure) {
      Add("heap", name, "secure memory is required", Deciding({MemoryPath("secure_required")}));
    } else if (IsPreferred(buffer.heap)) {
      Add("heap", name, "of those that would do, the one that the daemon's configuration prefers",
          Deciding({MemoryPath("permitted_heaps")}));
    } else if (agreed_.memory.permitted_heaps.empty()) {
      Add("heap", name,
          buffer.heap == Heap{kHeapSystemRam, 0}
              ? "nobody asks for certain heaps"
              : "nobody asks for certain heaps, and this one has contiguous memory");
    } else {
      Add("heap", name,
          buffer.heap == Heap{kHeapSystemRam, 0}
              ? "permitted by all who name heaps, and preferred to others"
              : "the first that all permit who name heaps and that serves a supported domain",
          Deciding({MemoryPath("permitted_heaps")}));
    }
    if (!buffer.is_physically_contiguous) return;
    Add("physical memory", "in one piece", "required",
        Deciding({MemoryPath("physically_contiguous_required")}));
    Add("physical alignment", std::to_string(agreed_.memory.min_physical_base_alignment),
        "the largest that is asked for", Deciding({MemoryPath("min_physical_base_alignment")}));
  }

  bool IsPreferred(const Heap& heap) const {
    const std::vector<std::string>& preferred = settings_.preferred_heaps;
    return std::find(preferred.begin(), preferred.end(), heap.type) != preferred.end();
  }

  void TellDomain() {
    const CoherencyDomain chosen = plan_.settings.buffer.coherency_domain;
    if (chosen == CoherencyDomain::kRam && agreed_.usage.display != 0) {
      Statements displays;
      for (const Participant& one : participants_) {
        if (ConstraintsOf(one).usage.value_or(BufferUsage{}).display == 0) continue;
        Name(displays, one, "usage.display");
      }
      return Add("coherency domain", DomainName(chosen),
                 "a display reads the buffers, and all support RAM", std::move(displays));
    }
    std::vector<std::string> refused;
    if (chosen != CoherencyDomain::kCpu) refused.push_back(MemoryPath("cpu_domain_supported"));
    if (chosen == CoherencyDomain::kInaccessible) {
      refused.push_back(MemoryPath("ram_domain_supported"));
    }
    if (refused.empty()) {
      return Add("coherency domain", DomainName(chosen),
                 "the most preferred, and supported by all and by the heap");
    }
    Statements by = Deciding(std::move(refused));
    Add("coherency domain", DomainName(chosen),
        by.told.empty() ? "of those that the heap serves the most preferred"
                        : "those that would be preferred are refused",
        std::move(by));
  }

  void Name(Statements& all, const Participant& one, const std::string& value) const {
    if (all.told.size() < kNamedForDecision) {
      all.told.push_back(labels_.Of(one, value));
    } else {
      ++all.untold;
    }
  }

  void TellCount() {
    const uint64_t sum = agreed_.min_buffer_count_for_camping +
                         agreed_.min_buffer_count_for_dedicated_slack +
                         agreed_.min_buffer_count_for_shared_slack;
    if (agreed_.min_buffer_count > sum) {
      return Add("buffer count", std::to_string(plan_.buffer_count),
                 "min_buffer_count, more than the " + std::to_string(sum) +
                     " that the other counts come to",
                 Deciding({"min_buffer_count"}));
    }
    Statements summands;
    for (const Participant& one : participants_) {
      const std::string text = Summands(ConstraintsOf(one));
      if (!text.empty()) Name(summands, one, text);
    }
    Add("buffer count", std::to_string(plan_.buffer_count),
        "camping " + std::to_string(agreed_.min_buffer_count_for_camping) + " + dedicated slack " +
            std::to_string(agreed_.min_buffer_count_for_dedicated_slack) + " + shared slack " +
            std::to_string(agreed_.min_buffer_count_for_shared_slack),
        std::move(summands));
  }

  // `camping 3, shared slack 1`: of the shared slack only the largest counts.
  std::string Summands(const Constraints& c) const {
    std::string text;
    const auto add = [&text](const char* name, uint32_t value) {
      if (value == 0) return;
      text += (text.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(value);
    };
    add("camping", c.min_buffer_count_for_camping.value_or(0));
    add("dedicated slack", c.min_buffer_count_for_dedicated_slack.value_or(0));
    const uint32_t shared = c.min_buffer_count_for_shared_slack.value_or(0);
    if (shared == agreed_.min_buffer_count_for_shared_slack) add("shared slack", shared);
    return text;
  }

  void TellSize() {
    SizedImage image;
    const SanitisedImageFormat* format = ChosenFormat();
    if (format != nullptr) {
      const auto sizes = SizeBuffers(agreed_.memory, format, plan_.buffer_count, settings_.limits);
      if (!sizes.ok()) return;
      image = sizes.value().image;
      TellImage(*format, image);
    }
    const uint64_t bytes = plan_.settings.buffer.size_bytes;
    if (format != nullptr && image.bytes == bytes) {
      Add("buffer size", std::to_string(bytes) + " bytes",
          "an image of " + SizeText(image.size) + " with " + std::to_string(image.bytes_per_row) +
              " bytes per row");
    } else {
      Add("buffer size", std::to_string(bytes) + " bytes",
          "the largest min_size_bytes" +
              std::string(format == nullptr ? "" : ", more than the image takes"),
          Deciding({MemoryPath("min_size_bytes")}));
    }
    TellPadding(format);
  }

  const SanitisedImageFormat* ChosenFormat() const {
    if (!plan_.settings.image_format) return nullptr;
    for (const SanitisedImageFormat& one : agreed_.image_formats) {
      if (one.format == Chosen()) return &one;
    }
    return nullptr;
  }

  void TellImage(const SanitisedImageFormat& format, const SizedImage& image) {
    std::vector<std::string> fields;
    std::string why = "the smallest size that all permit";
    if (image.required != SizeU{0, 0}) {
      why = "room for " + SizeText(image.required) + " is required";
      fields = {ImagePath("required_max_size_list"), ImagePath("required_max_size.width"),
                ImagePath("required_max_size.height")};
    }
    if (image.size != image.required) {
      why += ", and sizes are multiples of " + SizeText(format.size_alignment) + " from " +
             SizeText(format.min_size) + " up";
      for (const char* field :
           {"size_alignment.width", "size_alignment.height", "min_size.width", "min_size.height"}) {
        fields.push_back(ImagePath(field));
      }
    }
    Add("image size", SizeText(image.size), std::move(why), Deciding(std::move(fields)));
    Add("bytes per row", std::to_string(image.bytes_per_row),
        "for " + std::to_string(image.size.width) + " pixels, at least " +
            std::to_string(format.min_bytes_per_row) + " and a multiple of " +
            std::to_string(format.bytes_per_row_divisor),
        Deciding({ImagePath("min_bytes_per_row"), ImagePath("bytes_per_row_divisor"),
                  ImagePath("require_bytes_per_row_at_pixel_boundary"),
                  ImagePath("pad_for_block_size.width")}));
  }

  void TellPadding(const SanitisedImageFormat* format) {
    const BufferMemorySettings& buffer = plan_.settings.buffer;
    std::string why = "whole pages of " + std::to_string(settings_.limits.page_bytes) + " bytes";
    const bool padded = format != nullptr && (format->pad_for_block_size != SizeU{1, 1} ||
                                              format->pad_beyond_image_size_bytes != 0);
    Statements by;
    if (padded) {
      why = "padding behind the image, and " + why;
      by = Deciding({ImagePath("pad_for_block_size.width"), ImagePath("pad_for_block_size.height"),
                     ImagePath("pad_beyond_image_size_bytes")});
    }
    if (buffer.raw_vmo_size == buffer.size_bytes) return;
    Add("memory of a buffer", std::to_string(buffer.raw_vmo_size) + " bytes", std::move(why),
        std::move(by));
  }

  const std::vector<Participant>& participants_;
  const SanitisedConstraints& agreed_;
  const Plan& plan_;
  const Settings& settings_;
  const Labels& labels_;
  std::vector<Decision> decisions_;
};

}  // namespace

Report ExplainPlan(const std::vector<Participant>& participants, const Plan& plan,
                   const Settings& settings) {
  Report report;
  const auto agreed = Agree(participants, settings);
  if (!agreed.ok()) return report;
  const Labels labels(participants);
  report.decisions = Story(participants, agreed.value(), plan, settings, labels).Tell();
  uint64_t own_work = 0;
  for (const Participant& one : participants) own_work += WorkFor(one);
  Work work(kExplainWork + own_work);
  Eliminations found = FindEliminations(participants, settings, labels, kEliminations, work);
  report.eliminations = std::move(found.told);
  report.eliminations_untold = found.untold;
  return report;
}

}  // namespace sysmem::core
