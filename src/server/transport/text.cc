// SPDX-License-Identifier: Apache-2.0
#include "server/transport/text.h"

#include <cstdint>

#include "base/escape.h"

namespace sysmem::server::transport {
namespace {

// What may follow the first byte of a character; from the table of well-formed byte sequences in
// the Unicode standard. The bytes after the second are always 0x80 to 0xBF.
struct Lead {
  uint8_t first, last;                // of the first byte
  size_t length;                      // of the character
  uint8_t second_first, second_last;  // of the second byte
};
constexpr Lead kLeads[] = {
    {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF}, {0xE1, 0xEC, 3, 0x80, 0xBF},
    {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF}, {0xF0, 0xF0, 4, 0x90, 0xBF},
    {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F},
};

uint8_t ByteAt(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

bool IsIn(uint8_t byte, uint8_t first, uint8_t last) { return first <= byte && byte <= last; }

// Bytes of the character at the front of `text`; 0 if there is none. REQUIRES: !text.empty().
size_t CharacterLength(std::string_view text) {
  const uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return 1;
  for (const Lead& lead : kLeads) {
    if (!IsIn(first, lead.first, lead.last)) continue;
    if (text.size() < lead.length) return 0;
    if (!IsIn(ByteAt(text, 1), lead.second_first, lead.second_last)) return 0;
    for (size_t i = 2; i < lead.length; ++i) {
      if (!IsIn(ByteAt(text, i), 0x80, 0xBF)) return 0;
    }
    return lead.length;
  }
  return 0;
}

}  // namespace

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    valid += length > 0 ? text.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    text.remove_prefix(length > 0 ? length : 1);
  }
  return valid;
}

std::string ValidUtf8(std::string_view text, size_t max_bytes) {
  return std::string(base::CutToBytes(ValidUtf8(text), max_bytes));
}

}  // namespace sysmem::server::transport
