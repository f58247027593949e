// SPDX-License-Identifier: Apache-2.0
#include "client/text.h"

#include <cstdint>

namespace sysmem::client {
namespace {

// Length of the UTF-8 character at the front of `text`; 0 if there is none. (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF.)
size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](size_t i) -> uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const uint32_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4) return 0;
  uint32_t code = first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  const uint32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return code >= smallest && code <= 0x10ffff && !surrogate ? length : 0;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = CharacterBytes(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t length = CharacterBytes(text);
    valid += length == 0 ? std::string_view("?") : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return valid;
}

std::optional<Failure> CheckText(const char* text, std::string_view field, size_t max_bytes) {
  if (text == nullptr) return InvalidArgument(field, "the text is NULL");
  const std::string_view view = text;
  if (!IsUtf8(view)) return InvalidArgument(field, "the text is not UTF-8");
  if (view.size() <= max_bytes) return std::nullopt;
  return InvalidArgument(field, "the text has " + std::to_string(view.size()) + " bytes; at most " +
                                    std::to_string(max_bytes) + " are allowed");
}

}  // namespace sysmem::client
