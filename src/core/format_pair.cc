// SPDX-License-Identifier: Apache-2.0
#include "core/format_pair.h"

#include <set>
#include <utility>

#include "core/image_layout.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

template <typename T>
std::optional<T> CombineHalves(T a, T b, T wildcard) {
  if (a == wildcard) return b;
  if (b == wildcard || a == b) return a;
  return std::nullopt;
}

// F3. REQUIRES: entry.pixel_format is set.
uint64_t ModifierOf(const ImageFormatConstraints& entry, const BufferUsage& usage) {
  if (entry.pixel_format_modifier) return *entry.pixel_format_modifier;
  if (*entry.pixel_format == pixel_format::kDoNotCare) return modifier::kDoNotCare;
  return HasAnyUsage(usage) ? modifier::kLinear : modifier::kDoNotCare;
}

// A participant's pairs, split into halves for quick questions. Comparing each pair with each other
// one would let a client keep us busy with a single message.
class PairSet {
 public:
  // False if the pair is there already.
  bool Add(const PixelFormatAndModifier& pair) {
    if (!pairs_.emplace(pair.pixel_format, pair.modifier).second) return false;
    if (pair.pixel_format == pixel_format::kDoNotCare)
      modifiers_of_any_format_.insert(pair.modifier);
    return true;
  }

  // Whether some other pair of the set can be combined with this one, which is in the set.
  bool OverlapsAnother(const PixelFormatAndModifier& pair) const {
    const bool any_format = pair.pixel_format == pixel_format::kDoNotCare;
    const bool any_modifier = pair.modifier == modifier::kDoNotCare;
    if (any_format && any_modifier) return pairs_.size() > 1;
    if (Has(pixel_format::kDoNotCare, modifier::kDoNotCare)) return true;
    if (any_format) return false;  // found from the other pair's side
    if (!any_modifier) {
      return Has(pair.pixel_format, modifier::kDoNotCare) ||
             Has(pixel_format::kDoNotCare, pair.modifier);
    }
    return SupportsOneOf(pair.pixel_format);
  }

 private:
  bool Has(uint32_t pixel_format, uint64_t modifier) const {
    return pairs_.count({pixel_format, modifier}) != 0;
  }
  bool SupportsOneOf(uint32_t pixel_format) const {
    if (FindPixelFormat(pixel_format) == nullptr) return false;
    for (uint64_t modifier : modifiers_of_any_format_) {
      if (IsSupported({pixel_format, modifier})) return true;
    }
    return false;
  }

  std::set<std::pair<uint32_t, uint64_t>> pairs_;
  std::set<uint64_t> modifiers_of_any_format_;
};

}  // namespace

std::optional<PixelFormatAndModifier> CombinePairs(const PixelFormatAndModifier& a,
                                                   const PixelFormatAndModifier& b) {
  const std::optional<uint32_t> format =
      CombineHalves(a.pixel_format, b.pixel_format, pixel_format::kDoNotCare);
  const std::optional<uint64_t> modifier =
      CombineHalves(a.modifier, b.modifier, modifier::kDoNotCare);
  if (!format || !modifier) return std::nullopt;
  const PixelFormatAndModifier pair{*format, *modifier};
  if (IsSpecific(pair) && !IsSupported(pair)) return std::nullopt;
  return pair;
}

OrRejection<std::vector<PixelFormatAndModifier>> FlattenPairs(const ImageFormatConstraints& entry,
                                                              const BufferUsage& usage) {
  const std::string format_path = std::string(kImagePath) + "pixel_format";
  if (!entry.pixel_format && entry.pixel_format_modifier) {
    return Rejection{"F1",
                     {format_path, std::string(kImagePath) + "pixel_format_modifier"},
                     "pixel_format_modifier is set without pixel_format"};
  }
  if (!entry.pixel_format && entry.pixel_format_and_modifiers.empty()) {
    return Rejection{"F2",
                     {format_path, std::string(kImagePath) + "pixel_format_and_modifiers"},
                     "an image format names neither pixel_format nor pixel_format_and_modifiers"};
  }
  std::vector<PixelFormatAndModifier> pairs = entry.pixel_format_and_modifiers;
  if (entry.pixel_format) pairs.push_back({*entry.pixel_format, ModifierOf(entry, usage)});
  return pairs;
}

std::optional<PixelFormatAndModifier> FindRedundantPair(
    const std::vector<PixelFormatAndModifier>& pairs) {
  PairSet set;
  for (const PixelFormatAndModifier& pair : pairs) {
    if (!set.Add(pair)) return pair;
  }
  for (const PixelFormatAndModifier& pair : pairs) {
    if (set.OverlapsAnother(pair)) return pair;
  }
  return std::nullopt;
}

}  // namespace sysmem::core
