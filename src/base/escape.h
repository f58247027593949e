// SPDX-License-Identifier: Apache-2.0
//
// Text chosen by somebody else, made safe for a log line or a terminal.
//
// Letters, digits and printable Unicode stay as they are, so that an honest name stays readable.
// Escaped, in the notation of C: control characters (\n, \t, \x1b), quotation marks and backslash
// (\", \', \\), bytes that are not valid UTF-8 (\xff), and the Unicode characters that move the
// cursor or turn the direction of writing (\u{202e}). The result is valid UTF-8 on one line, and no
// two different texts give the same result.
//
// Thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace sysmem::base {

std::string Escape(std::string_view text);

// Escape(text) between double quotes.
std::string Quote(std::string_view text);

// As Escape, but quotation marks stay as they are: for a sentence that has some of its own.
std::string EscapeSentence(std::string_view text);

// The longest beginning of `text` that is at most `max_bytes` long and does not cut a UTF-8
// character in two. Bytes that are no UTF-8 count as characters of their own.
std::string_view CutToBytes(std::string_view text, size_t max_bytes);

}  // namespace sysmem::base
