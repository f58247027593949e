// SPDX-License-Identifier: Apache-2.0
#include "core/format_cost.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <tuple>

namespace sysmem::core {
namespace {

constexpr uint32_t BufferUsage::*kCountedUsages[] = {&BufferUsage::cpu, &BufferUsage::vulkan,
                                                     &BufferUsage::display, &BufferUsage::video};

bool Applies(const FormatCost& entry, const PixelFormatAndModifier& format,
             const BufferUsage& usage) {
  return entry.format == format && std::all_of(std::begin(kCountedUsages), std::end(kCountedUsages),
                                               [&](uint32_t BufferUsage::*field) {
                                                 return (entry.usage.*field & ~(usage.*field)) == 0;
                                               });
}

int UsageBits(const FormatCost& entry) {
  int bits = 0;
  for (uint32_t BufferUsage::*field : kCountedUsages) bits += std::popcount(entry.usage.*field);
  return bits;
}

}  // namespace

double CostOf(const PixelFormatAndModifier& format, const BufferUsage& usage,
              const std::vector<FormatCost>& costs) {
  double cost = std::numeric_limits<double>::max();
  int most_bits = 0;
  for (const FormatCost& entry : costs) {
    if (!Applies(entry, format, usage) || UsageBits(entry) < most_bits) continue;
    most_bits = UsageBits(entry);
    cost = entry.cost;
  }
  return cost;
}

const SanitisedImageFormat& BestFormat(const std::vector<SanitisedImageFormat>& formats,
                                       const BufferUsage& usage,
                                       const std::vector<FormatCost>& costs) {
  const auto rank = [&](const SanitisedImageFormat& one) {
    return std::tuple(CostOf(one.format, usage, costs), one.format.pixel_format,
                      one.format.modifier);
  };
  return *std::min_element(formats.begin(), formats.end(),
                           [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

}  // namespace sysmem::core
