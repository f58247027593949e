// SPDX-License-Identifier: Apache-2.0
//
// Presence on the wire is a pair of functions, has_x() and x(); here it is a std::optional.
#pragma once

#include <optional>

namespace sysmem::server::transport {

template <typename Value>
std::optional<Value> IfSet(bool has, const Value& value) {
  return has ? std::optional<Value>(value) : std::nullopt;
}

// The handle that every message to a node has.
template <typename Request>
auto HandleOf(const Request& request) {
  return IfSet(request.has_handle(), request.handle());
}

}  // namespace sysmem::server::transport
