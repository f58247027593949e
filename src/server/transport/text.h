// SPDX-License-Identifier: Apache-2.0
//
// Text on its way into a protobuf string, which must be valid UTF-8: whoever receives another one
// cannot parse the message at all. Names of processes and names that were cut may not be.
#pragma once

#include <string>
#include <string_view>

namespace sysmem::server::transport {

// `text`, with U+FFFD in place of every byte that is no part of a UTF-8 character.
std::string ValidUtf8(std::string_view text);

// The same, cut to at most `max_bytes` between two characters.
std::string ValidUtf8(std::string_view text, size_t max_bytes);

}  // namespace sysmem::server::transport
