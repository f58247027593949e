// SPDX-License-Identifier: Apache-2.0
#include "core/format_names.h"

#include <charconv>
#include <cstdio>

#include "core/color_space.h"
#include "core/drm_format.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

constexpr std::string_view kDrmPrefix = "drm:";

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// The whole text as a decimal number, or a hexadecimal one after 0x.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  int base = 10;
  if (StartsWith(text, "0x")) {
    base = 16;
    text.remove_prefix(2);
  }
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

struct UsageRow {
  uint32_t BufferUsage::*kind;
  uint32_t bit;
  const char* name;
};

constexpr UsageRow kUsages[] = {
    {&BufferUsage::none, 1, "NONE_USAGE"},
    {&BufferUsage::none, 2, "NONE_USAGE_PERMIT_ALLOCATION"},
    {&BufferUsage::cpu, 1, "CPU_USAGE_READ"},
    {&BufferUsage::cpu, 2, "CPU_USAGE_READ_OFTEN"},
    {&BufferUsage::cpu, 4, "CPU_USAGE_WRITE"},
    {&BufferUsage::cpu, 8, "CPU_USAGE_WRITE_OFTEN"},
    {&BufferUsage::vulkan, 0x1, "VULKAN_IMAGE_USAGE_TRANSFER_SRC"},
    {&BufferUsage::vulkan, 0x2, "VULKAN_IMAGE_USAGE_TRANSFER_DST"},
    {&BufferUsage::vulkan, 0x4, "VULKAN_IMAGE_USAGE_SAMPLED"},
    {&BufferUsage::vulkan, 0x8, "VULKAN_IMAGE_USAGE_STORAGE"},
    {&BufferUsage::vulkan, 0x10, "VULKAN_IMAGE_USAGE_COLOR_ATTACHMENT"},
    {&BufferUsage::vulkan, 0x20, "VULKAN_IMAGE_USAGE_STENCIL_ATTACHMENT"},
    {&BufferUsage::vulkan, 0x40, "VULKAN_IMAGE_USAGE_TRANSIENT_ATTACHMENT"},
    {&BufferUsage::vulkan, 0x80, "VULKAN_IMAGE_USAGE_INPUT_ATTACHMENT"},
    {&BufferUsage::vulkan, 0x10000, "VULKAN_BUFFER_USAGE_TRANSFER_SRC"},
    {&BufferUsage::vulkan, 0x20000, "VULKAN_BUFFER_USAGE_TRANSFER_DST"},
    {&BufferUsage::vulkan, 0x40000, "VULKAN_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER"},
    {&BufferUsage::vulkan, 0x80000, "VULKAN_BUFFER_USAGE_STORAGE_TEXEL_BUFFER"},
    {&BufferUsage::vulkan, 0x100000, "VULKAN_BUFFER_USAGE_UNIFORM_BUFFER"},
    {&BufferUsage::vulkan, 0x200000, "VULKAN_BUFFER_USAGE_STORAGE_BUFFER"},
    {&BufferUsage::vulkan, 0x400000, "VULKAN_BUFFER_USAGE_INDEX_BUFFER"},
    {&BufferUsage::vulkan, 0x800000, "VULKAN_BUFFER_USAGE_VERTEX_BUFFER"},
    {&BufferUsage::vulkan, 0x1000000, "VULKAN_BUFFER_USAGE_INDIRECT_BUFFER"},
    {&BufferUsage::display, 1, "DISPLAY_USAGE_LAYER"},
    {&BufferUsage::display, 2, "DISPLAY_USAGE_CURSOR"},
    {&BufferUsage::video, 1, "VIDEO_USAGE_HW_DECODER"},
    {&BufferUsage::video, 2, "VIDEO_USAGE_HW_ENCODER"},
    {&BufferUsage::video, 8, "VIDEO_USAGE_CAPTURE"},
    {&BufferUsage::video, 16, "VIDEO_USAGE_DECRYPTOR_OUTPUT"},
    {&BufferUsage::video, 32, "VIDEO_USAGE_HW_DECODER_INTERNAL"},
};

struct UsageKind {
  uint32_t BufferUsage::*kind;
  const char* name;
};

constexpr UsageKind kUsageKinds[] = {{&BufferUsage::none, "none"},
                                     {&BufferUsage::cpu, "cpu"},
                                     {&BufferUsage::vulkan, "vulkan"},
                                     {&BufferUsage::display, "display"},
                                     {&BufferUsage::video, "video"}};

void AddWord(std::string& text, const std::string& word) {
  if (!text.empty()) text += ", ";
  text += word;
}

}  // namespace

std::optional<uint32_t> ParsePixelFormat(std::string_view text) {
  if (const std::optional<uint32_t> named = PixelFormatOfName(text)) return named;
  if (const std::optional<uint32_t> fourcc = FourccOfMacro(text)) return PixelFormatOfDrm(*fourcc);
  if (!StartsWith(text, kDrmPrefix)) return ParseNumber<uint32_t>(text);
  const std::optional<uint32_t> fourcc = ParseFourcc(text.substr(kDrmPrefix.size()));
  return fourcc ? PixelFormatOfDrm(*fourcc) : std::nullopt;
}

std::optional<uint64_t> ParseModifier(std::string_view text) {
  if (const std::optional<uint64_t> named = ModifierOfName(text)) return named;
  if (const std::optional<uint64_t> drm = DrmModifierOfMacro(text)) return ModifierOfDrm(*drm);
  if (!StartsWith(text, kDrmPrefix)) return ParseNumber<uint64_t>(text);
  const std::optional<uint64_t> drm = ParseNumber<uint64_t>(text.substr(kDrmPrefix.size()));
  return drm ? ModifierOfDrm(*drm) : std::nullopt;
}

std::optional<uint32_t> ParseColorSpace(std::string_view text) {
  if (const std::optional<uint32_t> named = ColorSpaceOfName(text)) return named;
  return ParseNumber<uint32_t>(text);
}

std::optional<BufferUsage> ParseUsageBit(std::string_view text) {
  for (const UsageRow& row : kUsages) {
    if (row.name != text) continue;
    BufferUsage usage;
    usage.*row.kind = row.bit;
    return usage;
  }
  return std::nullopt;
}

std::string UsageText(const BufferUsage& usage) {
  std::string text;
  BufferUsage rest = usage;
  for (const UsageRow& row : kUsages) {
    if ((usage.*row.kind & row.bit) == 0) continue;
    AddWord(text, row.name);
    rest.*row.kind &= ~row.bit;
  }
  for (const UsageKind& kind : kUsageKinds) {
    if (rest.*kind.kind == 0) continue;
    char bits[16];
    std::snprintf(bits, sizeof(bits), "0x%x", rest.*kind.kind);
    AddWord(text, std::string(kind.name) + " " + bits);
  }
  return text;
}

}  // namespace sysmem::core
