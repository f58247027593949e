// SPDX-License-Identifier: Apache-2.0
//
// Where the pixels of a linear image are (image-formats.md, sections 6 to 8), and names of formats.
#include <sysmem/buffers.h>
#include <sysmem/constants.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>

#include "client/failure.h"

using sysmem::client::Failure;
using sysmem::client::InvalidArgument;
using sysmem::client::Report;

namespace {

enum class Chroma : uint8_t {
  kNone,           // one plane
  kInterleaved,    // a second plane of the same stride and half the rows
  kPlanar,         // two more planes of half the stride and half the rows
  kMixedWithLuma,  // one addressable plane with half as many rows more
};

struct Format {
  uint32_t number;
  const char* name;
  uint32_t bytes_per_pixel;  // of plane 0; 0: not linear
  Chroma chroma;
};

constexpr Format kFormats[] = {
    {SYSMEM_PIXEL_FORMAT_R8G8B8A8, "R8G8B8A8", 4, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_B8G8R8A8, "B8G8R8A8", 4, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_I420, "I420", 1, Chroma::kPlanar},
    {SYSMEM_PIXEL_FORMAT_M420, "M420", 1, Chroma::kMixedWithLuma},
    {SYSMEM_PIXEL_FORMAT_NV12, "NV12", 1, Chroma::kInterleaved},
    {SYSMEM_PIXEL_FORMAT_YUY2, "YUY2", 2, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_MJPEG, "MJPEG", 0, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_YV12, "YV12", 1, Chroma::kPlanar},
    {SYSMEM_PIXEL_FORMAT_B8G8R8, "B8G8R8", 3, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_R5G6B5, "R5G6B5", 2, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_R3G3B2, "R3G3B2", 1, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_R2G2B2X2, "R2G2B2X2", 1, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_L8, "L8", 1, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_R8, "R8", 1, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_R8G8, "R8G8", 2, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_A2R10G10B10, "A2R10G10B10", 4, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_A2B10G10R10, "A2B10G10R10", 4, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_P010, "P010", 2, Chroma::kInterleaved},
    {SYSMEM_PIXEL_FORMAT_R8G8B8, "R8G8B8", 3, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_R8G8B8X8, "R8G8B8X8", 4, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_B8G8R8X8, "B8G8R8X8", 4, Chroma::kNone},
    {SYSMEM_PIXEL_FORMAT_DO_NOT_CARE, "DO_NOT_CARE", 0, Chroma::kNone},
};

struct Named {
  uint32_t number;
  const char* name;
};
constexpr Named kColorSpaces[] = {
    {SYSMEM_COLOR_SPACE_SRGB, "SRGB"},
    {SYSMEM_COLOR_SPACE_REC601_NTSC, "REC601_NTSC"},
    {SYSMEM_COLOR_SPACE_REC601_NTSC_FULL_RANGE, "REC601_NTSC_FULL_RANGE"},
    {SYSMEM_COLOR_SPACE_REC601_PAL, "REC601_PAL"},
    {SYSMEM_COLOR_SPACE_REC601_PAL_FULL_RANGE, "REC601_PAL_FULL_RANGE"},
    {SYSMEM_COLOR_SPACE_REC709, "REC709"},
    {SYSMEM_COLOR_SPACE_REC2020, "REC2020"},
    {SYSMEM_COLOR_SPACE_REC2100, "REC2100"},
    {SYSMEM_COLOR_SPACE_PASSTHROUGH, "PASSTHROUGH"},
    {SYSMEM_COLOR_SPACE_DO_NOT_CARE, "DO_NOT_CARE"},
};

const Format* FindFormat(uint32_t number) {
  for (const Format& format : kFormats) {
    if (format.number == number) return &format;
  }
  return nullptr;
}

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

// The smallest stride for this width; 0 if there is none. (MinimumRowBytes.)
uint32_t SmallestStride(const sysmem_image_settings& image, const Format& format, uint32_t width) {
  uint64_t bytes = uint64_t{format.bytes_per_pixel} * width;
  if (bytes < image.min_bytes_per_row) bytes = image.min_bytes_per_row;
  const uint64_t divisor = image.bytes_per_row_divisor == 0 ? 1 : image.bytes_per_row_divisor;
  bytes = (bytes + divisor - 1) / divisor * divisor;
  return bytes > image.max_bytes_per_row || bytes > UINT32_MAX ? 0 : static_cast<uint32_t>(bytes);
}

// Plane 0 ends at rows * stride; what follows depends on the format. Nothing if the size overflows.
std::optional<sysmem_image_layout> PlanesOf(const Format& format, uint32_t stride,
                                            uint32_t height) {
  const uint64_t luma = uint64_t{stride} * height;
  const uint32_t half_rows = height / 2;
  sysmem_image_layout layout{};
  layout.plane_count = 1;
  layout.planes[0] = {0, stride, height};
  layout.size_bytes = luma;
  if (format.chroma == Chroma::kNone) return layout;
  if (__builtin_add_overflow(luma, luma / 2, &layout.size_bytes)) return std::nullopt;
  if (format.chroma == Chroma::kMixedWithLuma) {
    layout.planes[0].row_count = height + half_rows;
  } else if (format.chroma == Chroma::kInterleaved) {
    layout.plane_count = 2;
    layout.planes[1] = {luma, stride, half_rows};
  } else {
    layout.plane_count = 3;
    layout.planes[1] = {luma, stride / 2, half_rows};
    layout.planes[2] = {luma + uint64_t{half_rows} * (stride / 2), stride / 2, half_rows};
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
  const Format* const format = FindFormat(image.pixel_format);
  if (format == nullptr || format->bytes_per_pixel == 0 ||
      image.pixel_format_modifier != SYSMEM_MODIFIER_LINEAR) {
    return Report(InvalidArgument("settings", "only linear images have a layout of rows"), failure);
  }
  if (auto bad = CheckSize(image, {width, height})) return Report(*std::move(bad), failure);
  const uint32_t stride = SmallestStride(image, *format, width);
  if (stride == 0) {
    return Report(InvalidArgument("width", "no stride for it keeps to max_bytes_per_row"), failure);
  }
  const auto planes = PlanesOf(*format, stride, height);
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
  const Format* const format = FindFormat(pixel_format);
  return format == nullptr ? "UNKNOWN" : format->name;
}

const char* sysmem_color_space_name(uint32_t color_space) {
  for (const Named& named : kColorSpaces) {
    if (named.number == color_space) return named.name;
  }
  return "UNKNOWN";
}
