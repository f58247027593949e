// SPDX-License-Identifier: Apache-2.0
#include "core/format_names.h"

#include <charconv>

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

std::optional<PixelFormatAndModifier> ParsePair(std::string_view text) {
  const size_t blank = text.find(' ');
  const std::optional<uint32_t> format = ParsePixelFormat(text.substr(0, blank));
  const std::optional<uint64_t> modifier =
      blank == std::string_view::npos ? modifier::kLinear : ParseModifier(text.substr(blank + 1));
  if (!format || !modifier) return std::nullopt;
  return PixelFormatAndModifier{*format, *modifier};
}

}  // namespace sysmem::core
