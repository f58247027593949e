// SPDX-License-Identifier: Apache-2.0
//
// Which formats both sides have, and what becomes of two entries for the same one
// (server-behaviour.md 4.5, second half).
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "core/checked.h"
#include "core/color_space.h"
#include "core/format_pair.h"
#include "core/merge.h"
#include "core/pixel_format.h"
#include "core/sanitise.h"

namespace sysmem::core {
namespace {

using Format = SanitisedImageFormat;
using Formats = std::vector<Format>;

// One row per field; the column says how two values become one.

template <typename T>
T Larger(T a, T b) {
  return std::max(a, b);
}
template <typename T>
T Smaller(T a, T b) {
  return std::min(a, b);
}

template <typename T>
struct Rule {
  T Format::*field;
  T (*combine)(T, T);
};

// Both dimensions go through the same function.
struct SizeRule {
  SizeU Format::*field;
  uint32_t (*combine)(uint32_t, uint32_t);
};

constexpr SizeRule kSizeRules[] = {
    {&Format::min_size, Larger},           {&Format::max_size, Smaller},
    {&Format::size_alignment, Larger},     {&Format::display_rect_alignment, Larger},
    {&Format::required_min_size, Smaller}, {&Format::required_max_size, Larger},
    {&Format::pad_for_block_size, Larger},
};

constexpr Rule<uint32_t> kRowRules[] = {
    {&Format::min_bytes_per_row, Larger},
    {&Format::max_bytes_per_row, Smaller},
    {&Format::start_offset_divisor, Larger},
};

constexpr Rule<uint64_t> kWideRules[] = {
    {&Format::max_width_times_height, Smaller},
    {&Format::pad_beyond_image_size_bytes, Larger},
};

Rejection Drop(const char* field, const Format& format, const char* why) {
  return {.rule = "4.5",
          .fields = {std::string(kImagePath) + field},
          .message = PairName(format.format) + " drops out: " + why,
          .format = format.format};
}

bool IsAnyColorSpace(const std::vector<uint32_t>& color_spaces) {
  return color_spaces.front() == color_space::kDoNotCare;
}

MaybeRejection MergeColorSpaces(Format& total, const Format& other) {
  if (IsAnyColorSpace(other.color_spaces)) return std::nullopt;
  if (IsAnyColorSpace(total.color_spaces)) {
    total.color_spaces = other.color_spaces;
    return std::nullopt;
  }
  std::erase_if(total.color_spaces, [&other](uint32_t space) {
    return std::find(other.color_spaces.begin(), other.color_spaces.end(), space) ==
           other.color_spaces.end();
  });
  if (!total.color_spaces.empty()) return std::nullopt;
  return Drop("color_spaces", total, "the participants have no colour space in common");
}

MaybeRejection MergeAlpha(Format& total, const Format& other) {
  if (!total.is_alpha_present) {
    total.is_alpha_present = other.is_alpha_present;
    return std::nullopt;
  }
  if (!other.is_alpha_present || other.is_alpha_present == total.is_alpha_present) {
    return std::nullopt;
  }
  return Drop("is_alpha_present", total, "the participants differ in is_alpha_present");
}

// REQUIRES: pad_for_block_size is merged already.
MaybeRejection MergeRowDivisors(Format& total, const Format& other) {
  const std::optional<uint32_t> divisor =
      CheckedLcm(total.bytes_per_row_divisor, other.bytes_per_row_divisor);
  if (divisor) {
    total.bytes_per_row_divisor = *divisor;
    if (AlignRowsToBlocks(total)) return std::nullopt;
  }
  return Drop("bytes_per_row_divisor", total,
              "the divisors of bytes_per_row have no common multiple in 32 bits");
}

void MergeRequiredSizes(std::vector<SizeU>& total, const std::vector<SizeU>& other,
                        const Limits& limits) {
  total.insert(total.end(), other.begin(), other.end());
  // Early, so that a thousand participants do not make a long list; the outcome is the same.
  if (total.size() > limits.required_max_sizes) total = LargestSizes(total);
}

// Makes one of two entries for the same pair. A rejection eliminates this format only.
MaybeRejection MergeEntries(Format& total, const Format& other, const Limits& limits) {
  if (MaybeRejection no = MergeColorSpaces(total, other)) return no;
  if (MaybeRejection no = MergeAlpha(total, other)) return no;
  for (const SizeRule& rule : kSizeRules) {
    SizeU& a = total.*rule.field;
    const SizeU& b = other.*rule.field;
    a = {rule.combine(a.width, b.width), rule.combine(a.height, b.height)};
  }
  for (const Rule<uint32_t>& rule : kRowRules) {
    total.*rule.field = rule.combine(total.*rule.field, other.*rule.field);
  }
  for (const Rule<uint64_t>& rule : kWideRules) {
    total.*rule.field = rule.combine(total.*rule.field, other.*rule.field);
  }
  total.require_bytes_per_row_at_pixel_boundary |= other.require_bytes_per_row_at_pixel_boundary;
  MergeRequiredSizes(total.required_max_size_list, other.required_max_size_list, limits);
  return MergeRowDivisors(total, other);
}

// A copy of `wild` for the pair; empty if the pair has none of its colour spaces.
std::optional<Format> CopyFor(const PixelFormatAndModifier& pair, const Format& wild) {
  Format copy = wild;
  copy.format = pair;
  if (!IsSpecific(pair) || IsAnyColorSpace(copy.color_spaces)) return copy;
  std::erase_if(copy.color_spaces, [&pair](uint32_t space) {
    return !IsColorSpaceSupported(space, pair.pixel_format);
  });
  if (copy.color_spaces.empty()) return std::nullopt;
  return copy;
}

Rejection TooManyFormats(const Format& wild, const Limits& limits) {
  return {.rule = "4.5",
          .fields = {"image_format_constraints"},
          .message = PairName(wild.format) + " stands for too many formats: more than " +
                     std::to_string(limits.image_formats_in_merge) + " are in question",
          .format = wild.format};
}

Rejection NothingInCommon() {
  return {.rule = "4.5",
          .fields = {"image_format_constraints"},
          .message = "the participants have no pixel format and modifier in common"};
}

using Because = DroppedFormat::Because;

// Collects for those who want to know; does nothing for those who do not.
struct Dropped {
  std::vector<DroppedFormat>* list;
  void Add(const Format& format, Because because) {
    if (list != nullptr) list->push_back({format.format, because, NothingInCommon()});
  }
  void Add(const Format& format, const Rejection& why) {
    if (list != nullptr) list->push_back({format.format, Because::kCannotBeOne, why});
  }
};

// Replaces each entry of `formats` that has a DO_NOT_CARE by one copy per entry of `others` that it
// can be combined with.
MaybeRejection FanOut(Formats& formats, const Formats& others, const Limits& limits,
                      Because if_none, Dropped dropped) {
  const auto first_wild =
      std::stable_partition(formats.begin(), formats.end(),
                            [](const Format& format) { return IsSpecific(format.format); });
  const Formats wild(std::make_move_iterator(first_wild), std::make_move_iterator(formats.end()));
  formats.erase(first_wild, formats.end());
  for (const Format& one : wild) {
    bool gone = true;
    for (const Format& other : others) {
      const auto pair = CombinePairs(one.format, other.format);
      if (!pair) continue;
      std::optional<Format> copy = CopyFor(*pair, one);
      gone = gone && !copy;
      if (!copy) continue;
      if (formats.size() >= limits.image_formats_in_merge) return TooManyFormats(one, limits);
      formats.push_back(*std::move(copy));
    }
    if (gone) dropped.Add(one, if_none);
  }
  return std::nullopt;
}

// Finds entries by their pair, the first one first, each once.
class Finder {
 public:
  explicit Finder(const Formats& formats) {
    for (const Format& format : formats) by_pair_.emplace(Key(format.format), &format);
  }
  // Of those that were found before none is among them.
  using ByPair = std::multimap<std::pair<uint32_t, uint64_t>, const Format*>;
  const ByPair& left() const { return by_pair_; }

