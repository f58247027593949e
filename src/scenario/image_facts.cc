// SPDX-License-Identifier: Apache-2.0
#include "scenario/image_facts.h"

#include <algorithm>

#include "core/checked.h"
#include "core/image_layout.h"

namespace sysmem::scenario {
namespace {

// Of an image that is at least this large.
std::optional<ImageFacts> FactsFor(const core::ImageFormatConstraints& image,
                                   const core::SizeU& required) {
  const core::PixelFormatAndModifier pair{image.pixel_format.value_or(0),
                                          image.pixel_format_modifier.value_or(0)};
  const core::SizeU least = image.min_size.value_or(core::SizeU{});
  core::RowLimits limits;
  limits.min_size = least;
  limits.max_size = image.max_size.value_or(limits.max_size);
  limits.size_alignment = image.size_alignment.value_or(limits.size_alignment);
  limits.min_bytes_per_row = image.min_bytes_per_row.value_or(limits.min_bytes_per_row);
  limits.max_bytes_per_row = image.max_bytes_per_row.value_or(limits.max_bytes_per_row);
  limits.bytes_per_row_divisor = image.bytes_per_row_divisor.value_or(1);

  const auto width =
      core::RoundUp(std::max(least.width, required.width), limits.size_alignment.width);
  const auto height =
      core::RoundUp(std::max(least.height, required.height), limits.size_alignment.height);
  if (!width || !height) return std::nullopt;
  const std::optional<uint32_t> row = core::MinimumRowBytes(pair, limits, *width);
  if (!row) return std::nullopt;
  const core::ImageLayout layout{pair, {*width, *height}, *row};
  const std::optional<uint64_t> bytes = core::ImageSize(layout);
  if (!bytes) return std::nullopt;

  ImageFacts facts{.size = layout.size, .bytes_per_row = *row, .bytes = *bytes, .planes = {}};
  for (uint32_t plane = 0; plane < core::kMaxPlanes; ++plane) {
    const auto offset = core::PlaneOffset(layout, plane);
    const auto plane_row = core::PlaneRowBytes(layout, plane);
    if (offset && plane_row) facts.planes.push_back({plane, *offset, *plane_row});
  }
  return facts;
}

}  // namespace

std::optional<ImageFacts> FactsOf(const core::ImageFormatConstraints& image) {
  std::vector<core::SizeU> required = image.required_max_size_list;
  if (required.empty()) required.push_back({0, 0});
  std::optional<ImageFacts> largest;
  for (const core::SizeU& one : required) {
    std::optional<ImageFacts> facts = FactsFor(image, one);
    if (facts && (!largest || facts->bytes > largest->bytes)) largest = std::move(facts);
  }
  return largest;
}

}  // namespace sysmem::scenario
