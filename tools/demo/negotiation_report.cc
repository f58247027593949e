// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/negotiation_report.h"

namespace sysmem::demo {
namespace {

std::string SizeText(uint64_t width, uint64_t height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

std::string Modifier(uint64_t modifier) {
  return modifier == SYSMEM_MODIFIER_LINEAR ? "LINEAR" : "modifier " + std::to_string(modifier);
}

std::string DomainName(uint32_t domain) {
  switch (domain) {
    case SYSMEM_COHERENCY_DOMAIN_CPU:
      return "CPU";
    case SYSMEM_COHERENCY_DOMAIN_RAM:
      return "RAM";
    case SYSMEM_COHERENCY_DOMAIN_INACCESSIBLE:
      return "INACCESSIBLE";
    default:
      return "unknown";
  }
}

std::string Rows(const ImageLayout& layout, const ImageSettings& image) {
  std::string text = std::to_string(layout.planes[0].bytes_per_row) + " bytes for luma, " +
                     std::to_string(layout.planes[1].bytes_per_row) + " for chroma";
  return text + "; a multiple of " + std::to_string(image.bytes_per_row_divisor);
}

}  // namespace

std::string Grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

void ReportNegotiation(const StatusWriter& status, const Buffers& buffers,
                       const ImageLayout& layout, Size visible) {
  const Settings& settings = buffers.settings();
  const ImageSettings& image = *settings.image;
  const auto line = [&](const std::string& label, const std::string& text) {
    status.Line("RESULT", label + ": " + text);
  };
  line("format", std::string(PixelFormatName(image.pixel_format)) + ", " +
                     Modifier(image.pixel_format_modifier) + ", " +
                     std::string(ColorSpaceName(image.color_space)));
  line("size", SizeText(image.min_size.width, image.min_size.height) + ", of which " +
                   SizeText(visible.width, visible.height) + " is visible");
  line("rows", Rows(layout, image));
  line("buffers", std::to_string(buffers.count()) + " of " + Grouped(settings.raw_size_bytes) +
                      " bytes (" + Grouped(settings.size_bytes) + " for the picture)");
  line("heap", std::string(settings.heap_type) + ", coherency domain " +
                   DomainName(settings.coherency_domain));
  line("collection", "number " + std::to_string(buffers.collection_id()));
}

}  // namespace sysmem::demo
