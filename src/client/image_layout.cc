// SPDX-License-Identifier: Apache-2.0
//
// Where the pixels of an image are, and names of formats. The arithmetic is the daemon's own.
#include "core/image_layout.h"

#include <sysmem/buffers.h>
#include <sysmem/constants.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "client/failure.h"
#include "core/color_space.h"
#include "core/pixel_format.h"

using sysmem::client::Failure;
using sysmem::client::InvalidArgument;
using sysmem::client::Report;
namespace core = sysmem::core;

namespace {

static_assert(SYSMEM_MAX_PLANES == core::kMaxPlanes);

bool IsMultiple(uint64_t value, uint64_t divisor) { return divisor == 0 || value % divisor == 0; }

// A length in words: "1920 x 1080".
std::string Words(sysmem_size size) {
  return std::to_string(size.width) + " x " + std::to_string(size.height);
}

std::optional<Failure> CheckSize(const sysmem_image_settings& image, sysmem_size size) {
  if (size.width < image.min_size.width || size.height < image.min_size.height) {
    return InvalidArgument("size", Words(size) + " is below min_size " + Words(image.min_size));
  }
  if (size.width > image.max_size.width || size.height > image.max_size.height) {
    return InvalidArgument("size", Words(size) + " is above max_size " + Words(image.max_size));
  }
  if (!IsMultiple(size.width, image.size_alignment.width) ||
      !IsMultiple(size.height, image.size_alignment.height)) {
    return InvalidArgument(
        "size", Words(size) + " is no multiple of size_alignment " + Words(image.size_alignment));
  }
  return std::nullopt;
}

core::RowLimits LimitsOf(const sysmem_image_settings& image) {
  return {.min_size = {image.min_size.width, image.min_size.height},
          .max_size = {image.max_size.width, image.max_size.height},
          .size_alignment = {std::max(1u, image.size_alignment.width),
                             std::max(1u, image.size_alignment.height)},
          .min_bytes_per_row = image.min_bytes_per_row,
          .max_bytes_per_row = image.max_bytes_per_row,
          .bytes_per_row_divisor = std::max(1u, image.bytes_per_row_divisor)};
}

// Nothing if some number does not fit its type.
std::optional<sysmem_image_layout> PlanesOf(const core::ImageLayout& image) {
  sysmem_image_layout layout{};
  const std::optional<uint64_t> size_bytes = core::ImageSize(image);
  if (!size_bytes) return std::nullopt;
  layout.size_bytes = *size_bytes;
  for (uint32_t plane = 0; plane < core::kMaxPlanes; ++plane) {
    const std::optional<uint64_t> offset = core::PlaneOffset(image, plane);
    if (!offset) continue;
    const std::optional<uint32_t> bytes_per_row = core::PlaneRowBytes(image, plane);
    const std::optional<uint32_t> rows = core::PlaneRows(image, plane);
    if (!bytes_per_row || !rows) return std::nullopt;
    layout.plane_count = plane + 1;
    layout.planes[plane] = {*offset, *bytes_per_row, *rows};
  }
  return layout;
}

}  // namespace

sysmem_status sysmem_settings_image_layout(const struct sysmem_settings* settings, uint32_t width,
                                           uint32_t height, struct sysmem_image_layout* layout,
                                           sysmem_failure** failure) {
  if (settings->image == nullptr) {
    return Report(InvalidArgument("settings", "these are raw buffers, not images"), failure);
  }
  const sysmem_image_settings& image = *settings->image;
  const core::PixelFormatAndModifier pair{image.pixel_format, image.pixel_format_modifier};
  if (!core::IsSupported(pair)) {
    return Report(InvalidArgument("settings", core::PairName(pair) + " has no layout"), failure);
  }
  if (auto bad = CheckSize(image, {width, height})) return Report(*std::move(bad), failure);
  const std::optional<uint32_t> stride = core::MinimumRowBytes(pair, LimitsOf(image), width);
  if (!stride) {
    return Report(
        InvalidArgument("width", "there is no stride for it that " + core::PairName(pair) +
                                     " can have and that keeps to max_bytes_per_row"),
        failure);
  }
  const auto planes = PlanesOf({pair, {width, height}, *stride});
  if (!planes || planes->size_bytes > settings->size_bytes) {
    return Report(
        InvalidArgument("size", Words({width, height}) + " takes more than the " +
                                    std::to_string(settings->size_bytes) + " bytes of a buffer"),
        failure);
  }
  *layout = *planes;
  return SYSMEM_OK;
}

const char* sysmem_pixel_format_name(uint32_t pixel_format) {
  if (pixel_format == SYSMEM_PIXEL_FORMAT_DO_NOT_CARE) return "DO_NOT_CARE";
  const core::PixelFormatInfo* const format = core::FindPixelFormat(pixel_format);
  return format == nullptr ? "UNKNOWN" : format->name;
}

const char* sysmem_color_space_name(uint32_t color_space) {
  const char* const name = core::FindColorSpaceName(color_space);
  return name == nullptr ? "UNKNOWN" : name;
}
