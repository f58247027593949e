// SPDX-License-Identifier: Apache-2.0
//
// Strings of the program that go out on the wire must be UTF-8: a request with one that is not
// cannot be parsed by the daemon.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "client/failure.h"

namespace sysmem::client {

bool IsUtf8(std::string_view text);
// `text` with every byte that is not part of UTF-8 replaced by '?'.
std::string ValidUtf8(std::string_view text);

// Why `text` cannot be sent as `field`: NULL, not UTF-8 or longer than `max_bytes`.
std::optional<Failure> CheckText(const char* text, std::string_view field, size_t max_bytes);

}  // namespace sysmem::client
