// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sysmem::base {
namespace {

struct Character {
  size_t bytes = 1;
  bool valid = false;       // well-formed UTF-8; else one stray byte
  char32_t code_point = 0;  // meaningful when valid
};

uint8_t ByteAt(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

// What the first byte of a sequence promises (RFC 3629). `smallest` catches forms longer than
// needed.
struct Lead {
  size_t bytes;
  char32_t bits;
  char32_t smallest;
};
Lead ReadLead(uint8_t byte) {
  if (byte < 0x80) return {.bytes = 1, .bits = byte, .smallest = 0};
  if ((byte & 0xE0) == 0xC0) return {.bytes = 2, .bits = byte & 0x1FU, .smallest = 0x80};
  if ((byte & 0xF0) == 0xE0) return {.bytes = 3, .bits = byte & 0x0FU, .smallest = 0x800};
  if ((byte & 0xF8) == 0xF0) return {.bytes = 4, .bits = byte & 0x07U, .smallest = 0x10000};
  return {.bytes = 0, .bits = 0, .smallest = 0};
}

// REQUIRES: !text.empty().
Character NextCharacter(std::string_view text) {
  const Lead lead = ReadLead(ByteAt(text, 0));
  if (lead.bytes == 0 || lead.bytes > text.size()) return {};
  char32_t code_point = lead.bits;
  for (size_t i = 1; i < lead.bytes; ++i) {
    if ((ByteAt(text, i) & 0xC0) != 0x80) return {};
    code_point = (code_point << 6) | (ByteAt(text, i) & 0x3FU);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < lead.smallest || surrogate || code_point > 0x10FFFF) return {};
  return {.bytes = lead.bytes, .valid = true, .code_point = code_point};
}

// Characters beyond ASCII that do something other than show a sign.
struct Range {
  char32_t first;
  char32_t last;
};
constexpr Range kActing[] = {
    {0x80, 0x9F},        // C1 controls; 0x9B starts terminal commands
    {0xAD, 0xAD},        // soft hyphen
    {0x61C, 0x61C},      // Arabic letter mark
    {0x200B, 0x200F},    // no-width characters, direction marks
    {0x2028, 0x202E},    // line and paragraph separator, direction embeddings and overrides
    {0x2060, 0x206F},    // joiners, direction isolates, deprecated formats
    {0xFEFF, 0xFEFF},    // byte order mark
    {0xFFF9, 0xFFFB},    // interlinear annotation
    {0xE0000, 0xE0FFF},  // tags and more selectors
};

bool Acts(char32_t code_point) {
  for (const Range& range : kActing) {
    if (code_point >= range.first && code_point <= range.last) return true;
  }
  return false;
}

std::string EscapeAscii(char character) {
  switch (character) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\\':
    case '"':
    case '\'':
      return {'\\', character};
    default:
      break;
  }
  if (character < 0x20 || character == 0x7F) {
    return absl::StrFormat("\\x%02x", static_cast<unsigned>(character));
  }
  return {character};
}

std::string EscapeCharacter(const Character& character, std::string_view bytes) {
  if (!character.valid) return absl::StrFormat("\\x%02x", unsigned{ByteAt(bytes, 0)});
  if (character.bytes == 1) return EscapeAscii(bytes[0]);
  if (!Acts(character.code_point)) return std::string(bytes);
  return absl::StrFormat("\\u{%x}", static_cast<uint32_t>(character.code_point));
}

}  // namespace

std::string Escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const Character character = NextCharacter(text);
    escaped += EscapeCharacter(character, text.substr(0, character.bytes));
    text.remove_prefix(character.bytes);
  }
  return escaped;
}

std::string Quote(std::string_view text) { return absl::StrCat("\"", Escape(text), "\""); }

std::string EscapeSentence(std::string_view text) {
  std::string sentence;
  while (true) {
    const size_t quote = text.find_first_of("\"'");
    sentence += Escape(text.substr(0, quote));
    if (quote == std::string_view::npos) return sentence;
    sentence += text[quote];
    text.remove_prefix(quote + 1);
  }
}

std::string_view CutToBytes(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t kept = 0;
  while (true) {
    const size_t bytes = NextCharacter(text.substr(kept)).bytes;
    if (kept + bytes > max_bytes) return text.substr(0, kept);
    kept += bytes;
  }
}

}  // namespace sysmem::base
