// SPDX-License-Identifier: Apache-2.0
//
// How big a buffer has to be (server-behaviour.md 4.9). The caps come before anything is multiplied
// with the count (SIZE-H1).
#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "core/image_layout.h"
#include "core/pixel_format.h"
#include "core/plan_buffers.h"

namespace sysmem::core {
namespace {

std::string ImagePath(const char* field) { return std::string(kImagePath) + field; }
std::string MemoryPath(const char* field) { return std::string(kMemoryPath) + field; }

std::vector<std::string> SizePaths() {
  return {ImagePath("required_max_size_list.width"),
          ImagePath("required_max_size_list.height"),
          ImagePath("required_max_size.width"),
          ImagePath("required_max_size.height"),
          ImagePath("min_size.width"),
          ImagePath("min_size.height")};
}

// `what` first, then whatever makes images large, then `other` fields.
Rejection TooLarge(std::string message, std::vector<std::string> what,
                   std::vector<std::string> other = {}) {
  const std::vector<std::string> sizes = SizePaths();
  what.insert(what.end(), sizes.begin(), sizes.end());
  what.insert(what.end(), other.begin(), other.end());
  return {.rule = "4.9", .fields = std::move(what), .message = std::move(message)};
}

std::string SizeText(const SizeU& size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

// Step 1: the smallest permitted image that holds one of `required`.
OrRejection<SizeU> AlignedSize(const SanitisedImageFormat& format, const SizeU& required) {
  const auto width =
      RoundUp(std::max(format.min_size.width, required.width), format.size_alignment.width);
  const auto height =
      RoundUp(std::max(format.min_size.height, required.height), format.size_alignment.height);
  if (!width || *width > format.max_size.width || !height || *height > format.max_size.height) {
    return TooLarge("an image of " + SizeText(required) + " is too large, once it is aligned",
                    {ImagePath("max_size.width"), ImagePath("max_size.height")},
                    {ImagePath("size_alignment.width"), ImagePath("size_alignment.height")});
  }
  return SizeU{*width, *height};
}

// Step 2: its stride.
OrRejection<uint32_t> Stride(const SanitisedImageFormat& format, const SizeU& size) {
  const PixelFormatInfo& info = *FindPixelFormat(format.format.pixel_format);
  std::optional<uint32_t> row = CheckedMul(info.stride_bytes_per_pixel, size.width);
  if (row) row = RoundUp(std::max(*row, format.min_bytes_per_row), format.bytes_per_row_divisor);
  if (!row || *row > format.max_bytes_per_row) {
    return TooLarge("the rows of an image of " + SizeText(size) + " exceed max_bytes_per_row " +
                        std::to_string(format.max_bytes_per_row),
                    {ImagePath("max_bytes_per_row")},
                    {ImagePath("min_bytes_per_row"), ImagePath("bytes_per_row_divisor")});
  }
  return *row;
}

// Steps 1 to 4 for one required size.
OrRejection<SizedImage> Sized(const SanitisedImageFormat& format, const SizeU& required) {
  const OrRejection<SizeU> size = AlignedSize(format, required);
  if (!size.ok()) return size.failure();
  const OrRejection<uint32_t> row = Stride(format, size.value());
  if (!row.ok()) return row.failure();

  const uint64_t pixels = uint64_t{size.value().width} * size.value().height;
  if (pixels > UINT32_MAX || pixels > format.max_width_times_height) {
    return TooLarge("an image of " + SizeText(size.value()) + " has too many pixels",
                    {ImagePath("max_width_times_height")});
  }
  const std::optional<uint64_t> bytes = ImageSize({format.format, size.value(), row.value()});
  if (!bytes) {
    return TooLarge("an image of " + SizeText(size.value()) + " does not fit 64 bits of bytes", {});
  }
  return SizedImage{required, size.value(), row.value(), *bytes};
}

// The largest of the required images; without any, the smallest permitted one.
OrRejection<SizedImage> LargestImage(const SanitisedImageFormat& format) {
  std::vector<SizeU> required = format.required_max_size_list;
  if (required.empty()) required.push_back({0, 0});
  SizedImage largest;
  for (const SizeU& one : required) {
    const OrRejection<SizedImage> image = Sized(format, one);
    if (!image.ok()) return image.failure();
    if (image.value().bytes > largest.bytes) largest = image.value();
  }
  return largest;
}

// PAD-1, PAD-2: the two paddings overlap. SIZE-1: compared before rounding to pages.
OrRejection<uint64_t> WithPadding(const SanitisedImageFormat& format, uint64_t size_bytes,
                                  uint64_t max_bytes) {
  std::optional<uint64_t> block_end = size_bytes;
  if (format.pad_for_block_size != SizeU{1, 1}) {
    const std::optional<uint64_t> blocks = BlockPaddingBytes(format, size_bytes);
    block_end = blocks ? CheckedAdd(size_bytes, *blocks) : std::nullopt;
  }
  const std::string block_width = ImagePath("pad_for_block_size.width");
  const std::string block_height = ImagePath("pad_for_block_size.height");
  if (!block_end || *block_end > max_bytes) {
    return Rejection{.rule = "PAD-1",
                     .fields = {MemoryPath("max_size_bytes"), block_width, block_height},
                     .message = "a buffer padded for access in blocks is too large"};
  }
  const auto beyond = CheckedAdd(size_bytes, format.pad_beyond_image_size_bytes);
  if (!beyond || *beyond > max_bytes) {
    return Rejection{
        .rule = "PAD-2",
        .fields = {MemoryPath("max_size_bytes"), ImagePath("pad_beyond_image_size_bytes")},
        .message = "a buffer padded by pad_beyond_image_size_bytes is too large"};
  }
  return std::max(*block_end, *beyond);
}

// The caps of section 0.
MaybeRejection CheckCaps(uint64_t bytes, uint64_t size_bytes, uint32_t count,
                         const Limits& limits) {
  const std::string min_size = MemoryPath("min_size_bytes");
  if (bytes > limits.buffer_bytes) {
    return TooLarge("a buffer of " + std::to_string(bytes) + " bytes exceeds the limit of " +
                        std::to_string(limits.buffer_bytes) + " bytes per buffer",
                    {min_size}, {ImagePath("pad_beyond_image_size_bytes")});
  }
  const std::optional<uint64_t> total = CheckedMul<uint64_t>(bytes, count);
  if (!total || *total > limits.collection_bytes) {
    return TooLarge(std::to_string(count) + " buffers of " + std::to_string(bytes) +
                        " bytes exceed the limit of " + std::to_string(limits.collection_bytes) +
                        " bytes per collection",
                    {min_size},
                    {"min_buffer_count_for_camping", "min_buffer_count_for_dedicated_slack",
                     "min_buffer_count_for_shared_slack", "min_buffer_count"});
  }
  if (size_bytes > limits.allocation_bytes) {
    return TooLarge("a buffer of " + std::to_string(size_bytes) +
                        " bytes exceeds the daemon's limit of " +
                        std::to_string(limits.allocation_bytes) + " bytes",
                    {min_size});
  }
  return std::nullopt;
}

}  // namespace

OrRejection<BufferSizes> SizeBuffers(const SanitisedMemory& memory,
                                     const SanitisedImageFormat* format, uint32_t count,
                                     const Limits& limits) {
  uint64_t size_bytes = memory.min_size_bytes;
  SizedImage largest;
  if (format != nullptr) {
    OrRejection<SizedImage> image = LargestImage(*format);
    if (!image.ok()) {
      Rejection no = std::move(image).failure();
      no.format = format->format;
      return no;
    }
    const uint64_t max_size_bytes = std::min(memory.max_size_bytes, memory.existing_size_bytes);
    largest = image.value();
    if (largest.bytes > size_bytes && largest.bytes > max_size_bytes) {
      Rejection no =
          TooLarge("an image takes " + std::to_string(largest.bytes) +
                       " bytes, more than max_size_bytes " + std::to_string(max_size_bytes),
                   {MemoryPath("max_size_bytes")}, {ImagePath("bytes_per_row_divisor")});
      no.format = format->format;
      return no;
    }
    size_bytes = std::max(size_bytes, largest.bytes);
  }

  uint64_t bytes = size_bytes;
  if (format != nullptr) {
    OrRejection<uint64_t> padded = WithPadding(*format, size_bytes, memory.max_size_bytes);
    if (!padded.ok()) {
      Rejection no = std::move(padded).failure();
      no.format = format->format;
      return no;
    }
    bytes = padded.value();
  }
  if (MaybeRejection no = CheckCaps(bytes, size_bytes, count, limits)) {
    if (format != nullptr) no->format = format->format;
    return *no;
  }
  const std::optional<uint64_t> raw = RoundUp(bytes, limits.page_bytes);
  if (!raw) return TooLarge("a buffer does not fit 64 bits of bytes in whole pages", {});
  return BufferSizes{.size_bytes = size_bytes, .raw_vmo_size = *raw, .image = largest};
}

}  // namespace sysmem::core
