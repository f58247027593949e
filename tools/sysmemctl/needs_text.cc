// SPDX-License-Identifier: Apache-2.0
//
// What a participant asked for, in words.
#include "core/color_space.h"
#include "core/pixel_format.h"
#include "core/usage_names.h"
#include "tools/sysmemctl/simulate.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// Parts of a line: "NV12 LINEAR; at least 1920x1080; rows in steps of 64 bytes".
class Parts {
 public:
  void Add(const std::string& part) { text_ += (text_.empty() ? "" : "; ") + part; }
  template <typename T>
  void Add(const char* before, const std::optional<T>& value, const char* after = "") {
    if (value) Add(before + Text(*value) + after);
  }
  void Say(const std::optional<bool>& flag, const char* if_true, const char* if_false) {
    if (flag) Add(*flag ? if_true : if_false);
  }
  const std::string& text() const { return text_; }

 private:
  static std::string Text(const core::SizeU& size) {
    return std::to_string(size.width) + "x" + std::to_string(size.height);
  }
  template <typename T>
  static std::string Text(T number) {
    return std::to_string(number);
  }

  std::string text_;
};

std::string Joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string FormatsText(const core::ImageFormatConstraints& image) {
  std::vector<std::string> formats;
  for (const auto& pair : image.pixel_format_and_modifiers) formats.push_back(PairName(pair));
  if (image.pixel_format) {
    std::string text = core::PixelFormatName(*image.pixel_format);
    if (image.pixel_format_modifier) {
      text += " " + core::ModifierName(*image.pixel_format_modifier);
    }
    formats.push_back(std::move(text));
  }
  return formats.empty() ? "no format" : Joined(formats);
}

std::string CountsText(const core::Constraints& c) {
  Parts parts;
  parts.Add("buffers it holds at a time: ", c.min_buffer_count_for_camping);
  parts.Add("of slack for itself: ", c.min_buffer_count_for_dedicated_slack);
  parts.Add("of slack to share: ", c.min_buffer_count_for_shared_slack);
  parts.Add("at least ", c.min_buffer_count, " buffers in all");
  parts.Add("at most ", c.max_buffer_count, " buffers in all");
  return parts.text();
}

std::string MemoryText(const core::MemoryConstraints& memory) {
  Parts parts;
  parts.Add("at least ", memory.min_size_bytes, " bytes");
  parts.Add("at most ", memory.max_size_bytes, " bytes");
  if (memory.physically_contiguous_required.value_or(false)) parts.Add("physically contiguous");
  if (memory.secure_required.value_or(false)) parts.Add("secure");
  parts.Say(memory.cpu_domain_supported, "can do with domain CPU", "cannot do with domain CPU");
  parts.Say(memory.ram_domain_supported, "can do with domain RAM", "cannot do with domain RAM");
  parts.Say(memory.inaccessible_domain_supported, "can do with domain INACCESSIBLE",
            "cannot do with domain INACCESSIBLE");
  parts.Add("physical address a multiple of ", memory.min_physical_base_alignment);
  if (memory.permitted_heaps) {
    std::vector<std::string> heaps;
    for (const core::HeapWish& heap : *memory.permitted_heaps) {
      heaps.push_back(ShortHeapName(heap.type.value_or(""), heap.id.value_or(0)));
    }
    parts.Add("only from " + (heaps.empty() ? "no heap at all" : Joined(heaps)));
  }
  return parts.text();
}

std::string ImageText(const core::ImageFormatConstraints& image) {
  Parts parts;
  parts.Add(FormatsText(image));
  std::vector<std::string> spaces;
  for (const uint32_t space : image.color_spaces) spaces.push_back(core::ColorSpaceName(space));
  if (!spaces.empty()) parts.Add(Joined(spaces));
  parts.Add("at least ", image.min_size);
  parts.Add("at most ", image.max_size);
  parts.Add("must hold ", image.required_max_size);
  for (const core::SizeU& size : image.required_max_size_list) {
    parts.Add("must hold ", std::optional(size));
  }
  parts.Add("must also allow ", image.required_min_size);
  parts.Add("at most ", image.max_width_times_height, " pixels");
  parts.Add("size in steps of ", image.size_alignment);
  parts.Add("visible part in steps of ", image.display_rect_alignment);
  parts.Add("rows of at least ", image.min_bytes_per_row, " bytes");
  parts.Add("rows of at most ", image.max_bytes_per_row, " bytes");
  parts.Add("rows a multiple of ", image.bytes_per_row_divisor, " bytes");
  if (image.require_bytes_per_row_at_pixel_boundary.value_or(false)) {
    parts.Add("rows of whole pixels");
  }
  parts.Add("starts at a multiple of ", image.start_offset_divisor, " bytes");
  parts.Say(image.is_alpha_present, "with alpha", "without alpha");
  parts.Add("accessed in blocks of ", image.pad_for_block_size);
  parts.Add("", image.pad_beyond_image_size_bytes, " bytes beyond the image");
  return parts.text();
}

}  // namespace

std::vector<std::string> DescribeNeeds(const core::Constraints& constraints) {
  std::vector<std::string> lines;
  const auto add = [&](std::string line) {
    if (!line.empty()) lines.push_back(std::move(line));
  };
  if (constraints.usage) add("uses " + core::UsageText(*constraints.usage));
  add(CountsText(constraints));
  if (constraints.memory) add(MemoryText(*constraints.memory));
  for (const auto& image : constraints.image_formats) add(ImageText(image));
  return lines;
}

}  // namespace sysmem::ctl
