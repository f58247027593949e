// SPDX-License-Identifier: Apache-2.0
//
// The I-rules (server-behaviour.md 4.4): one row per field, width and height through the same line.
#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "core/color_space.h"
#include "core/image_layout.h"
#include "core/pixel_format.h"
#include "core/sanitise.h"

namespace sysmem::core {
namespace {

using Format = SanitisedImageFormat;

struct Dimension {
  const char* suffix;
  uint32_t SizeU::*member;
};
constexpr Dimension kDimensions[] = {{".width", &SizeU::width}, {".height", &SizeU::height}};

std::string Path(const char* field, const char* suffix = "") {
  return std::string(kImagePath) + field + suffix;
}

// "min_size.width 640"
template <typename T>
std::string Said(const char* field, const char* suffix, T value) {
  return std::string(field) + suffix + " " + std::to_string(value);
}

// I1, I2, I8, I13, I24 to I26, I29 and I32: what a value must be by itself.

struct SizeRule {
  const char* rules[2];  // for width and height
  const char* field;
  SizeU Format::*member;
};

constexpr SizeRule kPowersOfTwo[] = {
    {{"I8", "I8"}, "size_alignment", &Format::size_alignment},
    {{"I24", "I24"}, "display_rect_alignment", &Format::display_rect_alignment},
    {{"I32", "I32"}, "pad_for_block_size", &Format::pad_for_block_size},
};

MaybeRejection CheckPowersOfTwo(Format& format, const Limits& limits) {
  for (const SizeRule& rule : kPowersOfTwo) {
    for (size_t i = 0; i < 2; ++i) {
      const uint32_t value = (format.*rule.member).*kDimensions[i].member;
      if (IsPowerOfTwo(value)) continue;
      return Rejection{rule.rules[i],
                       {Path(rule.field, kDimensions[i].suffix)},
                       Said(rule.field, kDimensions[i].suffix, value) + " is not a power of two"};
    }
  }
  const uint32_t start = format.start_offset_divisor;
  if (!IsPowerOfTwo(start) || start > limits.page_bytes) {
    return Rejection{"I26",
                     {Path("start_offset_divisor")},
                     Said("start_offset_divisor", "", start) +
                         " is not a power of two of at most one page, " +
                         std::to_string(limits.page_bytes) + " bytes"};
  }
  return std::nullopt;
}

Rejection MustNotBeZero(const char* rule, const char* field, const char* suffix) {
  return {rule, {Path(field, suffix)}, std::string(field) + suffix + " is 0"};
}

// I25 stands first here: the divisor divides below (IMG-H2).
MaybeRejection CheckNotZero(Format& format, const Limits&) {
  if (format.bytes_per_row_divisor == 0) return MustNotBeZero("I25", "bytes_per_row_divisor", "");
  for (size_t i = 0; i < 2; ++i) {
    if (format.required_min_size.*kDimensions[i].member == 0) {
      return MustNotBeZero(i == 0 ? "I29" : "I31", "required_min_size", kDimensions[i].suffix);
    }
    for (const SizeU& size : format.required_max_size_list) {
      if (size.*kDimensions[i].member == 0) {
        return MustNotBeZero("I13", "required_max_size_list", kDimensions[i].suffix);
      }
    }
  }
  return std::nullopt;
}

MaybeRejection CheckPair(Format& format, const Limits&) {
  if (format.format.pixel_format == pixel_format::kInvalid) {
    return Rejection{"I1", {Path("pixel_format")}, "pixel_format is INVALID"};
  }
  if (format.format.modifier == modifier::kInvalid) {
    return Rejection{"I2", {Path("pixel_format_modifier")}, "pixel_format_modifier is INVALID"};
  }
  if (IsSpecific(format.format) && !IsSupported(format.format)) {
    return Rejection{"I16",
                     {Path("pixel_format"), Path("pixel_format_modifier")},
                     PairName(format.format) + " is not supported"};
  }
  return std::nullopt;
}

// I20, I27, I28.
MaybeRejection CheckColorSpaces(Format& format, const Limits&) {
  const std::vector<uint32_t>& spaces = format.color_spaces;
  const std::string path = Path("color_spaces");
  if (spaces.empty()) return Rejection{"I20", {path}, "color_spaces names no colour space"};
  const bool any = std::find(spaces.begin(), spaces.end(), color_space::kDoNotCare) != spaces.end();
  if (any && spaces.size() > 1) {
    return Rejection{"I27", {path}, "color_spaces has DO_NOT_CARE beside another colour space"};
  }
  if (any || !IsSpecific(format.format)) return std::nullopt;
  for (uint32_t space : spaces) {
    if (IsColorSpaceSupported(space, format.format.pixel_format)) continue;
    return Rejection{"I28",
                     {path},
                     ColorSpaceName(space) + " is no colour space for " + PairName(format.format)};
  }
  return std::nullopt;
}

// I21, I29 to I31: what must not exceed what.

struct OrderRule {
  const char* rules[2];  // for width and height
  const char* low_field;
  SizeU Format::*low;
  const char* high_field;
  SizeU Format::*high;
};

constexpr OrderRule kOrders[] = {
    {{"I21", "I21"}, "min_size", &Format::min_size, "max_size", &Format::max_size},
    {{"I29", "I31"},
     "min_size",
     &Format::min_size,
     "required_min_size",
     &Format::required_min_size},
    {{"I30", "I31"},
     "required_max_size",
     &Format::required_max_size,
     "max_size",
     &Format::max_size},
};

// Bounds are compared after rounding. Whoever demanded the rounding has a part in it if the bounds
// as given would have been fine.
Rejection Exceeds(const char* rule, std::string low, std::string high, std::string message,
                  std::vector<std::string> rounded_by) {
  return {.rule = rule,
          .fields = {std::move(low), std::move(high)},
          .message = std::move(message),
          .rounded_by = std::move(rounded_by)};
}

// I21, I29 to I31.
MaybeRejection CheckOrder(Format& format, const Limits&) {
  for (const OrderRule& rule : kOrders) {
    for (size_t i = 0; i < 2; ++i) {
      const Dimension& side = kDimensions[i];
      const uint32_t low = (format.*rule.low).*side.member;
      const uint32_t high = (format.*rule.high).*side.member;
      if (low <= high) continue;
      return Exceeds(rule.rules[i], Path(rule.low_field, side.suffix),
                     Path(rule.high_field, side.suffix),
                     Said(rule.low_field, side.suffix, low) + " is greater than " +
                         Said(rule.high_field, side.suffix, high),
                     {Path("size_alignment", side.suffix)});
    }
  }
  return std::nullopt;
}

// I30, I31 for the list.
MaybeRejection CheckRequiredSizes(Format& format, const Limits&) {
  for (size_t i = 0; i < 2; ++i) {
    const Dimension& side = kDimensions[i];
    const uint32_t high = format.max_size.*side.member;
    for (const SizeU& size : format.required_max_size_list) {
      if (size.*side.member <= high) continue;
      return Exceeds(i == 0 ? "I30" : "I31", Path("required_max_size_list", side.suffix),
                     Path("max_size", side.suffix),
                     Said("required_max_size_list", side.suffix, size.*side.member) +
                         " is greater than " + Said("max_size", side.suffix, high),
                     {Path("required_max_size", side.suffix), Path("size_alignment", side.suffix)});
    }
  }
  return std::nullopt;
}

// I21 for the stride.
MaybeRejection CheckRows(Format& format, const Limits&) {
  if (format.min_bytes_per_row <= format.max_bytes_per_row) return std::nullopt;
  return Exceeds(
      "I21", Path("min_bytes_per_row"), Path("max_bytes_per_row"),
      Said("min_bytes_per_row", "", format.min_bytes_per_row) + " is greater than " +
          Said("max_bytes_per_row", "", format.max_bytes_per_row),
      {Path("min_size.width"), Path("size_alignment.width"), Path("bytes_per_row_divisor"),
       Path("require_bytes_per_row_at_pixel_boundary"), Path("pad_for_block_size.width")});
}

// I16a to I16d: what the pixel format demands.
MaybeRejection ApplyPixelFormat(Format& format, const Limits&) {
  if (!IsSpecific(format.format)) return std::nullopt;
  const PixelFormatInfo& info = *FindPixelFormat(format.format.pixel_format);
  for (const Dimension& side : kDimensions) {
    uint32_t& alignment = format.size_alignment.*side.member;
    alignment = std::max(alignment, info.min_divisor);
  }
  format.start_offset_divisor = std::max(format.start_offset_divisor, info.sample_alignment);

  std::optional<uint32_t> divisor = CheckedLcm(format.bytes_per_row_divisor, info.sample_alignment);
  if (divisor && format.require_bytes_per_row_at_pixel_boundary) {
    divisor = CheckedLcm(*divisor, info.stride_bytes_per_pixel);
  }
  if (!divisor) {
    return Rejection{
        format.require_bytes_per_row_at_pixel_boundary ? "I16c" : "I16b",
        {Path("bytes_per_row_divisor"), Path("require_bytes_per_row_at_pixel_boundary")},
        Said("bytes_per_row_divisor", "", format.bytes_per_row_divisor) + " and what " +
            PairName(format.format) + " needs have no common multiple in 32 bits"};
  }
  format.bytes_per_row_divisor = *divisor;
  return std::nullopt;
}

Rejection DoesNotFit(const char* rule, const char* field, const char* suffix,
                     const char* rounded_by) {
  return {rule,
          {Path(field, suffix), Path(rounded_by, suffix)},
          std::string(field) + suffix + " does not fit 32 bits when rounded up to a multiple of " +
              rounded_by + suffix};
}

// I16e and the second half of I17, I18: the stride.
//
// The layout is asked for the smallest row of the width alone. Were it told min_bytes_per_row as
// well, whole tiles and the divisor would round each other up each time a format passes here, and
// what was agreed on would be refused to those who come late.
MaybeRejection RoundRows(Format& format, const Limits&) {
  if (IsSpecific(format.format)) {
    format.min_bytes_per_row = std::max(format.min_bytes_per_row, format.bytes_per_row_divisor);
    const RowLimits limits{.min_size = format.min_size,
                           .max_size = format.max_size,
                           .size_alignment = format.size_alignment,
                           .max_bytes_per_row = format.max_bytes_per_row,
                           .bytes_per_row_divisor = format.bytes_per_row_divisor};
    const std::optional<uint32_t> row =
        MinimumRowBytes(format.format, limits, format.min_size.width);
    format.min_bytes_per_row = std::max(format.min_bytes_per_row, row.value_or(0));
  }
  const std::optional<uint32_t> min =
      RoundUp(format.min_bytes_per_row, format.bytes_per_row_divisor);
  if (!min) return DoesNotFit("I17", "min_bytes_per_row", "", "bytes_per_row_divisor");
  format.min_bytes_per_row = *min;
  if (format.max_bytes_per_row != UINT32_MAX) {
    format.max_bytes_per_row = RoundDown(format.max_bytes_per_row, format.bytes_per_row_divisor);
  }
  return std::nullopt;
}

// I9, I17, I18: the sizes.
MaybeRejection RoundSizes(Format& format, const Limits&) {
  for (const Dimension& side : kDimensions) {
    const uint32_t alignment = format.size_alignment.*side.member;
    uint32_t& min = format.min_size.*side.member;
    const std::optional<uint32_t> rounded = RoundUp(std::max(min, alignment), alignment);
    if (!rounded) return DoesNotFit("I17", "min_size", side.suffix, "size_alignment");
    min = *rounded;
    uint32_t& max = format.max_size.*side.member;
    if (max != UINT32_MAX) max = RoundDown(max, alignment);
  }
  return std::nullopt;
}

// I22, I23.
MaybeRejection CheckPixelCount(Format& format, const Limits&) {
  const SizeU& min = format.min_size;
  const uint64_t pixels = uint64_t{min.width} * min.height;
  if (pixels <= UINT32_MAX && pixels <= format.max_width_times_height) return std::nullopt;
  const std::string said =
      "min_size " + std::to_string(min.width) + "x" + std::to_string(min.height);
  if (pixels > UINT32_MAX) {
    return Rejection{"I22",
                     {Path("min_size.width"), Path("min_size.height")},
                     said + " has more pixels than fit 32 bits"};
  }
  return Rejection{"I23",
                   {Path("max_width_times_height"), Path("min_size.width"), Path("min_size.height"),
                    Path("size_alignment.width"), Path("size_alignment.height")},
                   said + " has more pixels than max_width_times_height " +
                       std::to_string(format.max_width_times_height)};
}

// I33, I34. Either dimension of the block counts (IMG-H1).
MaybeRejection CheckBlocks(Format& format, const Limits&) {
  const SizeU& block = format.pad_for_block_size;
  if (block.width == 1 && block.height == 1) return std::nullopt;
  const std::vector<std::string> blocks = {Path("pad_for_block_size.width"),
                                           Path("pad_for_block_size.height")};
  if (!IsSpecific(format.format) || !IsNonTiledSinglePlane(format.format)) {
    return Rejection{"I33", blocks,
                     "pad_for_block_size is only for linear formats of one plane, not for " +
                         PairName(format.format)};
  }
  if (block.height > 1 && format.max_size.width == UINT32_MAX) {
    return Rejection{"I34",
                     {Path("max_size.width"), Path("pad_for_block_size.height")},
                     "pad_for_block_size.height " + std::to_string(block.height) +
                         " needs a limit on max_size.width"};
  }
  return std::nullopt;
}

using Step = MaybeRejection (*)(Format&, const Limits&);
constexpr Step kSteps[] = {
    CheckNotZero,       CheckPowersOfTwo, CheckPair,       CheckColorSpaces,
    ApplyPixelFormat,   RoundSizes,       RoundRows,       CheckOrder,
    CheckRequiredSizes, CheckRows,        CheckPixelCount, CheckBlocks,
};

template <typename T>
void Assign(T& field, const std::optional<T>& sent) {
  if (sent) field = *sent;
}

}  // namespace

MaybeRejection SanitiseImageFormat(SanitisedImageFormat& format, const Limits& limits) {
  for (const Step step : kSteps) {
    if (MaybeRejection no = step(format, limits)) {
      no->format = format.format;
      return no;
    }
  }
  return std::nullopt;
}

bool AlignRowsToBlocks(SanitisedImageFormat& format) {
  const PixelFormatInfo* info = FindPixelFormat(format.format.pixel_format);
  if (format.pad_for_block_size.width == 1 || info == nullptr) return true;
  const std::optional<uint32_t> block =
      CheckedMul(info->stride_bytes_per_pixel, format.pad_for_block_size.width);
  if (!block) return false;
  const std::optional<uint32_t> divisor = CheckedLcm(format.bytes_per_row_divisor, *block);
  if (!divisor) return false;
  format.bytes_per_row_divisor = *divisor;
  return true;
}

SanitisedImageFormat WithDefaults(const ImageFormatConstraints& entry,
                                  const PixelFormatAndModifier& pair) {
  Format format;
  format.format = pair;
  format.color_spaces = entry.color_spaces;
  format.required_max_size_list = entry.required_max_size_list;
  format.is_alpha_present = entry.is_alpha_present;
  Assign(format.min_size, entry.min_size);
  Assign(format.max_size, entry.max_size);
  Assign(format.min_bytes_per_row, entry.min_bytes_per_row);
  Assign(format.max_bytes_per_row, entry.max_bytes_per_row);
  Assign(format.max_width_times_height, entry.max_width_times_height);
  Assign(format.size_alignment, entry.size_alignment);
  Assign(format.display_rect_alignment, entry.display_rect_alignment);
  Assign(format.required_min_size, entry.required_min_size);
  Assign(format.required_max_size, entry.required_max_size);
  Assign(format.bytes_per_row_divisor, entry.bytes_per_row_divisor);
  Assign(format.start_offset_divisor, entry.start_offset_divisor);
  Assign(format.require_bytes_per_row_at_pixel_boundary,
         entry.require_bytes_per_row_at_pixel_boundary);
  Assign(format.pad_for_block_size, entry.pad_for_block_size);
  Assign(format.pad_beyond_image_size_bytes, entry.pad_beyond_image_size_bytes);
  return format;
}

}  // namespace sysmem::core
