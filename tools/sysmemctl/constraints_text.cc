// SPDX-License-Identifier: Apache-2.0
//
// Constraints and results in words.
#include <cstdlib>
#include <utility>

#include "core/pixel_format.h"
#include "core/usage_names.h"
#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

std::string SizeText(const Json& size) {
  return std::to_string(Number(size, "width")) + "x" + std::to_string(Number(size, "height"));
}

std::string FormatText(const Json& format) {
  std::string text(PixelFormatName(static_cast<uint32_t>(Number(format, "pixel_format"))));
  if (!format.contains("pixel_format_modifier")) return text;
  return text + " " + core::ModifierName(Number(format, "pixel_format_modifier"));
}

// "cpu READ|WRITE, video CAPTURE".
std::string UsageWords(const Json& usage) {
  core::BufferUsage bits;
  for (const core::UsageClass& one : core::UsageClasses()) {
    bits.*one.field = static_cast<uint32_t>(Number(usage, one.name));
  }
  return core::UsageText(bits);
}

// "min_size_bytes 4096, max_size_bytes 8192": every field that was sent, under its own name.
std::string Fields(const Json& object) {
  std::string text;
  for (const auto& [name, value] : object.items()) {
    std::string shown;
    if (name == "pixel_format" || name == "pixel_format_modifier") continue;  // FormatText
    if (value.is_object() && value.contains("width")) {
      shown = SizeText(value);
    } else if (name == "color_spaces") {
      for (const Json& space : value) {
        shown += (shown.empty() ? "" : "|") +
                 std::string(ColorSpaceName(static_cast<uint32_t>(space.get<uint64_t>())));
      }
    } else if (value.is_object() || value.is_array()) {
      if (value.empty()) continue;
      shown = JsonText(value, kOneLine);
    } else {
      shown = value.is_string() ? value.get<std::string>() : JsonText(value, kOneLine);
    }
    text += (text.empty() ? "" : ", ") + name + " " + Safe(shown);
  }
  return text;
}

}  // namespace

std::string DescribeConstraints(const Json& constraints, const std::string& indent) {
  std::string text;
  Json flat = Json::object();
  for (const auto& [name, value] : constraints.items()) {
    if (name == "usage") {
      text += indent + "usage: " + UsageWords(value) + "\n";
    } else if (name == "buffer_memory_constraints") {
      text += indent + "memory: " + Fields(value) + "\n";
    } else if (name == "image_format_constraints") {
      for (const Json& format : value) {
        text += indent +
                "image: " + (format.contains("pixel_format") ? FormatText(format) + ", " : "") +
                Fields(format) + "\n";
      }
    } else {
      flat[name] = value;
    }
  }
  if (!flat.empty()) text = indent + "counts: " + Fields(flat) + "\n" + text;
  return text;
}

std::string DescribeSettings(const Json& settings) {
  const Json buffer = settings.value("buffer_settings", Json::object());
  std::string text = Bytes(Number(buffer, "size_bytes")) + " (" +
                     std::to_string(Number(buffer, "size_bytes")) + " bytes, file of " +
                     std::to_string(Number(buffer, "raw_vmo_size")) + ") from " +
                     HeapName(buffer.value("heap", Json::object())) + ", domain " +
                     EnumWord(Text(buffer, "coherency_domain"), "COHERENCY_DOMAIN_");
  if (Flag(buffer, "is_physically_contiguous")) text += ", contiguous";
  if (Flag(buffer, "is_secure")) text += ", secure";
  if (settings.contains("image_format_constraints")) {
    const Json& image = settings["image_format_constraints"];
    text += "; " + FormatText(image) + ", size from " +
            SizeText(image.value("min_size", Json::object())) + ", rows of at least " +
            std::to_string(Number(image, "min_bytes_per_row")) + " bytes in steps of " +
            std::to_string(Number(image, "bytes_per_row_divisor"));
  }
  return text;
}

}  // namespace sysmem::ctl
