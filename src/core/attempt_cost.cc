// SPDX-License-Identifier: Apache-2.0
#include "core/attempt_cost.h"

#include <algorithm>

#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

uint64_t Plus(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t Times(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

void Add(const PixelFormatAndModifier& pair, ConstraintsWeight& weight) {
  ++weight.entries;
  if (!IsSpecific(pair)) ++weight.wildcards;
}

}  // namespace

ConstraintsWeight WeightOf(const Constraints& constraints) {
  ConstraintsWeight weight;
  for (const ImageFormatConstraints& entry : constraints.image_formats) {
    if (entry.pixel_format) {
      // An unset modifier may turn out to be DO_NOT_CARE (F3).
      Add({*entry.pixel_format, entry.pixel_format_modifier.value_or(modifier::kDoNotCare)},
          weight);
    }
    for (const PixelFormatAndModifier& pair : entry.pixel_format_and_modifiers) Add(pair, weight);
  }
  return weight;
}

ConstraintsWeight WeightOf(const event::SetConstraints& message) {
  ConstraintsWeight weight =
      message.constraints ? WeightOf(*message.constraints) : ConstraintsWeight{};
  if (message.must_match && message.must_match->image_format) ++weight.entries;
  return weight;
}

uint64_t AttemptCost(const NodeTree& tree, const ConstraintsWeight& more, const Limits& limits) {
  if (tree.empty()) return 0;
  ConstraintsWeight all = more;
  uint64_t choices = 1;
  tree.ForEach([&](const Node& node) {
    all.entries += node.weight.entries;
    all.wildcards += node.weight.wildcards;
    if (node.kind == NodeKind::kGroup && choices < limits.group_combinations) {
      choices *= std::max<uint64_t>(1, node.children.size());
    }
  });
  choices = std::min<uint64_t>(choices, limits.group_combinations);
  const uint64_t met = std::min<uint64_t>(all.entries, limits.image_formats_in_merge);
  const uint64_t each_try = Plus(Plus(tree.size(), all.entries), Times(all.wildcards, met));
  return Times(each_try, choices);
}

}  // namespace sysmem::core