  // nullptr: none is left.
  const Format* Take(const PixelFormatAndModifier& pair) {
    const auto found = by_pair_.lower_bound(Key(pair));
    if (found == by_pair_.end() || found->first != Key(pair)) return nullptr;
    const Format* format = found->second;
    by_pair_.erase(found);
    return format;
  }

 private:
  static std::pair<uint32_t, uint64_t> Key(const PixelFormatAndModifier& pair) {
    return {pair.pixel_format, pair.modifier};
  }

  ByPair by_pair_;
};

}  // namespace

MaybeRejection MergeImageFormats(Formats& total, Formats participant, const Limits& limits,
                                 std::vector<DroppedFormat>* list) {
  Dropped dropped{list};
  if (participant.empty()) return std::nullopt;
  if (total.empty()) {
    total = std::move(participant);
    return std::nullopt;
  }
  if (MaybeRejection no = FanOut(total, participant, limits, Because::kNewcomerLacksIt, dropped))
    return no;
  if (MaybeRejection no = FanOut(participant, total, limits, Because::kNewcomerAlone, dropped))
    return no;

  // If no format is left, one that both sides had tells more than those that only one of them had.
  Rejection why_none = NothingInCommon();
  Finder theirs(participant);
  Formats merged;
  for (Format& format : total) {
    const Format* other = theirs.Take(format.format);
    if (other == nullptr) {
      dropped.Add(format, Because::kNewcomerLacksIt);
      continue;
    }
    if (MaybeRejection no = MergeEntries(format, *other, limits)) {
      dropped.Add(format, *no);
      why_none = *std::move(no);
      continue;
    }
    merged.push_back(std::move(format));
  }
  for (const auto& [pair, format] : theirs.left()) dropped.Add(*format, Because::kNewcomerAlone);
  if (merged.empty()) return why_none;
  total = std::move(merged);
  return std::nullopt;
}

}  // namespace sysmem::core
